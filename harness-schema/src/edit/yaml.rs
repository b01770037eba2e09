//! Writes YAML 1.2 scalars that YAML 1.1 reads the same: a block scalar keeps style, chomping and indentation, a plain
//! value stays plain while it reads back equal, several lines become a block.

use std::collections::HashMap;

use super::Writing;
use super::json::flow_entry;
use super::literal::{Unit, splice};
use crate::selector::{ListEnd, ValueKind, indented};
use crate::syntax::data::Quote;

/// The ways to write a string that belongs to a key or dash in `column`.
pub(super) fn text(place: &Writing<'_>, style: Quote, flow: bool, column: usize) -> Vec<String> {
    let new = place.new;
    let mut ways = Vec::new();
    if matches!(style, Quote::Literal | Quote::Folded) {
        let header = Header::read(place.old());
        let indent = header.indent(place.old(), column);
        ways.extend(block(place, style, &header, &indent, column));
    }
    if style == Quote::Double && !new.contains('\n') {
        ways.extend(spliced(place));
    }
    ways.extend(scalar(place, style, flow, column));
    ways
}

/// The ways to write a string where nothing stands yet.
pub(super) fn text_for_nothing(place: &Writing<'_>) -> Vec<String> {
    let before = place.source.get(..place.resolved.span.start as usize).unwrap_or_default();
    let blank = if before.ends_with([' ', '\t', '\n', '\r']) || before.is_empty() { "" } else { " " };
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    let column = line.len() - line.trim_start_matches([' ', '-']).len();
    scalar(place, Quote::Plain, false, column).iter().map(|text| format!("{blank}{text}")).collect()
}

/// The ways to write one more entry.
pub(super) fn append(place: &Writing<'_>, list: &ListEnd) -> Vec<String> {
    let text = place.resolved.kind == ValueKind::String;
    match list {
        ListEnd::Block { column } => {
            let dash = format!("{}{}- ", place.lines("\n"), " ".repeat(*column));
            let entries = match text {
                true => scalar(place, Quote::Plain, false, *column),
                false => vec![place.lines(&indented(place.new, &" ".repeat(column + 2)))],
            };
            entries.iter().map(|entry| format!("{dash}{entry}")).collect()
        }
        _ if text => {
            let entries = scalar(place, Quote::Plain, true, 0);
            entries.iter().flat_map(|entry| flow_entry(place, list, entry)).collect()
        }
        _ => flow_entry(place, list, place.new),
    }
}

/// The ways to write a string anew, in the quotes that it had if they do.
fn scalar(place: &Writing<'_>, style: Quote, flow: bool, column: usize) -> Vec<String> {
    let new = place.new;
    let mut ways = Vec::new();
    let lines = new.contains('\n');
    if lines && !flow {
        let indent = " ".repeat(column + 2);
        ways.extend(block(place, Quote::Literal, &Header::default(), &indent, column));
    }
    if !lines && matches!(style, Quote::Plain | Quote::Literal | Quote::Folded) && reads_as_text(new, place) {
        ways.push(new.to_owned());
    }
    let single = !lines && !new.chars().any(needs_escape);
    let quoted = format!("'{}'", new.replace('\'', "''"));
    // Where both do, the one without escapes reads better.
    let prefer_single = style == Quote::Single || new.contains(['"', '\\']);
    if single && prefer_single && style != Quote::Double {
        ways.push(quoted);
    }
    ways.push(format!("\"{}\"", escaped(new)));
    ways
}

/// What stands behind `|` or `>`.
#[derive(Clone, Copy, Default)]
struct Header<'a> {
    /// The digit, if there is one.
    digit: bool,
    /// `-`, `+` or nothing.
    chomping: &'a str,
    /// A comment on the header's line, with the blanks before it.
    comment: &'a str,
}

impl<'a> Header<'a> {
    fn read(scalar: &'a str) -> Self {
        let line = scalar.split(['\n', '\r']).next().unwrap_or_default();
        let marks = line.split([' ', '\t']).next().unwrap_or_default();
        let chomping = marks.find(['-', '+']).and_then(|at| marks.get(at..=at)).unwrap_or_default();
        Self {
            digit: marks.contains(|mark: char| mark.is_ascii_digit()),
            chomping,
            comment: line.get(marks.len()..).unwrap_or_default(),
        }
    }

