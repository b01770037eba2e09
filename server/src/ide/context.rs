//! Where in a document the cursor stands: in which table, at a key or a value, in which tag.

use harness_schema::syntax::Document;
use harness_schema::syntax::data::Value;
use harness_schema::text::Span;

/// The place of a cursor in a TOML document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The keys from the top to the table, without indices: `["orchestration", "state"]`.
    pub table: Vec<String>,
    /// The key whose value is being written; `None` at a key.
    pub key: Option<String>,
    /// What is written so far of the word at the cursor, without quotes, to be replaced.
    pub word: Span,
    /// Whether the cursor is between quotes.
    pub quoted: bool,
    /// The texts and numbers that stand before the cursor in the list that it is in, as written, without quotes.
    pub before: Vec<String>,
}

/// The place of the cursor in TOML. It reads the text, not the tree: where somebody writes, little parses.
#[must_use]
pub fn toml(document: &Document, offset: usize) -> Place {
    let source = document.source();
    let before = source.get(..offset).unwrap_or_default();
    let line_start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let line = before.get(line_start..).unwrap_or_default();
    let mut place =
        Place { table: header_above(before.get(..line_start).unwrap_or_default()), ..Place::default() };
    if line.trim_start().starts_with('[') && !line.contains('=') {
        let inner = line.trim_start().trim_start_matches('[');
        let start = offset - inner.len();
        place.table = Vec::new();
        place.word = Span::new(start, offset);
        return place;
    }
    // A list over several lines: the key stands further up.
    let start = statement_start(before, line_start);
    let is_open = before.get(start..line_start).is_some_and(|above| marks(above).depth != 0);
    let statement_start = if is_open { start } else { line_start };
    let statement = before.get(statement_start..).unwrap_or_default();
    let marks = marks(statement);
    place.table.extend(marks.inside.iter().flat_map(|key| parts(key)));
    if let Some(equals) = marks.equals {
        // Of a dotted key the last part is the key, the others are tables.
        let mut keys = parts(&last_key(statement.get(..equals).unwrap_or_default()));
        place.key = Some(keys.pop().unwrap_or_default());
        place.table.extend(keys);
    }
    let word = word_start(statement, marks.quote);
    place.word = Span::new(statement_start + word, offset);
    place.quoted = marks.quote.is_some();
    place.before = marks.items;
    place
}

/// The table that holds the cursor, by the keys that lead to it, as far as it parses.
#[must_use]
pub fn table_at<'a>(root: &'a Value, keys: &[String], offset: usize) -> Option<&'a Value> {
    keys.iter().try_fold(root, |value, key| {
        let inner = value.get(key)?;
        let Some(items) = inner.as_list() else { return Some(inner) };
        // What is being written at the end of a table is not part of it yet.
        items.iter().rev().find(|item| item.span.start as usize <= offset)
    })
}

/// The keys of the last header in a text.
fn header_above(text: &str) -> Vec<String> {
    let header = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.starts_with('[') && line.ends_with(']') && !line.contains('='));
    let inner = header.map(|line| line.trim_matches(['[', ']']).trim()).unwrap_or_default();
    inner
        .split('.')
        .map(|key| key.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|key| !key.is_empty())
        .collect()
}

/// Where the statement that reaches to the end of `before` begins.
fn statement_start(before: &str, line_start: usize) -> usize {
    let mut start = line_start;
    loop {
        let statement = before.get(start..).unwrap_or_default();
        let line = statement.lines().next().unwrap_or_default();
        if start == 0
            || line.starts_with('[')
            || looks_like_key(line)
            || line_start < start + 1 && line.contains('=')
        {
            return start;
        }
        let above = before.get(..start - 1).unwrap_or_default();
        let previous = above.rfind('\n').map_or(0, |at| at + 1);
        // A statement is not longer than this; a blank line outside of brackets ends it.
        if 4096 < line_start - previous || above.get(previous..).is_some_and(|line| line.trim().is_empty()) {
            return line_start;
        }
        start = previous;
    }
}

fn looks_like_key(line: &str) -> bool {
    let key = line.split('=').next().unwrap_or_default().trim();
    line.contains('=')
        && !key.is_empty()
        && key
            .chars()
            .all(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '"' | '\'' | ' '))
}

#[derive(Debug, Default)]
struct Marks {
    /// The last `=` whose value the cursor is in.
    equals: Option<usize>,
    /// The quote that is open.
    quote: Option<char>,
    /// Keys of the inline tables that are open.
    inside: Vec<String>,
    /// How many brackets are open.
    depth: usize,
    /// What the innermost list holds so far.
    items: Vec<String>,
}

