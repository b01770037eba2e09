//! Edits of Python: literals, code, and what is refused.

use super::{check, edited, edited_within, refuse, value, why_not};
use crate::surface::{Choice, Limits};

#[test]
fn a_constant_narrows_to_its_one_literal() {
    let text = "PROMPT = \"\"\"\\\nYou are \\u00e9 agent.\nBe brief.\n\"\"\".strip()\nX = 1\n";
    let select = r#"["py.const", "PROMPT"]"#;
    assert_eq!(value("a.py", text, select), "You are é agent.\nBe brief.\n");
    check(
        "a.py",
        text,
        select,
        "You are é agent.\nBe exact.\n",
        "PROMPT = \"\"\"\\\nYou are \\u00e9 agent.\nBe exact.\n\"\"\".strip()\nX = 1\n",
    );
}

#[test]
fn the_text_cannot_end_its_literal() {
    check("a.py", "A = 'x'\n", r#"["py.const", "A"]"#, "it's\n\\ \"so\"", "A = 'it\\'s\\n\\\\ \"so\"'\n");
    let triple = "A = \"\"\"x\"\"\"\n";
    check("a.py", triple, r#"["py.const", "A"]"#, "a \"\"\" b\"", "A = \"\"\"a \"\"\\\" b\\\"\"\"\"\n");
    check("a.py", "A = r'x'\n", r#"["py.const", "A"]"#, r"\d+", "A = r'\\d+'\n");
    check("a.py", "A = r'x'\n", r#"["py.const", "A"]"#, "it's", "A = 'it\\'s'\n");
}

#[test]
fn parts_side_by_side_stay_where_they_can() {
    let text = "def f():\n    return (\n        \"One.\\n\"\n        \"Two.\\n\"  # why\n        \"Three.\"\n    )\n";
    let select = r#"["py.return", "f"]"#;
    assert_eq!(value("a.py", text, select), "One.\nTwo.\nThree.");
    check(
        "a.py",
        text,
        select,
        "One.\nTwo!\nAnd a half.\nThree.",
        "def f():\n    return (\n        \"One.\\n\"\n        \"Two!\\n\"\n        \"And a half.\\n\"  # why\n        \"Three.\"\n    )\n",
    );
    check("a.py", "A = ('a' 'b')\n", r#"["py.const", "A"]"#, "", "A = ('')\n");
}

#[test]
fn an_f_string_keeps_its_expressions() {
    let text = "def f(n):\n    return f\"Do {n!r:>{4}} of {{x}}.\"\n";
    let select = r#"["py.return", "f"]"#;
    assert_eq!(value("a.py", text, select), "Do {n!r:>{4}} of {{x}}.");
    check(
        "a.py",
        text,
        select,
        "As {\"json\"}: {n!r:>{4}}",
        "def f(n):\n    return f\"As {{\\\"json\\\"}}: {n!r:>{4}}\"\n",
    );
    refuse("a.py", text, select, "Do it.", "the surface must keep `{n!r:>{4}}` and does not have it");
    // Another expression is text.
    check(
        "a.py",
        text,
        select,
        "{n!r:>{4}} {open('/etc/passwd')}",
        "def f(n):\n    return f\"{n!r:>{4}} {{open('/etc/passwd')}}\"\n",
    );
}

#[test]
fn only_literals_are_surfaces() {
    let policy = "def policy():\n    return {\"max\": 3, \"on\": True}\n";
    check(
        "a.py",
        policy,
        r#"["py.return", "policy"]"#,
        "{\"max\": 2, \"on\": True}",
        "def policy():\n    return {\"max\": 2, \"on\": True}\n",
    );
    refuse(
        "a.py",
        policy,
        r#"["py.return", "policy"]"#,
        "{\"max\": __import__('os').system('id')}",
        "the surface would be lost: `policy` is computed; only literals are surfaces",
    );
    refuse("a.py", policy, r#"["py.return", "policy"]"#, "3", "the surface is a whole number, not a table");
    assert_eq!(
        why_not("a.py", "A = f(x)\n", r#"["py.const", "A"]"#),
        "`A` is computed; only literals are surfaces"
    );
    assert_eq!(
        why_not("a.py", "A = 'a' + b + 'c'\n", r#"["py.const", "A"]"#),
        "`A` is made of 2 texts, so none is the one"
    );
    assert_eq!(why_not("a.py", "A = b'a'\n", r#"["py.const", "A"]"#), "`A` is no text but bytes");
}

#[test]
fn numbers_keep_their_notation_and_their_limits() {
    check("a.py", "T = 3.  # why\n", r#"["py.const", "T"]"#, "4", "T = 4.  # why\n");
    check("a.py", "T: float = 0.5\n", r#"["py.const", "T"]"#, "-1", "T: float = -1.0\n");
    refuse("a.py", "T = 3\n", r#"["py.const", "T"]"#, "3.5", "the surface is a number, not a whole number");
    let limits = Limits {
        max: Some(8.0),
        one_of: vec![Choice::Number(4.0), Choice::Number(9.0)],
        ..Limits::default()
    };
    let edit = |new| edited_within("a.py", "T = 3\n", r#"["py.const", "T"]"#, &limits, new);
    assert_eq!(edit("4").as_deref(), Ok("T = 4\n"));
    assert_eq!(edit("9").unwrap_err().to_string(), "the surface is 9, at most 8 is allowed");
}

#[test]
fn a_name_that_is_no_one_place_says_why() {
    let text = "def run():\n    if a:\n        return 'x'\n    return 'y'\n\nclass Tool:\n    def run(self):\n        'Runs.'\n\nA = 1\nA = 2\nB = C = 1\nif x:\n    D = 'd'\nelse:\n    D = 'e'\n";
    let why = |select| why_not("a.py", text, select);
    assert_eq!(why(r#"["py.return", "run"]"#), "`run` has 2 `return`s, so none is the one");
    assert_eq!(why(r#"["py.return", "Tool", "run"]"#), "`Tool.run` has no `return`");
    assert_eq!(why(r#"["py.const", "A"]"#), "`A` is defined 2 times (lines 10 and 11)");
    assert_eq!(why(r#"["py.const", "D"]"#), "`D` is defined 2 times (lines 14 and 16)");
    assert_eq!(
        why(r#"["py.const", "B"]"#),
        "`B` is assigned with other names, or changed in place, which `py.const` cannot select"
    );
    assert_eq!(why(r#"["py.function", "runn"]"#), "no function `runn` in `a.py`; did you mean `run`?");
    assert_eq!(
        why(r#"["py.function", "Tol", "run"]"#),
        "no class or function `Tol` in `a.py`; did you mean `Tool`?"
    );
    assert_eq!(why(r#"["py.function", "Tool"]"#), "`Tool` is a class, which `py.function` cannot select");
    assert_eq!(why(r#"["py.doc", "Tool"]"#), "no docstring of `Tool` in `a.py`");
    assert_eq!(
        why(r#"["md.body"]"#),
        "selector `md.body` cannot read Python; use `py.return`, `py.const`, `py.function`, `py.body` or `py.doc`"
    );
    assert!(
        why_not("a.py", "def f(:\n", r#"["py.doc", "f"]"#).starts_with("the file does not parse (line 1): ")
    );
}

#[test]
fn code_is_shown_and_written_without_the_indentation_of_its_place() {
    let text = "class Tool:\n    @cached\n    def run(self):\n        \"\"\"Runs.\n        Twice.\"\"\"\n        text = '''a\n    b'''\n\n        return text\n\n    x = 1\n";
    let function = r#"["py.function", "Tool", "run"]"#;
    assert_eq!(
        value("a.py", text, function),
        "@cached\ndef run(self):\n    \"\"\"Runs.\n        Twice.\"\"\"\n    text = '''a\n    b'''\n\n    return text"
    );
    let body = r#"["py.body", "Tool", "run"]"#;
    assert_eq!(value("a.py", text, body), "text = '''a\n    b'''\n\nreturn text");
    check(
        "a.py",
        text,
        body,
        "if self.x:\n    return '''c\nd'''\nreturn 1",
        "class Tool:\n    @cached\n    def run(self):\n        \"\"\"Runs.\n        Twice.\"\"\"\n        if self.x:\n            return '''c\nd'''\n        return 1\n\n    x = 1\n",
    );
    assert_eq!(value("a.py", text, r#"["py.doc", "Tool", "run"]"#), "Runs.\n        Twice.");
    check(
        "a.py",
        "def f(): return 1\nx = 2\n",
        r#"["py.body", "f"]"#,
        "y = 1\nreturn y",
        "def f(): \n    y = 1\n    return y\nx = 2\n",
    );
}

#[test]
fn code_with_lines_that_are_less_deep_is_written_as_deep_as_its_place() {
    let text = "class A:\n    def f(self):\n        return [\n  1,\n]\n";
    let select = r#"["py.function", "A", "f"]"#;
    check(
        "a.py",
        text,
        select,
        "def f(self):\n    return 2",
        "class A:\n    def f(self):\n        return 2\n",
    );
}

#[test]
fn a_body_on_the_last_line_of_its_def_moves_below_it() {
    let text = "class A:\n    def f(\n    self,\n): return 1\n";
    check(
        "a.py",
        text,
        r#"["py.body", "A", "f"]"#,
        "x = 1\nreturn x",
        "class A:\n    def f(\n    self,\n): \n        x = 1\n        return x\n",
    );
}

#[test]
fn code_cannot_leave_its_place() {
    let text = "def f():\n    return 1\n\ndef g():\n    return 2\n";
    let function = r#"["py.function", "f"]"#;
    let refused = |new| edited("a.py", text, function, new).unwrap_err().to_string();
    assert_eq!(
        refused("def f():\n    return 1\n\ndef h():\n    pass"),
        "the new text would not be read back as it is"
    );
    assert_eq!(
        refused("def f():\n    return 1\n\ndef g():\n    pass"),
        "the new text would not be read back as it is"
    );
    assert_eq!(refused("def h():\n    return 1"), "the surface would be lost: no function `f` in `a.py`");
    assert!(refused("def f():\n    return (").starts_with("the file would not parse: "));
    assert!(refused("def f():\n    return '''").starts_with("the file would not parse: "));
}

#[test]
fn line_ends_are_the_files() {
    let text = "A = \"\"\"a\r\nb\"\"\"\r\ndef f():\r\n    return 1\r\n";
    assert_eq!(value("a.py", text, r#"["py.const", "A"]"#), "a\nb");
    check(
        "a.py",
        text,
        r#"["py.const", "A"]"#,
        "a\nb\nc",
        "A = \"\"\"a\r\nb\r\nc\"\"\"\r\ndef f():\r\n    return 1\r\n",
    );
    check(
        "a.py",
        text,
        r#"["py.function", "f"]"#,
        "def f():\n    return 2",
        "A = \"\"\"a\r\nb\"\"\"\r\ndef f():\r\n    return 2\r\n",
    );
    let marked = "\u{feff}A = 'a'\n";
    check("a.py", marked, r#"["py.const", "A"]"#, "b", "\u{feff}A = 'b'\n");
}
