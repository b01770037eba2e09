//! Examples of edits, one format after the other: the file before, the selector, the new value, the file after.

use std::sync::Arc;

use super::*;
use crate::surface::Choice;
use crate::syntax::data::Step;
use crate::text::{Text, apply_all};

pub(super) fn document(path: &str, text: &str) -> Arc<Document> {
    Document::new(FilePath::parse(path).unwrap(), Text::new(text))
}

/// A selector as a manifest writes it.
pub(super) fn selector(array: &str) -> Selector {
    let array: Vec<serde_json::Value> = serde_json::from_str(array).unwrap();
    let step = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Step::Key(text.as_str().into()),
        number => Step::Index(number.as_i64().unwrap()),
    };
    Selector::parse(&array.iter().map(step).collect::<Vec<_>>()).unwrap()
}

pub(super) fn value(path: &str, text: &str, select: &str) -> String {
    selector(select).resolve(&document(path, text)).unwrap().value
}

pub(super) fn why_not(path: &str, text: &str, select: &str) -> String {
    selector(select).resolve(&document(path, text)).unwrap_err().message(path)
}

pub(super) fn edited_within(
    path: &str,
    text: &str,
    select: &str,
    limits: &Limits,
    new: &str,
) -> Result<String, Refusal> {
    let document = document(path, text);
    let selector = selector(select);
    let resolved = selector
        .resolve_or_first(&document)
        .map_err(|why| Refusal::Unresolved { file: document.path().clone(), why })?;
    let edit = Edit { surface: "tested".to_owned(), part: 0, old: resolved.digest, new: new.to_owned() };
    let edit = edit.apply(&document, &selector, limits)?;
    let after = apply_all(text, std::slice::from_ref(&edit)).unwrap();
    assert_eq!(apply_all(&after, &[invert(text, &edit)]).unwrap(), text, "an edit can be taken back");
    Ok(after)
}

pub(super) fn edited(path: &str, text: &str, select: &str, new: &str) -> Result<String, Refusal> {
    edited_within(path, text, select, &Limits::default(), new)
}

/// One edit that is accepted.
#[track_caller]
pub(super) fn check(path: &str, before: &str, select: &str, new: &str, after: &str) {
    match edited(path, before, select, new) {
        Ok(text) => assert_eq!(text, after),
        Err(refusal) => panic!("refused: {refusal} ({refusal:?})"),
    }
}

/// One edit that is refused.
#[track_caller]
pub(super) fn refuse(path: &str, before: &str, select: &str, new: &str, message: &str) {
    match edited(path, before, select, new) {
        Ok(text) => panic!("accepted:\n{text}"),
        Err(refusal) => assert_eq!(refusal.to_string(), message),
    }
}

