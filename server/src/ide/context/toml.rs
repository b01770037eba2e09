//! The place of a cursor in TOML.

use harness_schema::syntax::Document;
use harness_schema::syntax::data::Value;
use harness_schema::text::Span;

use super::{Place, Spot, Word, is_in_text, name_start};

/// No statement is looked for further above, in bytes.
const LONGEST: usize = 4096;

/// The place of the cursor; `None` in a comment or a text of several lines.
#[must_use]
pub fn place(document: &Document, offset: usize) -> Option<Place> {
    let tree = document.data()?;
    let is_inside = |span: &Span| (span.start as usize) < offset && offset <= span.end as usize;
    if tree.comments.iter().any(is_inside) || is_in_long_text(&tree.root, document.source(), offset) {
        return None;
    }
    let source = document.source();
    let before = source.get(..offset)?;
    let line_start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    // A list over several lines: the key stands further up.
    let start = statement_start(before, line_start);
    let is_open = Marks::of(before.get(start..line_start)?).depth != 0;
    let start = if is_open { start } else { line_start };
    let statement = before.get(start..)?;
    let trimmed = statement.trim_start();
    if trimmed.starts_with('[') && !is_open && !trimmed.contains(['=', ']']) {
        return Some(header(source, trimmed, offset));
    }
    let mut place = Place { table: header_above(&tree.root, before.get(..line_start)?), ..Place::default() };
    let marks = Marks::of(statement);
    place.table.extend(marks.inside.iter().flat_map(|key| parts(key)));
    place.quoted = marks.quote.is_some();
    if let Some(equals) = marks.equals {
        // Of a dotted key the last part is the key, the others are tables.
        let mut keys = parts(&last_key(statement.get(..equals)?));
        place.spot = Spot::Value(keys.pop().unwrap_or_default());
        place.table.extend(keys);
        place.before = marks.items;
    }
    place.word = match marks.quote {
        Some((at, quote)) => Word::new(source, start + at + quote.len_utf8(), offset, |char| {
            char != quote && !matches!(char, '\n' | '\r')
        }),
        None => {
            let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
            Word::new(source, start + name_start(statement, is_part), offset, is_part)
        }
    };
    if place.spot == Spot::Key && !place.quoted {
        let key = statement.get(..place.word.typed.start as usize - start)?;
        if let Some(prefix) = key.strip_suffix('.') {
            place.table.extend(parts(&last_key(prefix)));
        }
    }
    Some(place)
}

/// Inside the brackets of a header.
fn header(source: &str, trimmed: &str, offset: usize) -> Place {
    let list = trimmed.starts_with("[[");
    let inner = trimmed.trim_start_matches('[');
    let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
    let word = name_start(inner, is_part);
    let table = inner.get(..word).and_then(|before| before.strip_suffix('.')).map(parts).unwrap_or_default();
    let word = Word::new(source, offset - inner.len() + word, offset, is_part);
    Place { table, spot: Spot::Header { list }, word, ..Place::default() }
}

/// Whether the cursor is in a text that goes over a line's end: nothing can be completed there.
fn is_in_long_text(root: &Value, source: &str, offset: usize) -> bool {
    let line = source.get(..offset).and_then(|before| before.rfind('\n'));
    line.is_some_and(|line| is_in_text(root, line + 1) && is_in_text(root, offset))
}

/// The keys of the last header in a text; what looks like one inside of a string is none.
fn header_above(root: &Value, text: &str) -> Vec<String> {
    let mut end = text.len();
    while let Some(before) = text.get(..end).filter(|before| !before.is_empty()) {
        let start = before.trim_end_matches(['\n', '\r']).rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let line = before.get(start..).unwrap_or_default().trim();
        end = start;
        let Some(inner) = line.strip_prefix('[') else { continue };
        let Some((keys, behind)) = inner.trim_start_matches('[').split_once(']') else { continue };
        let behind = behind.trim_start_matches(']').trim_start();
        if (behind.is_empty() || behind.starts_with('#'))
            && !keys.contains(['=', ','])
            && !is_in_text(root, start)
        {
            return parts(keys);
        }
    }
    Vec::new()
}

/// Where the statement that reaches to the end of `before` begins.
fn statement_start(before: &str, line_start: usize) -> usize {
    let mut start = line_start;
    loop {
        let line = before.get(start..).and_then(|statement| statement.lines().next()).unwrap_or_default();
        if start == 0 || is_header(line) || starts_with_key(line) {
            return start;
        }
        let above = before.get(..start - 1).unwrap_or_default();
        let previous = above.rfind('\n').map_or(0, |at| at + 1);
        if LONGEST < line_start - previous {
            return line_start;
        }
        start = previous;
    }
}

fn is_header(line: &str) -> bool {
    line.starts_with('[') && !line.contains(['"', '\'', ','])
}

/// Whether a line starts with `key =`; an item of a list such as `"a=b",` does not.
fn starts_with_key(line: &str) -> bool {
    let Some((key, _)) = line.split_once('=') else { return false };
    let is_part =
        |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '"' | '\'' | ' ' | '\t');
    !key.trim().is_empty() && key.chars().all(is_part) && key.matches(['"', '\'']).count() % 2 == 0
}

