//! Edits of YAML, TOML and JSON: how each value is written, and what is refused.

use super::{check, edited, edited_within, refuse, value, why_not};
use crate::selector::ValueKind;
use crate::surface::Limits;

#[test]
fn a_block_scalar_keeps_style_chomping_and_indentation() {
    let text = "agent:\n    system: |\n        You are.\n        Brief.\n\n    # next\n    steps: 3\n";
    let select = r#"["yaml", "agent", "system"]"#;
    assert_eq!(value("a.yaml", text, select), "You are.\nBrief.\n");
    check(
        "a.yaml",
        text,
        select,
        "You are.\n\nExact: # yes\n",
        "agent:\n    system: |\n        You are.\n\n        Exact: # yes\n\n    # next\n    steps: 3\n",
    );
    // Without its last line end the text needs another chomping.
    check("a.yaml", "a: |\n  x\nb: 1\n", r#"["yaml", "a"]"#, "y", "a: |-\n  y\nb: 1\n");
    check("a.yaml", "a: |-\n  x\nb: 1\n", r#"["yaml", "a"]"#, "y\nz", "a: |-\n  y\n  z\nb: 1\n");
    check("a.yaml", "a: |+\n  x\n\nb: 1\n", r#"["yaml", "a"]"#, "y\n\n", "a: |+\n  y\n\nb: 1\n");
    // A first line with blanks of its own needs the digit.
    check("a.yaml", "a: |\n  x\nb: 1\n", r#"["yaml", "a"]"#, "  y\nz\n", "a: |2\n    y\n  z\nb: 1\n");
    check("a.yaml", "- - |\n    x\n- y\n", r#"["yaml", 0, 0]"#, "z\n", "- - |\n    z\n- y\n");
}

#[test]
fn a_folded_block_breaks_where_it_did() {
    let text = "a: >\n  One two\n  three.\n\n  Four.\nb: 1\n";
    assert_eq!(value("a.yaml", text, r#"["yaml", "a"]"#), "One two three.\nFour.\n");
    check(
        "a.yaml",
        text,
        r#"["yaml", "a"]"#,
        "One two three.\nFive.\n  deep\nSix.\n",
        "a: >\n  One two\n  three.\n\n  Five.\n    deep\n  Six.\nb: 1\n",
    );
}

#[test]
fn a_plain_value_stays_plain_only_if_every_reader_sees_a_text() {
    let to = |new: &str| edited("a.yaml", "a: old # why\nb: 1\n", r#"["yaml", "a"]"#, new).unwrap();
    assert_eq!(to("new text"), "a: new text # why\nb: 1\n");
    for quoted in [
        "a: b",
        "a #b",
        "- x",
        "yes",
        "No",
        "1e3",
        "0x1F",
        "1:30",
        "~",
        "@x",
        "*x",
        "{a}",
        "x:",
        " x",
        "2001-01-01",
    ] {
        assert_eq!(to(quoted), format!("a: \"{quoted}\" # why\nb: 1\n"), "{quoted}");
    }
    assert_eq!(to(r#"say "no": \"#), "a: 'say \"no\": \\' # why\nb: 1\n");
    assert_eq!(to("-x"), "a: -x # why\nb: 1\n");
    // A comment behind the value would become part of a block.
    assert_eq!(to("a\nb"), "a: \"a\\nb\" # why\nb: 1\n");
    check("a.yaml", "a: old\nb: 1\n", r#"["yaml", "a"]"#, "c\nd", "a: |-\n  c\n  d\nb: 1\n");
    check("a.yaml", "a: [x, y]\n", r#"["yaml", "a", -1]"#, "p, q", "a: [x, \"p, q\"]\n");
    check("a.yaml", "a: [x, y]\n", r#"["yaml", "a", 0]"#, "p\nq", "a: [\"p\\nq\", y]\n");
}

#[test]
fn quotes_stay() {
    check("a.yaml", "a: 'x'\n", r#"["yaml", "a"]"#, "it's", "a: 'it''s'\n");
    check("a.yaml", "a: \"\\u00e9 x\"\n", r#"["yaml", "a"]"#, "é y", "a: \"\\u00e9 y\"\n");
    check(
        "a.json",
        "{\"a\": \"\\u00e9 x\" /* why */,}",
        r#"["json", "a"]"#,
        "é \"\n",
        "{\"a\": \"\\u00e9 \\\"\\n\" /* why */,}",
    );
    check("a.toml", "a = 'x'\n", r#"["toml", "a"]"#, r"\d", "a = '\\d'\n");
    check("a.toml", "a = 'x'\n", r#"["toml", "a"]"#, "it's", "a = \"it's\"\n");
    check(
        "a.toml",
        "a = \"x\" # why\n",
        r#"["toml", "a"]"#,
        "b\n\"c\"",
        "a = \"\"\"\nb\n\"c\\\"\"\"\" # why\n",
    );
    check("a.toml", "a = '''\nx'''\n", r#"["toml", "a"]"#, "y\\\nz", "a = '''\ny\\\nz'''\n");
    check(
        "a.toml",
        "a = \"\"\"\nx \\\n  y\\u0041\nz\"\"\"\n",
        r#"["toml", "a"]"#,
        "x yA\nw",
        "a = \"\"\"\nx \\\n  y\\u0041\nw\"\"\"\n",
    );
}

#[test]
fn numbers_and_truths_are_written_as_they_are() {
    check("a.yaml", "n: 3. # why\n", r#"["yaml", "n"]"#, "4", "n: 4. # why\n");
    check("a.toml", "n = 0.5\n", r#"["toml", "n"]"#, "1", "n = 1.0\n");
    check("a.json", "{\"n\": 40}", r#"["json", "n"]"#, "20", "{\"n\": 20}");
    check("a.toml", "b = true\n", r#"["toml", "b"]"#, "false", "b = false\n");
    refuse("a.json", "{\"n\": 40}", r#"["json", "n"]"#, "\"x\"", "the surface is a text, not a whole number");
    refuse("a.yaml", "n: 40\n", r#"["yaml", "n"]"#, "4.5", "the surface is a number, not a whole number");
    refuse(
        "a.yaml",
        "n: 40\n",
        r#"["yaml", "n"]"#,
        "1\nm: 2",
        "the new text would not be read back as it is",
    );
    refuse(
        "a.json",
        "{\"n\": 40}",
        r#"["json", "n"]"#,
        "1, \"m\": 2",
        "the new text would not be read back as it is",
    );
    let limits = Limits { max: Some(40.0), ..Limits::default() };
    let edit = |new| edited_within("a.toml", "n = 40\n", r#"["toml", "n"]"#, &limits, new);
    assert_eq!(edit("41").unwrap_err().to_string(), "the surface is 41, at most 40 is allowed");
    let limits = Limits { kind: Some(ValueKind::Number), ..Limits::default() };
    let edit = |new| edited_within("a.toml", "n = 40\n", r#"["toml", "n"]"#, &limits, new);
    assert_eq!(edit("4.5").as_deref(), Ok("n = 4.5\n"));
}

#[test]
fn nothing_can_become_a_text() {
    check("a.yaml", "a:\nb: 1\n", r#"["yaml", "a"]"#, "x", "a: x\nb: 1\n");
    check("a.yaml", "a: null\nb: 1\n", r#"["yaml", "a"]"#, "x\ny\n", "a: |\n  x\n  y\nb: 1\n");
    check("a.json", "{\"a\": null}", r#"["json", "a"]"#, "x", "{\"a\": \"x\"}");
}

#[test]
fn an_entry_is_added_as_the_others_are_written() {
    check(
        "a.yaml",
        "t:\n  - a # first\n  - b # last\nx: 1\n",
        r#"["yaml", "t", "+"]"#,
        "yes",
        "t:\n  - a # first\n  - b # last\n  - \"yes\"\nx: 1\n",
    );
    check(
        "a.yaml",
        "t:\n- n: a\n  p: |\n    q\n\nx: 1\n",
        r#"["yaml", "t", "+"]"#,
        "n: b\np: c",
        "t:\n- n: a\n  p: |\n    q\n- n: b\n  p: c\n\nx: 1\n",
    );
    check("a.yaml", "t: [a, b]\n", r#"["yaml", "t", "+"]"#, "c, d", "t: [a, b, \"c, d\"]\n");
    check("a.yaml", "t: []\n", r#"["yaml", "t", "+"]"#, "c", "t: [c]\n");
    check(
        "a.json",
        "{\"t\": [\n    \"a\",\n    \"b\"\n  ]}",
        r#"["json", "t", "+"]"#,
        "c",
        "{\"t\": [\n    \"a\",\n    \"b\",\n    \"c\"\n  ]}",
    );
    check(
        "a.json",
        "{\"t\": [{\"n\": 1}]}",
        r#"["json", "t", "+"]"#,
        "{\"n\": 2}",
        "{\"t\": [{\"n\": 1}, {\"n\": 2}]}",
    );
    check(
        "a.toml",
        "t = [\n  \"a\", # first\n]\n",
        r#"["toml", "t", "+"]"#,
        "b",
        "t = [\n  \"a\", # first\n  \"b\",\n]\n",
    );
    check(
        "a.toml",
        "[[t]]\nn = 1 # one\n\n[u]\nx = 1\n",
        r#"["toml", "t", "+"]"#,
        "n = 2",
        "[[t]]\nn = 1 # one\n\n[[t]]\nn = 2\n\n[u]\nx = 1\n",
    );
    refuse("a.json", "{\"t\": [1]}", r#"["json", "t", "+"]"#, "2, 3", "the new entry is no value");
    refuse(
        "a.yaml",
        "t:\n- n: a\n",
        r#"["yaml", "t", "+"]"#,
        "n: b\n- n: c",
        "the file would not parse: while parsing a block mapping, did not find expected key",
    );
    assert_eq!(why_not("a.yaml", "t: x\n", r#"["yaml", "t", "+"]"#), "`t` is a text, not a list");
}

#[test]
fn an_entry_may_start_below_its_dash() {
    check(
        "a.yaml",
        "t:\n  -\n    - a\n    - b\nx: 1\n",
        r#"["yaml", "t", "+"]"#,
        "[c]",
        "t:\n  -\n    - a\n    - b\n  - [c]\nx: 1\n",
    );
    check(
        "a.yaml",
        "t:\n- # why\n    |1\n x\n- b\n",
        r#"["yaml", "t", 0]"#,
        "y\n",
        "t:\n- # why\n    |1\n y\n- b\n",
    );
}

#[test]
fn the_first_entry_of_a_list_of_tables_gets_its_header() {
    let select = r#"["toml", "runtime", "rule", "+"]"#;
    check(
        "a.toml",
        "[runtime]\nx = 1 # one\n",
        select,
        "id = \"a\"",
        "[runtime]\nx = 1 # one\n\n[[runtime.rule]]\nid = \"a\"\n",
    );
    check("a.toml", "", select, "id = \"a\"", "[[runtime.rule]]\nid = \"a\"");
    check(
        "a.toml",
        "x = 1",
        r#"["toml", "a b", "+"]"#,
        "y = 1\nz.q = 2",
        "x = 1\n\n[[\"a b\"]]\ny = 1\nz.q = 2",
    );
    assert_eq!(why_not("a.toml", "x = 1", select), "no key `runtime` in `a.toml`");
    refuse("a.toml", "runtime = { x = 1 }", select, "y = 1", "no key `runtime.rule` in `a.toml`");
    refuse("a.toml", "[runtime]\nrule = 3", select, "y = 1", "`runtime.rule` is a number, not a list");
    refuse("a.toml", "x = 1\n", select, "y = 1\n[z]\nw = 1", "the new entry would not be read back as it is");
    refuse(
        "a.toml",
        "x = 1\n",
        select,
        "y = 1\n[[runtime.rule]]\ny = 2",
        "the new entry would not be read back as it is",
    );
}

#[test]
fn a_block_of_values_is_shown_without_its_indentation() {
    let text = "a:\n    b:\n        c: 1\n        d:\n            - e\n    f: 2\n";
    let select = r#"["yaml", "a", "b"]"#;
    assert_eq!(value("a.yaml", text, select), "c: 1\nd:\n    - e");
    check(
        "a.yaml",
        text,
        select,
        "c: 2\ng:\n    - h",
        "a:\n    b:\n        c: 2\n        g:\n            - h\n    f: 2\n",
    );
    let text = "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n";
    assert_eq!(value("a.json", text, r#"["json", "a"]"#), "[\n  1,\n  2\n]");
    check("a.json", text, r#"["json", "a"]"#, "[\n  3\n]", "{\n  \"a\": [\n    3\n  ]\n}\n");
}

#[test]
fn a_list_of_dashes_below_its_key_can_become_one_of_brackets() {
    check("a.yaml", "a:\n- b\n- c\nd: 1\n", r#"["yaml", "a"]"#, "[x, y]", "a:\n  [x, y]\nd: 1\n");
}

#[test]
fn a_table_that_ends_with_nothing_ends_behind_its_colon() {
    check("a.yaml", "a:\n", r#"["yaml"]"#, "{n: 7}", "{n: 7}\n");
    check("a.yaml", "a: &b 1\n", r#"["yaml", "a"]"#, "7", "a: &b 7\n");
    check("a.yaml", "t:\n  a: 1\n  b:\nc: 1\n", r#"["yaml", "t"]"#, "a: 2\nd:", "t:\n  a: 2\n  d:\nc: 1\n");
    check("a.yaml", "t:\n  - a\n  -\nc: 1\n", r#"["yaml", "t", "+"]"#, "~", "t:\n  - a\n  -\n  - ~\nc: 1\n");
}

#[test]
fn where_a_value_starts_is_no_part_of_it() {
    let text = "{\n  \"a\": [\n    1\n  ], \"b\": [\n    2\n  ]\n}\n";
    let after = edited("a.json", text, r#"["json", "a"]"#, "[3]").unwrap();
    assert_eq!(value("a.json", &after, r#"["json", "b"]"#), value("a.json", text, r#"["json", "b"]"#));
    let text = "{\"a\": {\n      \"b\": [\n        1\n      ]}}\n";
    assert_eq!(value("a.json", text, r#"["json", "a", "b"]"#), "[\n  1\n]");
}

#[test]
fn what_an_edit_could_not_change_alone_is_refused() {
    assert_eq!(
        why_not("a.yaml", "a: &x 1\nb: *x\n", r#"["yaml", "b"]"#),
        "the value is an alias of one elsewhere in the file"
    );
    assert_eq!(
        why_not("a.yaml", "a: &x 1\nb: *x\n", r#"["yaml", "a"]"#),
        "the anchor `&x` is used elsewhere in the file"
    );
    assert_eq!(
        why_not("a.yaml", "a: &x {c: 1}\nb: *x\n", r#"["yaml", "a", "c"]"#),
        "the anchor `&x` is used elsewhere in the file"
    );
    assert_eq!(value("a.yaml", "a: &x t\nb: &y 1\nc: *y\n", r#"["yaml", "a"]"#), "t");
    assert_eq!(why_not("a.yaml", "a: 1\n---\na: 2\n", r#"["yaml", "a"]"#), "the file holds 2 YAML documents");
    assert_eq!(
        why_not("a.json", "{\"a\": 1, \"a\": 2}", r#"["json", "a"]"#),
        "the file does not parse (line 1): key `a` is given twice (line 1)"
    );
    assert!(
        why_not("a.toml", "a = \nb = 1\n", r#"["toml", "b"]"#)
            .starts_with("the file does not parse (line 1): ")
    );
    assert_eq!(
        why_not("a.toml", "[tool]\nnames = 1\n", r#"["toml", "tool", "name"]"#),
        "no key `tool.name` in `a.toml`; did you mean `names`?"
    );
    assert_eq!(
        why_not("a.json", "{\"a\": [1]}", r#"["json", "a", 1]"#),
        "no entry 1 among the 1 of `a` in `a.json`"
    );
    assert_eq!(
        why_not("a.json", "{}", r#"["yaml", "a"]"#),
        "selector `yaml` cannot read JSON; use `json` or `file`"
    );
}

#[test]
fn what_grants_rights_cannot_change_inside_a_value() {
    let text = "{\"agent\": {\"prompt\": \"x\", \"permissions\": {\"edit\": \"ask\"}}}";
    refuse(
        "a.json",
        text,
        r#"["json", "agent"]"#,
        "{\"prompt\": \"y\", \"permissions\": {\"edit\": \"allow\"}}",
        "the edit changes `agent.permissions`, which grants rights",
    );
    refuse("a.json", text, r#"["file"]"#, "{}", "the edit changes `agent.permissions`, which grants rights");
    check(
        "a.json",
        text,
        r#"["json", "agent"]"#,
        "{\"prompt\": \"y\", \"permissions\": {\"edit\":  \"ask\"}}",
        "{\"agent\": {\"prompt\": \"y\", \"permissions\": {\"edit\":  \"ask\"}}}",
    );
    let schema = "{\"properties\": {\"run\": {\"description\": \"x\"}}}";
    check(
        "a.json",
        schema,
        r#"["json", "properties"]"#,
        "{\"run\": {\"description\": \"y\"}}",
        "{\"properties\": {\"run\": {\"description\": \"y\"}}}",
    );
}

#[test]
fn line_ends_are_the_files() {
    let text = "a: |\r\n  x\r\n  y\r\nb: 1\r\n";
    assert_eq!(value("a.yaml", text, r#"["yaml", "a"]"#), "x\ny\n");
    check("a.yaml", text, r#"["yaml", "a"]"#, "x\nz\n", "a: |\r\n  x\r\n  z\r\nb: 1\r\n");
    let text = "a = \"\"\"\r\nx\r\ny\"\"\"\r\n";
    assert_eq!(value("a.toml", text, r#"["toml", "a"]"#), "x\ny");
    check("a.toml", text, r#"["toml", "a"]"#, "x\nz", "a = \"\"\"\r\nx\r\nz\"\"\"\r\n");
    check("a.yaml", "\u{feff}a: x\n", r#"["yaml", "a"]"#, "z", "\u{feff}a: z\n");
    check("a.json", "{\"a\": \"x\\r\\ny\"}\r\n", r#"["json", "a"]"#, "z\r\ny", "{\"a\": \"z\\r\\ny\"}\r\n");
}

#[test]
fn a_file_without_a_known_name_is_read_as_the_selector_says() {
    check("Modelfile.tmpl", "a: x\n", r#"["yaml", "a"]"#, "z", "a: z\n");
}
