//! What holds for every edit: it changes only its span, reads back as the new value, leaves all else as it was, finds
//! its surface again, and can be taken back. And nothing that is read here can make the reader fail.

use proptest::prelude::*;

use super::{document, selector};
use crate::edit::{Refusal, invert, measure, write};
use crate::selector::Selector;
use crate::surface::Limits;
use crate::text::apply_all;

/// Pieces that some format reads as something else than text.
pub(super) const PIECES: &[&str] = &[
    "a", "word", " ", "  ", "\n", "\n\n", "\t", "\"", "'", "\\", "\\n", ": ", ":", " #", "# ", "- ", "-",
    "? ", "yes", "No", "null", "~", "1", "1.5", "1e3", "0x1F", "{", "}", "{{", "}}", "{name}", "\"\"\"",
    "'''", "é", "漢", "😀", "e\u{301}", "\r", "\r\n", "\u{2028}", "\u{85}", "\u{0}", "\u{1b}", "\u{7f}",
    "\u{feff}", "---", "...", "\n---\n", "|", ">", "%", "@", "`", "```", "*a", "&a", "!", "[", "]", ",",
    "<!--", "\n# T\n", "\n## T\n", "\n===\n", "$", "\u{200b}", "/", "=", "EOF", "\u{a0}",
];

pub(super) fn nasty() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
}