#[test]
fn a_file_is_its_exact_text() {
    check("a.txt", "one\n", r#"["file"]"#, "two\nthree", "two\nthree");
    check("a.txt", "\u{feff}one\r\ntwo\r\n", r#"["file"]"#, "x\ny\n", "\u{feff}x\r\ny\r\n");
    assert_eq!(value("a.txt", "\u{feff}one\r\ntwo\r\n", r#"["file"]"#), "one\ntwo\n");
    refuse("a.txt", "one\n", r#"["file"]"#, "one\n", "the edit changes nothing");
}

#[test]
fn an_edit_of_another_text_is_refused() {
    let document = document("a.txt", "now");
    let edit = Edit { surface: "a".to_owned(), part: 0, old: Digest::of(b"then"), new: "x".to_owned() };
    assert_eq!(edit.apply(&document, &Selector::File, &Limits::default()), Err(Refusal::Stale));
    let other = Selector::File.resolve(&super::tests::document("a.txt", "then")).unwrap();
    assert_eq!(write(&document, &other, &Limits::default(), "x"), Err(Refusal::Stale));
}

#[test]
fn limits_hold_after_the_edit() {
    let limits = Limits {
        max_tokens: Some(4),
        requires: vec!["{{ task }}".to_owned()],
        one_of: Vec::new(),
        ..Limits::default()
    };
    let edit = |new| edited_within("a.txt", "Do {{ task }}.", r#"["file"]"#, &limits, new);
    assert_eq!(edit("Be {{task}}!").as_deref(), Ok("Be {{task}}!"));
    assert_eq!(
        edit("Do whatever you like.").unwrap_err().to_string(),
        "the surface has ≈6 tokens, limit 4 and must keep `{{ task }}` and does not have it"
    );
    let limits =
        Limits { one_of: vec![Choice::String("a".into()), Choice::String("b".into())], ..Limits::default() };
    let edit = |new| edited_within("a.txt", "a", r#"["file"]"#, &limits, new);
    assert_eq!(edit("b").as_deref(), Ok("b"));
    assert_eq!(edit("c").unwrap_err().to_string(), "the surface is `c`, not `a` or `b`");
}

#[test]
fn a_region_keeps_its_marks() {
    let text = "x = 1\n# self-harness:begin rules\n\n- one\n\n# self-harness:end rules\ny = 2\n";
    let select = r#"["region", "rules"]"#;
    assert_eq!(value("a.txt", text, select), "- one");
    check(
        "a.txt",
        text,
        select,
        "- one\n- two\n",
        "x = 1\n# self-harness:begin rules\n\n- one\n- two\n\n# self-harness:end rules\ny = 2\n",
    );
    let empty = "<!-- self-harness:begin a -->\r\n<!-- self-harness:end a -->\r\n";
    check(
        "a.txt",
        empty,
        r#"["region", "a"]"#,
        "new",
        "<!-- self-harness:begin a -->\r\nnew\r\n<!-- self-harness:end a -->\r\n",
    );
    refuse(
        "a.txt",
        text,
        select,
        "- one\n# self-harness:end rules\n# self-harness:begin rules\n- two",
        "the surface would be lost: 2 regions are called `rules` (lines 2 and 6)",
    );
    assert_eq!(
        why_not("a.txt", text, r#"["region", "rule"]"#),
        "no region `rule` in `a.txt`; did you mean `rules`?"
    );
    assert_eq!(
        why_not("a.txt", "# self-harness:begin a\n", r#"["region", "a"]"#),
        "region `a` of line 1 is never closed"
    );
}

#[test]
fn other_regions_stay_what_they_are() {
    let text =
        "# self-harness:begin a\nx\n# self-harness:end a\n# self-harness:begin b\ny\n# self-harness:end b\n";
    let select = r#"["region", "a"]"#;
    refuse(
        "a.txt",
        text,
        select,
        "# self-harness:begin b\n# self-harness:end b",
        "region `b` outside of the surface would change",
    );
    check(
        "a.txt",
        text,
        select,
        "# self-harness:begin c\n# self-harness:end c",
        &text.replacen("\nx\n", "\n# self-harness:begin c\n# self-harness:end c\n", 1),
    );
    // A mark is a mark in a text of data, too, so that there it is written in quotes.
    check(
        "a.yaml",
        "# self-harness:begin a\nb: |\n  x\n# self-harness:end a\n",
        r#"["yaml", "b"]"#,
        "# self-harness:end a\n",
        "# self-harness:begin a\nb: \"# self-harness:end a\\n\"\n# self-harness:end a\n",
    );
}

#[test]
fn a_region_leaves_the_values_and_the_code_beside_it() {
    let text = "# self-harness:begin a\nx = 1\n# self-harness:end a\ny = 2\n";
    let select = r#"["region", "a"]"#;
    check("a.toml", text, select, "x = 3\nz = 4", &text.replace("x = 1", "x = 3\nz = 4"));
    refuse("a.toml", text, select, "[x]", "a value outside of the surface would change");
    check("a.py", text, select, "x = 3\nz = 4", &text.replace("x = 1", "x = 3\nz = 4"));
    refuse(
        "a.py",
        text,
        select,
        "x = 3\nif z:\n    'y'\n'''",
        "the file would not parse: missing closing quote in string literal",
    );
    let string = "a = '''\n# self-harness:begin a\nx\n# self-harness:end a\n'''\ny = 2\n";
    check("a.py", string, select, "z", &string.replace("\nx\n", "\nz\n"));
    check("a.toml", string, select, "z", &string.replace("\nx\n", "\nz\n"));
    refuse("a.py", string, select, "'''\nz = '''", "code outside of the surface would change");
}

mod python;
mod data;
mod markdown;
mod families;
mod properties;
mod generated;
mod removal;
