//! The place of a cursor in JSON.

use super::{Place, Spot, Word, name_start};

/// A bracket that is open at the cursor.
#[derive(Default)]
struct Open {
    is_object: bool,
    /// The key whose value is being written.
    key: Option<String>,
    /// The items of a list so far.
    items: Vec<String>,
}

/// The place of the cursor; `None` outside of everything and in comments.
#[must_use]
pub fn place(source: &str, offset: usize) -> Option<Place> {
    let before = source.get(..offset)?;
    let mut open: Vec<Open> = Vec::new();
    // The string that is open, or the value that was read last.
    let (mut string, mut last) = (None, String::new());
    let mut characters = before.char_indices().peekable();
    while let Some((at, char)) = characters.next() {
        if let Some(start) = string {
            match char {
                '\\' => drop(characters.next()),
                '"' | '\n' => {
                    last = before.get(start..at).unwrap_or_default().to_owned();
                    string = None;
                }
                _ => {}
            }
            continue;
        }
        match char {
            '"' => string = Some(at + 1),
            '/' if characters.peek().is_some_and(|(_, next)| *next == '/') => {
                let rest = before.get(at..)?;
                let end = rest.find('\n').map(|end| at + end)?;
                while characters.peek().is_some_and(|(at, _)| *at < end) {
                    characters.next();
                }
            }
            '{' | '[' => open.push(Open { is_object: char == '{', ..Open::default() }),
            '}' | ']' => drop(open.pop()),
            ':' => open.last_mut()?.key = Some(std::mem::take(&mut last)),
            ',' => {
                let list = open.last_mut()?;
                list.key = None;
                list.items.push(std::mem::take(&mut last));
            }
            char if char.is_whitespace() => {}
            char => last.push(char),
        }
    }
    let innermost = open.last()?;
    // A list is the value of the key around it.
    let key = match innermost.is_object {
        true => innermost.key.clone(),
        false => open.iter().rev().find(|bracket| bracket.is_object).and_then(|object| object.key.clone()),
    };
    let mut table: Vec<String> =
        open.iter().filter(|bracket| bracket.is_object).filter_map(|object| object.key.clone()).collect();
    let spot = match key {
        Some(key) => {
            // The last key is the one being written, not a table around it.
            table.pop();
            Spot::Value(key)
        }
        None if innermost.is_object => Spot::Key,
        None => return None,
    };
    let word = match string {
        Some(start) => Word::new(source, start, offset, |char| !matches!(char, '"' | '\n' | '\r')),
        None => {
            let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
            Word::new(source, name_start(before, is_part), offset, is_part)
        }
    };
    let before = if innermost.is_object { Vec::new() } else { innermost.items.clone() };
    Some(Place { table, spot, word, quoted: string.is_some(), before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(text: &str, table: &[&str], key: Option<&str>, word: &str, quoted: bool) {
        let offset = text.find('|').unwrap();
        let source = text.replacen('|', "", 1);
        let place = place(&source, offset).unwrap();
        let spot = key.map_or(Spot::Key, |key| Spot::Value(key.to_owned()));
        assert_eq!(place.table, table);
        assert_eq!((place.spot, place.word.whole.of(&source), place.quoted), (spot, word, quoted));
    }

    #[test]
    fn the_place_of_a_cursor() {
        is("{ \"na|me\": 1 }", &[], None, "name", true);
        is("{ \"name\": \"x\", |", &[], None, "", false);
        is("{ \"builtin\": \"sh|\" }", &[], Some("builtin"), "sh", true);
        is("{ \"parameters\": { \"type\": |", &["parameters"], Some("type"), "", false);
        is("{ \"parameters\": { \"a:b\": 1, \"re|", &["parameters"], None, "re", true);
        is("{ \"run\": [\"grep\", // c \"\n \"{|\"] }", &[], Some("run"), "{", true);
        assert_eq!(place("", 0), None);
    }
}
