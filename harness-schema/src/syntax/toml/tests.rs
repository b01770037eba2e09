//! Examples with places, what broken text loses, and the promise that an edited tree is the tree of the edited text.

use proptest::prelude::*;

use super::*;
use crate::syntax::data::{Kind, Value};

fn at<'a>(tree: &'a Tree, keys: &[&str]) -> &'a Value {
    tree.root.at(keys).unwrap_or_else(|| panic!("no {keys:?} in {:#?}", tree.root))
}

fn errors(source: &str) -> Vec<(String, String)> {
    let tree = parse(source);
    tree.errors.iter().map(|error| (error.span.of(source).to_owned(), error.message.clone())).collect()
}

#[test]
fn spans_are_those_of_the_text() {
    let source =
        "a = 1\n[b]\n'c d' = \"x\\ty\" # why\n[[t]]\nn = [1, 2.5,\n true]\n[[t]]\nm = { k.l = 1979-05-27 }\n";
    let tree = parse(source);
    assert_eq!(tree.errors, []);
    assert_eq!(at(&tree, &["b", "c d"]).span.of(source), "\"x\\ty\"");
    assert_eq!(at(&tree, &["b", "c d"]).as_text(), Some("x\ty"));
    assert_eq!(at(&tree, &["b"]).span.of(source), "[b]\n'c d' = \"x\\ty\"");
    let tables = at(&tree, &["t"]).as_list().unwrap();
    assert_eq!(tables[0].span.of(source), "[[t]]\nn = [1, 2.5,\n true]");
    assert_eq!(tables[0].get("n").unwrap().as_list().unwrap()[1].kind, Kind::Float(2.5));
    assert_eq!(tables[1].at(&["m", "k", "l"]).unwrap().kind, Kind::Date);
    assert_eq!(tables[1].get("m").unwrap().span.of(source), "{ k.l = 1979-05-27 }");
    assert_eq!(tree.comments.iter().map(|span| span.of(source)).collect::<Vec<_>>(), ["# why"]);
}

#[test]
fn a_broken_statement_is_lost_alone() {
    let source = "a = 1\nmax_steps = \nb = 2\n[x\nc = 3\n[y]\nd = \"open\ne = 5\n";
    let tree = parse(source);
    assert_eq!(at(&tree, &["a"]).kind, Kind::Integer(1));
    assert_eq!(at(&tree, &["max_steps"]).kind, Kind::Broken);
    assert_eq!(at(&tree, &["b"]).kind, Kind::Integer(2));
    assert_eq!(at(&tree, &["y", "e"]).kind, Kind::Integer(5));
    assert_eq!(tree.errors.len(), 3, "{:#?}", tree.errors);
    assert_eq!(tree.errors[0].message, "expected a value after `max_steps =`");
    assert_eq!(tree.errors[0].span.of(source), "max_steps =");
}

#[test]
fn an_unclosed_bracket_swallows_nothing() {
    let source = "a = [\n  \"x\",\nb = 2\n[c]\nd = 3\n";
    let tree = parse(source);
    assert_eq!(at(&tree, &["b"]).kind, Kind::Integer(2));
    assert_eq!(at(&tree, &["c", "d"]).kind, Kind::Integer(3));
    assert_eq!(errors(source), [("[".to_owned(), "`[` is never closed".to_owned())]);
}

#[test]
fn equal_keys_are_kept_and_reported() {
    let source = "a = 1\nb = 2\na = 3\n";
    let tree = parse(source);
    assert_eq!(tree.root.as_table().unwrap().entries.len(), 3);
    assert_eq!(errors(source), [("a".to_owned(), "key `a` is given twice (line 1)".to_owned())]);
}

#[test]
fn headers_may_come_in_any_order() {
    let source = "[a.b]\nx = 1\n[c]\ny = 2\n[a]\nz = 3\n[a.d]\nw = 4\n";
    let tree = parse(source);
    assert_eq!(tree.errors, []);
    assert_eq!(at(&tree, &["a", "z"]).kind, Kind::Integer(3));
    assert_eq!(at(&tree, &["a", "b", "x"]).kind, Kind::Integer(1));
    assert_eq!(at(&tree, &["a", "d", "w"]).kind, Kind::Integer(4));
}

