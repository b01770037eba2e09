//! Any bytes as a stream of the protocol: reading ends, does not depend on how the bytes arrive, and comes back to the next
//! good frame.
//!
//! The first piece is the stream, the second a body that is framed as it should be.

#![no_main]

use std::io::{BufRead, BufReader};

use fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use self_harness::lsp::framing::{Frame, Frames, write};
use serde_json::Value;

const GOOD: &str = r#"{"id":"the last","method":"m"}"#;

/// The longest body that a stream may announce here.
const LONGEST: usize = 999;

fuzz_target!(|data: &[u8]| {
    let mut pieces = pieces(data);
    let stream = pieces.next().unwrap_or_default();
    let all = read(stream);
    let lines = stream.iter().filter(|byte| **byte == b'\n').count();
    assert!(all.len() <= lines, "{all:?} of {lines} lines");
    for capacity in [1, 7] {
        assert_eq!(read(BufReader::with_capacity(capacity, stream)), all);
    }
    comes_back(stream);
    if let Some(body) = pieces.next() {
        is_one_frame(body);
    }
});

fn read(input: impl BufRead) -> Vec<String> {
    let mut frames = Frames::new(input);
    let mut all = Vec::new();
    while let Ok(Some(frame)) = frames.read() {
        all.push(match frame {
            Frame::Message(message) => message.to_string(),
            Frame::Bad(refusal) => format!("{refusal:?}"),
        });
    }
    all
}

/// Behind as many blank lines as a stream can still want for a body, the next frame is read.
fn comes_back(stream: &[u8]) {
    let mut input = stream.to_vec();
    let mut digits = 0;
    for byte in &mut input {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        if 3 < digits {
            *byte = b'x';
        }
    }
    input.extend(b"\r\n".repeat(LONGEST));
    framed(&mut input, GOOD.as_bytes());
    let all = read(input.as_slice());
    assert_eq!(all.last().map(String::as_str), Some(GOOD), "{:?}", String::from_utf8_lossy(stream));
}

/// Whatever a body holds, it is one frame, and what follows is the next.
fn is_one_frame(body: &[u8]) {
    let mut input = Vec::new();
    framed(&mut input, body);
    framed(&mut input, GOOD.as_bytes());
    let mut frames = Frames::new(input.as_slice());
    let first = frames.read();
    assert_eq!(frames.last_length(), body.len());
    match (first, serde_json::from_slice::<Value>(body)) {
        (Ok(Some(Frame::Message(message))), Ok(value)) => assert_eq!(message, value),
        (Ok(Some(Frame::Message(message))), Err(_)) => {
            // Only halves of characters are mended.
            assert!(String::from_utf8_lossy(body).contains("\\u"), "{message}");
        }
        (Ok(Some(Frame::Bad(refusal))), value) => {
            let is_call = value.is_ok_and(|value| value.is_object() && value["method"].is_string());
            assert!(!is_call, "{refusal:?}");
            assert!([-32700, -32600].contains(&refusal.code));
        }
        (other, _) => panic!("{other:?}"),
    }
    match frames.read() {
        Ok(Some(Frame::Message(message))) => assert_eq!(message.to_string(), GOOD),
        other => panic!("{other:?}"),
    }
    assert!(matches!(frames.read(), Ok(None)));
}

fn framed(output: &mut Vec<u8>, body: &[u8]) {
    // Writing into memory does not fail.
    let _ = write(output, body);
}
