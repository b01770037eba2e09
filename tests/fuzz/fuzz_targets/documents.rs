//! Any text in any format: parsing ends, every place it names is one, and an edited document is the one that a fresh parse
//! of its text gives.
//!
//! The first piece is the format's letter and the text, each further one an edit.

#![no_main]

use fuzz::{assert_errors, assert_span, assert_spans, assert_tree, edit, name, pieces, text};
use harness_schema::manifest::{Manifest, Tool};
use harness_schema::path::FilePath;
use harness_schema::syntax::data::SyntaxError;
use harness_schema::syntax::decode::BadSpans;
use harness_schema::syntax::{Document, Syntax, markdown, python, template};
use harness_schema::task::TaskConfig;
use harness_schema::text::Text;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut pieces = pieces(data);
    let Some((format, source)) = pieces.next().and_then(<[u8]>::split_first) else { return };
    let Ok(path) = FilePath::parse(name(*format)) else { return };
    let first = Document::new(path, Text::new(&text(source)));
    look(&first);
    let (mut now, mut edits) = (first.clone(), Vec::new());
    for piece in pieces.take(8) {
        let edit = edit(now.source(), piece);
        now = now.edited(std::slice::from_ref(&edit));
        edits.push(edit);
        same(&now);
    }
    // Several edits at once have the same result.
    let at_once = first.edited(&edits);
    assert_eq!(at_once.source(), now.source());
    same(&at_once);
});

/// A document is what a fresh one of its text is.
fn same(document: &Document) {
    let fresh = Document::new(document.path().clone(), Text::new(document.source()));
    let (have, want) = (document.syntax(), fresh.syntax());
    if let (Syntax::Markdown(have), Syntax::Markdown(want)) = (have, want) {
        // A number that is none does not equal itself.
        if have != want {
            assert_eq!(format!("{have:#?}"), format!("{want:#?}"), "{:?}", document.source());
        }
    }
    look(document);
}

fn look(document: &Document) {
    let source = document.source();
    match document.syntax() {
        Syntax::Data(tree) => {
            assert_tree(source, tree);
            let bad = BadSpans::default();
            let _ = (Manifest::decode(tree, &bad), Tool::decode(tree, &bad), TaskConfig::decode(tree, &bad));
            if document.path().extension() == "json" {
                compare(source, tree);
            }
        }
        Syntax::Markdown(tree) => look_at_markdown(source, tree),
        Syntax::Python(tree) => {
            assert_errors(source, &tree.errors);
            tree.items.iter().for_each(|item| look_at_item(source, item));
        }
        Syntax::Plain => {
            let tree = template::Tree::parse(source);
            assert_spans(source, tree.tags.iter().map(|tag| tag.span));
            assert_errors(source, &tree.errors);
            for name in &tree.names {
                assert_span(source, name.span);
                assert!(name.span.contains(name.root_span), "{name:?} in {source:?}");
                assert_eq!(name.root_span.of(source), name.path[0], "{source:?}");
            }
        }
    }
}

fn look_at_markdown(source: &str, tree: &markdown::Tree) {
    assert_span(source, tree.body);
    if let Some(front) = &tree.front_matter {
        assert_span(source, front.span);
        assert!(front.span.contains(front.content), "{source:?}");
        assert_tree(source, &front.data);
    }
    assert_spans(source, tree.headings.iter().map(|heading| heading.span));
    for heading in &tree.headings {
        assert_span(source, heading.section);
        assert!(heading.span.end <= heading.section.start, "{heading:?} in {source:?}");
        assert_eq!(markdown::normal_title(&heading.title), heading.title, "{source:?}");
    }
    assert_spans(source, tree.code.iter().map(|code| code.span));
    for code in &tree.code {
        assert!(code.span.contains(code.content), "{code:?} in {source:?}");
        assert_span(source, code.content);
    }
    assert_spans(source, tree.fences.iter().map(|fence| fence.span));
    for fence in &tree.fences {
        assert_span(source, fence.info);
        assert_span(source, fence.content);
        assert!(fence.span.contains(fence.content), "{fence:?} in {source:?}");
    }
    assert_spans(source, tree.comments.iter().copied());
    assert_spans(source, tree.imports.iter().map(|import| import.span));
    assert_spans(source, tree.links.iter().map(|link| link.span));
    for link in &tree.links {
        assert_span(source, link.destination);
        assert!(link.span.contains(link.destination), "{link:?} in {source:?}");
    }
    assert_spans(source, tree.blocks.iter().copied());
    let _ = tree.in_prose(source.len() / 2);
}

fn look_at_item(source: &str, item: &python::Item) {
    assert_span(source, item.span);
    assert_span(source, item.name_span);
    assert!(item.span.contains(item.name_span), "{item:?} in {source:?}");
    for child in &item.children {
        assert!(item.span.contains(child.span), "{item:?} in {source:?}");
        look_at_item(source, child);
    }
}

/// What another reader takes for JSON has no error here and means the same.
fn compare(source: &str, tree: &harness_schema::syntax::data::Tree) {
    use harness_schema::syntax::data::{Kind, Value};
    use serde_json::Value as Json;

    fn same(value: &Value, json: &Json) -> bool {
        match (&value.kind, json) {
            (Kind::Null, Json::Null) => true,
            (Kind::Boolean(a), Json::Bool(b)) => a == b,
            (Kind::Integer(a), Json::Number(b)) => b.as_i64() == Some(*a),
            (Kind::Float(a), Json::Number(b)) => b.as_f64().is_some_and(|b| (a - b).abs() <= b.abs() * 1e-12),
            (Kind::Text(a), Json::String(b)) => *a.value == **b,
            (Kind::List(a), Json::Array(b)) => {
                a.items.len() == b.len() && a.items.iter().zip(b).all(|(a, b)| same(a, b))
            }
            // Equal keys are kept here; there the last one is.
            (Kind::Table(a), Json::Object(b)) if a.entries.len() == b.len() => {
                a.entries.iter().all(|entry| b.get(&*entry.key.name).is_some_and(|b| same(&entry.value, b)))
            }
            (Kind::Table(a), Json::Object(b)) => b.len() < a.entries.len(),
            _ => false,
        }
    }

    let Ok(json) = serde_json::from_str::<Json>(source) else { return };
    // A key that is given twice is an error here, because nobody knows which one was meant; that reader takes the last.
    let is_wrong = |error: &&SyntaxError| !error.message.contains("is given twice");
    let wrong: Vec<&SyntaxError> = tree.errors.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "{wrong:?} in {source:?}");
    assert!(same(&tree.root, &json), "{source:?} is {json}, not {:#?}", tree.root);
}
