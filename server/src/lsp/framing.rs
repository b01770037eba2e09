//! Frames of the base protocol (LSP 3.17, "Base Protocol"): reads them from a stream and never loses the next one to a bad
//! one. Answers nothing itself.
//!
//! What is no message becomes the error that JSON-RPC 2.0 has for it, once, and reading goes on behind it: behind the body
//! where its length is known, else at the next line that ends with a `Content-Length`.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// A longer header, in bytes, is refused.
const MAX_HEADER: usize = 8 * 1024;

/// A longer body, in bytes, is read past, not into memory.
const MAX_BODY: u64 = 64 * 1024 * 1024;

/// No body is as long as this, in bytes: the length is a mistake, and nothing is read past for it.
const MAX_PAST: u64 = 1024 * 1024 * 1024;

/// So much of a line is kept, in bytes, to find the header that follows a body without a line break.
const KEPT: usize = 256;

/// The name of the one header that counts.
const CONTENT_LENGTH: &str = "content-length";

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

const IS_NO_HEADER: &str = "this is no header of a message";
const HAS_NO_LENGTH: &str = "the header has no `Content-Length`";
const IS_NO_LENGTH: &str = "the header's `Content-Length` is no length";
const TOO_LONG_HEADER: &str = "the header is longer than 8 KiB";
const OTHER_CHARSET: &str = "the message is not in UTF-8, by its header";

/// What a frame holds.
#[derive(Debug)]
pub enum Frame {
    /// A JSON object with a method, or the answer to a question of ours.
    Message(Value),
    /// Something else.
    Bad(Refusal),
}

/// Why a frame is no message.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The id to answer to; null if the frame does not say.
    pub id: Value,
    /// JSON-RPC's error code: -32700 for what is no JSON, -32600 for what is no message.
    pub code: i64,
    /// What is wrong.
    pub message: &'static str,
}

/// Reads frames from a stream.
#[derive(Debug)]
pub struct Frames<R> {
    input: R,
    /// Bytes of a refused body that are still to be read past.
    past: u64,
    /// What no header could be read from was answered already; more of it is not answered again.
    lost: bool,
    /// Length of the last body, in bytes.
    body: usize,
}

