//! The text of a JSON string that has escapes. They are found by the bits of a block, and what is between two of them is copied
//! as a whole block: what comes too much is written over, or left out at the end.

use crate::engine::places::{bits, places};

/// So many bytes are looked at together.
const BLOCK: usize = 64;
/// What ends a string, or cannot be in it.
const END: [(u8, u8); 2] = [(0, 0x1f), (b'"', b'"')];
const BACKSLASH: [(u8, u8); 1] = [(b'\\', b'\\')];

/// What letters stand for behind a backslash; 0 for those that stand for nothing, or for more.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let pairs = [
        (b'n', b'\n'),
        (b'"', b'"'),
        (b'\\', b'\\'),
        (b'/', b'/'),
        (b't', b'\t'),
        (b'r', b'\r'),
        (b'b', 8),
        (b'f', 12),
    ];
    let mut at = 0;
    while at < pairs.len() {
        escapes[pairs[at].0 as usize] = pairs[at].1;
        at += 1;
    }
    escapes
};

/// Puts the string together that begins at a place, behind its quote: how many bytes `out` has of it at its beginning, and the
/// place behind the closing quote; none if it is no string. Half of a character, as Python writes what it could not decode, is
/// read as one that stands for it.
pub(super) fn read(source: &[u8], start: usize, out: &mut Vec<u8>) -> Option<(usize, usize)> {
    let mut length = 0;
    let mut is_escaped = false;
    let (mut block_at, mut from) = (start, 0);
    loop {
        if out.len() < length + 3 * BLOCK {
            make_room(out, length);
        }
        let two = source.get(block_at..).and_then(<[u8]>::first_chunk::<{ 2 * BLOCK }>);
        let room = out.get_mut(length..).and_then(<[u8]>::first_chunk_mut::<{ 2 * BLOCK }>);
        let (Some(two), Some(room)) = (two, room) else {
            return read_last(source, block_at + from, length, out);
        };
        let block = two.first_chunk::<BLOCK>()?;
        let escapes = Escapes::of(places(block, &BACKSLASH), is_escaped);
        is_escaped = escapes.is_next_escaped;
        let ends = places(block, &END) & !escapes.escaped;
        let before = ends.wrapping_sub(1) & !ends;
        // Places in the block and in the room.
        let mut to = 0;
        for at in bits(escapes.backslashes & before) {
            // It belongs to the character before it.
            if at < from {
                continue;
            }
            copy(two, from, room, to);
            to += at - from;
            let letter = two.get(at + 1).copied().unwrap_or_default();
            let byte = ESCAPES.get(usize::from(letter)).copied().unwrap_or_default();
            if byte != 0 {
                if let Some(place) = room.get_mut(to % (2 * BLOCK)) {
                    *place = byte;
                }
                (from, to) = (at + 2, to + 1);
            } else {
                let (char, end) = unicode(source, block_at + at)?;
                let written = encoded(char, room.get_mut(to..).unwrap_or_default());
                (from, to) = (end - block_at, to + written);
            }
        }
        let until = ends.trailing_zeros() as usize;
        if from < until {
            copy(two, from, room, to);
            to += until - from;
            from = until;
        }
        length += to;
        if ends != 0 {
            return (two.get(until) == Some(&b'"')).then_some((length, block_at + until + 1));
        }
        (block_at, from) = (block_at + BLOCK, from - BLOCK);
    }
}

/// There is room for a block behind so many bytes, for what is copied too much, and for what is left where there is no block.
#[cold]
fn make_room(out: &mut Vec<u8>, length: usize) {
    out.resize((length + 3 * BLOCK).next_power_of_two(), 0);
}

/// As [`read`], byte by byte, near the end of the source; so much was read, and so many bytes there are.
#[cold]
fn read_last(source: &[u8], mut at: usize, mut length: usize, out: &mut [u8]) -> Option<(usize, usize)> {
    loop {
        let room = out.get_mut(length..).unwrap_or_default();
        match source.get(at)? {
            b'"' => return Some((length, at + 1)),
            0..0x20 => return None,
            b'\\' => {
                let letter = source.get(at + 1).copied().unwrap_or_default();
                let (char, end) = match ESCAPES.get(usize::from(letter)) {
                    None | Some(0) => unicode(source, at)?,
                    Some(byte) => (char::from(*byte), at + 2),
                };
                length += encoded(char, room);
                at = end;
            }
            plain => {
                room.iter_mut().take(1).for_each(|place| *place = *plain);
                (at, length) = (at + 1, length + 1);
            }
        }
    }
}

/// Which backslashes of a block begin an escape, and which bytes come behind one of these.
struct Escapes {
    backslashes: u64,
    escaped: u64,
    /// Whether the first byte of the next block is escaped.
    is_next_escaped: bool,
}

impl Escapes {
    /// Backslashes escape each other in pairs; `simdjson` finds without a branch which ones are left.
    #[inline]
    fn of(backslashes: u64, is_escaped: bool) -> Self {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let is_escaped = u64::from(is_escaped);
        let first = backslashes & !is_escaped;
        let ends = ((first << 1) | ODD).wrapping_sub(first) ^ ODD;
        let escapes = ends & backslashes;
        Self {
            backslashes: escapes,
            escaped: ends ^ (backslashes | is_escaped),
            is_next_escaped: escapes >> 63 != 0,
        }
    }
}

/// Copies as much as a block from one place to another.
#[inline(always)]
fn copy(source: &[u8; 2 * BLOCK], from: usize, room: &mut [u8; 2 * BLOCK], to: usize) {
    // Both are in the first block; the compiler sees it now.
    let (from, to) = (from % BLOCK, to % BLOCK);
    let source = source.get(from..from + BLOCK).unwrap_or_default();
    room.get_mut(to..to + BLOCK).unwrap_or_default().copy_from_slice(source);
}

/// The character that the escape at a place names by its number, or by two numbers if it is beyond the first 65,536, and where
/// the escape ends.
#[cold]
fn unicode(source: &[u8], at: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = source.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
    };
    let first: u32 = unit(at)?;
    let second = unit(at + 6).filter(|second| (0xDC00..0xE000).contains(second));
    Some(match (first, second) {
        (0xD800..0xDC00, Some(second)) => {
            let number = 0x1_0000 + ((first - 0xD800) << 10 | (second - 0xDC00));
            (char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER), at + 12)
        }
        _ => (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), at + 6),
    })
}

/// Writes a character; how many bytes it has.
fn encoded(char: char, room: &mut [u8]) -> usize {
    let mut bytes = [0; 4];
    let written = char.encode_utf8(&mut bytes).as_bytes();
    room.iter_mut().zip(written).for_each(|(place, byte)| *place = *byte);
    written.len()
}
