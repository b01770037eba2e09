//! What a text names: paths, base names, tests and ports. One pass over it, for arguments may be long and there are many.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use super::marks::{self, BLOCK, COLON, END, SLASH};
use super::words::{MAX_ENDING, base, is_path};
use crate::engine::places::{bits, places};

/// Names that a text and others with it have, in order, each once. They are kept as places in one text.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Names that stand in no text so.
    own: String,
    /// Where each begins and ends: in the text, or behind its end in `own`.
    places: Vec<(u32, u32)>,
}

impl Names {
    /// What a text names, with other names. It must have less than 4 GB.
    pub(super) fn of<'n>(text: &str, others: impl Iterator<Item = &'n str>) -> Self {
        let (mut all, may_have_port) = named(text);
        let mut own = String::new();
        let mut ends = Vec::new();
        for name in others {
            own.push_str(name);
            ends.push(own.len());
        }
        if may_have_port {
            let ports = PORT.iter().flat_map(|port| port.captures_iter(text));
            for port in ports.filter_map(|found| found.name("port")) {
                own.push_str("port ");
                own.push_str(port.as_str());
                ends.push(own.len());
            }
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        all.extend(starts.zip(&ends).filter_map(|(start, end)| own.get(start..*end)).map(keyed));
        all.sort_unstable();
        all.dedup();
        let place = |(_, name): (u64, &str)| {
            let at = within(text, name).or_else(|| Some(text.len() + within(&own, name)?))?;
            Some((u32::try_from(at).ok()?, u32::try_from(at + name.len()).ok()?))
        };
        let places = all.into_iter().filter_map(place).collect();
        Self { own, places }
    }

    /// The names, in order; `text` is that which they were read from.
    pub(super) fn iter<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        self.places.iter().map(|place| self.get(text, *place))
    }

    /// Whether a name is one of them.
    pub(super) fn contains(&self, text: &str, name: &str) -> bool {
        self.places.binary_search_by(|place| self.get(text, *place).cmp(name)).is_ok()
    }

    /// Whether another text has one of them as well.
    pub(super) fn share(&self, text: &str, other: &Self, other_text: &str) -> bool {
        let (mut ours, mut theirs) = (self.iter(text).peekable(), other.iter(other_text).peekable());
        while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
            match our.cmp(their) {
                Ordering::Less => drop(ours.next()),
                Ordering::Greater => drop(theirs.next()),
                Ordering::Equal => return true,
            }
        }
        false
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn get<'a>(&'a self, text: &'a str, (start, end): (u32, u32)) -> &'a str {
        let (start, end) = (start as usize, end as usize);
        let found = match start.checked_sub(text.len()) {
            Some(start) => self.own.get(start..end - text.len()),
            None => text.get(start..end),
        };
        found.unwrap_or_default()
    }
}

/// Where a part of a text begins in it; none if it is no part of it.
fn within(text: &str, part: &str) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    (at + part.len() <= text.len()).then_some(at)
}

/// A name behind its first eight bytes, which sort as it does and faster.
pub(super) fn keyed(name: &str) -> (u64, &str) {
    let bytes = name.as_bytes();
    let first = bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut first = [0; 8];
        first.iter_mut().zip(bytes).for_each(|(byte, of_name)| *byte = *of_name);
        first
    });
    (u64::from_be_bytes(first), name)
}

/// Paths with their base names, tests with their parts, and ports, in no order.
pub(super) fn entities(text: &str) -> Vec<String> {
    let names = Names::of(text, std::iter::empty());
    names.iter(text).map(str::to_owned).collect()
}

static PORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:localhost|[\d.]{7,15}|port[ =]+|-p ?):?(?P<port>\d{2,5})\b").ok());

/// Paths with their base names and tests with their parts, [keyed], and whether there may be a port.
fn named(text: &str) -> (Vec<(u64, &str)>, bool) {
    let bytes = text.as_bytes();
    let mut names = Vec::with_capacity(text.len() / 64);
    let mut may_have_port = false;
    // Where the word begins, and its first point, slash or colon [that names have](may_name), as long as it has not ended.
    let mut open = None;
    let mut was_digit = 0;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    // What follows the last byte ends its word.
    let mut padded = [b' '; BLOCK];
    padded.iter_mut().zip(rest).for_each(|(byte, of_text)| *byte = *of_text);
    for (number, block) in blocks.iter().chain([&padded]).enumerate() {
        let first = BLOCK * number;
        if !may_have_port {
            let digits = places(block, &marks::DIGITS);
            let numbers = digits & !(digits << 1 | was_digit);
            may_have_port = bits(numbers).any(|at| is_port(bytes, first + at));
            was_digit = digits >> (BLOCK - 1);
        }
        let mut points = places(block, &marks::POINTS);
        points = bits(points).filter(|at| may_name(bytes, first + at)).fold(0, |kept, at| kept | 1 << at);
        if points == 0 && open.is_none() {
            continue;
        }
        let ends = places(block, &marks::ENDS);
        loop {
            let (start, point) = match open {
                Some(open) => open,
                None if points == 0 => break,
                None => {
                    let point = points.trailing_zeros();
                    (start_of_word(bytes, first, ends, point), first + point as usize)
                }
            };
            let Some(end) = bits(ends & u64::MAX << start.saturating_sub(first)).next() else {
                open = Some((start, point));
                break;
            };
            let word = text.get(start..first + end).unwrap_or_default();
            let length = length_of_token(word);
            // Most are the ends of sentences and of lines of source, or parts of objects, as `self.part`.
            let is_part = || {
                first <= start && has_long_ending(block, points, start - first + length) && word.is_ascii()
            };
            if point - start < length && !is_part() {
                self::word(word, length, &mut names);
            }
            open = None;
            points &= u64::MAX << end;
        }
    }
    let has_other_digits =
        || !text.is_ascii() && text.chars().any(|char| !char.is_ascii() && char.is_numeric());
    (names, may_have_port || has_other_digits())
}

