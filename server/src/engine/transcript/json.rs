//! JSON as serde reads it, from a text that is long and [full of escapes](super::escaped), as transcripts are. It takes what
//! `serde_json` takes and reads it the same, and is no help with what is no JSON.

use serde::de::value::Error;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::escaped;
use crate::engine::places::places;

/// So many bytes of a string are looked at together; most have fewer.
const SHORT: usize = 16;
/// Lists and objects may be so deep in each other, as in `serde_json`.
const MAX_DEPTH: u8 = 127;
/// What a string cannot have in it as it is.
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

struct Reader<'de> {
    source: &'de str,
    /// So many bytes were read.
    at: usize,
    /// In so many lists and objects.
    depth: u8,
    /// Where a text is put together that has escapes.
    scratch: Vec<u8>,
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
                Some(b'\\') => {
                    let source = self.source.as_bytes();
                    let (length, end) =
                        escaped::read(source, start, &mut self.scratch).ok_or_else(no_json)?;
                    self.at = end;
                    Ok(Text::Escaped(length))
                }
                _ => Err(no_json()),
            };
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