/// A document, the selector that is edited, others that must not change, and whether every text can be written there.
struct Case {
    path: &'static str,
    text: &'static str,
    select: &'static str,
    others: &'static [&'static str],
    any_text: bool,
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { path: "a.json", text: "{\n  \"a\": \"x \\u00e9\", // c\n  \"b\": [1, \"two\"]\n}\n", select: r#"["json", "a"]"#, others: &[r#"["json", "b"]"#], any_text: true },
    Case { path: "a.json", text: "{\"b\": 1, \"a\": [\"x\", \"y\"]}", select: r#"["json", "a", "+"]"#, others: &[r#"["json", "b"]"#, r#"["json", "a", 1]"#], any_text: true },
    Case { path: "a.toml", text: "a = \"x\" # c\nb = 1\n[t]\nc = 'd'\n", select: r#"["toml", "a"]"#, others: &[r#"["toml", "b"]"#, r#"["toml", "t", "c"]"#], any_text: true },
    Case { path: "a.toml", text: "b = 1\n[t]\na = \"\"\"\nx\\\n  y \\u0041\nz\"\"\"\nc = 'd'\n", select: r#"["toml", "t", "a"]"#, others: &[r#"["toml", "b"]"#, r#"["toml", "t", "c"]"#], any_text: true },
    Case { path: "a.toml", text: "a = '''\nx\n'''\nb = 2\n", select: r#"["toml", "a"]"#, others: &[r#"["toml", "b"]"#], any_text: true },
    Case { path: "a.toml", text: "a = { x = 'y', z = [ 'p' ] }\nb = 2\n", select: r#"["toml", "a", "x"]"#, others: &[r#"["toml", "b"]"#, r#"["toml", "a", "z"]"#], any_text: true },
    Case { path: "a.toml", text: "a = [\n  'p', # c\n]\nb = 2\n", select: r#"["toml", "a", "+"]"#, others: &[r#"["toml", "b"]"#, r#"["toml", "a", 0]"#], any_text: true },
    Case { path: "a.yaml", text: "a: x # c\nb: [1, {c: d}]\n", select: r#"["yaml", "a"]"#, others: &[r#"["yaml", "b"]"#], any_text: true },
    Case { path: "a.yaml", text: "b: 1\na: |\n    x\n\n    y\n\n# c\nc:\n  - d\n", select: r#"["yaml", "a"]"#, others: &[r#"["yaml", "b"]"#, r#"["yaml", "c", 0]"#], any_text: true },
    Case { path: "a.yaml", text: "b: 1\na: >-\n  x\n  y\n\n  z\nc:\n  - d\n", select: r#"["yaml", "a"]"#, others: &[r#"["yaml", "b"]"#, r#"["yaml", "c", 0]"#], any_text: true },
    Case { path: "a.yaml", text: "b: 1\nl:\n- k: 'x'\n  m: n\n- o\n", select: r#"["yaml", "l", 0, "k"]"#, others: &[r#"["yaml", "b"]"#, r#"["yaml", "l", 0, "m"]"#, r#"["yaml", "l", 1]"#], any_text: true },
    Case { path: "a.yaml", text: "l: [\"x\\u0041\", y]\nb: 1\n", select: r#"["yaml", "l", 0]"#, others: &[r#"["yaml", "b"]"#, r#"["yaml", "l", 1]"#], any_text: true },
    Case { path: "a.yaml", text: "l:\n  - x # c\n  - y\nb: 1\n", select: r#"["yaml", "l", "+"]"#, others: &[r#"["yaml", "b"]"#, r#"["yaml", "l", 1]"#], any_text: true },
    Case { path: "a.py", text: "A = \"x\"  # c\nB = 2\n", select: r#"["py.const", "A"]"#, others: &[r#"["py.const", "B"]"#], any_text: true },
    Case { path: "a.py", text: "A = '''\\\nx\\x41\n'''.strip()\nB = 2\n", select: r#"["py.const", "A"]"#, others: &[r#"["py.const", "B"]"#], any_text: true },
    Case { path: "a.py", text: "A = r'x\\d'\nB = 2\n", select: r#"["py.const", "A"]"#, others: &[r#"["py.const", "B"]"#], any_text: true },
    Case { path: "a.py", text: "def f():\n    \"\"\"Doc.\"\"\"\n    return (\n        'a\\n'\n        'b'\n    )\nB = 2\n", select: r#"["py.return", "f"]"#, others: &[r#"["py.const", "B"]"#, r#"["py.doc", "f"]"#], any_text: true },
    Case { path: "a.py", text: "def f(name):\n    return f\"Hi {name}!\"\nB = 2\n", select: r#"["py.return", "f"]"#, others: &[r#"["py.const", "B"]"#], any_text: false },
    Case { path: "a.py", text: "class C:\n    def f(self):\n        return 1\nB = 2\n", select: r#"["py.body", "C", "f"]"#, others: &[r#"["py.const", "B"]"#], any_text: false },
    Case { path: "a.md", text: "---\nd: x\n---\n\n# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree\n", select: r#"["md.section", "B"]"#, others: &[r#"["md.section", "C"]"#, r#"["md.frontmatter", "d"]"#], any_text: false },
    Case { path: "a.md", text: "---\nd: x\ne: f\n---\n\n# A\n\none\n", select: r#"["md.frontmatter", "d"]"#, others: &[r#"["md.body"]"#, r#"["md.frontmatter", "e"]"#], any_text: true },
    Case { path: "a.md", text: "---\nd: x\n---\n\n# A\n\none\n", select: r#"["md.body"]"#, others: &[r#"["md.frontmatter", "d"]"#], any_text: false },
    Case { path: "a.txt", text: "x\n# self-harness:begin r\ny\n# self-harness:end r\nz\n", select: r#"["region", "r"]"#, others: &[], any_text: false },
    Case { path: "a.txt", text: "x\ny\n", select: r#"["file"]"#, others: &[], any_text: false },
];

/// The case's text with other line ends, and perhaps a byte order mark.
fn varied(text: &str, crlf: bool, mark: bool) -> String {
    let text = if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
    if mark { format!("\u{feff}{text}") } else { text }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_edit_does_what_it_says(
        case in 0..CASES.len(),
        new in nasty(),
        again in nasty(),
        crlf in any::<bool>(),
        mark in any::<bool>(),
    ) {
        let case = &CASES[case];
        let text = varied(case.text, crlf, mark);
        let before = document(case.path, &text);
        let place = selector(case.select);
        let values = |text: &str| -> Vec<_> {
            let document = document(case.path, text);
            case.others.iter().map(|other| selector(other).resolve(&document).unwrap().value).collect()
        };
        let resolved = place.resolve(&before).unwrap();
        let edit = match write(&before, &resolved, &Limits::default(), &new) {
            Ok(edit) => edit,
            Err(Refusal::NoChange) => return Ok(()),
            Err(refusal) => {
                prop_assert!(!case.any_text, "{:?} refused in {}: {refusal:?}", new, text);
                return Ok(());
            }
        };
        prop_assert_eq!(edit.span, resolved.span);
        let after = apply_all(&text, std::slice::from_ref(&edit)).unwrap();
        prop_assert_eq!(values(&text), values(&after));
        prop_assert_eq!(apply_all(&after, &[invert(&text, &edit)]).unwrap(), text.as_str());
        let read = place.resolve(&document(case.path, &after)).unwrap();
        let append = case.select.ends_with("\"+\"]");
        if append {
            prop_assert_ne!(read.digest, resolved.digest);
            let last = selector(&case.select.replace("\"+\"", "-1")).resolve(&document(case.path, &after)).unwrap();
            prop_assert_eq!(&last.value, &new);
        } else if case.any_text && !new.contains('\r') {
            prop_assert_eq!(&read.value, &new);
            prop_assert!(0 < measure(&resolved.value, &read.value).changed_lines);
        }
        // An edit of what was just written is as good as the first.
        let second = write(&document(case.path, &after), &read, &Limits::default(), &again);
        prop_assert!(!case.any_text || matches!(second, Ok(_) | Err(Refusal::NoChange)), "{:?} refused in {}: {second:?}", again, after);
    }

    #[test]
    fn no_text_makes_reading_or_writing_fail(
        path in prop::sample::select(vec!["a.json", "a.toml", "a.yaml", "a.py", "a.md", "a.txt"]),
        text in prop_oneof![nasty(), "\\PC*", any::<String>()],
        at in 0..CASES.len(),
        new in nasty(),
    ) {
        let document = document(path, &text);
        for select in [CASES[at].select, r#"["yaml"]"#, r#"["json"]"#, r#"["toml"]"#, r#"["file"]"#, r#"["md.body"]"#] {
            if let Ok(resolved) = selector(select).resolve(&document) {
                prop_assert!(text.get(resolved.span.range()).is_some());
                // Whether it is accepted does not matter here.
                let _ = write(&document, &resolved, &Limits::default(), &new);
            }
        }
    }

    #[test]
    fn a_cut_document_is_read_or_refused(at in 0..CASES.len(), cut in 0usize..200, crlf in any::<bool>()) {
        let case = &CASES[at];
        let text = varied(case.text, crlf, false);
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let document = document(case.path, &text[..cut]);
        for select in std::iter::once(&case.select).chain(case.others) {
            if let Ok(resolved) = selector(select).resolve(&document) {
                let _ = write(&document, &resolved, &Limits::default(), "new\ntext");
            }
        }
        prop_assert!(Selector::File.resolve(&document).is_ok());
    }
}
