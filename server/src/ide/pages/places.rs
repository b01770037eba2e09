//! The places of a weakness: the lines of the harness that failed, and where they are in the texts of today.

use harness_schema::path::FilePath;
use harness_schema::text::Span;

use crate::engine::board::{Mined, Place};
use crate::ide::anchor::{self, Anchor};
use crate::ide::applying;
use crate::workspace::Project;

/// The line that a place is about, in the text that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Its text; empty where something is missing.
    pub text: &'a str,
}

/// The line of a place; `None` if its file is not known.
#[must_use]
pub fn line<'a>(mined: &'a Mined, place: &Place) -> Option<Line<'a>> {
    let text = mined.texts.get(place.file.as_ref()?)?;
    let number = text.get(..place.start)?.matches('\n').count() + 1;
    Some(Line { number, text: text.get(place.start..place.end)?.trim_end_matches(['\n', '\r']) })
}

/// How a place and its weakness belong together, in words (`editor` 3.5): `line 14 asks for this in vain`.
#[must_use]
pub fn relation(mined: &Mined, place: &Place) -> String {
    let number =
        line(mined, place).map_or_else(|| String::from("a line"), |line| format!("line {}", line.number));
    match place.relation.as_str() {
        "knob" => format!("{number} sets it"),
        "conflicting" => format!("{number} disagrees with another line"),
        "triggering" => format!("{number} may cause this"),
        "violated" => format!("{number} asks for this in vain"),
        _ => String::from("no line covers this; here one would stand"),
    }
}

/// Whether the text of a place is not any more what was measured.
#[must_use]
pub fn is_old(project: &Project, mined: &Mined, place: &Place) -> bool {
    let Some(file) = &place.file else { return false };
    let today = project.files().document(file).map(|document| document.source());
    today != mined.texts.get(file).map(String::as_str)
}

/// Where a place is today: its lines, wherever they were moved; where they were edited or are gone, the nearest line; `None` if the
/// file is gone.
#[must_use]
pub fn today(project: &Project, mined: &Mined, place: &Place) -> Option<(FilePath, Span)> {
    let file = place.file.as_ref()?;
    let now = project.files().document(file)?.source();
    let span = match anchor::follow(mined.texts.get(file)?, now, Span::new(place.start, place.end)) {
        Anchor::Kept(span) => span,
        Anchor::Changed(span) => applying::line_of(now, span),
    };
    Some((file.clone(), span))
}
