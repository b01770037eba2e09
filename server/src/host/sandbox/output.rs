//! What a command printed: its first and its last bytes, however long it was. Holds no more than that.

use std::collections::VecDeque;

/// How many bytes of each end are kept.
pub const KEPT_BYTES: usize = 32 * 1024;

/// The two ends of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = KEPT_BYTES - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(KEPT_BYTES)..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(KEPT_BYTES);
        self.tail.drain(..surplus);
        self.tail.extend(rest);
    }

    /// How many bytes the stream had.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// How many bytes between the two ends were let go.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.total - self.kept() as u64
    }

    /// What is kept, as it came, without a mark where something was let go.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.head.iter().chain(&self.tail).copied().collect()
    }

    /// What is kept, as text: characters that were cut are left out, other bytes that are no text are `�`, and a line says
    /// how much is missing.
    #[must_use]
    pub fn text(&self) -> String {
        if self.cut() == 0 {
            return String::from_utf8_lossy(&self.bytes()).into_owned();
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let whole = &self.head[..self.head.len() - cut_at_end(&self.head)];
        let (head, tail) =
            (String::from_utf8_lossy(whole), String::from_utf8_lossy(&tail[cut_at_start(&tail)..]));
        format!("{head}\n[{} bytes are left out]\n{tail}", self.cut())
    }
}

/// How many bytes at the end begin a character that is not finished.
fn cut_at_end(bytes: &[u8]) -> usize {
    for back in 1..=3.min(bytes.len()) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..=0xFF => 4,
            0x80..0xC0 => continue,
            _ => 1,
        };
        return if back < length { back } else { 0 };
    }
    0
}

/// How many bytes at the start belong to a character that began before.
fn cut_at_start(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|byte| (0x80..0xC0).contains(*byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_stream_is_kept_whole() {
        let mut capture = Capture::default();
        capture.push(b"one ");
        capture.push("zwei ü".as_bytes());
        assert_eq!((capture.text().as_str(), capture.cut()), ("one zwei ü", 0));
    }

    #[test]
    fn both_ends_of_a_long_stream_are_kept() {
        let mut capture = Capture::default();
        for number in 0..100_000 {
            capture.push(format!("{number}\n").as_bytes());
        }
        assert_eq!(capture.kept(), 2 * KEPT_BYTES);
        let text = capture.text();
        assert!(text.starts_with("0\n1\n2\n") && text.ends_with("\n99999\n"), "{text}");
        assert!(text.contains(&format!("\n[{} bytes are left out]\n", 588_890 - 65_536)), "{text}");
    }

    #[test]
    fn one_large_piece_is_as_many_small_ones() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        let (mut whole, mut pieces) = (Capture::default(), Capture::default());
        whole.push(&bytes);
        bytes.chunks(777).for_each(|piece| pieces.push(piece));
        assert_eq!(whole, pieces);
    }

    #[test]
    fn esc_96_characters_are_not_cut_in_two() {
        let mut capture = Capture::default();
        capture.push(&vec![b'x'; KEPT_BYTES - 1]);
        capture.push("ü".as_bytes());
        capture.push(&[b'-'; 100]);
        capture.push("🦀".as_bytes());
        capture.push(&vec![b'y'; KEPT_BYTES - 2]);
        let text = capture.text();
        assert!(!text.contains('\u{FFFD}'), "{}", &text[text.len() / 2 - 60..text.len() / 2 + 60]);
    }
}
