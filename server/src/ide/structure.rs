//! What can be folded, and what an extending selection takes next.

use harness_schema::syntax::data::{Kind, Style, Value};
use harness_schema::syntax::python::Item;
use harness_schema::syntax::{Document, Syntax};
use harness_schema::text::Span;

use super::headers::Headers;
use crate::workspace::Site;

/// A part that can be folded, from its first to its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fold {
    /// The first line, from zero.
    pub first: usize,
    /// The last line.
    pub last: usize,
    /// Whether it is a comment.
    pub comment: bool,
}

/// What can be folded, outer parts first.
#[must_use]
pub fn folds(site: &Site) -> Vec<Fold> {
    let Some(document) = site.project.harness().document(&site.file) else { return Vec::new() };
    let mut spans: Vec<(Span, bool)> = Vec::new();
    match document.syntax() {
        Syntax::Data(tree) => {
            data(&tree.root, true, &mut spans);
            spans.extend(Headers::of(document).blocks(document).into_iter().map(|block| (block, false)));
            spans.extend(comments(document, &tree.comments).into_iter().map(|span| (span, true)));
        }
        Syntax::Markdown(tree) => {
            spans.extend(tree.headings.iter().map(|heading| (heading.span.cover(heading.section), false)));
            spans.extend(tree.fences.iter().map(|fence| (fence.span, false)));
            spans.extend(tree.comments.iter().map(|span| (*span, true)));
            spans.extend(tree.front_matter.iter().map(|front| (front.span, false)));
        }
        Syntax::Python(tree) => tree.items.iter().for_each(|item| python(item, &mut spans)),
        Syntax::Plain => {}
    }
    let mut folds: Vec<Fold> =
        spans.into_iter().filter_map(|(span, comment)| fold(document, span, comment)).collect();
    folds.sort_by_key(|fold| (fold.first, std::cmp::Reverse(fold.last), fold.comment));
    folds.dedup_by_key(|fold| (fold.first, fold.last));
    folds
}

/// The parts around an offset, from the innermost to the whole text; each holds the one before.
#[must_use]
pub fn selections(site: &Site, offset: usize) -> Vec<Span> {
    let Some(document) = site.project.harness().document(&site.file) else { return Vec::new() };
    let source = document.source();
    let mut around = vec![Span::new(0, source.len()), word(source, offset), line(document, offset)];
    match document.syntax() {
        Syntax::Data(tree) => values(&tree.root, offset, &mut around),
        Syntax::Markdown(tree) => {
            around.extend(
                tree.headings
                    .iter()
                    .flat_map(|heading| [heading.span, heading.section, heading.span.cover(heading.section)]),
            );
            around.extend(tree.code.iter().flat_map(|code| [code.content, code.span]));
            around.extend(tree.fences.iter().flat_map(|fence| [fence.content, fence.span]));
            around.extend(tree.blocks.iter().copied());
        }
        Syntax::Python(tree) => tree.items.iter().for_each(|item| items(item, offset, &mut around)),
        Syntax::Plain => {}
    }
    around.retain(|span| span.touches(offset));
    around.sort_by_key(|span| (span.len(), span.start));
    let mut kept: Vec<Span> = Vec::new();
    for span in around {
        if kept.last().is_none_or(|last| span.contains(*last) && span != *last) {
            kept.push(span);
        }
    }
    kept
}

fn data(value: &Value, is_root: bool, spans: &mut Vec<(Span, bool)>) {
    // Where headers write a table, each of them begins a part of its own: the whole table may have others inside, and a
    // list of tables begins on the line of the first of them.
    let by_headers = match &value.kind {
        Kind::Table(table) => !table.headers.is_empty() || table.style == Style::Dotted,
        Kind::List(list) => list.style == Style::Header,
        _ => false,
    };
    if !is_root && !by_headers {
        spans.push((value.span, false));
    }
    match &value.kind {
        Kind::Table(table) => table.entries.iter().for_each(|entry| data(&entry.value, false, spans)),
        Kind::List(list) => list.items.iter().for_each(|item| data(item, false, spans)),
        _ => {}
    }
}

