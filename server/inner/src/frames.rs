//! What the worker and the first process of a container say to each other: frames over standard input and output, because no
//! descriptor passes through a container engine. Pure: bytes in, frames out; each frame is bounded, what is none is an error.

use std::io::{self, ErrorKind};

/// The argument that makes the first process speak in frames.
pub const STDIO: &str = "--stdio";

const HEAD_BYTES: usize = 9;
/// No request is longer.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;
/// No piece of output is longer.
pub const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// No report is longer.
const MAX_REPORT_BYTES: usize = 4096;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the worker, first: what the first process is told.
    Setup,
    /// From the worker: a command to run.
    Run,
    /// From the worker: the command is to be ended.
    Stop,
    /// From the first process: a report.
    Report,
    /// From the first process: a piece of what a command printed.
    Stdout,
    /// The same of its errors.
    Stderr,
    /// Nothing more is printed.
    StdoutEnd,
    /// The same of errors.
    StderrEnd,
}

/// Each with its mark and the longest content.
const KINDS: [(Kind, u8, usize); 8] = [
    (Kind::Setup, b'S', MAX_REQUEST_BYTES),
    (Kind::Run, b'R', MAX_REQUEST_BYTES),
    (Kind::Stop, b'K', 0),
    (Kind::Report, b'r', MAX_REPORT_BYTES),
    (Kind::Stdout, b'o', MAX_OUTPUT_BYTES),
    (Kind::Stderr, b'e', MAX_OUTPUT_BYTES),
    (Kind::StdoutEnd, b'p', 0),
    (Kind::StderrEnd, b'f', 0),
];

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The command that it is about.
    pub number: u32,
    /// Its content.
    pub content: Vec<u8>,
}

/// A frame as bytes.
///
/// # Errors
/// `InvalidInput` if the content is too long.
pub fn encode(kind: Kind, number: u32, content: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = || io::Error::new(ErrorKind::InvalidInput, "it is too long");
    let (_, mark, most) = KINDS.into_iter().find(|(known, ..)| *known == kind).ok_or_else(too_long)?;
    let length = u32::try_from(content.len()).map_err(|_| too_long())?;
    if most < content.len() {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES + content.len());
    bytes.push(mark);
    bytes.extend(number.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(content);
    Ok(bytes)
}

/// Frames as they come out of a stream of bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next whole frame; `None` if there is none yet.
    ///
    /// # Errors
    /// `InvalidData` if this is no frame; nothing can be read after it.
    pub fn take(&mut self) -> io::Result<Option<Frame>> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let [mark, n0, n1, n2, n3, l0, l1, l2, l3] = *head;
        let known = KINDS.into_iter().find(|(_, known, _)| *known == mark);
        let Some((kind, _, most)) = known else { return Err(no_frame("its kind is unknown")) };
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        if most < length {
            return Err(no_frame("it is too long"));
        }
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let frame = Frame { kind, number: u32::from_le_bytes([n0, n1, n2, n3]), content: content.to_vec() };
        self.bytes.drain(..HEAD_BYTES + length);
        Ok(Some(frame))
    }
}

fn no_frame(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_however_the_bytes_are_cut() {
        let frames = [
            Frame { kind: Kind::Run, number: 7, content: b"{}".to_vec() },
            Frame { kind: Kind::Stdout, number: 7, content: vec![1; 5000] },
            Frame { kind: Kind::StdoutEnd, number: u32::MAX, content: Vec::new() },
        ];
        let bytes: Vec<u8> =
            frames.iter().flat_map(|it| encode(it.kind, it.number, &it.content).unwrap()).collect();
        for piece in [1, 8, 9, 10, 4096, bytes.len()] {
            let (mut decoder, mut found) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                decoder.push(piece);
                while let Some(frame) = decoder.take().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames);
        }
    }

    #[test]
    fn esc_81_what_is_no_frame_is_an_error() {
        let none = |bytes: &[u8]| {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            decoder.take().is_err()
        };
        assert!(none(b"x00000000"));
        assert!(none(b"r\0\0\0\0\xff\xff\xff\xff"));
        assert!(none(b"K\0\0\0\0\x01\0\0\0"));
        assert!(encode(Kind::Report, 0, &[0; MAX_REPORT_BYTES + 1]).is_err());
    }
}
