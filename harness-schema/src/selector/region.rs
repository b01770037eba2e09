//! Places between comment lines: `self-harness:begin name` and `self-harness:end name`, in any format's comments.

use super::{Candidate, Resolved, Selector, Unresolved, lines, near, whole, without_blank_lines};
use crate::syntax::Document;
use crate::text::Span;

const BEGIN: &str = "self-harness:begin";
const END: &str = "self-harness:end";

/// A region that begins and ends.
struct Region<'a> {
    name: &'a str,
    /// The lines between the marks.
    inner: Span,
    begin: u32,
}

pub(super) fn resolve(selector: &Selector, name: &str, document: &Document) -> Result<Resolved, Unresolved> {
    let regions = regions(document)?;
    let mut same = regions.iter().filter(|region| region.name == name);
    let Some(region) = same.next() else {
        let near =
            near(name, regions.iter().map(|region| region.name), |name| Selector::Region(name.to_owned()));
        return Err(Unresolved::Nothing { what: format!("region `{name}`"), near });
    };
    if same.next().is_some() {
        let same: Vec<&Region<'_>> = regions.iter().filter(|region| region.name == name).collect();
        return Err(Unresolved::Several {
            what: format!("{} regions are called `{name}`", same.len()),
            candidates: same
                .iter()
                .map(|region| Candidate {
                    span: region.inner,
                    line: super::line(document, region.begin),
                    selector: selector.clone(),
                })
                .collect(),
        });
    }
    Ok(selector.text(document, without_blank_lines(document.source(), region.inner)))
}

/// The regions of a text, in the order of their ends.
fn regions(document: &Document) -> Result<Vec<Region<'_>>, Unresolved> {
    let source = document.source();
    let mut open: Vec<(&str, usize, usize)> = Vec::new();
    let mut found = Vec::new();
    let mut start = whole(document).start as usize;
    for line in lines(source.get(start..).unwrap_or_default()) {
        let end = start + line.len();
        if let Some(name) = mark(line, BEGIN) {
            open.push((name, start, end));
        } else if let Some(name) = mark(line, END) {
            match open.pop() {
                Some((opened, begin, inner)) if opened == name => {
                    let begin = Span::at(begin).start;
                    found.push(Region { name, inner: Span::new(inner, start), begin });
                }
                _ => {
                    let line = super::line(document, Span::at(start).start);
                    return Err(Unresolved::Refused(format!(
                        "line {line} ends region `{name}`, which is not open"
                    )));
                }
            }
        }
        start = end;
    }
    match open.last() {
        Some((name, begin, _)) => {
            let line = super::line(document, Span::at(*begin).start);
            Err(Unresolved::Refused(format!("region `{name}` of line {line} is never closed")))
        }
        None => Ok(found),
    }
}

/// The names of all regions, in the order of their ends; none if the marks of the text do not fit together.
pub(super) fn names(document: &Document) -> Vec<&str> {
    regions(document).map(|regions| regions.iter().map(|region| region.name).collect()).unwrap_or_default()
}

/// The names of the regions whose marks are not all inside of `place`, each with how many regions of the text have that
/// name; none if the marks of the text do not fit together.
pub(crate) fn regions_outside(document: &Document, place: Span) -> Option<Vec<(&str, usize)>> {
    let regions = regions(document).ok()?;
    let count = |name: &str| regions.iter().filter(|region| region.name == name).count();
    let outside =
        regions.iter().filter(|region| !place.contains(Span { start: region.begin, ..region.inner }));
    Some(outside.map(|region| (region.name, count(region.name))).collect())
}

/// The name after a mark, if the line is a comment that holds nothing else.
fn mark<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let (before, after) = line.split_once(mark)?;
    let opens = ["#", "//", "--", ";", "<!--", "/*", "*", "{#", "%", "\"\"\"", "'"];
    let before = before.trim();
    if !opens.contains(&before) {
        return None;
    }
    let mut words = after.split_whitespace();
    let name = words.next()?;
    let closes =
        words.next().is_none_or(|close| ["-->", "*/", "#}"].contains(&close)) && words.next().is_none();
    closes.then_some(name)
}
