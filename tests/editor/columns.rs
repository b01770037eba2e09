//! How columns are counted: whatever an editor counts, bytes, UTF-16 units or characters, it is shown the same places, in a prompt with
//! emoji, CJK and combining marks, and lines that end in two characters.

use serde_json::{Value, json};

use crate::desk::{Desk, PROMPT_FILE, SHORT, capabilities, lab_of};
use crate::persona::persona;

/// Where something is, the bytes before it are more than the UTF-16 units, and these more than the characters. One line has something
/// that can be mended.
const WIDE: &str = "# 規則 😀\r\n\r\n漢字 e\u{301} 😀: use the `shelll` tool 👩‍💻.\r\n\r\nYou write nu\u{308}mbers 漢字 😀.\r\n";

/// What somebody meant.
const MENDED: &str = "`shell`";

/// How many units a character is, by how an editor counts.
fn units(encoding: &str, char: char) -> usize {
    match encoding {
        "utf-8" => char.len_utf8(),
        "utf-16" => char.len_utf16(),
        _ => 1,
    }
}

/// The byte of a position, by the words of the protocol; it has to be between two characters of a line.
fn offset(text: &str, encoding: &str, position: &Value) -> usize {
    let line = usize::try_from(position["line"].as_u64().unwrap()).unwrap();
    let column = usize::try_from(position["character"].as_u64().unwrap()).unwrap();
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let line = text[start..].split(['\r', '\n']).next().unwrap();
    let mut at = 0;
    for (byte, char) in line.char_indices() {
        if column <= at {
            assert_eq!(at, column, "half a character: {position}");
            return start + byte;
        }
        at += units(encoding, char);
    }
    assert_eq!(at, column, "behind the end of a line: {position}");
    start + line.len()
}

fn slice<'t>(text: &'t str, encoding: &str, range: &Value) -> &'t str {
    &text[offset(text, encoding, &range["start"])..offset(text, encoding, &range["end"])]
}

/// What is shown at the prompt, as texts and bytes.
#[derive(Debug, PartialEq)]
struct Shown {
    /// Each problem with the text that it is about.
    problems: Vec<(String, String)>,
    /// Each hint with the byte where it stands.
    hints: Vec<(String, usize)>,
    /// Each lens with the text that it is above of.
    lenses: Vec<(String, String)>,
    /// The text that each hover is about.
    hovers: Vec<String>,
    /// The prompt after each quick fix.
    mended: Vec<String>,
}

/// What an editor that counts so is shown.
fn shown(lab: &crate::lab::Lab, encoding: &str) -> Shown {
    let mut client = capabilities();
    client["general"] = json!({"positionEncodings": [encoding]});
    let mut desk = Desk::open(lab, &client);
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);
    desk.lenses_until(PROMPT_FILE, |lenses| lenses[0].contains("weakness"));
    let (uri, text) = (desk.uri(PROMPT_FILE), desk.text(PROMPT_FILE));
    let document = json!({"textDocument": {"uri": uri}});
    let list = |value: Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let report = desk.server.request("textDocument/diagnostic", &document);
    let found = list(report["items"].clone());
    let problems = found
        .iter()
        .map(|problem| (word(&problem["code"]), slice(&text, encoding, &problem["range"]).to_owned()));
    let problems: Vec<_> = problems.collect();
    let ends = json!({"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}});
    let hints =
        desk.server.request("textDocument/inlayHint", &json!({"textDocument": {"uri": uri}, "range": ends}));
    let label = |hint: &Value| {
        list(hint["label"].clone()).iter().map(|part| word(&part["value"])).collect::<String>()
    };
    let hints =
        list(hints).iter().map(|hint| (label(hint), offset(&text, encoding, &hint["position"]))).collect();
    let lenses = list(desk.server.request("textDocument/codeLens", &document));
    let lenses = lenses
        .iter()
        .map(|lens| (word(&lens["command"]["title"]), slice(&text, encoding, &lens["range"]).to_owned()));
    let lenses = lenses.collect();
    let (mut mended, mut hovers) = (Vec::new(), Vec::new());
    for problem in &found {
        let at = json!({"textDocument": {"uri": uri}, "position": problem["range"]["start"]});
        let hover = desk.server.request("textDocument/hover", &at);
        if hover.get("range").is_some() {
            hovers.push(slice(&text, encoding, &hover["range"]).to_owned());
        }
        let context = json!({"diagnostics": [problem], "triggerKind": 1});
        let asked = json!({"textDocument": {"uri": uri}, "range": problem["range"], "context": context});
        for action in list(desk.server.request("textDocument/codeAction", &asked)) {
            if word(&action["title"]).starts_with("Replace with ") {
                for edit in list(action["edit"]["documentChanges"][0]["edits"].clone()) {
                    let span = offset(&text, encoding, &edit["range"]["start"])
                        ..offset(&text, encoding, &edit["range"]["end"]);
                    let mut after = text.clone();
                    after.replace_range(span, edit["newText"].as_str().unwrap());
                    mended.push(after);
                }
            }
        }
    }
    desk.server.shut_down();
    Shown { problems, hints, lenses, hovers, mended }
}

#[test]
fn ux_35_places_are_the_same_in_every_encoding() {
    let lab = lab_of("editor-columns", 6, &persona(""), SHORT);
    lab.write(PROMPT_FILE, WIDE);
    lab.ok(&["evaluate", "--yes"]);
    let of = ["utf-8", "utf-16", "utf-32"].map(|encoding| shown(&lab, encoding));
    assert_eq!(of[0], of[1]);
    assert_eq!(of[1], of[2]);
    let [shown, ..] = of;
    let (line, line_end) = (WIDE.lines().last().unwrap(), WIDE.trim_end().len());
    let problem = |code: &str| {
        let found = shown.problems.iter().find(|(known, _)| known == code);
        found.unwrap_or_else(|| panic!("{shown:?}")).1.clone()
    };
    assert_eq!(problem("SH104"), "shelll");
    assert_eq!(problem("SH802"), line);
    assert!(shown.hints.iter().any(|(text, at)| text.starts_with("C-") && *at == line_end), "{shown:?}");
    assert_eq!(shown.lenses.len(), 1);
    assert_eq!(shown.lenses[0].1, WIDE.lines().next().unwrap());
    assert!(shown.hovers.contains(&line.to_owned()), "{shown:?}");
    assert_eq!(shown.mended, [WIDE.replace("`shelll`", MENDED)]);
}
