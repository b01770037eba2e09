//! Places in Markdown: sections by their headings, the body, and values of front matter.

use unicode_normalization::UnicodeNormalization as _;

use super::data::Place;
use super::{Candidate, DataFormat, Resolved, Selector, Unresolved, near, without_blank_lines};
use crate::syntax::markdown::{Heading, Tree as Markdown};
use crate::syntax::{Document, Format, Syntax};

pub(super) fn resolve(selector: &Selector, document: &Document) -> Result<Resolved, Unresolved> {
    let parsed;
    let tree = match document.syntax() {
        Syntax::Markdown(tree) => tree,
        // A file without a known extension is read as the selector says.
        Syntax::Plain if document.format() == Format::Plain => {
            parsed = Markdown::parse(document.source());
            &parsed
        }
        _ => return Err(selector.wrong_format(document)),
    };
    match selector {
        Selector::Section { path, occurrence } => section(selector, path, *occurrence, tree, document),
        Selector::FrontMatter { steps, append } => {
            let data = tree.front_matter.as_ref().map(|front_matter| &*front_matter.data);
            let data = data
                .ok_or_else(|| Unresolved::Nothing { what: "front matter".to_owned(), near: Vec::new() })?;
            Place { selector, format: DataFormat::Yaml, steps, append: *append }.resolve_in(document, data)
        }
        _ => Ok(selector.text(document, without_blank_lines(document.source(), tree.body))),
    }
}

fn section(
    selector: &Selector,
    path: &[String],
    occurrence: Option<usize>,
    tree: &Markdown,
    document: &Document,
) -> Result<Resolved, Unresolved> {
    let source = document.source();
    let wanted: Vec<String> = path.iter().map(|title| folded(title)).collect();
    let titles: Vec<&String> = wanted.iter().collect();
    // Titles are folded when they are read; of most headings the own one already differs.
    let is_meant = |at: &usize| {
        let own = tree.headings.get(*at).map(|heading| &heading.title);
        let above = || ancestors(tree, *at).into_iter().map(|heading| &heading.title);
        own == wanted.last() && (wanted.len() == 1 || above().collect::<Vec<_>>().ends_with(&titles))
    };
    let same: Vec<usize> = (0..tree.headings.len()).filter(is_meant).collect();
    let heading = |at: &usize| tree.headings.get(*at);
    let chosen = match (occurrence, same.as_slice()) {
        (Some(number), several) => several.get(number - 1),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, several) => {
            let title = path.last().map(String::as_str).unwrap_or_default();
            let paths = paths(tree);
            let candidates = several.iter().enumerate().filter_map(|(number, at)| {
                let heading = heading(at)?;
                Some(Candidate {
                    span: heading.span,
                    line: super::line(document, heading.span.start),
                    selector: alone(*at, number + 1, tree, &paths, path),
                })
            });
            return Err(Unresolved::Several {
                what: format!("{} sections are called `{title}`", several.len()),
                candidates: candidates.collect(),
            });
        }
    };
    match chosen.and_then(heading) {
        Some(heading) => Ok(selector.text(document, without_blank_lines(source, heading.section))),
        None => Err(nothing(path, occurrence, same.len(), tree)),
    }
}

/// A selector for the heading `at` alone: its full path if no other has that, else its occurrence.
fn alone(at: usize, number: usize, tree: &Markdown, paths: &[Vec<String>], path: &[String]) -> Selector {
    let full = paths.get(at).map(Vec::as_slice).unwrap_or_default();
    let once = paths.iter().filter(|path| path.ends_with(full)).count() == 1;
    let titles = ancestors(tree, at).into_iter().map(|heading| heading.title.clone()).collect();
    match once {
        true => Selector::Section { path: titles, occurrence: None },
        false => Selector::Section { path: path.to_vec(), occurrence: Some(number) },
    }
}

fn nothing(path: &[String], occurrence: Option<usize>, found: usize, tree: &Markdown) -> Unresolved {
    let shown = path.join(" / ");
    if let Some(number) = occurrence
        && 0 < found
    {
        let what = format!("occurrence {number} of section `{shown}` (there are {found})");
        return Unresolved::Nothing { what, near: Vec::new() };
    }
    let last = path.last().map(|title| folded(title)).unwrap_or_default();
    let titles: Vec<String> = tree.headings.iter().map(|heading| folded(&heading.title)).collect();
    let all = paths(tree);
    // A right title below the wrong parents is near, too.
    let exact = tree.headings.iter().enumerate().filter(|(at, _)| titles.get(*at) == Some(&last));
    let mut close: Vec<(String, Selector)> = exact
        .map(|(at, heading)| {
            let path = ancestors(tree, at).into_iter().map(|heading| heading.title.clone()).collect();
            (heading.title.clone(), Selector::Section { path, occurrence: None })
        })
        .collect();
    // Below the parents that are written, only what is there.
    let above: Vec<String> = path.iter().rev().skip(1).rev().map(|title| folded(title)).collect();
    let is_below = |at: usize| above.is_empty() || all.get(at).is_some_and(|path| ends_below(path, &above));
    let below = titles.iter().enumerate().filter(|(at, title)| **title != last && is_below(*at));
    close.extend(near(&last, below.map(|(_, title)| title.as_str()), |title| {
        let mut path = path.to_vec();
        if let Some(old) = path.last_mut() {
            title.clone_into(old);
        }
        Selector::Section { path, occurrence: None }
    }));
    Unresolved::Nothing { what: format!("section `{shown}`"), near: close }
}

/// Whether a heading's path has these titles above its own.
fn ends_below(path: &[String], above: &[String]) -> bool {
    path.split_last().is_some_and(|(_, parents)| parents.ends_with(above))
}

/// The heading path of each heading, outermost first, itself last, as it is compared.
pub(crate) fn paths(tree: &Markdown) -> Vec<Vec<String>> {
    let mut open: Vec<(u8, String)> = Vec::new();
    let mut paths = Vec::with_capacity(tree.headings.len());
    for heading in &tree.headings {
        while open.last().is_some_and(|(level, _)| heading.level <= *level) {
            open.pop();
        }
        open.push((heading.level, folded(&heading.title)));
        paths.push(open.iter().map(|(_, title)| title.clone()).collect());
    }
    paths
}

/// A heading's ancestors, outermost first, and itself.
fn ancestors(tree: &Markdown, at: usize) -> Vec<&Heading> {
    let mut found: Vec<&Heading> = Vec::new();
    for heading in tree.headings.iter().take(at + 1).rev() {
        if found.last().is_none_or(|inner| heading.level < inner.level) {
            found.push(heading);
        }
    }
    found.reverse();
    found
}

/// A title as it is compared: after NFC, with blanks folded.
fn folded(title: &str) -> String {
    title.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
