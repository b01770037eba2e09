//! What a removal takes with it: its own lines and comma, no other value, no other remark.

use proptest::prelude::*;

use super::document;
use super::generated::toml_sample;
use crate::edit::removal;
use crate::syntax::data::{Kind, Step, Value};
use crate::text::{Span, apply_all};

/// The key of an entry, or an item, at the end of some steps.
fn place(root: &Value, steps: &[Step]) -> Span {
    let Some((last, above)) = steps.split_last() else { return root.span };
    let parent = above.iter().fold(root, |value, step| match step {
        Step::Key(key) => value.get(key).unwrap(),
        Step::Index(at) => &value.as_list().unwrap()[usize::try_from(*at).unwrap()],
    });
    match last {
        Step::Key(key) => parent.entry(key).unwrap().key.span,
        Step::Index(at) => parent.as_list().unwrap()[usize::try_from(*at).unwrap()].span,
    }
}

fn without(path: &str, text: &str, steps: &[&str]) -> Option<String> {
    let document = document(path, text);
    let step = |step: &&str| step.parse().map_or_else(|_| Step::Key((*step).into()), Step::Index);
    let steps: Vec<Step> = steps.iter().map(step).collect();
    let edits = removal(&document, &[place(&document.data().unwrap().root, &steps)])?;
    Some(apply_all(text, &edits).unwrap())
}

#[track_caller]
fn check(before: &str, steps: &[&str], after: &str) {
    assert_eq!(without("a.toml", before, steps).as_deref(), Some(after));
}

#[test]
fn an_inline_entry_goes_with_one_comma() {
    check("v = { a = 1, b = 2 }\n", &["v", "a"], "v = { b = 2 }\n");
    check("v = { a = 1, b = 2 }\n", &["v", "b"], "v = { a = 1 }\n");
    check("v = { a = 1 }\n", &["v", "a"], "v = {}\n");
    check("p = { s = 'x', v = { a = 1 } }\n", &["p", "v", "a"], "p = { s = 'x', v = {} }\n");
    check("v = { a.b = 1, c = 2, a.d = 3 }\n", &["v", "a"], "v = { c = 2 }\n");
    check("v = { a.b = 1, c = 2, a.d = 3 }\n", &["v", "a", "b"], "v = { c = 2, a.d = 3 }\n");
}

#[test]
fn an_item_goes_with_its_lines_and_its_own_remark() {
    check("l = [1, 2, 3]\n", &["l", "1"], "l = [1, 3]\n");
    check("l = [1, 2,]\n", &["l", "1"], "l = [1,]\n");
    check("l = [{ a = 1 },\n  { a = 2 }]\n", &["l", "0"], "l = [{ a = 2 }]\n");
    check("l = [{ a = 1 },\n  { a = 2 }]\n", &["l", "1"], "l = [{ a = 1 }]\n");
    check("l = [\n  1, # one\n  2, # two\n]\n", &["l", "0"], "l = [\n  2, # two\n]\n");
    check("l = [\n  1, # one\n  2 # two\n]\n", &["l", "1"], "l = [\n  1 # one\n]\n");
    check("l = [\n  1, # one, two\n  2]\n", &["l", "1"], "l = [\n  1 # one, two\n  ]\n");
}

#[test]
fn a_table_in_several_places_goes_from_all_of_them() {
    check(
        "[r]\nm = 4\n\n[b]\nt = 3\n\n[[r.rule]]\nid = 1\n\n[[r.rule]]\nid = 2\n\n[z]\n",
        &["r"],
        "[b]\nt = 3\n\n[z]\n",
    );
    check("r.a = 1\nname = 'n'\nr.b = 2\n", &["r"], "name = 'n'\n");
    check("r.a = 1\nname = 'n'\nr.b = 2\n", &["r", "b"], "r.a = 1\nname = 'n'\n");
    check("[a]\nx = 1\n[b]\n[a.c]\ny = 1\n[d]\n", &["a"], "[b]\n[d]\n");
    check("[[s]]\nid = 1\n\n[[s]]\nid = 2\n[s.x]\ny = 1\n", &["s", "1"], "[[s]]\nid = 1\n");
}

#[test]
fn the_remark_above_a_table_goes_and_the_next_ones_stays() {
    check(
        "# the file\na = 1\n\n# why we allow it\n[[l]]\nr = 1\n# off: s = 2\n\n# why the next\n[[l]]\nr = 2\n",
        &["l", "0"],
        "# the file\na = 1\n\n# why the next\n[[l]]\nr = 2\n",
    );
    check("# the file\n[a]\nx = 1\n\n[b]\n", &["a"], "# the file\n\n[b]\n");
    check("[a]\nx = 1\n\n# all of these\n\n[b]\ny = 1\n", &["b"], "[a]\nx = 1\n\n# all of these\n");
    // Of two statements below one remark, it may be about both.
    check("[a]\n\n# ours\nx = 1\ny = 2\n", &["a", "x"], "[a]\n\n# ours\ny = 2\n");
    check("[a]\n\n# ours\nx = 1\n\ny = 2\n", &["a", "x"], "[a]\n\ny = 2\n");
    check(
        "# self-harness:begin r\n[a]\n# self-harness:end r\n[b]\n",
        &["a"],
        "# self-harness:begin r\n# self-harness:end r\n[b]\n",
    );
}