#[test]
fn depth_is_limited() {
    let deep = format!("a = {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(!parse(&deep).errors.is_empty());
    let long = format!("[{}]\nx = 1\n", vec!["a"; 5000].join("."));
    assert!(!parse(&long).errors.is_empty());
    let dotted = format!("{} = 1\n", vec!["a"; 5000].join("."));
    assert!(!parse(&dotted).errors.is_empty());
}

/// The tree after an edit of a neighbourhood; `None` where the whole text is parsed.
fn near(before: &str, find: &str, old: &str, new: &str) -> Option<Tree> {
    let at = before.find(find).unwrap();
    let span = Span::new(at, at + old.len());
    assert_eq!(span.of(before), old);
    let mut after = before.to_owned();
    after.replace_range(span.range(), new);
    let edit = TextEdit { span, new_text: new.to_owned() };
    let tree = near::edited(&parse(before), before, &edit, &after);
    if let Some(tree) = &tree {
        assert_eq!(*tree, parse(&after), "{before:?} → {after:?}");
    }
    tree
}

#[test]
fn what_stands_below_one_header_is_parsed_alone() {
    let source = "# head\na = 1\n\n[[t]]\nname = \"x\" # one\n[t.p]\nq.r = [\n[1],\n]\n[t.p.s]\nu = \"\"\"\n[no]\n\"\"\"\n\n\
                  [[t]]\nname = \"y\"\n[z]\n";
    for (find, old, new) in [
        ("a = 1", "a = 1", "a = 10\nb = 2"),
        ("name = \"x\"", "name", "title"),
        ("[t.p]", "", "unfinished =\n"),
        ("[1],", "[1]", "[1], 2"),
        ("[no]", "[no]\n", "no\n[more]\n"),
        ("\n[[t]]\nname = \"y\"", "\n", ""),
        ("[z]", "", "k = 1\n"),
    ] {
        assert!(near(source, find, old, new).is_some(), "{old:?} → {new:?}");
    }
    for (find, old, new) in [
        ("[z]", "[z]", "[w]"),
        ("name = \"y\"", "name", "[name]"),
        ("u = \"\"\"", "u = ", "u = '''"),
        ("\n[[t]]\nname = \"y\"", "\n", "x"),
    ] {
        assert!(near(source, find, old, new).is_none(), "{old:?} → {new:?}");
    }
}

#[test]
fn a_table_that_is_written_in_two_places_is_read_as_a_whole() {
    for (source, find, old, new) in [
        ("[t]\na.b = 1\n[t.a.c]\nd = 1\n", "b", "b", "x"),
        ("[t.a]\nb = 1\n[t]\nc = 1\n", "c", "c", "a"),
        ("[t]\nc = 1\n[t.a]\nb = 1\n", "c", "c", "a"),
        ("a = 1\n[t]\nb = 1\nb = 2\n", "a", "a", "c"),
    ] {
        assert!(near(source, find, old, new).is_none(), "{source:?}");
    }
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "[t]\n",
        "  [t.a]\n",
        "[t.a.b] # why\n",
        "[[l]]\n",
        "[[l]]\r\n",
        "[l.a]\n",
        "[[l.m]]\n",
        "[u.v]\n",
        "[[u.w]]\n",
        "a = 1\n",
        "b.c = \"é\"\n",
        "a.d = { e = 1, f.g = [2] }\n",
        "l = [\n",
        "[1],\n",
        "]\n",
        "m = \"\"\"\n",
        "\"\"\"\n",
        "n = '''x\n",
        "'''",
        "= 4\n",
        "unfinished =\n",
        "\"q.r\" = 2024-01-01\r\n",
        "# c\n",
        "\n",
        " ",
        "[",
        "]",
        "\u{FEFF}",
        "w",
    ])
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn an_edited_tree_is_the_tree_of_the_edited_text(
        mut before in text(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::collection::vec(piece(), 0..3)), 1..4),
    ) {
        let mut tree = parse(&before);
        for (at, length, new) in edits {
            let floor = |at: usize| (0..=at.min(before.len())).rev().find(|at| before.is_char_boundary(*at)).unwrap_or(0);
            let start = floor(at.index(before.len() + 1));
            let edit = TextEdit { span: Span::new(start, floor(start + length)), new_text: new.concat() };
            let mut after = before.clone();
            after.replace_range(edit.span.range(), &edit.new_text);
            tree = edited(&tree, &before, &edit, &after);
            prop_assert_eq!(&tree, &parse(&after), "{:?} → {:?}", before, after);
            before = after;
        }
    }
}

#[test]
fn the_inside_of_a_string_that_nobody_has_closed_ends_with_the_line() {
    for (text, inside) in [
        ("a = \"x\u{fffd}\nb = 1\n", "x\u{fffd}"),
        ("a = 'xy\n", "xy"),
        ("a = \"\n", ""),
        ("a = \"xy\"\n", "xy"),
        ("a = \"\\u00e9\"\n", "\\u00e9"),
        ("a = \"\"\"x\u{e9}\n", "x\u{e9}\n"),
    ] {
        let document =
            crate::syntax::Document::new(crate::path::FilePath::parse("a.toml").unwrap(), text.into());
        let value = document.data().unwrap().root.get("a").unwrap();
        assert_eq!(value.inside(text).of(text), inside, "{text:?}");
    }
}