/// A header.
enum Header {
    /// A message of so many bytes follows.
    Length(u64),
    /// A message of so many bytes follows, but it cannot be read.
    Refused(u64, &'static str),
    /// Nobody knows what follows.
    Lost(&'static str),
}

impl<R: BufRead> Frames<R> {
    /// Frames of a stream that starts with a header.
    pub fn new(input: R) -> Self {
        Self { input, past: 0, lost: false, body: 0 }
    }

    /// The length of the frame that was read last, in bytes.
    #[must_use]
    pub fn last_length(&self) -> usize {
        self.body
    }

    /// Reads the next frame; `None` at the end of the stream. What ends in the middle is no frame.
    ///
    /// # Errors
    /// Only what reading itself says.
    pub fn read(&mut self) -> io::Result<Option<Frame>> {
        io::copy(&mut self.input.by_ref().take(self.past), &mut io::sink())?;
        self.past = 0;
        self.body = 0;
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let was_lost = std::mem::replace(&mut self.lost, matches!(header, Header::Lost(_)));
            return Ok(Some(match header {
                Header::Lost(_) if was_lost => continue,
                Header::Lost(message) => bad(PARSE_ERROR, message),
                // The answer comes first: the body may be long, or never come.
                Header::Refused(length, message) => {
                    self.past = length;
                    bad(PARSE_ERROR, message)
                }
                Header::Length(length) if MAX_BODY < length => {
                    self.past = length;
                    bad(INVALID_REQUEST, "the message is longer than 64 MiB")
                }
                Header::Length(length) => match self.body(length)? {
                    Some(body) => parse(&body),
                    None => return Ok(None),
                },
            }));
        }
    }

    /// Reads to the blank line that ends a header. Lines that belong to no header are passed over, so a client that prints
    /// into the stream by mistake, or a body that was longer than announced, costs no more than itself.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut length = None;
        let mut lost = None;
        let mut refused = None;
        let mut size = 0;
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.text.is_empty() {
                return Ok(Some(match (length, refused, lost) {
                    (Some(length), Some(message), _) => Header::Refused(length, message),
                    (Some(length), None, _) => Header::Length(length),
                    (None, Some(message), _) | (None, None, Some(message)) => Header::Lost(message),
                    (None, None, None) if 0 < size => Header::Lost(HAS_NO_LENGTH),
                    // Blank lines between frames mean nothing.
                    (None, None, None) => continue,
                }));
            }
            match field(&line.text) {
                Some(Field::Length(Some(number))) => length = Some(number),
                found => match (glued_length(&line.text), found) {
                    // A header starts behind the rest of a body.
                    (Some(number), _) => {
                        (length, lost, refused, size) = (Some(number), None, None, 0);
                        continue;
                    }
                    (None, Some(Field::Length(_))) => lost = Some(IS_NO_LENGTH),
                    (None, Some(Field::OtherCharset)) => refused = Some(OTHER_CHARSET),
                    (None, Some(Field::Other)) => {}
                    (None, None) if line.length <= MAX_HEADER => {
                        lost = Some(IS_NO_HEADER);
                        continue;
                    }
                    (None, None) => {}
                },
            }
            size += line.length;
            if MAX_HEADER < size {
                refused = Some(TOO_LONG_HEADER);
            }
        }
    }

    /// A line without its line break; `None` at the end of the stream. Of a line that is too long the end is kept.
    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let mut length = 0;
        loop {
            let read = self.input.by_ref().take(MAX_HEADER as u64).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            length += read;
            if bytes.ends_with(b"\n") {
                let text = String::from_utf8_lossy(&bytes);
                return Ok(Some(Line { text: text.trim_end_matches(['\r', '\n']).to_owned(), length }));
            }
            bytes.drain(..bytes.len().saturating_sub(KEPT));
        }
    }

    /// A body; `None` if the stream ends in it.
    fn body(&mut self, length: u64) -> io::Result<Option<Vec<u8>>> {
        // The memory follows what comes, not what is announced.
        let mut body = Vec::new();
        let read = self.input.by_ref().take(length).read_to_end(&mut body)?;
        self.body = read;
        Ok((read as u64 == length).then_some(body))
    }
}

/// A line of a header.
struct Line {
    text: String,
    /// In bytes, with what was not kept.
    length: usize,
}

/// A field of a header.
enum Field {
    /// `Content-Length`, and what it says if that can be meant.
    Length(Option<u64>),
    /// A `Content-Type` that is not UTF-8.
    OtherCharset,
    /// Any other.
    Other,
}

/// Reads a field; what is before the colon must be a token (RFC 9110, 5.1).
fn field(line: &str) -> Option<Field> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    Some(match name {
        _ if name.eq_ignore_ascii_case(CONTENT_LENGTH) => Field::Length(number(value)),
        _ if name.eq_ignore_ascii_case("content-type") && !is_utf_8(value) => Field::OtherCharset,
        _ => Field::Other,
    })
}

/// The length in a line that ends with the field, behind something else. What stands before may hold any text, so only the
/// last one counts.
fn glued_length(line: &str) -> Option<u64> {
    let (name, value) = line.rsplit_once(':')?;
    let end = name.len().checked_sub(CONTENT_LENGTH.len())?;
    name.get(end..)?.eq_ignore_ascii_case(CONTENT_LENGTH).then(|| number(value.trim())).flatten()
}

/// A length that can be meant.
fn number(value: &str) -> Option<u64> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse().ok().filter(|length| *length <= MAX_PAST)
}

/// Whether a content type names UTF-8 or no charset; `utf8` is what early clients write (LSP 3.17, "Header Part").
fn is_utf_8(content_type: &str) -> bool {
    content_type.split(';').filter_map(|part| part.split_once('=')).all(|(name, value)| {
        let charset = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || charset.eq_ignore_ascii_case("utf-8")
            || charset.eq_ignore_ascii_case("utf8")
    })
}

/// Writes one message as a frame, in one piece.
///
/// # Errors
/// What writing says.
pub fn write(output: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    frame.extend_from_slice(body);
    output.write_all(&frame)?;
    output.flush()
}

fn bad(code: i64, message: &'static str) -> Frame {
    Frame::Bad(Refusal { id: Value::Null, code, message })
}

