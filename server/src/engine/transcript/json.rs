//! JSON as serde reads it, from a text that is long and full of escapes, as transcripts are: what is between two escapes is
//! found and copied by blocks. It takes what `serde_json` takes and reads it the same, and is no help with what is no JSON.

use serde::de::value::Error;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::engine::places::{bits, places};

/// So many bytes are looked at together in a text that has escapes.
const BLOCK: usize = 64;
/// So many in one that may have none; most have fewer.
const SHORT: usize = 16;
/// Lists and objects may be so deep in each other, as in `serde_json`.
const MAX_DEPTH: u8 = 127;
/// What a text cannot have in it as it is.
const END: [(u8, u8); 2] = [(0, 0x1f), (b'"', b'"')];
const BACKSLASH: [(u8, u8); 1] = [(b'\\', b'\\')];
const SPECIAL: [(u8, u8); 3] = [(0, 0x1f), (b'"', b'"'), (b'\\', b'\\')];

/// Reads a text that is JSON and nothing else.
///
/// # Errors
/// If it is not, or not what is wanted; where is not told.
pub(super) fn from_str<'de, T: Deserialize<'de>>(source: &'de str) -> Result<T, Error> {
    let mut reader = Reader { source, at: 0, depth: 0, scratch: Vec::new() };
    let value = T::deserialize(&mut reader)?;
    match reader.next_byte() {
        None => Ok(value),
        Some(_) => Err(no_json()),
    }
}

fn no_json() -> Error {
    Error::custom("no JSON")
}

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

