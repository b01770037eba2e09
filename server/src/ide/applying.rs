//! Puts exactly what was validated into the texts of now. Where a text is the one that was validated, it becomes the whole new
//! text; where only other parts changed, each surface that the edit changes is found again by its selector and must hold the value
//! that was validated. Else nothing is applied, and the reason names the line.

use std::collections::BTreeMap;
use std::sync::Arc;

use harness_schema::edit;
use harness_schema::harness::{Harness, Place, Placed};
use harness_schema::path::FilePath;
use harness_schema::problem::Change;
use harness_schema::selector::{Form, Resolved};
use harness_schema::syntax::{Document, Syntax};
use harness_schema::text::{Span, TextEdit, apply_all};

use super::actions::differences;
use super::anchor::{Anchor, Moves};
use crate::engine::board::{Accepted, Texts};
use crate::engine::proposal::guard;
use crate::workspace::Project;

/// The texts of a harness after an edit, whole.
pub type Files = BTreeMap<FilePath, String>;

/// The changes that make what was validated of the texts of now; none if it is in them already.
///
/// # Errors
/// Why that cannot be: `your edit at line 41 changed the text that was validated`.
pub fn resolve(project: &Project, accepted: &Accepted) -> Result<Vec<Change>, String> {
    of_files(project, &accepted.base, &accepted.files)
}

/// The same of any edit, as the texts before it and the files after it.
///
/// # Errors
/// As [`resolve`].
pub fn of_files(project: &Project, base: &Texts, files: &Files) -> Result<Vec<Change>, String> {
    let harness = project.harness();
    // New files come first: what names them finds them.
    let (mut created, mut changes) = (Vec::new(), Vec::new());
    let mut after = Files::new();
    for (file, result) in files {
        let now = harness.files().document(file);
        match (base.get(file), now) {
            (None, None) if harness.files().is_file(file) => {
                return Err(format!("`{file}` is there already, and is not the text that was validated"));
            }
            (None, None) => {
                after.insert(file.clone(), result.clone());
                created.push(Change::Create { file: file.clone(), text: result.clone() });
            }
            (_, Some(now)) if now.source() == result => {}
            (None, Some(_)) => {
                return Err(format!("`{file}` is there already, and is not the text that was validated"));
            }
            (Some(_), None) => return Err(format!("`{file}` is not there any more")),
            (Some(before), Some(now)) => {
                let edits = if now.source() == before {
                    differences(before, result)
                } else {
                    let text = Three { harness, file, before, result, now };
                    text.edits()?
                };
                let text = apply_all(now.source(), &edits).unwrap_or_default();
                after.insert(file.clone(), text);
                let edits =
                    edits.into_iter().filter(|edit| !edit.span.is_empty() || !edit.new_text.is_empty());
                changes.extend(edits.map(|edit| Change::Edit { file: file.clone(), edit }));
            }
        }
    }
    unharmed(harness, &after)?;
    created.extend(changes);
    Ok(created)
}

/// Whether the texts of now hold an edit already, with or without other edits.
#[must_use]
pub fn is_in(project: &Project, base: &Texts, files: &Files) -> bool {
    let harness = project.harness();
    let is_in = |(file, result): (&FilePath, &String)| {
        let Some(now) = harness.files().document(file) else { return false };
        match base.get(file) {
            _ if now.source() == result => true,
            None => false,
            Some(before) if now.source() == before => false,
            Some(before) => Three { harness, file, before, result, now }.is_in(),
        }
    };
    !files.is_empty() && files.iter().all(is_in)
}

/// The line of now where an edit acts in a file, and whether the text there is the one that it was made for. `None` if it acts
/// elsewhere.
#[must_use]
pub fn place(project: &Project, file: &FilePath, base: &Texts, files: &Files) -> Option<Anchor> {
    let (before, result) = (base.get(file)?, files.get(file)?);
    let now = project.harness().files().document(file)?;
    let first = differences(before, result).into_iter().next()?;
    let line = line_of(before, first.span);
    // What was applied stands in the text of the result.
    if now.source() == result {
        let start = first.span.start as usize;
        return Some(Anchor::Kept(line_of(result, Span::new(start, start + first.new_text.len()))));
    }
    let anchor = Moves::of(before, now.source()).follow(line);
    Some(match anchor {
        Anchor::Kept(span) => Anchor::Kept(line_of(now.source(), span)),
        Anchor::Changed(span) => Anchor::Changed(line_of(now.source(), span)),
    })
}

/// The first line of a place, without its end. Of an empty line the nearest one above that is none.
pub(super) fn line_of(text: &str, span: Span) -> Span {
    let mut start = span.start as usize;
    loop {
        let head = text.get(..start).unwrap_or_default();
        let from = head.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let rest = text.get(from..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        if !line.trim().is_empty() || from == 0 {
            let indent = line.len() - line.trim_start().len();
            return Span::new(from + indent, from + line.trim_end().len().max(indent));
        }
        start = from - 1;
    }
}

/// One file: as it was, as the edit made it, and as it is now.
#[derive(Clone, Copy)]
struct Three<'a> {
    harness: &'a Harness,
    file: &'a FilePath,
    before: &'a str,
    result: &'a str,
    now: &'a Arc<Document>,
}

/// A place of a surface that the edit gives another value.
struct Spot<'a> {
    placed: &'a Placed,
    place: &'a Place,
    before: Resolved,
    after: Resolved,
}

