//! JSON as serde reads it, from a text that is long and full of escapes, as transcripts are: what is between two escapes is
//! found and copied by blocks. It takes what `serde_json` takes and reads it the same, and is no help with what is no JSON.

use serde::de::value::Error;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::engine::places::{bits, places};

/// So many bytes are looked at together in a text that has escapes.
const BLOCK: usize = 64;
/// So many in one that may have none; most have fewer.
const SHORT: usize = 32;
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

/// Copies a block of a text behind so many bytes: what comes too much is written over, or left out at the end. Where less
/// than a block is left, that is copied.
#[inline(always)]
fn copy(source: &[u8], from: usize, scratch: &mut [u8], length: usize) {
    let Some(room) = scratch.get_mut(length..).and_then(<[u8]>::first_chunk_mut::<BLOCK>) else { return };
    match source.get(from..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        Some(block) => *room = *block,
        None => copy_rest(source.get(from..).unwrap_or_default(), room),
    }
}

#[cold]
fn copy_rest(rest: &[u8], room: &mut [u8]) {
    room.iter_mut().zip(rest).for_each(|(byte, of_rest)| *byte = *of_rest);
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
        let (mut from, mut length) = (start, 0);
        let mut is_escaped = false;
        let mut block_at = start;
        loop {
            // So much a block can come to at most, and what is copied too much.
            if self.scratch.len() < length + BLOCK * 2 {
                self.scratch.resize((length + BLOCK * 2).next_power_of_two(), 0);
            }
            let Some(block) = source.get(block_at..).and_then(<[u8]>::first_chunk::<BLOCK>) else {
                return self.last_escaped(from, length);
            };
            let escapes = Escapes::of(places(block, &BACKSLASH), is_escaped);
            is_escaped = escapes.is_next_escaped;
            let ends = places(block, &END) & !escapes.escaped;
            let before = ends.wrapping_sub(1) & !ends;
            for at in bits(escapes.backslashes & before).map(|at| block_at + at) {
                // It belongs to the character before it.
                if at < from {
                    continue;
                }
                copy(source, from, &mut self.scratch, length);
                length += at - from;
                let letter = source.get(at + 1).copied().unwrap_or_default();
                match ESCAPES.get(usize::from(letter)) {
                    None | Some(0) => (from, length) = self.unicode(letter, at + 2, length)?,
                    Some(byte) => {
                        if let Some(place) = self.scratch.get_mut(length) {
                            *place = *byte;
                        }
                        (from, length) = (at + 2, length + 1);
                    }
                }
            }
            let until = block_at + ends.trailing_zeros() as usize;
            if from < until {
                copy(source, from, &mut self.scratch, length);
                length += until - from;
                from = until;
            }
            if ends != 0 {
                self.at = until + 1;
                return if source.get(until) == Some(&b'"') { Ok(length) } else { Err(no_json()) };
            }
            block_at += BLOCK;
        }
    }

    /// As [`Reader::escaped`], byte by byte, when less than a block is left of the source; so much was read, and so many bytes
    /// are in the scratch, which has room for the rest.
    #[cold]
    fn last_escaped(&mut self, from: usize, mut length: usize) -> Result<usize, Error> {
        self.at = from;
        loop {
            let byte = self.byte().ok_or_else(no_json)?;
            self.at += 1;
            let plain = match byte {
                b'"' => return Ok(length),
                0..0x20 => return Err(no_json()),
                b'\\' => {
                    let letter = self.byte().ok_or_else(no_json)?;
                    match ESCAPES.get(usize::from(letter)) {
                        None | Some(0) => {
                            (self.at, length) = self.unicode(letter, self.at + 1, length)?;
                            continue;
                        }
                        Some(byte) => {
                            self.at += 1;
                            *byte
                        }
                    }
                }
                plain => plain,
            };
            if let Some(place) = self.scratch.get_mut(length) {
                *place = plain;
            }
            length += 1;
        }
    }

    /// A character by its number, or by two numbers if it is beyond the first 65,536.
    #[cold]
    fn unicode(&mut self, letter: u8, at: usize, length: usize) -> Result<(usize, usize), Error> {
        self.at = at;
        if letter != b'u' {
            return Err(no_json());
        }
        let mut number = self.four_digits()?;
        if (0xD800..0xDC00).contains(&number) {
            self.pass("\\u")?;
            let second = self.four_digits()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(no_json());
            }
            number = 0x1_0000 + (((number - 0xD800) << 10) | (second - 0xDC00));
        }
        let char = char::from_u32(number).ok_or_else(no_json)?;
        let mut bytes = [0; 4];
        let written = char.encode_utf8(&mut bytes).as_bytes();
        let room = self.scratch.get_mut(length..length + written.len()).unwrap_or_default();
        room.copy_from_slice(written);
        Ok((self.at, length + written.len()))
    }

    fn four_digits(&mut self) -> Result<u32, Error> {
        let digits = self.source.as_bytes().get(self.at..self.at + 4).ok_or_else(no_json)?;
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
            .ok_or_else(no_json)
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

    /// Passes a value of any kind, as [`serde::de::IgnoredAny`] wants.
    fn ignore(&mut self) -> Result<(), Error> {
        match self.next_byte() {
            Some(b'"') => {
                self.at += 1;
                self.ignore_text()
            }
            Some(b'[') => {
                self.enter()?;
                let mut is_first = true;
                while self.goes_on(&mut is_first, b']')? {
                    self.ignore()?;
                }
                self.depth -= 1;
                Ok(())
            }
            Some(b'{') => {
                self.enter()?;
                let mut is_first = true;
                while self.goes_on(&mut is_first, b'}')? {
                    self.key()?;
                    self.ignore_text()?;
                    self.colon()?;
                    self.ignore()?;
                }
                self.depth -= 1;
                Ok(())
            }
            _ => self.value(serde::de::IgnoredAny).map(drop),
        }
    }

    fn ignore_text(&mut self) -> Result<(), Error> {
        self.text().map(drop)
    }

    /// Passes the opening quote of a key.
    fn key(&mut self) -> Result<(), Error> {
        match self.next_byte() {
            Some(b'"') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(no_json()),
        }
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
