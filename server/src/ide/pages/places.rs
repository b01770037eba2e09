//! The places of a weakness: the lines of the harness that failed, and where they are in the texts of today.

use harness_schema::path::FilePath;
use harness_schema::text::Span;

use crate::engine::board::{Mined, Place};
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

/// Where a place is today: at its line where that stands exactly once, else at its surface, else at the head of its file; `None` if
/// the file is gone.
#[must_use]
pub fn today(project: &Project, mined: &Mined, place: &Place) -> Option<(FilePath, Span)> {
    let file = place.file.as_ref()?;
    let source = project.files().document(file)?.source();
    if !is_old(project, mined, place) {
        return Some((file.clone(), Span::new(place.start, place.end)));
    }
    let wanted = line(mined, place).map_or("", |line| line.text);
    let span = only(source, wanted).or_else(|| {
        let surface = project.harness().surface(&place.surface)?;
        let (_, span) = surface.spans().find(|(of, _)| *of == file)?;
        // The head of it: all of a prompt is no place.
        let length = span.of(source).lines().next().map_or(0, str::len);
        Some(Span::new(span.range().start, span.range().start + length))
    });
    Some((file.clone(), span.unwrap_or_else(|| Span::at(0))))
}

/// The only place of a line in a text, where it stands alone between blanks.
fn only(source: &str, line: &str) -> Option<Span> {
    let is_alone = |start: usize| {
        let before = source.get(..start).map(|before| before.trim_end_matches([' ', '\t']));
        let behind = source.get(start + line.len()..).map(|behind| behind.trim_start_matches([' ', '\t']));
        before.is_some_and(|before| before.is_empty() || before.ends_with('\n'))
            && behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['\n', '\r']))
    };
    let all = source.match_indices(line).map(|(start, _)| start);
    let mut found = all.filter(|start| !line.trim().is_empty() && is_alone(*start));
    let start = found.next()?;
    found.next().is_none().then(|| Span::new(start, start + line.len()))
}
