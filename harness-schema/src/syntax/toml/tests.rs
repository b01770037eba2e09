//! Examples with places, and what broken text loses.

use super::*;

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