/// Comments that stand on lines of their own, those of neighbouring lines together.
fn comments(document: &Document, all: &[Span]) -> Vec<Span> {
    let text = document.text();
    let mut blocks: Vec<(usize, Span)> = Vec::new();
    for comment in all {
        let line = text.line_of(comment.start as usize);
        let last_line = text.line_of(comment.end as usize);
        let before = text.line_start(line)..comment.start as usize;
        if document.source().get(before).is_none_or(|before| !before.trim().is_empty()) {
            continue;
        }
        match blocks.last_mut() {
            Some((last, block)) if *last + 1 == line => (*last, block.end) = (last_line, comment.end),
            _ => blocks.push((last_line, *comment)),
        }
    }
    blocks.into_iter().map(|(_, block)| block).collect()
}

fn python(item: &Item, spans: &mut Vec<(Span, bool)>) {
    spans.push((item.span, false));
    item.children.iter().for_each(|child| python(child, spans));
}

fn items(item: &Item, offset: usize, around: &mut Vec<Span>) {
    if item.span.touches(offset) {
        around.extend([item.name_span, item.span]);
        item.children.iter().for_each(|child| items(child, offset, around));
    }
}

fn fold(document: &Document, span: Span, comment: bool) -> Option<Fold> {
    let text = document.text();
    let kept = span.of(document.source()).trim_end();
    let first = text.line_of(span.start as usize);
    let last = text.line_of(span.start as usize + kept.len());
    (first < last).then_some(Fold { first, last, comment })
}

fn values(value: &Value, offset: usize, around: &mut Vec<Span>) {
    if !value.span.touches(offset) {
        return;
    }
    around.push(value.span);
    match &value.kind {
        Kind::Table(table) => {
            for entry in table.entries.iter().filter(|entry| entry.span().touches(offset)) {
                around.extend([entry.key.span, entry.span()]);
                values(&entry.value, offset, around);
            }
        }
        Kind::List(list) => list.items.iter().for_each(|item| values(item, offset, around)),
        _ => {}
    }
}

fn word(source: &str, offset: usize) -> Span {
    let is_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
    let before = source.get(..offset).unwrap_or_default();
    let after = source.get(offset..).unwrap_or_default();
    let start = before.len()
        - before.chars().rev().take_while(|char| is_word(*char)).map(char::len_utf8).sum::<usize>();
    let end = offset + after.chars().take_while(|char| is_word(*char)).map(char::len_utf8).sum::<usize>();
    Span::new(start, end)
}

fn line(document: &Document, offset: usize) -> Span {
    document.text().line_span(document.text().line_of(offset))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;
    use harness_schema::path::FilePath;

    use super::*;
    use crate::workspace::Workspace;

    /// The first and last lines of all folds, counted from one; comments with a `#`.
    fn folded(text: &str) -> Vec<String> {
        let mut workspace = Workspace::default();
        workspace.set_project(Path::new("/p"), Files::from_texts([("harness.toml", text)]));
        let project = workspace.snapshot().project(Path::new("/p")).unwrap().clone();
        let site = Site { project, file: FilePath::parse("harness.toml").unwrap() };
        let show = |fold: &Fold| {
            format!("{}{}-{}", if fold.comment { "#" } else { "" }, fold.first + 1, fold.last + 1)
        };
        folds(&site).iter().map(show).collect()
    }

    #[test]
    fn each_table_of_a_list_folds_alone() {
        let text = "[[tool]]\nname = \"a\"\n\n[[tool]]\nname = \"b\"\nrun = [\n  \"x\",\n]\n";
        assert_eq!(folded(text), ["1-2", "4-8", "6-8"]);
    }

    #[test]
    fn a_table_that_goes_on_further_down_folds_in_parts() {
        let text = "[runtime]\nmax_steps = 3\n[[runtime.rule]]\nid = \"a\"\n\n[model]\nname = \"m\"\n\n[[runtime.rule]]\nid = \"b\"\n";
        assert_eq!(folded(text), ["1-4", "3-4", "6-7", "9-10"]);
    }

    #[test]
    fn comments_of_neighbouring_lines_fold_together() {
        let text = "# one\n# two\nname = \"x\" # three\n# four\n\n# five\n# six\n[model]\nname = \"m\"\n";
        assert_eq!(folded(text), ["#1-2", "#6-7", "8-9"]);
    }
}