/// What a statement says up to the cursor.
#[derive(Debug, Default)]
struct Marks {
    /// The last `=` whose value the cursor is in.
    equals: Option<usize>,
    /// The quote that is open, and where.
    quote: Option<(usize, char)>,
    /// Keys of the inline tables that are open.
    inside: Vec<String>,
    /// How many brackets are open.
    depth: usize,
    /// What the innermost list holds so far.
    items: Vec<String>,
}

impl Marks {
    fn of(statement: &str) -> Self {
        let mut marks = Self::default();
        // For each open bracket the `=` it belongs to, and whether it is a brace.
        let mut open: Vec<(Option<usize>, bool)> = Vec::new();
        let (mut escaped, mut comment) = (false, false);
        // The item of a list that is being read.
        let mut item = String::new();
        for (at, char) in statement.char_indices() {
            if comment {
                comment = char != '\n';
                continue;
            }
            if let Some((_, quote)) = marks.quote {
                match char {
                    _ if escaped => escaped = false,
                    '\\' if quote == '"' => escaped = true,
                    _ if char == quote || char == '\n' => marks.quote = None,
                    _ => item.push(char),
                }
                continue;
            }
            match char {
                '#' => comment = true,
                '"' | '\'' => marks.quote = Some((at, char)),
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
                // In an inline table the next key begins, in a list the next item.
                ',' if open.last().is_some_and(|(_, brace)| *brace) => marks.equals = None,
                ',' => marks.items.push(std::mem::take(&mut item).trim().to_owned()),
                _ => item.push(char),
            }
        }
        marks.depth = open.len();
        let keys = open.iter().filter(|(_, brace)| *brace).filter_map(|(equals, _)| *equals);
        marks.inside = keys.map(|equals| last_key(statement.get(..equals).unwrap_or_default())).collect();
        marks
    }
}

/// The parts of a dotted key.
fn parts(key: &str) -> Vec<String> {
    let parts = key.split('.').map(|part| part.trim().trim_matches(['"', '\'']).to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

/// The key right before a `=`.
fn last_key(before: &str) -> String {
    let key = before.trim_end();
    let start = key.rfind(['{', ',', '\n', '[']).map_or(0, |at| at + 1);
    key.get(start..).unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use harness_schema::path::FilePath;

    use super::*;

    fn at(text: &str) -> Option<(Place, String)> {
        let offset = text.find('|').unwrap();
        let source = text.replacen('|', "", 1);
        let document = Document::new(FilePath::parse("harness.toml").unwrap(), source.as_str().into());
        let place = place(&document, offset)?;
        let word = place.word.whole.of(&source).to_owned();
        Some((place, word))
    }

    #[track_caller]
    fn is(text: &str, table: &[&str], spot: &Spot, word: &str) {
        let (place, found) = at(text).unwrap();
        assert_eq!(
            (place.table.as_slice(), &place.spot, found.as_str()),
            (table.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>().as_slice(), spot, word,)
        );
    }

    fn value(key: &str) -> Spot {
        Spot::Value(key.to_owned())
    }

    #[test]
    fn keys() {
        is("ma|", &[], &Spot::Key, "ma");
        is("[runtime]\nmax_|", &["runtime"], &Spot::Key, "max_");
        is("[runtime]\nmax_|steps = 3", &["runtime"], &Spot::Key, "max_steps");
        is("[runtime] # note\nm|", &["runtime"], &Spot::Key, "m");
        is(
            "[[runtime.rule]]\nwhen = { event = \"finish\", to|",
            &["runtime", "rule", "when"],
            &Spot::Key,
            "to",
        );
        is("[model]\nprotocol = \"openai\"\nte|", &["model"], &Spot::Key, "te");
        is("model.pro|", &["model"], &Spot::Key, "pro");
        is("[model]\nprice.|", &["model", "price"], &Spot::Key, "");
        is("[a]\nt = \"\"\"\n[b]\n\"\"\"\nk|", &["a"], &Spot::Key, "k");
    }

    #[test]
    fn values() {
        is("[runtime]\nmax_steps = |", &["runtime"], &value("max_steps"), "");
        is(
            "[[orchestration.state]]\nnext = [\"a\", \"b|c\"]",
            &["orchestration", "state"],
            &value("next"),
            "bc",
        );
        is("[s]\nnext = [\n  \"a\",\n  \"b|\"\n]", &["s"], &value("next"), "b");
        is("[s]\nnext = [ # a = b\n  \"a=b\",\n\n  \"b|\"\n]", &["s"], &value("next"), "b");
        is(
            "[[runtime.rule]]\nwhen = { detector = \"lo|",
            &["runtime", "rule", "when"],
            &value("detector"),
            "lo",
        );
        is("agent.kind = \"|", &["agent"], &value("kind"), "");
        is("[a]\nb.c = { d.e = |", &["a", "b", "c", "d"], &value("e"), "");
    }

    #[test]
    fn headers() {
        is("[ta|", &[], &Spot::Header { list: false }, "ta");
        is("[runtime.|]", &["runtime"], &Spot::Header { list: false }, "");
        is("[[orchestration.st|]]", &["orchestration"], &Spot::Header { list: true }, "st");
    }

    #[test]
    fn nothing_is_completed_in_comments_and_long_texts() {
        assert_eq!(at("# max_|"), None);
        assert_eq!(at("[a]\nt = \"\"\"\nk = |\n\"\"\"\n"), None);
    }
}
