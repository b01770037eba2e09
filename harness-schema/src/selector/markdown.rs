//! Places in Markdown: sections by their headings, the body, and values of front matter.

use unicode_normalization::UnicodeNormalization as _;

use super::data::Place;
use super::{Candidate, DataFormat, Resolved, Selector, Unresolved, close_to, without_blank_lines};
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
    let same = named(tree, &wanted);
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

/// The headings whose path ends with `wanted`, which is folded. Most differ in their own title, so that the way to them is
/// not walked.
fn named(tree: &Markdown, wanted: &[String]) -> Vec<usize> {
    let Some((last, above)) = wanted.split_last() else { return Vec::new() };
    let is_below = |at: usize| {
        let way = ancestors(tree, at);
        let way = way.split_last().map_or(&[][..], |(_, above)| above);
        let end = way.len().checked_sub(above.len()).and_then(|start| way.get(start..));
        end.is_some_and(|end| end.iter().zip(above).all(|(heading, title)| heading.title == *title))
    };
    // Titles are folded when they are read; those of most headings differ already.
    let same = tree.headings.iter().enumerate().filter(|(_, heading)| heading.title == *last);
    same.map(|(at, _)| at).filter(|at| above.is_empty() || is_below(*at)).collect()
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
    // A right title below the wrong parents is near, too.
    let exact = tree.headings.iter().enumerate().filter(|(at, _)| titles.get(*at) == Some(&last));
    let full = |at: usize| -> Vec<String> {
        ancestors(tree, at).into_iter().map(|heading| heading.title.clone()).collect()
    };
    let mut close: Vec<Vec<String>> = exact.map(|(at, _)| full(at)).collect();
    let others = titles.iter().map(String::as_str).filter(|title| *title != last);
    let swapped = close_to(&last, others).map(|title| {
        let above = path.split_last().map_or(&[][..], |(_, above)| above);
        (title, above.iter().cloned().chain([title.to_owned()]).collect::<Vec<String>>())
    });
    // Below the parents that were named, before a title that is only near.
    let (here, elsewhere): (Vec<_>, Vec<_>) = swapped.partition(|(_, path)| {
        let wanted: Vec<String> = path.iter().map(|title| folded(title)).collect();
        !named(tree, &wanted).is_empty()
    });
    close.extend(here.into_iter().map(|(_, path)| path));
    let places = elsewhere.iter().filter_map(|(title, _)| titles.iter().position(|other| other == title));
    close.extend(places.map(full));
    let near = close.into_iter().map(|titles| {
        let name =
            if path.len() < 2 { titles.last().cloned().unwrap_or_default() } else { titles.join(" / ") };
        (name, Selector::Section { path: titles, occurrence: None })
    });
    Unresolved::Nothing { what: format!("section `{shown}`"), near: near.collect() }
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