/// Whether a name may have the point, slash or colon that stands there: an ending begins with a letter, and colons part names
/// by two.
fn may_name(bytes: &[u8], at: usize) -> bool {
    let next = bytes.get(at + 1);
    match bytes.get(at) {
        Some(b'.') => next.is_some_and(u8::is_ascii_alphabetic),
        Some(b':') => next == Some(&b':'),
        _ => true,
    }
}

/// Where the word of a place in a block begins.
fn start_of_word(bytes: &[u8], first: usize, ends: u64, place: u32) -> usize {
    match ends & !(u64::MAX << place) {
        0 => {
            let is_end = |byte: &u8| marks::of_byte(*byte) & END != 0;
            bytes.get(..first).and_then(|before| before.iter().rposition(is_end)).map_or(0, |end| end + 1)
        }
        before => first + BLOCK - before.leading_zeros() as usize,
    }
}

/// Whether what comes before a place in a block has `points` that are no slashes or colons, and none of them close before that
/// place: what stands behind the last one is too long for the ending of a file.
fn has_long_ending(block: &[u8; BLOCK], points: u64, place: usize) -> bool {
    let before = points & !u64::MAX.unbounded_shl(place as u32);
    let last = u64::BITS - before.leading_zeros();
    let are_points = || bits(before).all(|at| block.get(at) == Some(&b'.'));
    last as usize + MAX_ENDING < place && are_points()
}

/// What a word names of which so much is a token, or what the words in it name between blanks beyond ASCII.
fn word<'a>(word: &'a str, length: usize, names: &mut Vec<(u64, &'a str)>) {
    if word.is_ascii() {
        name(word.get(..length).unwrap_or_default(), names);
    } else {
        let tokens = word.split(char::is_whitespace).filter_map(|word| word.get(..length_of_token(word)));
        tokens.for_each(|token| name(token, names));
    }
}

/// How much of a word is left without what ends sentences.
fn length_of_token(word: &str) -> usize {
    let is_inner = |byte: u8| !matches!(byte, b'.' | b':' | b'!' | b'?');
    word.bytes().rposition(is_inner).map_or(0, |last| last + 1)
}

/// What a token names.
fn name<'a>(token: &'a str, names: &mut Vec<(u64, &'a str)>) {
    let has = marks::of(token);
    if is_path(token, has) {
        names.push(keyed(token));
        if has & SLASH != 0 {
            names.push(keyed(base(token)));
        }
    } else if has & COLON != 0 && token.contains("::") {
        names.push(keyed(token));
        names.extend(token.split("::").filter(|part| !part.is_empty()).map(base).map(keyed));
    }
}

/// Whether the number that begins at a place may be a port: it has two digits, and stands behind a word that ports stand
/// behind, or among nine digits, points and colons in a row, as an address and a port have.
fn is_port(bytes: &[u8], at: usize) -> bool {
    let (before, number) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    if !number.get(1).is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let is_part = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.' || **byte == b':';
    let parts = before.iter().rev().take_while(is_part).take(9).count();
    if 9 <= parts + number.iter().take_while(is_part).take(9).count() {
        return true;
    }
    let between = before.iter().rev().take_while(|byte| b" =:".contains(byte)).count();
    let word = before.get(..before.len() - between).unwrap_or_default();
    [b"port".as_slice(), b"-p", b"localhost"].iter().any(|end| word.ends_with(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_in_order_and_each_once() {
        let text = "run src/a.py and a.py::test_x at localhost:8080, src/a.py";
        let names = Names::of(text, ["make"].into_iter());
        let expected = ["a.py", "a.py::test_x", "make", "port 8080", "src/a.py", "test_x"];
        assert_eq!(names.iter(text).collect::<Vec<_>>(), expected);
        assert!(expected.iter().all(|name| names.contains(text, name)) && !names.contains(text, "b.py"));
        assert!(Names::of("no names", std::iter::empty()).is_empty());
        let of = |text: &'static str| Names::of(text, std::iter::empty());
        assert!(names.share(text, &of("b.py src/a.py z.py"), "b.py src/a.py z.py"));
        assert!(!names.share(text, &of("b.py src/b.py"), "b.py src/b.py"));
    }

    proptest! {
        #[test]
        fn no_port_is_overlooked(text in "(?:localhost|[0-9.]{1,9}|port|-p|[ =:é٣]|x|[a-z ]{0,40}){0,12}") {
            if PORT.as_ref().unwrap().is_match(&text) {
                prop_assert!(named(&text).1, "{text}");
            }
        }

        #[test]
        fn names_are_found_as_words_are_read(text in "(?:[a-z]{1,3}|[/.: \u{2003}\"=é]|::|[a-z.(]{0,90}){0,24}") {
            let mut expected: Vec<String> = Vec::new();
            for token in super::super::words::tokens(&text) {
                if is_path(token, marks::of(token)) {
                    expected.extend([base(token).to_owned(), token.to_owned()]);
                } else if token.contains("::") {
                    expected.push(token.to_owned());
                    expected.extend(token.split("::").filter(|part| !part.is_empty()).map(|part| base(part).to_owned()));
                }
            }
            expected.sort();
            expected.dedup();
            prop_assert_eq!(entities(&text), expected);
        }
    }
}