impl Three<'_> {
    fn document(&self, text: &str) -> Arc<Document> {
        Document::new(self.file.clone(), text.into())
    }

    /// The places that have another value afterwards, the innermost first; none inside of another one.
    fn spots(&self) -> Vec<Spot<'_>> {
        let (before, result) = (self.document(self.before), self.document(self.result));
        let all = self.harness.surfaces().iter().flat_map(|placed| {
            let places = placed.places.iter().filter(|place| place.target == *self.file);
            places.map(move |place| (placed, place))
        });
        let mut spots: Vec<Spot<'_>> = all
            .filter_map(|(placed, place)| {
                let before = place.selector.resolve(&before).ok()?;
                let after = place.selector.resolve(&result).ok()?;
                let is_append = matches!(before.form, Form::Append { .. });
                (!is_append && before.value != after.value).then_some(Spot { placed, place, before, after })
            })
            .collect();
        spots.sort_by_key(|spot| (spot.before.span.len(), spot.before.span));
        let mut chosen: Vec<Spot<'_>> = Vec::new();
        for spot in spots {
            let meets = |other: &Spot<'_>| {
                other.before.span.overlaps(spot.before.span) || other.before.span == spot.before.span
            };
            if !chosen.iter().any(meets) {
                chosen.push(spot);
            }
        }
        chosen
    }

    /// The edits of the text of now.
    fn edits(&self) -> Result<Vec<TextEdit>, String> {
        let spots = self.spots();
        let moves = Moves::of(self.before, self.now.source());
        for spot in &spots {
            let resolved = spot.place.selector.resolve(self.now);
            let is_known = |now: &Resolved| now.value == spot.before.value || now.value == spot.after.value;
            if !resolved.as_ref().is_ok_and(is_known) {
                let at = resolved.map_or_else(|_| moves.follow(spot.before.span).span(), |now| now.span);
                return Err(stale(moves.edited_line(at)));
            }
        }
        let again = self.written(&self.document(self.before), &spots);
        if spots.is_empty() || again.is_none_or(|text| text != self.result) {
            return self.at_lines(&moves);
        }
        match self.written(self.now, &spots) {
            Some(text) => Ok(differences(self.now.source(), &text)),
            None => Err(stale(moves.edited_line(Span::new(0, self.now.source().len())))),
        }
    }

    /// A text with the values of the places afterwards, by the writers that prove that nothing else changes.
    fn written(&self, start: &Arc<Document>, spots: &[Spot<'_>]) -> Option<String> {
        let mut document = Arc::clone(start);
        for spot in spots {
            let resolved = spot.place.selector.resolve(&document).ok()?;
            if resolved.value == spot.after.value {
                continue;
            }
            let edit =
                edit::write(&document, &resolved, &spot.placed.surface.limits, &spot.after.value).ok()?;
            let text = apply_all(document.source(), &[edit])?;
            document = self.document(&text);
        }
        Some(document.source().to_owned())
    }

    /// What is new, and no value of a surface that was there: at the same lines, if nobody touched them.
    fn at_lines(&self, moves: &Moves) -> Result<Vec<TextEdit>, String> {
        let edits = differences(self.before, self.result).into_iter().map(|edit| {
            let lines = lines_around(self.before, edit.span);
            match moves.follow(lines) {
                Anchor::Kept(now) => {
                    let offset = edit.span.start - lines.start;
                    let start = (now.start + offset) as usize;
                    let span = Span::new(start, start + edit.span.len());
                    // Ends of lines may have changed with nobody's edit.
                    let is_same = span.of(self.now.source()) == edit.span.of(self.before);
                    is_same
                        .then_some(TextEdit { span, new_text: self.with_line_ends(&edit.new_text) })
                        .ok_or_else(|| stale(moves.edited_line(now)))
                }
                Anchor::Changed(now) => Err(stale(moves.edited_line(now))),
            }
        });
        edits.collect()
    }

    fn with_line_ends(&self, text: &str) -> String {
        match self.now.text().line_ending() {
            "\n" => text.to_owned(),
            end => text.replace("\r\n", "\n").replace('\n', end),
        }
    }

    fn is_in(&self) -> bool {
        let spots = self.spots();
        if spots.is_empty() {
            let added = differences(self.before, self.result).into_iter().map(|edit| edit.new_text);
            let mut added = added.filter(|text| !text.trim().is_empty()).peekable();
            let now = self.now.source();
            return added.peek().is_some()
                && added
                    .all(|text| now.matches(text.trim()).count() > self.before.matches(text.trim()).count());
        }
        spots
            .iter()
            .all(|spot| spot.place.selector.resolve(self.now).is_ok_and(|now| now.value == spot.after.value))
    }
}

/// The whole lines that an edit touches.
fn lines_around(text: &str, span: Span) -> Span {
    let start =
        text.get(..span.start as usize).and_then(|head| head.rfind(['\n', '\r'])).map_or(0, |at| at + 1);
    let rest = text.get(span.end as usize..).unwrap_or_default();
    let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
    Span::new(start, span.end as usize + end)
}

/// What is executed stays what it is, and every file that parsed still parses, whatever else was edited.
fn unharmed(harness: &Harness, after: &Files) -> Result<(), String> {
    if after.is_empty() {
        return Ok(());
    }
    let candidate = guard::candidate(harness, after);
    let breaks = after.keys().find(|file| {
        let errors = |harness: &Harness| {
            harness.document(file).map_or(0, |document| match document.syntax() {
                Syntax::Data(tree) => tree.errors.len(),
                _ => 0,
            })
        };
        errors(harness) < errors(&candidate)
    });
    if let Some(file) = breaks {
        return Err(format!("with your edits `{file}` would not parse"));
    }
    let executed = |harness: &Harness| harness.executed(|_| None);
    if executed(harness) != executed(&candidate) {
        return Err(String::from("with your edits it would change what is executed"));
    }
    Ok(())
}

fn stale(line: usize) -> String {
    format!("your edit at line {line} changed the text that was validated")
}

#[cfg(test)]
mod tests;
