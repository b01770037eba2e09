//! Decoding keeps places, skips what is wrong, and never panics.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::manifest::{Manifest, Tool};
use crate::syntax::{json, toml, yaml};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Sample {
    name: Spanned<String>,
    count: Option<Spanned<u32>>,
    names: Vec<Spanned<String>>,
    free: Entries<i64>,
    any: Option<Spanned<Json>>,
    inner: Spanned<Inner>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Inner {
    on: bool,
    share: f64,
}

fn sample(text: &str) -> Sample {
    decode(&toml::parse(text).root, &BadSpans::default())
}

#[test]
fn every_value_and_free_key_has_its_place() {
    let text = "name = \"a\"\nnames = [\"b\", \"c\"]\n[free]\nz = 1\na = 2\n[inner]\nshare = 1\n";
    let read = sample(text);
    assert_eq!(read.name.span.of(text), "\"a\"");
    assert_eq!(read.names.iter().map(|name| name.span.of(text)).collect::<Vec<_>>(), ["\"b\"", "\"c\""]);
    let free: Vec<_> = read.free.iter().map(|(key, value)| (key.span.of(text), value.value)).collect();
    assert_eq!(free, [("z", 1), ("a", 2)]);
    assert!(read.inner.is_written() && read.inner.share == 1.0);
    assert!(!read.inner.on && read.count.is_none());
}

#[test]
fn marked_wrong_repeated_and_unknown_values_are_left_out() {
    let text = "name = \"a\"\ncount = \"many\"\nnames = [\"b\", 3, \"c\"]\nother = 1\n[inner]\non = true\nshare = \"x\"\n";
    let read = sample(text);
    assert_eq!(read.name.value, "a");
    assert_eq!(read.count, None);
    assert_eq!(read.names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(read.inner.value, Inner { on: true, share: 0.0 });

    let tree = toml::parse(text);
    let bad = BadSpans::from_iter([tree.root.get("name").unwrap().span]);
    assert_eq!(decode::<Sample>(&tree.root, &bad).name, Spanned::default());
}

#[test]
fn a_key_given_twice_counts_once() {
    let tree = json::parse(r#"{"name": "first", "name": "second"}"#);
    assert_eq!(decode::<Sample>(&tree.root, &BadSpans::default()).name.value, "first");
}

#[test]
fn aliases_and_nothing_say_nothing() {
    let tree = yaml::parse("name: &a x\ncount: *a\nnames: [~, y]\nfree:\n");
    let read: Sample = decode(&tree.root, &BadSpans::default());
    assert_eq!((read.name.as_str(), read.count, read.names.len(), read.free.len()), ("x", None, 1, 0));
}

#[test]
fn any_value_is_read_with_places_and_becomes_json() {
    let text = "any = { type = \"object\", list = [1, 2.5, true] }";
    let any = sample(text).any.unwrap();
    assert_eq!(any.get("type").map(|kind| kind.span.of(text)), Some("\"object\""));
    let expected = serde_json::json!({ "type": "object", "list": [1, 2.5, true] });
    assert_eq!(any.to_json(), expected);
}

/// Texts with the manifest's keys and values of every kind, in wrong places too.
fn any_document() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "schema",
        "model",
        "agent",
        "prompt",
        "tool",
        "runtime",
        "rule",
        "when",
        "orchestration",
        "state",
        "surface",
        "select",
        "tasks",
        "split",
        "improve",
        "repeats",
        "budget",
        "lint",
        "allow",
        "timeout",
        "env",
        "id",
        "text",
    ]);
    let leaf = prop::sample::select(vec![
        "1",
        "-1",
        "2.5",
        "nan",
        "true",
        "\"x\"",
        "\"10m\"",
        "[]",
        "[1, \"a\"]",
        "{}",
        "{ text = \"a\" }",
        "1979-05-27",
        "",
        "\"\"",
        "9223372036854775807",
        "[{ id = 3 }]",
        "{ id = \"a\", when = { count = \"x\" } }",
    ]);
    let line = prop_oneof![
        4 => (key.clone(), leaf).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => key.clone().prop_map(|key| format!("[{key}]")),
        1 => key.clone().prop_map(|key| format!("[[{key}]]")),
        1 => (key.clone(), key).prop_map(|(a, b)| format!("[[{a}.{b}]]")),
    ];
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn decoding_never_panics(text in any_document(), noise in any::<String>()) {
        for text in [&text, &noise] {
            for root in [toml::parse(text).root, yaml::parse(text).root, json::parse(text).root] {
                let _: Manifest = decode(&root, &BadSpans::default());
                let _: Tool = decode(&root, &BadSpans::default());
            }
        }
    }
}
