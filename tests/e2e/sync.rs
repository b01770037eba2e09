//! The server's text is the client's text, whatever is typed and asked in between.

use harness_schema::text::{Encoding, Position, Text, TextEdit};
use serde_json::{Value, json};

use crate::FILES;
use crate::client::{Server, Workspace};

/// A small generator of numbers, so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

const PIECES: [&str; 12] =
    ["a", "\n", "\r\n", "\r", "é", "e\u{301}", "漢字", "😀", "# H\n", "`code` ", "{{ workdir }}", "\u{2028}"];

/// Two thousand edits in one encoding, with requests between them. At the end a marker is typed whose place the server
/// can only know if it has every edit right.
fn follow(encoding: &str, as_encoding: Encoding) {
    let workspace = Workspace::new(&format!("sync-{encoding}"), &FILES);
    let capabilities = json!({"general": {"positionEncodings": [encoding]}});
    let mut server = Server::open(workspace.path(), &capabilities);
    let uri = workspace.uri("prompts/system.md");
    let mut text = Text::new("# Start\n\nhello 😀\r\nworld\n");
    let document = json!({"uri": uri, "languageId": "markdown", "version": 0, "text": text.as_str()});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut asked = Vec::new();
    let mut version = 0;
    while version < 2000 {
        version += 1;
        let mut changes = Vec::new();
        for _ in 0..=numbers.below(2) {
            let place = |numbers: &mut Numbers| Position {
                line: u32::try_from(numbers.below(text.line_count() + 1)).unwrap(),
                column: u32::try_from(numbers.below(30)).unwrap(),
            };
            let (a, b) = (place(&mut numbers), place(&mut numbers));
            let (from, to) = if a <= b { (a, b) } else { (b, a) };
            let to = if numbers.below(3) == 0 { to } else { from };
            let new_text: String =
                (0..numbers.below(4)).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
            let span =
                harness_schema::text::Span::new(text.offset(from, as_encoding), text.offset(to, as_encoding));
            let range = |position: Position| json!({"line": position.line, "character": position.column});
            changes.push(json!({"range": {"start": range(from), "end": range(to)}, "text": new_text}));
            text = text.edited(&TextEdit { span, new_text });
        }
        let document = json!({"uri": uri, "version": version});
        server
            .notify("textDocument/didChange", &json!({"textDocument": document, "contentChanges": changes}));
        if numbers.below(3) == 0 {
            let method = ["documentSymbol", "foldingRange", "semanticTokens/full"][numbers.below(3)];
            asked.push(server.ask(&format!("textDocument/{method}"), &json!({"textDocument": {"uri": uri}})));
        }
    }
    for id in asked {
        let answer = server.answer(id);
        let code = answer["error"]["code"].as_i64();
        assert!(code.is_none() || code == Some(-32801), "{answer}");
    }
    // A name that no template has, behind everything that was typed.
    let end = text.position(text.len(), as_encoding);
    let range = json!({"line": end.line, "character": end.column});
    let marker = "\n\n{# #}{{ marker_of_the_end }}";
    let document = json!({"uri": uri, "version": version + 1});
    let changes = json!([{"range": {"start": range, "end": range}, "text": marker}]);
    server.notify("textDocument/didChange", &json!({"textDocument": document, "contentChanges": changes}));
    let whole = Text::new(&format!("{}{marker}", text.as_str()));
    let found = server.diagnostics_until(&uri, |found| {
        found.iter().any(|each| each["message"].to_string().contains("marker_of_the_end")) || is_broken(found)
    });
    if let Some(found) = found.iter().find(|each| each["message"].to_string().contains("marker_of_the_end")) {
        let at = whole.as_str().find("marker_of_the_end").unwrap();
        let expected = whole.position(at, as_encoding);
        let start = json!({"line": expected.line, "character": expected.column});
        assert_eq!(found["range"]["start"], start, "{found}");
    }
    let has = server.request("self-harness/test/text", &json!({"uri": uri}));
    assert_eq!(has["text"], whole.as_str());
    server.shut_down();
}

/// Random text may hold a tag that is never closed; then names behind it are text.
fn is_broken(found: &[Value]) -> bool {
    found.iter().any(|each| each["code"] == "SH103")
}

#[test]
fn in_utf_8() {
    follow("utf-8", Encoding::Utf8);
}

#[test]
fn in_utf_16() {
    follow("utf-16", Encoding::Utf16);
}

#[test]
fn in_utf_32() {
    follow("utf-32", Encoding::Utf32);
}

#[test]
fn the_encoding_is_the_first_of_the_client_that_both_know() {
    for (offered, chosen) in [
        (json!(["utf-32", "utf-8"]), "utf-32"),
        (json!(["utf-7", "utf-8"]), "utf-8"),
        (json!(["utf-7"]), "utf-16"),
        (json!([]), "utf-16"),
    ] {
        let mut server = Server::start();
        let capabilities = json!({"general": {"positionEncodings": offered}});
        let answer = server.request("initialize", &json!({"processId": null, "capabilities": capabilities}));
        assert_eq!(answer["capabilities"]["positionEncoding"], chosen);
        server.shut_down();
    }
}