fn marks(statement: &str) -> Marks {
    let mut marks = Marks::default();
    // For each open bracket the `=` it belongs to, and whether it is a brace.
    let mut open: Vec<(Option<usize>, bool)> = Vec::new();
    let mut escaped = false;
    // The item of a list that is being read.
    let mut item = String::new();
    for (at, char) in statement.char_indices() {
        if let Some(quote) = marks.quote {
            match char {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                _ if char == quote || char == '\n' => marks.quote = None,
                _ => item.push(char),
            }
            continue;
        }
        match char {
            ',' if open.last().is_some_and(|(_, brace)| !*brace) => {
                marks.items.push(std::mem::take(&mut item).trim().to_owned());
            }
            '"' | '\'' => marks.quote = Some(char),
            '=' => marks.equals = Some(at),
            '{' => {
                open.push((marks.equals, true));
                marks.equals = None;
            }
            '[' => {
                open.push((marks.equals, false));
                (marks.items, item) = (Vec::new(), String::new());
            }
            '}' | ']' => {
                marks.equals = open.pop().and_then(|(equals, _)| equals);
                (marks.items, item) = (Vec::new(), String::new());
            }
            // In an inline table the next key begins.
            ',' if open.last().is_some_and(|(_, brace)| *brace) => marks.equals = None,
            _ => item.push(char),
        }
    }
    marks.depth = open.len();
    let keys = open.iter().filter(|(_, brace)| *brace).filter_map(|(equals, _)| *equals);
    marks.inside = keys.map(|equals| last_key(statement.get(..equals).unwrap_or_default())).collect();
    marks
}

/// The parts of a dotted key.
fn parts(key: &str) -> Vec<String> {
    key.split('.').map(|part| part.trim().trim_matches(['"', '\'']).to_owned()).collect()
}

/// The key right before a `=`.
fn last_key(before: &str) -> String {
    let key = before.trim_end();
    let start = key.rfind(['{', ',', '\n', '[']).map_or(0, |at| at + 1);
    key.get(start..).unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
}

fn word_start(statement: &str, quote: Option<char>) -> usize {
    match quote {
        Some(quote) => statement.rfind(quote).map_or(0, |at| at + 1),
        None => {
            let is_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.');
            statement.rfind(|char: char| !is_word(char)).map_or(0, |at| {
                at + statement.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
            })
        }
    }
}

/// The part of an expression tag that stands before the cursor, if it is in one: `{{ task.ins`.
#[must_use]
pub fn in_tag(source: &str, offset: usize) -> Option<Span> {
    let before = source.get(..offset)?;
    let open = before.rfind("{{").max(before.rfind("{%"))?;
    let inside = before.get(open + 2..)?;
    if inside.contains("}}") || inside.contains("%}") || inside.contains('\n') {
        return None;
    }
    let word = inside
        .rfind(|char: char| !(char.is_alphanumeric() || matches!(char, '_' | '.')))
        .map_or(0, |at| at + inside.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    Some(Span::new(open + 2 + word, offset))
}

/// The word of inline code that stands before the cursor, if a backtick opened it on this line.
#[must_use]
pub fn in_code(source: &str, offset: usize) -> Option<Span> {
    let before = source.get(..offset)?;
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let line_text = before.get(line..)?;
    let ticks = line_text.matches('`').count();
    let tick = line_text.rfind('`').filter(|_| ticks % 2 == 1)?;
    let word = line_text.get(tick + 1..)?;
    let is_name = word.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    is_name.then(|| Span::new(line + tick + 1, offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_schema::path::FilePath;

    fn at(text: &str) -> (Vec<String>, Option<String>, String) {
        let offset = text.find('|').unwrap();
        let source = text.replace('|', "");
        let document = Document::new(FilePath::parse("harness.toml").unwrap(), source.as_str().into());
        let place = toml(&document, offset);
        (place.table, place.key, place.word.of(&source).to_owned())
    }

    fn is(text: &str, table: &[&str], key: Option<&str>, word: &str) {
        let table = table.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(at(text), (table, key.map(str::to_owned), word.to_owned()), "{text}");
    }

    #[test]
    fn the_place_of_a_cursor() {
        is("ma|", &[], None, "ma");
        is("[runtime]\nmax_|", &["runtime"], None, "max_");
        is("[runtime]\nmax_steps = |", &["runtime"], Some("max_steps"), "");
        is("[[orchestration.state]]\nnext = [\"a\", \"b|", &["orchestration", "state"], Some("next"), "b");
        is(
            "[[orchestration.state]]\nnext = [\n  \"a\",\n  \"b|\"\n]",
            &["orchestration", "state"],
            Some("next"),
            "b",
        );
        is(
            "[[runtime.rule]]\nwhen = { detector = \"lo|",
            &["runtime", "rule", "when"],
            Some("detector"),
            "lo",
        );
        is("[[runtime.rule]]\nwhen = { event = \"finish\", to|", &["runtime", "rule", "when"], None, "to");
        is("[ta|", &[], None, "ta");
        is("[model]\nprotocol = \"openai\"\nte|", &["model"], None, "te");
        is("agent.kind = \"|", &["agent"], Some("kind"), "");
        is("[a]\nb.c = { d.e = |", &["a", "b", "c", "d"], Some("e"), "");
    }
}