fn parse(body: &[u8]) -> Frame {
    let Ok(text) = std::str::from_utf8(body) else { return bad(PARSE_ERROR, "the message is not UTF-8") };
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        // Some clients cut a character in half when they cut a text; JSON has a way to write that, Unicode has not.
        Err(_) => match serde_json::from_str::<Value>(&without_lone_surrogates(text)) {
            Ok(value) => value,
            Err(_) => return bad(PARSE_ERROR, "the message is no JSON"),
        },
    };
    let Value::Object(object) = &value else {
        let is_batch = value.is_array();
        let message =
            if is_batch { "batches are no part of the protocol" } else { "the message is no object" };
        return bad(INVALID_REQUEST, message);
    };
    let message = match object.get("method") {
        Some(Value::String(_)) => return Frame::Message(value),
        Some(_) => "the method is no string",
        None if !object.contains_key("id") => "the message has no method and no id",
        None if object.contains_key("result") || object.contains_key("error") => {
            return Frame::Message(value);
        }
        None => "the message has no method, no result and no error",
    };
    let id = object.get("id").filter(|id| is_id(id)).cloned().unwrap_or_default();
    Frame::Bad(Refusal { id, code: INVALID_REQUEST, message })
}

/// Whether a value can be the id of a request.
#[must_use]
pub fn is_id(value: &Value) -> bool {
    value.is_string() || value.is_i64() || value.is_u64()
}

