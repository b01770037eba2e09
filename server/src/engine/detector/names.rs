//! What a text names: paths, base names, tests and ports. One pass over it, for arguments may be long and there are many.

use std::cmp::Ordering;
use std::sync::LazyLock;

use memchr::{memchr3_iter, memmem};
use regex::Regex;

use super::marks::{self, BEYOND, COLON, END, POINT, SLASH};
use super::words::{base, is_path};

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
    let mut names = Vec::with_capacity(text.len() / 16);
    let mut done = 0;
    // Every name has one of these in it.
    for at in memchr3_iter(b'.', b'/', b':', bytes) {
        if at < done {
            continue;
        }
        let mut has = 0;
        let mut is_end = |byte: &u8| {
            let mark = marks::of_byte(*byte);
            let is_end = mark & END != 0;
            has |= if is_end { 0 } else { mark };
            is_end
        };
        let before = bytes.get(done..at).unwrap_or_default();
        let start = before.iter().rposition(&mut is_end).map_or(done, |before| done + before + 1);
        let after = bytes.get(at..).unwrap_or_default();
        done = after.iter().position(is_end).map_or(bytes.len(), |after| at + after);
        let token = text.get(start..done).unwrap_or_default();
        if has & BEYOND == 0 {
            name(token, has, &mut names);
        } else {
            token.split(char::is_whitespace).for_each(|token| name(token, marks::of(token), &mut names));
        }
    }
    let has_other_digits =
        || !text.is_ascii() && text.chars().any(|char| !char.is_ascii() && char.is_numeric());
    let has_port = || has_two_digits(bytes) && (has_port_word(text) || has_address(bytes));
    (names, has_port() || has_other_digits())
}

/// What a token names that has such [`marks`] in it.
fn name<'a>(token: &'a str, has: u8, names: &mut Vec<(u64, &'a str)>) {
    let mut has = has;
    let whole = token;
    let token = whole.trim_end_matches(['.', ':', '!', '?']);
    if token.len() < whole.len() {
        has = marks::of(token);
    }
    // Most are the ends of sentences and of lines of source.
    if has & (POINT | SLASH | COLON) == 0 {
        return;
    }
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

/// Whether there are two digits in a row, as every port has.
fn has_two_digits(bytes: &[u8]) -> bool {
    let next = bytes.get(1..).unwrap_or_default();
    // To look at all of them is faster than to stop at the first.
    bytes.iter().zip(next).fold(false, |any, (one, two)| any | (one.is_ascii_digit() & two.is_ascii_digit()))
}

/// Whether there are nine digits, points and colons in a row, as an address and a port have.
fn has_address(bytes: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.' || *byte == b':';
    // Nine in a row have one at every eighth place.
    let eighths = bytes.chunks(8).enumerate().filter(|(_, eight)| eight.first().is_some_and(is_part));
    eighths.map(|(at, _)| 8 * at).any(|at| {
        let before =
            bytes.get(..at).unwrap_or_default().iter().rev().take_while(|byte| is_part(byte)).take(9);
        let after = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).take(9);
        9 <= before.count() + after.count()
    })
}

/// Whether a digit stands behind a word that ports stand behind.
fn has_port_word(text: &str) -> bool {
    static WORDS: LazyLock<[memmem::Finder<'static>; 3]> =
        LazyLock::new(|| ["port", "-p", "localhost"].map(memmem::Finder::new));
    WORDS.iter().any(|word| {
        word.find_iter(text.as_bytes()).any(|at| {
            let rest = text.as_bytes().get(at + word.needle().len()..).unwrap_or_default();
            let next = rest.iter().find(|byte| !b" =:".contains(byte));
            next.is_some_and(u8::is_ascii_digit)
        })
    })
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
        fn no_port_is_overlooked(text in "(?:localhost|[0-9.]{1,9}|port|-p|[ =:é٣]|x){0,9}") {
            if PORT.as_ref().unwrap().is_match(&text) {
                prop_assert!(named(&text).1, "{text}");
            }
        }

        #[test]
        fn names_are_found_as_words_are_read(text in "(?:[a-z]{1,3}|[/.: \u{2003}\"=é]|::){0,12}") {
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
