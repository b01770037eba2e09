//! The server's text is the client's text, whatever is typed and asked in between. The model that it is held against shares no
//! code with it: a plain string, and positions counted as the protocol says (LSP 3.17, "Text Documents").

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

/// How a client counts columns.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

impl Encoding {
    fn units(self, char: char) -> usize {
        match self {
            Self::Utf8 => char.len_utf8(),
            Self::Utf16 => char.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// A line and a column.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Position(usize, usize);

impl Position {
    fn json(self) -> Value {
        json!({"line": self.0, "character": self.1})
    }
}

/// The text as a client has it.
struct Model {
    text: String,
    encoding: Encoding,
}

impl Model {
    /// Where each line starts, and where it ends without its line break.
    fn lines(&self) -> Vec<(usize, usize)> {
        let (mut lines, mut start) = (Vec::new(), 0);
        let mut characters = self.text.char_indices().peekable();
        while let Some((at, char)) = characters.next() {
            if char == '\n' || char == '\r' {
                lines.push((start, at));
                if char == '\r' {
                    characters.next_if(|(_, next)| *next == '\n');
                }
                start = characters.peek().map_or(self.text.len(), |(at, _)| *at);
            }
        }
        lines.push((start, self.text.len()));
        lines
    }

    /// A column behind the line's end is its end, a line behind the text's end is the end; half a character is its start.
    fn offset(&self, Position(line, column): Position) -> usize {
        let Some((start, end)) = self.lines().get(line).copied() else { return self.text.len() };
        let mut left = column;
        for (at, char) in self.text[start..end].char_indices() {
            let units = self.encoding.units(char);
            if left < units {
                return start + at;
            }
            left -= units;
        }
        end
    }

    fn position(&self, offset: usize) -> Position {
        let lines = self.lines();
        let line = lines.iter().rposition(|(start, _)| *start <= offset).unwrap();
        let before = &self.text[lines[line].0..offset];
        Position(line, before.chars().map(|char| self.encoding.units(char)).sum())
    }
}

/// Two thousand edits in one encoding, with requests between them. At the end a marker is typed whose place the server
/// can only know if it has every edit right.
fn follow(encoding: &str, as_encoding: Encoding) {
    let workspace = Workspace::new(&format!("sync-{encoding}"), &FILES);
    let capabilities = json!({"general": {"positionEncodings": [encoding]}});
    let mut server = Server::open(workspace.path(), &capabilities);
    let uri = workspace.uri("prompts/system.md");
    let mut model = Model { text: String::from("# Start\n\nhello 😀\r\nworld\n"), encoding: as_encoding };
    let document = json!({"uri": uri, "languageId": "markdown", "version": 0, "text": model.text});
    server.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut asked = Vec::new();
    let mut version = 0;
    while version < 2000 {
        version += 1;
        let mut changes = Vec::new();
        for _ in 0..=numbers.below(2) {
            let lines = model.lines().len();
            let place = |numbers: &mut Numbers| Position(numbers.below(lines + 1), numbers.below(30));
            let (a, b) = (place(&mut numbers), place(&mut numbers));
            let (from, to) = if a <= b { (a, b) } else { (b, a) };
            let to = if numbers.below(3) == 0 { to } else { from };
            let new_text: String =
                (0..numbers.below(4)).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
            changes.push(json!({"range": {"start": from.json(), "end": to.json()}, "text": new_text}));
            let (start, end) = (model.offset(from), model.offset(to));
            model.text.replace_range(start..end.max(start), &new_text);
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
    let range = model.position(model.text.len()).json();
    let marker = "\n\n{# #}{{ marker_of_the_end }}";
    let document = json!({"uri": uri, "version": version + 1});
    let changes = json!([{"range": {"start": range, "end": range}, "text": marker}]);
    server.notify("textDocument/didChange", &json!({"textDocument": document, "contentChanges": changes}));
    model.text.push_str(marker);
    let found = server.diagnostics_until(&uri, |found| {
        found.iter().any(|each| each["message"].to_string().contains("marker_of_the_end")) || is_broken(found)
    });
    if let Some(found) = found.iter().find(|each| each["message"].to_string().contains("marker_of_the_end")) {
        let at = model.text.find("marker_of_the_end").unwrap();
        assert_eq!(found["range"]["start"], model.position(at).json(), "{found}");
    }
    let has = server.request("self-harness/test/text", &json!({"uri": uri}));
    assert_eq!(has["text"], model.text);
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
