//! From the protocol: URIs to paths, positions to byte offsets.

use std::path::{Path, PathBuf};

use harness_schema::text::{Encoding, Position, Span, Text, TextEdit};
use tower_lsp::gen_lsp_types as lsp;

use crate::workspace::Change;

/// The path of a `file:` URI; `None` for any other scheme or another host (RFC 8089).
#[must_use]
pub fn path(uri: &str) -> Option<PathBuf> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let slash = rest.find('/')?;
            let host = rest.get(..slash)?;
            if !(host.is_empty() || host.eq_ignore_ascii_case("localhost")) {
                return None;
            }
            rest.get(slash..)?
        }
        None => rest,
    };
    let decoded = decode(path)?;
    let absolute = Path::new(if cfg!(windows) { without_slash(&decoded) } else { &decoded });
    absolute.is_absolute().then(|| normal(absolute))
}

/// `/c:/x` as Windows writes it.
fn without_slash(path: &str) -> &str {
    let is_drive =
        |rest: &&str| rest.as_bytes().get(1) == Some(&b':') && rest.as_bytes()[0].is_ascii_alphabetic();
    path.strip_prefix('/').filter(is_drive).unwrap_or(path)
}

/// Without `.` and `..`: a buffer's path is a name here, not a way through links.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
        out
    })
}

fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            let digits = text.get(at + 1..at + 3)?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    let decoded = String::from_utf8(out).ok()?;
    (!decoded.contains('\0')).then_some(decoded)
}

/// A byte offset.
#[must_use]
pub fn offset(text: &Text, position: lsp::Position, encoding: Encoding) -> usize {
    text.offset(Position { line: position.line, column: position.character }, encoding)
}

/// A span; one that ends before it starts is empty.
#[must_use]
pub fn span(text: &Text, range: lsp::Range, encoding: Encoding) -> Span {
    Span::new(offset(text, range.start, encoding), offset(text, range.end, encoding))
}

/// What a client did to a text.
#[must_use]
pub fn change(text: &Text, change: lsp::TextDocumentContentChangeEvent, encoding: Encoding) -> Change {
    match change {
        lsp::TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
            Change::Part(TextEdit { span: span(text, part.range, encoding), new_text: part.text })
        }
        lsp::TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
            Change::Whole(whole.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{path, without_slash};

    #[test]
    fn a_drive_is_no_directory() {
        assert_eq!(without_slash("/c:/a b"), "c:/a b");
        assert_eq!(without_slash("/cc/a"), "/cc/a");
        assert_eq!(without_slash("/"), "/");
    }

    #[test]
    fn file_uris_are_paths() {
        let path = |uri| path(uri).map(|path| path.display().to_string());
        assert_eq!(path("file:///a%20b/%C3%A9.md").as_deref(), Some("/a b/é.md"));
        assert_eq!(path("file://localhost/a").as_deref(), Some("/a"));
        assert_eq!(path("file:///a/../b/./c#x").as_deref(), Some("/b/c"));
        assert_eq!(path("file://server/a"), None);
        assert_eq!(path("untitled:Untitled-1"), None);
        assert_eq!(path("file:///a%0"), None);
    }
}
