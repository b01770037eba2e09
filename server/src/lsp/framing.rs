//! Frames of the base protocol: reads them from a stream and never loses the next one to a bad one.
//!
//! What is no message is answered with the error that JSON-RPC has for it, and reading goes on behind it.

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// More header bytes than this are no header.
const MAX_HEADER: usize = 8 * 1024;

/// A longer body is read past, not into memory.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What a frame holds.
#[derive(Debug)]
pub enum Frame {
    /// A JSON object with a method or an id.
    Message(Value),
    /// Something else: the error to answer with, in words.
    Bad(Refusal),
}

/// Why a frame is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// JSON-RPC's error code: -32700 for what is no JSON, -32600 for what is no message.
    pub code: i64,
    /// What is wrong.
    pub message: &'static str,
}

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

fn bad(code: i64, message: &'static str) -> Frame {
    Frame::Bad(Refusal { code, message })
}

/// Reads the next frame; `None` at the end of the stream.
///
/// # Errors
/// Only what reading itself says.
pub fn read(input: &mut impl BufRead) -> io::Result<Option<Frame>> {
    let Some(header) = read_header(input)? else { return Ok(None) };
    let length = match header {
        Header::Length(length) => length,
        Header::Bad(message) => return Ok(Some(bad(PARSE_ERROR, message))),
    };
    if MAX_BODY < length {
        io::copy(&mut input.take(length as u64), &mut io::sink())?;
        return Ok(Some(bad(INVALID_REQUEST, "the message is too long")));
    }
    let mut body = vec![0; length];
    if let Err(error) = input.read_exact(&mut body) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    Ok(Some(parse(&body)))
}

/// Writes one message as a frame.
///
/// # Errors
/// What writing says.
pub fn write(output: &mut impl Write, body: &[u8]) -> io::Result<()> {
    write!(output, "Content-Length: {}\r\n\r\n", body.len())?;
    output.write_all(body)?;
    output.flush()
}

enum Header {
    Length(usize),
    Bad(&'static str),
}

/// Reads to the blank line that ends a header. Lines that are no header lines are skipped up to the next header, so a
/// client that prints into the stream by mistake loses nothing but that.
fn read_header(input: &mut impl BufRead) -> io::Result<Option<Header>> {
    let mut length = None;
    let mut problem = None;
    let mut read = 0;
    loop {
        let mut line = Vec::new();
        let count = input.by_ref().take(MAX_HEADER as u64).read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(None);
        }
        read += count;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            match (length, problem) {
                (Some(length), _) => return Ok(Some(Header::Length(length))),
                (None, Some(problem)) => return Ok(Some(Header::Bad(problem))),
                // Blank lines between frames mean nothing.
                (None, None) => continue,
            }
        }
        match line.split_once(':') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("content-length") => {
                match value.trim().parse::<usize>() {
                    Ok(value) => length = Some(value),
                    Err(_) => problem = Some("the header's `Content-Length` is no number"),
                }
            }
            Some((name, _)) if name.trim().eq_ignore_ascii_case("content-type") => {
                problem = problem.or(Some("the header has no `Content-Length`"));
            }
            _ => problem = problem.or(Some("this is no header of a message")),
        }
        if MAX_HEADER < read && length.is_none() {
            return Ok(Some(Header::Bad("the header is too long")));
        }
    }
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
    match &value {
        Value::Object(object) if object.get("method").is_some_and(Value::is_string) => Frame::Message(value),
        Value::Object(object) if object.contains_key("id") && !object.contains_key("method") => {
            Frame::Message(value)
        }
        Value::Array(_) => bad(INVALID_REQUEST, "batches are no part of the protocol"),
        _ => bad(INVALID_REQUEST, "the message has no method and no id"),
    }
}

/// The text with escaped halves of characters replaced by U+FFFD.
fn without_lone_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
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
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(input: &[u8]) -> Vec<String> {
        let mut input = input;
        let mut all = Vec::new();
        while let Some(frame) = read(&mut input).unwrap() {
            all.push(match frame {
                Frame::Message(value) => value.to_string(),
                Frame::Bad(refusal) => format!("{} {}", refusal.code, refusal.message),
            });
        }
        all
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn the_next_frame_survives_a_bad_one() {
        let good = framed("{\"id\":1,\"method\":\"m\"}");
        let cases = [
            (framed("{\"id\":1,"), "-32700 the message is no JSON"),
            (framed("[]"), "-32600 batches are no part of the protocol"),
            (framed("{}"), "-32600 the message has no method and no id"),
            (framed("3"), "-32600 the message has no method and no id"),
            (String::from("Content-Length: x\r\n\r\n"), "-32700 the header's `Content-Length` is no number"),
            (String::from("Content-Type: a\r\n\r\n"), "-32700 the header has no `Content-Length`"),
            (String::from("hello\r\n\r\n"), "-32700 this is no header of a message"),
        ];
        for (bad, expected) in cases {
            let input = format!("{bad}{good}");
            assert_eq!(frames(input.as_bytes()), [expected, "{\"id\":1,\"method\":\"m\"}"], "{bad:?}");
        }
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
        assert_eq!(frames(b"\r\n\r\n"), Vec::<String>::new());
    }
}
