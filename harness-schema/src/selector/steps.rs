//! What could come next in a selector that is being written, and the words in a document that name a selected place.

use super::{DataFormat, Selector, front_matter, region, tree_of};
use crate::syntax::data::{Kind, Step, Value};
use crate::syntax::python::{Item, ItemKind};
use crate::syntax::{Document, Format, Syntax};
use crate::text::Span;

/// The kinds of selectors that can read a document.
#[must_use]
pub fn kinds(document: &Document) -> Vec<&'static str> {
    let own: &[&str] = match document.format() {
        Format::Markdown => &["md.section", "md.frontmatter", "md.body"],
        Format::Yaml => &["yaml"],
        Format::Toml => &["toml"],
        Format::Json => &["json"],
        Format::Python => &["py.function", "py.body", "py.doc", "py.return", "py.const"],
        Format::Plain => &[],
    };
    ["file"].iter().chain(own).chain(&["region"]).copied().collect()
}

/// The steps that could follow those that are written, the kind included, in the order of the document.
#[must_use]
pub fn next(document: &Document, written: &[Step]) -> Vec<Step> {
    let Some((Step::Key(kind), path)) = written.split_first() else { return Vec::new() };
    let mut steps = match kind.as_str() {
        "md.section" => sections(document, path),
        "md.frontmatter" => front_matter(document).map(|tree| data(&tree.root, path)).unwrap_or_default(),
        "region" if path.is_empty() => {
            region::names(document).into_iter().map(|name| Step::Key(name.into())).collect()
        }
        kind => match (DataFormat::named(kind), kind.strip_prefix("py.")) {
            (Some(format), _) => tree_of(document, format, |tree| data(&tree.root, path)).unwrap_or_default(),
            (None, Some(part)) => python(document, part, path),
            (None, None) => Vec::new(),
        },
    };
    let mut seen = Vec::new();
    steps.retain(|step| {
        let is_new = !seen.contains(step);
        seen.push(step.clone());
        is_new
    });
    steps
}

/// Headings; after a heading those below it.
fn sections(document: &Document, path: &[Step]) -> Vec<Step> {
    let Some(tree) = document.markdown() else { return Vec::new() };
    let above: Vec<Span> = match path.last() {
        None => vec![Span::new(0, document.source().len())],
        Some(Step::Key(title)) => {
            let same = tree.headings.iter().filter(|heading| heading.title == *title);
            same.map(|heading| heading.section).collect()
        }
        // An occurrence is the last.
        Some(Step::Index(_)) => Vec::new(),
    };
    let below = tree.headings.iter().filter(|heading| above.iter().any(|span| span.contains(heading.span)));
    below
        .filter(|heading| !heading.title.is_empty())
        .map(|heading| Step::Key(heading.title.as_str().into()))
        .collect()
}

/// Keys of a table, or indices of a list and the place behind it.
fn data(root: &Value, path: &[Step]) -> Vec<Step> {
    let place = path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.as_list()?.get(usize::try_from(*index).ok()?),
    });
    match place.map(|value| &value.kind) {
        Some(Kind::Table(table)) => {
            table.entries.iter().map(|entry| Step::Key(entry.key.name.clone())).collect()
        }
        Some(Kind::List(list)) => {
            let indices = (0..).take(list.items.len()).map(Step::Index);
            indices.chain([Step::Key("+".into())]).collect()
        }
        _ => Vec::new(),
    }
}

/// Definitions that are such a part, or hold definitions.
fn python(document: &Document, part: &str, path: &[Step]) -> Vec<Step> {
    let Syntax::Python(tree) = document.syntax() else { return Vec::new() };
    let mut items: &[Item] = &tree.items;
    for step in path {
        let Step::Key(name) = step else { return Vec::new() };
        let Some(item) = items.iter().find(|item| item.name == *name) else { return Vec::new() };
        items = &item.children;
    }
    let fits = |item: &&Item| match part {
        "const" => item.kind == ItemKind::Constant || !item.children.is_empty(),
        "return" => {
            item.kind != ItemKind::Constant && (item.kind == ItemKind::Function || !item.children.is_empty())
        }
        _ => item.kind != ItemKind::Constant,
    };
    items.iter().filter(fits).map(|item| Step::Key(item.name.as_str().into())).collect()
}