#[test]
fn what_is_broken_is_left_alone() {
    assert_eq!(without("a.toml", "v = { a = 1, b = }\n", &["v", "a"]), None);
    assert_eq!(without("a.toml", "[a]\nx = 1\ny = \n\n[b]\n", &["a"]), None);
    check("[a]\nx = 1\ny = \n\n[b]\nz = 1\n", &["b", "z"], "[a]\nx = 1\ny = \n\n[b]\n");
}

#[test]
fn json_has_commas_only() {
    let text = "{\n  \"a\": 1,\n  \"b\": [1, 2] // two\n}\n";
    assert_eq!(without("a.json", text, &["b"]).as_deref(), Some("{\n  \"a\": 1\n}\n"));
    assert_eq!(without("a.json", text, &["a"]).as_deref(), Some("{\n  \"b\": [1, 2] // two\n}\n"));
    assert_eq!(
        without("a.json", text, &["b", "0"]).as_deref(),
        Some("{\n  \"a\": 1,\n  \"b\": [2] // two\n}\n")
    );
}

#[test]
fn several_neighbours_go_at_once() {
    let text = "r = { id = 'a', inject = 'x', limit = 1, ask = 'y' }\n";
    let document = document("a.toml", text);
    let keys = ["limit", "ask"]
        .map(|key| document.data().unwrap().root.at(&["r"]).unwrap().entry(key).unwrap().key.span);
    let edits = removal(&document, &keys).unwrap();
    assert_eq!(apply_all(text, &edits).unwrap(), "r = { id = 'a', inject = 'x' }\n");
}

/// A value without places; tables and lists that only their entries make do not count while they are empty.
#[derive(Debug, PartialEq)]
enum Plain {
    Table(Vec<(String, Plain)>),
    List(Vec<Plain>),
    Other(String),
}

fn plain(value: &Value, gone: Option<Span>) -> Plain {
    match &value.kind {
        Kind::Table(table) => {
            let kept = table.entries.iter().filter(|entry| Some(entry.key.span) != gone);
            let mut entries: Vec<(String, Plain)> =
                kept.map(|entry| (entry.key.name.to_string(), plain(&entry.value, gone))).collect();
            entries.retain(|(_, value)| !matches!(value, Plain::Table(inner) if inner.is_empty()));
            entries.retain(|(_, value)| !matches!(value, Plain::List(inner) if inner.is_empty()));
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Plain::Table(entries)
        }
        Kind::List(list) => {
            let kept = list.items.iter().filter(|item| Some(item.span) != gone);
            Plain::List(kept.map(|item| plain(item, gone)).collect())
        }
        other => Plain::Other(format!("{other:?}")),
    }
}

/// Every place that can be removed.
fn places(value: &Value, all: &mut Vec<Span>) {
    match &value.kind {
        Kind::Table(table) => table.entries.iter().for_each(|entry| {
            all.push(entry.key.span);
            places(&entry.value, all);
        }),
        Kind::List(list) => list.items.iter().for_each(|item| {
            all.push(item.span);
            places(item, all);
        }),
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_removal_takes_one_thing_and_leaves_the_rest(text in toml_sample()) {
        let before = document("a.toml", &text);
        let tree = before.data().unwrap();
        prop_assert!(tree.errors.is_empty(), "{text}");
        let mut all = Vec::new();
        places(&tree.root, &mut all);
        for at in all {
            let edits = removal(&before, &[at]);
            prop_assert!(edits.is_some(), "nothing removes `{}` from\n{text}", at.of(&text));
            let after = apply_all(&text, &edits.unwrap());
            prop_assert!(after.is_some(), "edits overlap: `{}` from\n{text}", at.of(&text));
            let after = after.unwrap();
            let read = document("a.toml", &after);
            let read = read.data().unwrap();
            let context = format!("without `{}`:\n{text}\nafter:\n{after}", at.of(&text));
            prop_assert!(read.errors.is_empty(), "{context}");
            prop_assert_eq!(plain(&read.root, None), plain(&tree.root, Some(at)), "{}", context);
            // Remarks that stand apart from what goes are still there, in their order.
            let remarks = |tree: &crate::syntax::data::Tree, text: &str| -> Vec<String> {
                tree.comments.iter().map(|span| span.of(text).to_owned()).collect()
            };
            let mut left = remarks(read, &after).into_iter();
            let mut next = left.next();
            for remark in remarks(tree, &text) {
                if next.as_deref() == Some(remark.as_str()) {
                    next = left.next();
                }
            }
            prop_assert_eq!(next, None, "{}", context);
        }
    }
}