    /// The indentation of the content.
    fn indent(&self, scalar: &str, column: usize) -> String {
        let digit = scalar.bytes().take(3).find(u8::is_ascii_digit);
        if let Some(digit) = digit.filter(|_| self.digit) {
            return " ".repeat(column + usize::from(digit - b'0'));
        }
        let first =
            scalar.lines().skip(1).find(|line| !line.trim_matches(' ').is_empty()).unwrap_or_default();
        let spaces = first.len() - first.trim_start_matches(' ').len();
        if spaces == 0 { " ".repeat(column + 2) } else { " ".repeat(spaces) }
    }
}

/// The ways to write a block scalar: as it is, then with the chomping and the digit that the text needs.
fn block(place: &Writing<'_>, style: Quote, header: &Header<'_>, indent: &str, column: usize) -> Vec<String> {
    let new = place.new;
    let body = new.trim_end_matches('\n');
    let breaks = new.len() - body.len();
    // Nobody sees where a block ends whose last line is blanks.
    if body.rsplit('\n').next().is_none_or(|line| line.trim_matches([' ', '\t']).is_empty()) {
        return Vec::new();
    }
    let content = match style {
        Quote::Folded => folded(body, place.old()),
        _ => body.to_owned(),
    };
    // A block is read by the indentation of its first line, so a first line with blanks of its own needs the digit.
    let first = content.split('\n').find(|line| !line.is_empty()).unwrap_or_default();
    let wide = content.split('\n').next().is_some_and(str::is_empty) || first.starts_with([' ', '\t']);
    let needs_digit =
        first.starts_with([' ', '\t']) || (wide && content.trim_matches(['\n', ' ']).is_empty());
    let fitting = match breaks {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let mark = if style == Quote::Folded { '>' } else { '|' };
    let digit = indent.len().saturating_sub(column).clamp(1, 9).to_string();
    let mut ways = Vec::new();
    for chomping in [header.chomping, fitting] {
        for with_digit in [header.digit || needs_digit, true] {
            let digit = if with_digit { digit.as_str() } else { "" };
            let mut text = format!("{mark}{digit}{chomping}{}", header.comment);
            for line in content.split('\n') {
                text.push('\n');
                if !line.is_empty() {
                    text.push_str(indent);
                    text.push_str(line);
                }
            }
            if chomping == "+" {
                // Line ends that stand behind the block already count.
                text.push_str(&"\n".repeat(breaks.saturating_sub(breaks_behind(place))));
            }
            // A parser may count the last line end to the block.
            if place.old().ends_with('\n') {
                text.push('\n');
            }
            let text = place.lines(&text);
            if !ways.contains(&text) {
                ways.push(text);
            }
        }
    }
    ways
}

/// The line ends between the place and the next visible character.
fn breaks_behind(place: &Writing<'_>) -> usize {
    let behind = place.source.get(place.resolved.span.end as usize..).unwrap_or_default();
    let blank = |character: &char| matches!(character, ' ' | '\r' | '\n');
    behind.chars().take_while(blank).filter(|character| *character == '\n').count()
}

/// The lines of a folded block whose value is `body`: a line end needs a blank line, except beside lines that start
/// with a blank. Lines that the old block folded stay folded as they were.
fn folded(body: &str, old: &str) -> String {
    let known = folds(old);
    let width = old.lines().skip(1).map(|line| line.trim_start().chars().count()).max().unwrap_or(0);
    let lines: Vec<&str> = body.split('\n').collect();
    let deep = |line: &str| line.starts_with([' ', '\t']);
    let mut out = String::with_capacity(body.len() + 64);
    let mut before: Option<&str> = None;
    for (at, line) in lines.iter().enumerate() {
        if 0 < at {
            out.push('\n');
        }
        if line.is_empty() {
            continue;
        }
        // Between two folded lines one line end is lost, however many stand there.
        if let Some(before) = before
            && !deep(before)
            && !deep(line)
        {
            out.push('\n');
        }
        match known.get(*line) {
            Some(fold) => out.push_str(fold),
            None => out.push_str(&wrapped(line, width)),
        }
        before = Some(line);
    }
    out
}

/// What the lines of an old folded block mean, and how they were broken.
fn folds(old: &str) -> HashMap<String, String> {
    let content: Vec<&str> = old.lines().skip(1).collect();
    let spaces = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let indent =
        content.iter().filter(|line| !line.trim_matches(' ').is_empty()).map(spaces).min().unwrap_or(0);
    let mut known = HashMap::new();
    let lines: Vec<&str> = content.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
    for run in lines.split(|line| line.is_empty() || line.starts_with([' ', '\t'])) {
        if 1 < run.len() {
            known.insert(run.join(" "), run.join("\n"));
        }
    }
    known
}

/// A line broken at single blanks so that no part is wider than `width`, if there was a width worth keeping.
fn wrapped(line: &str, width: usize) -> String {
    if width < 40
        || line.starts_with([' ', '\t'])
        || line.contains("  ")
        || line.ends_with(' ')
        || line.contains('\t')
    {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut used = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if 0 < used && width < used + 1 + length {
            out.push('\n');
            used = 0;
        } else if 0 < used {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

/// Whether a plain scalar of this text is a text for every reader: YAML 1.1 knows more words and numbers than 1.2
/// (`yes`, `1_000`, `1:30`, `2001-01-01`).
fn reads_as_text(text: &str, place: &Writing<'_>) -> bool {
    let edges = [' ', '\t'];
    if text.is_empty() || text.starts_with(edges) || text.ends_with(edges) || text.chars().any(needs_escape) {
        return false;
    }
    let leading = |one: char| "-?:,[]{}#&*!|>'\"%@`".contains(one);
    let indicator = text.starts_with(leading) && {
        // A dash, question mark or colon before another character is no indicator.
        !text.starts_with(['-', '?', ':']) || text.chars().nth(1).is_none_or(char::is_whitespace)
    };
    let document = text.starts_with("---") || text.starts_with("...");
    if indicator
        || document
        || text.contains(": ")
        || text.contains(" #")
        || text.contains("\t#")
        || text.ends_with(':')
    {
        return false;
    }
    // Where the old value was such a word, plain, its readers know what they get.
    !is_word_or_number(text)
        || (place.old() == place.resolved.value && is_word_or_number(&place.resolved.value))
}

fn is_word_or_number(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=", ".inf", ".nan"];
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_start_matches(['-', '+', '.']);
    WORDS.contains(&lower.as_str())
        || WORDS.contains(&lower.trim_start_matches(['-', '+']))
        || (digits.starts_with(|one: char| one.is_ascii_digit())
            && digits.chars().all(|one| one.is_ascii_hexdigit() || "._:-+xotz ".contains(one)))
}

/// Whether YAML allows the character only escaped (1.2.2, 5.1), or a reader would take it for a line end.
fn needs_escape(character: char) -> bool {
    matches!(character,
        '\0'..='\x08' | '\x0a'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if needs_escape(character) && u32::from(character) < 0x100 => {
                out.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            _ if needs_escape(character) => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out
}

fn spliced(place: &Writing<'_>) -> Option<String> {
    let body = place.old().strip_prefix('"')?.strip_suffix('"')?;
    // Folding inside quotes joins lines by rules that no list of pieces tells.
    if body.contains(['\n', '\r']) {
        return None;
    }
    let body = splice(&units(body)?, &place.resolved.value, place.new, escaped)?;
    Some(format!("\"{body}\""))
}

/// The characters of a double-quoted scalar of one line with what they mean (1.2.2, 5.7).
fn units(body: &str) -> Option<Vec<Unit<'_>>> {
    let mut units = Vec::new();
    let mut rest = body;
    while let Some(character) = rest.chars().next() {
        let unit = match rest.strip_prefix('\\') {
            None => Unit::new(rest.get(..character.len_utf8())?, character),
            Some(escape) => {
                let code = |digits: usize| {
                    let number = u32::from_str_radix(escape.get(1..=digits)?, 16).ok()?;
                    Some(Unit::new(rest.get(..digits + 2)?, char::from_u32(number)?))
                };
                match escape.chars().next()? {
                    'x' => code(2)?,
                    'u' => code(4)?,
                    'U' => code(8)?,
                    mark => Unit::new(rest.get(..1 + mark.len_utf8())?, meaning(mark)?),
                }
            }
        };
        rest = rest.get(unit.raw.len()..)?;
        units.push(unit);
    }
    Some(units)
}

fn meaning(mark: char) -> Option<char> {
    Some(match mark {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '/' | '\\' => mark,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
