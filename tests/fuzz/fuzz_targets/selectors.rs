//! Any selector on any document with any new value: what resolves is a place, and an edit that is made keeps what the proof
//! promises.
//!
//! The pieces are: the format's letter and the text; the selector, a step on each line; the new value; the limits, a letter
//! each.

#![no_main]

use std::sync::Arc;

use fuzz::{assert_span, errors, name, pieces, text};
use harness_schema::digest::Digest;
use harness_schema::edit::{Edit, Refusal, invert, measure, write};
use harness_schema::path::FilePath;
use harness_schema::selector::{DataFormat, Form, Resolved, Selector, Unresolved, ValueKind};
use harness_schema::surface::{Dialect, Limits};
use harness_schema::syntax::data::{Kind, Step, Tree, Value};
use harness_schema::syntax::{Document, Syntax};
use harness_schema::text::{Span, Text, TextEdit, apply_all};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut pieces = pieces(data);
    let Some((format, source)) = pieces.next().and_then(<[u8]>::split_first) else { return };
    let Ok(path) = FilePath::parse(name(*format)) else { return };
    let document = Document::new(path, Text::new(&text(source)));
    let steps: Vec<Step> = text(pieces.next().unwrap_or_default()).split('\n').map(step).collect();
    let Ok(selector) = Selector::parse(&steps) else { return };
    assert_eq!(Selector::parse(&selector.steps()).as_ref(), Ok(&selector));
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&selector.to_string()).is_ok(), "{selector}");
    let new = text(pieces.next().unwrap_or_default());
    let limits = limits(pieces.next().unwrap_or_default());
    match selector.resolve_or_first(&document) {
        Ok(resolved) => replace(&document, &resolved, &limits, &new),
        Err(why) => explain(&document, &why),
    }
});

fn step(line: &str) -> Step {
    line.parse().map(Step::Index).unwrap_or_else(|_| Step::Key(line.into()))
}

fn limits(letters: &[u8]) -> Limits {
    let has = |letter: u8| letters.contains(&letter);
    let chosen =
        |choices: &[(u8, ValueKind)]| choices.iter().find(|(letter, _)| has(*letter)).map(|(_, kind)| *kind);
    Limits {
        kind: chosen(&[
            (b's', ValueKind::String),
            (b'i', ValueKind::Integer),
            (b'n', ValueKind::Number),
            (b'b', ValueKind::Boolean),
            (b'l', ValueKind::List),
            (b't', ValueKind::Table),
        ]),
        max_lines: has(b'1').then_some(1),
        template: if has(b'J') {
            Some(Dialect::Jinja)
        } else if has(b'F') {
            Some(Dialect::StrFormat)
        } else {
            None
        },
        only_tighten: has(b'T'),
        ..Limits::default()
    }
}

/// Where a selector names nothing alone, it names places that are there, and selectors that can be written.
fn explain(document: &Document, why: &Unresolved) {
    assert!(!why.message("a").is_empty());
    match why {
        Unresolved::Several { candidates, .. } => {
            for candidate in candidates {
                assert_span(document.source(), candidate.span);
                assert!(0 < candidate.line && candidate.line <= document.text().line_count());
            }
        }
        Unresolved::Nothing { near, .. } => {
            for (_, selector) in near {
                assert!(Selector::parse(&selector.steps()).is_ok(), "{selector}");
            }
        }
        Unresolved::Refused(_) | Unresolved::WrongFormat { .. } => {}
    }
}

fn replace(document: &Document, resolved: &Resolved, limits: &Limits, new: &str) {
    let source = document.source();
    assert_span(source, resolved.span);
    let appends = matches!(resolved.form, Form::Append { .. });
    if !appends {
        assert_eq!(resolved.digest, Digest::of(resolved.value.as_bytes()));
    }
    let by_digest = Edit { surface: String::new(), part: 0, old: resolved.digest, new: new.to_owned() };
    let made = write(document, resolved, limits, new);
    assert_eq!(by_digest.apply(document, &resolved.selector, limits), made);
    let edit = match made {
        Ok(edit) => edit,
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            return;
        }
    };
    assert_eq!(edit.span, resolved.span);
    let Some(after) = apply_all(source, std::slice::from_ref(&edit)) else {
        panic!("{edit:?} of {source:?}")
    };
    assert_eq!(apply_all(&after, &[invert(source, &edit)]).as_deref(), Some(source));
    let after = Document::new(document.path().clone(), Text::new(&after));
    let case = format!("{} := {new:?} by {edit:?} in {source:?}", resolved.selector);
    if errors(document).is_empty() {
        assert!(errors(&after).is_empty(), "no longer parses: {case}");
    }
    assert_eq!(
        beside(document, resolved, resolved.span),
        beside(&after, resolved, written(&edit)),
        "a value beside changed: {case}"
    );
    if appends {
        return;
    }
    let read = match resolved.selector.resolve(&after) {
        Ok(read) => read,
        Err(why) => panic!("lost ({why:?}): {case}"),
    };
    let literally = limits.template != Some(Dialect::StrFormat)
        && resolved.form != (Form::Literal { fields: true })
        && resolved.kind != ValueKind::Number;
    if literally {
        assert_eq!(plain(&read.value), plain(new), "{case}");
    }
    let _ = measure(&resolved.value, &read.value);
    if literally && !new.contains('\r') {
        assert_eq!(write(&after, &read, limits, new), Err(Refusal::NoChange), "{case}");
    }
}

fn written(edit: &TextEdit) -> Span {
    let start = edit.span.start as usize;
    Span::new(start, start + edit.new_text.len())
}

/// The lines of a value without what a place does not keep: the kind of their ends, blank lines, and blanks around.
fn plain(value: &str) -> Vec<&str> {
    value.trim().split(['\r', '\n']).filter(|line| !line.is_empty()).collect()
}

/// All single values that stand wholly beside a place, with the way to each; nothing where the text is no data.
fn beside(document: &Document, resolved: &Resolved, place: Span) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(tree) = tree(document, &resolved.selector)
        && tree.errors.is_empty()
    {
        collect(&tree.root, document.source(), String::new(), place, &mut found);
    }
    found
}

fn tree(document: &Document, selector: &Selector) -> Option<Arc<Tree>> {
    match (document.syntax(), selector) {
        (Syntax::Data(tree), Selector::Data { .. }) => Some(Arc::new(tree.clone())),
        (Syntax::Markdown(tree), _) => tree.front_matter.as_ref().map(|front| Arc::clone(&front.data)),
        (Syntax::Plain, Selector::Data { format, .. }) => Some(Arc::new(match format {
            DataFormat::Toml => harness_schema::syntax::toml::parse(document.source()),
            DataFormat::Yaml => harness_schema::syntax::yaml::parse(document.source()),
            DataFormat::Json => harness_schema::syntax::json::parse(document.source()),
        })),
        _ => None,
    }
}

fn collect(value: &Value, source: &str, way: String, place: Span, found: &mut Vec<(String, String)>) {
    match &value.kind {
        Kind::Table(table) => {
            for entry in &table.entries {
                collect(&entry.value, source, format!("{way}/{:?}", entry.key.name), place, found);
            }
        }
        Kind::List(list) => {
            for (index, item) in list.items.iter().enumerate() {
                collect(item, source, format!("{way}/{index}"), place, found);
            }
        }
        _ if value.span.is_empty() || value.span.overlaps(place) => {}
        Kind::Text(scalar) => found.push((way, format!("{:?}", scalar.value))),
        kind => found.push((way, format!("{kind:?} {}", value.span.of(source)))),
    }
}