/// The text with escaped halves of characters replaced by U+FFFD.
fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let unit = |from: usize| {
            let digits = escape.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let taken = match (unit(0), unit(6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push('\u{FFFD}');
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            _ => escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at),
        };
        out.push_str(escape.get(..taken).unwrap_or_default());
        rest = escape.get(taken..).unwrap_or_default();
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "{\"id\":1,\"method\":\"m\"}";

    fn frames(input: &[u8]) -> Vec<String> {
        let mut frames = Frames::new(input);
        let mut all = Vec::new();
        while let Some(frame) = frames.read().unwrap() {
            all.push(match frame {
                Frame::Message(value) => value.to_string(),
                Frame::Bad(refusal) => format!("{} {} {}", refusal.id, refusal.code, refusal.message),
            });
        }
        all
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn the_next_frame_survives_a_bad_one() {
        let long = "x".repeat(MAX_HEADER);
        let cases = [
            (framed("{\"id\":1,"), "null -32700 the message is no JSON"),
            (framed(""), "null -32700 the message is no JSON"),
            (framed("[]"), "null -32600 batches are no part of the protocol"),
            (framed("{}"), "null -32600 the message has no method and no id"),
            (framed("3"), "null -32600 the message is no object"),
            (framed("{\"id\":7}"), "7 -32600 the message has no method, no result and no error"),
            (framed("{\"id\":\"a\",\"method\":3}"), "\"a\" -32600 the method is no string"),
            (framed("{\"id\":[],\"method\":3}"), "null -32600 the method is no string"),
            (
                format!("Content-Length: x\r\n\r\n{GOOD}"),
                "null -32700 the header's `Content-Length` is no length",
            ),
            (
                format!("Content-Length: -5\r\n\r\n{GOOD}"),
                "null -32700 the header's `Content-Length` is no length",
            ),
            (
                format!("Content-Length: +5\r\n\r\n{GOOD}"),
                "null -32700 the header's `Content-Length` is no length",
            ),
            (
                format!("Content-Length: 99999999999999999999\r\n\r\n{GOOD}"),
                "null -32700 the header's `Content-Length` is no length",
            ),
            (format!("Content-Length 22\r\n\r\n{GOOD}"), "null -32700 this is no header of a message"),
            (format!("Content-Type: a\r\n\r\n{GOOD}"), "null -32700 the header has no `Content-Length`"),
            (String::from("hello\r\n\r\nyou\r\n\r\n"), "null -32700 this is no header of a message"),
            (
                format!("Content-Length: {}\r\nContent-Type: a; charset=latin1\r\n\r\n{GOOD}", GOOD.len()),
                "null -32700 the message is not in UTF-8, by its header",
            ),
            (
                format!("X: {long}\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len()),
                "null -32700 the header is longer than 8 KiB",
            ),
            // Cut short, so that the rest of the body stands before the next header.
            (format!("Content-Length: 10\r\n\r\n{GOOD}"), "null -32700 the message is no JSON"),
        ];
        for (bad, expected) in cases {
            let input = format!("{bad}{}", framed(GOOD));
            assert_eq!(frames(input.as_bytes()), [expected, GOOD], "{:?}", bad.get(..80).unwrap_or(&bad));
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused_before_it_comes() {
        let length = usize::try_from(MAX_BODY).unwrap() + 1;
        let header = format!("Content-Length: {length}\r\n\r\n");
        let mut frames = Frames::new(header.as_bytes());
        assert!(
            matches!(frames.read().unwrap(), Some(Frame::Bad(refusal)) if refusal.code == INVALID_REQUEST)
        );
        let input = [header.as_bytes(), &vec![b' '; length], framed(GOOD).as_bytes()].concat();
        assert_eq!(self::frames(&input), ["null -32600 the message is longer than 64 MiB", GOOD]);
    }

    #[test]
    fn odd_headers_are_read() {
        for header in [
            "content-length:{}\r\n\r\n",
            "CONTENT-LENGTH : {} \n\n",
            "\r\n\r\nContent-Length: {}\r\n\r\n",
            "Content-Length: {}\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n",
            "Content-Type: a; charset=\"UTF-8\"\r\nContent-Length: {}\r\nX-Other: b\r\n\r\n",
            "the debugger is attached\r\nContent-Length: {}\r\n\r\n",
        ] {
            let header = header.replace("{}", &GOOD.len().to_string());
            assert_eq!(frames(format!("{header}{GOOD}").as_bytes()), [GOOD], "{header:?}");
        }
        let junk = "j".repeat(3 * MAX_HEADER);
        assert_eq!(frames(format!("{junk}{}", framed(GOOD)).as_bytes()), [GOOD]);
    }

    #[test]
    fn halves_of_characters_are_repaired() {
        let body = r#"{"method":"m","params":["\ud83d","\ud83d\ude00","\\ud83d","\udc00x"]}"#;
        let expected = "{\"method\":\"m\",\"params\":[\"\u{FFFD}\",\"😀\",\"\\\\ud83d\",\"\u{FFFD}x\"]}";
        assert_eq!(frames(framed(body).as_bytes()), [expected]);
    }

    #[test]
    fn a_stream_that_ends_early_ends() {
        assert_eq!(frames(b"Content-Length: 10\r\n\r\nabc"), Vec::<String>::new());
        assert_eq!(frames(b"Content-Length: 10"), Vec::<String>::new());
        assert_eq!(frames(b"\r\n\r\n"), Vec::<String>::new());
        assert_eq!(frames(b"Content-Length: 100000000\r\n\r\nabc").len(), 1);
    }

    /// Pieces that come close to a header.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let near = vec![
            "Content-Length: ",
            "content-length:22\r\n\r\n",
            "\r\n",
            "\r\n\r\n",
            "22",
            GOOD,
            "{\"a\":\"\\ud8",
            "00\\u12\"}",
            ":",
            "X: ",
            "[",
        ];
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(near).prop_map(|text| text.as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in any_bytes()) {
            // Each frame takes at least a line.
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            prop_assert!(frames(&bytes).len() <= lines);
        }

        #[test]
        fn whatever_is_said_before_the_next_frame_is_read(bytes in any_bytes()) {
            // Without digits nothing announces a body that would swallow the frame.
            let bytes: Vec<u8> = bytes.iter().map(|byte| if byte.is_ascii_digit() { b'x' } else { *byte }).collect();
            let all = frames(&[&bytes, framed(GOOD).as_bytes()].concat());
            prop_assert_eq!(all.last().map(String::as_str), Some(GOOD));
            prop_assert!(all.len() <= 2, "{:?}", all);
        }

        #[test]
        fn what_is_written_is_read(text in ".{0,40}") {
            let body = serde_json::json!({"method": text}).to_string();
            let mut written = Vec::new();
            write(&mut written, body.as_bytes()).unwrap();
            prop_assert_eq!(frames(&written), vec![body]);
        }
    }
}