struct Reader<'de> {
    source: &'de str,
    /// So many bytes were read.
    at: usize,
    /// In so many lists and objects.
    depth: u8,
    /// Where a text is put together that has escapes.
    scratch: Vec<u8>,
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
/// the escape ends. Half of a character, as Python writes what it could not decode, is one that stands for it.
#[cold]
fn unicode(source: &[u8], at: usize) -> Result<(char, usize), Error> {
    let unit = |at: usize| {
        let digits = source.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
    };
    let first: u32 = unit(at).ok_or_else(no_json)?;
    let second = unit(at + 6).filter(|second| (0xDC00..0xE000).contains(second));
    Ok(match (first, second) {
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

/// The text of a string.
enum Text<'de> {
    /// As it stands in the source.
    Plain(&'de str),
    /// So much of the scratch.
    Escaped(usize),
}

impl<'de> Reader<'de> {
    fn byte(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no blank.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes what has to come next.
    fn pass(&mut self, word: &str) -> Result<(), Error> {
        let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(no_json());
        }
        self.at += word.len();
        Ok(())
    }

    /// Whether another item or entry comes; `is_first` before the first one.
    #[inline]
    fn goes_on(&mut self, is_first: &mut bool, close: u8) -> Result<bool, Error> {
        let byte = self.next_byte();
        if byte == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(is_first) {
            if byte != Some(b',') {
                return Err(no_json());
            }
            self.at += 1;
        }
        Ok(true)
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.at += 1;
        if self.depth == MAX_DEPTH {
            return Err(no_json());
        }
        self.depth += 1;
        Ok(())
    }

    /// The bytes from a place on; behind the end there are zeros.
    #[inline]
    fn block<const SIZE: usize>(&self, at: usize) -> [u8; SIZE] {
        let rest = self.source.as_bytes().get(at..).unwrap_or_default();
        rest.first_chunk().copied().unwrap_or_else(|| {
            let mut block = [0; SIZE];
            block.iter_mut().zip(rest).for_each(|(byte, of_source)| *byte = *of_source);
            block
        })
    }

    /// The text of the string whose opening quote was passed.
    #[inline]
    fn text(&mut self) -> Result<Text<'de>, Error> {
        let start = self.at;
        loop {
            let special = places(&self.block::<SHORT>(self.at), &SPECIAL);
            if special == 0 {
                self.at += SHORT;
                continue;
            }
            self.at += special.trailing_zeros() as usize;
            let end = self.at;
            return match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    self.source.get(start..end).map(Text::Plain).ok_or_else(no_json)
                }
                Some(b'\\') => self.escaped(start).map(Text::Escaped),
                _ => Err(no_json()),
            };
        }
    }

    /// As [`Reader::text`], when there are escapes; the text begins at `start`.
    fn escaped(&mut self, start: usize) -> Result<usize, Error> {
        let source = self.source.as_bytes();
        let mut length = 0;
        let mut is_escaped = false;
        let (mut block_at, mut from) = (start, 0);
        loop {
            let two = source.get(block_at..).and_then(<[u8]>::first_chunk::<{ 2 * BLOCK }>);
            if self.scratch.len() < length + 3 * BLOCK {
                self.make_room(length);
            }
            let room = self.scratch.get_mut(length..).and_then(<[u8]>::first_chunk_mut::<{ 2 * BLOCK }>);
            let (Some(two), Some(room)) = (two, room) else {
                return self.last_escaped(block_at + from, length);
            };
            let Some(block) = two.first_chunk::<BLOCK>() else { return Err(no_json()) };
            let escapes = Escapes::of(places(block, &BACKSLASH), is_escaped);
            is_escaped = escapes.is_next_escaped;
            let ends = places(block, &END) & !escapes.escaped;
            let before = ends.wrapping_sub(1) & !ends;
            // Places in the block and in the room; what is between two escapes is copied as a whole block, and what comes too
            // much is written over, or left out at the end.
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
                    let rest = room.get_mut(to..).unwrap_or_default();
                    let written = encoded(char, rest);
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
                self.at = block_at + until + 1;
                return if two.get(until) == Some(&b'"') { Ok(length) } else { Err(no_json()) };
            }
            (block_at, from) = (block_at + BLOCK, from - BLOCK);
        }
    }

    /// There is room for a block behind so many bytes, and for what is copied too much.
    #[cold]
    fn make_room(&mut self, length: usize) {
        self.scratch.resize((length + 3 * BLOCK).next_power_of_two(), 0);
    }

    /// As [`Reader::escaped`], byte by byte, near the end of the source; so much was read, and so many bytes are in the scratch,
    /// which has room for the rest.
    #[cold]
    fn last_escaped(&mut self, from: usize, mut length: usize) -> Result<usize, Error> {
        let source = self.source.as_bytes();
        self.at = from;
        loop {
            let byte = self.byte().ok_or_else(no_json)?;
            let room = self.scratch.get_mut(length..).unwrap_or_default();
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(length);
                }
                0..0x20 => return Err(no_json()),
                b'\\' => {
                    let letter = source.get(self.at + 1).copied().unwrap_or_default();
                    let (char, end) = match ESCAPES.get(usize::from(letter)) {
                        None | Some(0) => unicode(source, self.at)?,
                        Some(byte) => (char::from(*byte), self.at + 2),
                    };
                    length += encoded(char, room);
                    self.at = end;
                }
                plain => {
                    room.iter_mut().take(1).for_each(|place| *place = plain);
                    length += 1;
                    self.at += 1;
                }
            }
        }
    }

    /// What a scratch holds as a text.
    fn scratched(&self, length: usize) -> Result<&str, Error> {
        std::str::from_utf8(self.scratch.get(..length).unwrap_or_default()).map_err(|_| no_json())
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let number = rest.get(..length).unwrap_or_default();
        self.at += length;
        let is_whole = number.len() < 18 && number.iter().all(u8::is_ascii_digit);
        match number {
            [b'0'] => visitor.visit_u64(0),
            [b'1'..=b'9', ..] if is_whole => visitor
                .visit_u64(number.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))),
            // It has its own way to round.
            _ => {
                let text = std::str::from_utf8(number).map_err(|_| no_json())?;
                let read: serde_json::Number = serde_json::from_str(text).map_err(|_| no_json())?;
                read.deserialize_any(visitor).map_err(|_| no_json())
            }
        }
    }

    /// Passes a value of any kind.
    fn ignore(&mut self) -> Result<(), Error> {
        if self.next_byte() == Some(b'"') {
            self.at += 1;
            return self.text().map(drop);
        }
        let rest = self.source.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        if !matches!(values.next(), Some(Ok(_))) {
            return Err(no_json());
        }
        self.at += values.byte_offset();
        Ok(())
    }

    fn colon(&mut self) -> Result<(), Error> {
        match self.next_byte() {
            Some(b':') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(no_json()),
        }
    }

    /// Visits a text whose opening quote was passed.
    #[inline]
    fn visit_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.text()? {
            Text::Plain(text) => visitor.visit_borrowed_str(text),
            Text::Escaped(length) => visitor.visit_str(self.scratched(length)?),
        }
    }

    #[inline]
    fn value<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.next_byte() {
            Some(b'"') => {
                self.at += 1;
                self.visit_text(visitor)
            }
            Some(b'{') => {
                self.enter()?;
                let mut entries = Parts { reader: self, is_first: true, is_over: false };
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
            Some(b'[') => {
                self.enter()?;
                let mut items = Parts { reader: self, is_first: true, is_over: false };
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Some(b'n') => {
                self.pass("null")?;
                visitor.visit_unit()
            }
            Some(b't') => {
                self.pass("true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.pass("false")?;
                visitor.visit_bool(false)
            }
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            _ => Err(no_json()),
        }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.ignore()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// The items of a list or the entries of an object, whose opening was passed.
struct Parts<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_first: bool,
    /// Whether its close was passed.
    is_over: bool,
}

impl Parts<'_, '_> {
    /// All of them must have been read.
    fn end(self) -> Result<(), Error> {
        self.reader.depth -= 1;
        if self.is_over { Ok(()) } else { Err(no_json()) }
    }

    #[inline]
    fn goes_on(&mut self, close: u8) -> Result<bool, Error> {
        if self.is_over {
            return Ok(false);
        }
        let goes_on = self.reader.goes_on(&mut self.is_first, close)?;
        self.is_over = !goes_on;
        Ok(goes_on)
    }
}

impl<'de> SeqAccess<'de> for &mut Parts<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.goes_on(b']')? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for &mut Parts<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.goes_on(b'}')? {
            return Ok(None);
        }
        match self.reader.next_byte() {
            Some(b'"') => seed.deserialize(&mut *self.reader).map(Some),
            _ => Err(no_json()),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.colon()?;
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What `serde_json` says of a text is said here too, to the bit; but it takes no halves of characters, and passes them where
    /// nobody reads them.
    fn is_read_the_same(source: &str) -> bool {
        let (read, expected) = (from_str::<Value>(source).ok(), serde_json::from_str::<Value>(source).ok());
        let is_ignored = from_str::<IgnoredAny>(source).is_ok();
        let has_half = expected.is_none() && source.contains("\\ud");
        is_ignored == serde_json::from_str::<IgnoredAny>(source).is_ok()
            && (has_half || format!("{read:?}") == format!("{expected:?}"))
    }

    #[test]
    fn half_of_a_character_is_read_as_one_that_stands_for_it() {
        let read = |source: &str| from_str::<String>(source).ok();
        assert_eq!(read("\"a\\ud83d!\""), Some(String::from("a\u{fffd}!")));
        assert_eq!(read("\"\\ude00\\ud83d\\u0041\""), Some(String::from("\u{fffd}\u{fffd}A")));
        assert_eq!(read("\"\\ud83d\\ude00\""), Some(String::from("😀")));
        assert_eq!(read("\"\\ud83\""), None);
    }

    #[test]
    fn what_is_json_and_what_is_not() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for depth in [1, 126, 127, 128, 129, 100_000] {
            assert!(is_read_the_same(&deep(depth)), "{depth}");
        }
        for source in [
            "",
            " ",
            "nul",
            "null",
            "true ",
            "[1,]",
            "[1 2]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "[1]]",
            "1 1",
            "-",
            "-0",
            "-1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e5",
            "1E+2",
            "1.5",
            "123456789012345678",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "1e400",
            "0.1",
            "1.7976931348623157e308",
            "5e-324",
            "\"",
            "\"\\",
            "\"\\\"",
            "\"a\nb\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "\"\\u00e9\\u0000\"",
            "{\"\\n\":\"\\/\\b\\f\"}",
            "[\"a\",{\"b\":[]},{}]",
            "\u{feff}1",
            "\"\u{7f}\u{80}\"",
            "{\"a\":1,\"a\":2}",
            "[\"\\\\\\\\\\\"\"]",
        ] {
            assert!(is_read_the_same(source), "{source}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_as_serde_json_does(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("\\n"), Just("\\\""), Just("\\\\"), Just("\\"), Just("\""), Just("\\u00e9"), Just("\\ud83d\\ude00"),
                    Just("\\ud83d"), Just("é"), Just("😀"), Just("x"), Just("0123456789012345678901234567890"),
                    Just("01234567890123456789012345678901234567890123456789012345678901"), Just("\t"),
                ],
                0..24,
            ),
            before in "[ \\[{]{0,3}",
            after in "[ \\]},:1]{0,4}",
        ) {
            let text = parts.concat();
            let sources =
                [format!("\"{text}\""), format!("[\"{text}\", \"{text}\"]"), format!("{{\"{text}\": \"{text}\"}}"), format!("{before}\"{text}\"{after}")];
            for source in sources {
                prop_assert!(is_read_the_same(&source), "{source}");
            }
        }

        #[test]
        fn what_was_written_is_read(value in super::super::tests::json(), cut in any::<prop::sample::Index>()) {
            for source in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert!(is_read_the_same(&source), "{source}");
                let cut = source.floor_char_boundary(cut.index(source.len() + 1));
                prop_assert!(is_read_the_same(&source[..cut]), "{source}");
            }
        }
    }
}