/// The words that name a selected place to a reader: a heading, a key, the name of a definition. A whole text has none.
#[must_use]
pub fn title(document: &Document, selector: &Selector, place: Span) -> Option<Span> {
    match selector {
        Selector::Section { .. } => {
            let tree = document.markdown()?;
            // The innermost: a section begins with its own heading's section.
            let above = tree.headings.iter().filter(|heading| heading.section.contains(place));
            Some(above.min_by_key(|heading| heading.section.len())?.span)
        }
        Selector::FrontMatter { .. } => key(&front_matter(document)?.root, place),
        Selector::Data { format, .. } => tree_of(document, *format, |tree| key(&tree.root, place))?,
        Selector::Python { .. } => match document.syntax() {
            Syntax::Python(tree) => definition(&tree.items, place),
            _ => None,
        },
        Selector::File | Selector::Body | Selector::Region(_) | Selector::New(_) => None,
    }
}

fn key(value: &Value, place: Span) -> Option<Span> {
    match &value.kind {
        Kind::Table(table) => table
            .entries
            .iter()
            .filter(|entry| entry.span().contains(place))
            .find_map(|entry| key(&entry.value, place).or(Some(entry.key.span))),
        Kind::List(list) => list.items.iter().find_map(|item| key(item, place)),
        _ => None,
    }
}

fn definition(items: &[Item], place: Span) -> Option<Span> {
    let item = items.iter().find(|item| item.span.contains(place))?;
    definition(&item.children, place).or(Some(item.name_span))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::path::FilePath;

    fn document(path: &str, text: &str) -> Arc<Document> {
        Document::new(FilePath::parse(path).unwrap(), text.into())
    }

    fn written(steps: &[&str]) -> Vec<Step> {
        let step = |text: &&str| text.parse().map_or_else(|_| Step::Key((*text).into()), Step::Index);
        steps.iter().map(step).collect()
    }

    fn steps(path: &str, text: &str, before: &[&str]) -> Vec<String> {
        let next = next(&document(path, text), &written(before));
        next.into_iter()
            .map(|step| match step {
                Step::Key(key) => key.to_string(),
                Step::Index(index) => index.to_string(),
            })
            .collect()
    }

    const MARKDOWN: &str = "---\nd: [x, y]\n---\n# A\n## Rules\n### One\n# B\n## Rules\n";
    const YAML: &str = "agent:\n  system: x\n  tools: [a, b]\n";
    const PYTHON: &str = "K = 1\ndef f():\n    return 1\nclass C:\n    def g(self):\n        return 2\n";

    #[test]
    fn steps_follow_what_is_written() {
        assert_eq!(steps("a.md", MARKDOWN, &["md.section"]), ["A", "Rules", "One", "B"]);
        assert_eq!(steps("a.md", MARKDOWN, &["md.section", "A"]), ["Rules", "One"]);
        assert_eq!(steps("a.md", MARKDOWN, &["md.frontmatter", "d"]), ["0", "1", "+"]);
        assert_eq!(steps("a.yaml", YAML, &["yaml", "agent"]), ["system", "tools"]);
        assert_eq!(steps("a.py", PYTHON, &["py.const"]), ["K", "C"]);
        assert_eq!(steps("a.py", PYTHON, &["py.return", "C"]), ["g"]);
        assert_eq!(steps("a.sh", "# self-harness:begin r\n# self-harness:end r\n", &["region"]), ["r"]);
        assert!(steps("a.md", MARKDOWN, &["yaml"]).is_empty());
    }

    #[test]
    fn a_place_is_named_by_the_words_above_it() {
        for (path, text, select, named) in [
            ("a.md", MARKDOWN, ["md.section", "A", "Rules"].as_slice(), "## Rules"),
            ("a.md", MARKDOWN, &["md.frontmatter", "d", "1"], "d"),
            ("a.yaml", YAML, &["yaml", "agent", "system"], "system"),
            ("a.py", PYTHON, &["py.return", "C", "g"], "g"),
            ("a.py", PYTHON, &["py.const", "K"], "K"),
        ] {
            let (document, selector) = (document(path, text), Selector::parse(&written(select)).unwrap());
            let place = selector.resolve(&document).unwrap().span;
            let title = title(&document, &selector, place).unwrap();
            assert_eq!(title.of(text), named, "{select:?}");
        }
    }
}
