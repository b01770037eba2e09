//! YAML documents: block and flow, every style of scalar, comments, blank lines, indentation of any width.

use super::sample::{Choices, Data, Node, PLAIN, Sample, nodes, varied};
use crate::selector::{DataFormat, Selector};

/// A document.
pub(super) fn sample(choices: &mut Choices) -> Sample {
    let data = choices.table(3);
    let written =
        Author { choices, out: String::new(), keeps_breaks: false, ends_with_block: false }.document(&data);
    let may_lose_end = !written.ends_with_block;
    let text = varied(choices, written.text, may_lose_end);
    let select = |steps, append| Selector::Data { format: DataFormat::Yaml, steps, append };
    Sample { path: "a.yaml", text, nodes: nodes(&data, &select, &takes, &takes) }
}

/// Front matter with its nodes.
pub(super) fn front_matter(choices: &mut Choices) -> (String, Vec<Node>) {
    let data = choices.table(2);
    let mut author = Author { choices, out: String::new(), keeps_breaks: false, ends_with_block: false };
    author.root(&data);
    let text = format!("---\n{}---\n", author.out);
    let nodes = nodes(&data, &|steps, append| Selector::FrontMatter { steps, append }, &takes, &takes);
    let nodes = nodes.into_iter().filter(|node| node.select.steps().len() != 1);
    (text, nodes.collect())
}

fn takes(data: &Data) -> Vec<String> {
    let values: &[&str] = match data {
        Data::Text(_) | Data::Nothing => &[],
        Data::Integer(_) => &["7", "-12"],
        Data::Number(_) => &["3.25", "4"],
        Data::Truth(_) => &["true", "false"],
        Data::List(_) => &["[n, 7]", "[]"],
        Data::Table(_) => &["{n: 7}", "{}"],
    };
    values.iter().map(|value| (*value).to_owned()).collect()
}

struct Written {
    text: String,
    ends_with_block: bool,
}

struct Author<'c> {
    choices: &'c mut Choices,
    out: String,
    /// Whether a blank line here would belong to the block before.
    keeps_breaks: bool,
    ends_with_block: bool,
}

impl Author<'_> {
    fn document(mut self, data: &Data) -> Written {
        if self.choices.once_in(4) {
            self.out.push_str("# first\n\n");
        }
        if self.choices.once_in(4) {
            self.out.push_str("---\n");
        }
        self.root(data);
        if !self.keeps_breaks && self.choices.once_in(4) {
            self.out.push_str("\n# last\n");
            self.ends_with_block = false;
        }
        Written { text: self.out, ends_with_block: self.ends_with_block }
    }

    fn root(&mut self, data: &Data) {
        match data {
            Data::Table(entries) if !entries.is_empty() => self.block_table(entries, 0, false),
            other => self.after(other, 0, false),
        }
    }

    fn block_table(&mut self, entries: &[(String, Data)], column: usize, goes_on: bool) {
        for (at, (key, value)) in entries.iter().enumerate() {
            if 0 < at || !goes_on {
                self.between(column);
                self.out.push_str(&" ".repeat(column));
            }
            let key = self.key(key);
            self.out.push_str(&key);
            if self.choices.once_in(8) {
                self.out.push(' ');
            }
            self.out.push(':');
            self.after(value, column, true);
        }
    }

    fn block_list(&mut self, items: &[Data], column: usize, goes_on: bool) {
        for (at, item) in items.iter().enumerate() {
            if 0 < at || !goes_on {
                self.between(column);
                self.out.push_str(&" ".repeat(column));
            }
            self.out.push('-');
            self.after(item, column, false);
        }
    }

    /// Blank lines and comments between two entries.
    fn between(&mut self, column: usize) {
        match self.choices.below(8) {
            6 if !self.keeps_breaks => self.out.push('\n'),
            7 => {
                self.out.push_str(&format!("{}# between\n", " ".repeat(column)));
                self.keeps_breaks = false;
            }
            _ => {}
        }
    }

    /// A value behind its key or dash, to the end of the line.
    fn after(&mut self, value: &Data, column: usize, is_key: bool) {
        self.ends_with_block = false;
        let deeper = column + 1 + self.choices.below(4);
        let deeper = if is_key { deeper } else { deeper.max(column + 2) };
        if self.choices.once_in(16) && !matches!(value, Data::Nothing) {
            self.out.push_str(" &anchor");
        }
        match value {
            Data::List(items) if !items.is_empty() && !self.choices.once_in(3) => {
                // A dash behind a dash, or a list that is no deeper than its key.
                let inline = !is_key && !self.out.ends_with("&anchor") && self.choices.once_in(2);
                if inline {
                    self.out.push(' ');
                    self.block_list(items, column + 2, true);
                } else {
                    self.line_end();
                    let column = if is_key && self.choices.once_in(2) { column } else { deeper };
                    self.block_list(items, column, false);
                }
            }
            Data::Table(entries) if !entries.is_empty() && !self.choices.once_in(3) => {
                if !is_key && !self.out.ends_with("&anchor") && !self.choices.once_in(3) {
                    let blanks = 1 + self.choices.below(2);
                    self.out.push_str(&" ".repeat(blanks));
                    self.block_table(entries, column + 1 + blanks, true);
                } else {
                    self.line_end();
                    self.block_table(entries, deeper, false);
                }
            }
            Data::Text(text) => self.text(text, column, deeper),
            Data::Nothing if self.choices.once_in(2) => self.line_end(),
            other => {
                self.out.push(' ');
                self.flow(other, column, true);
                self.line_end();
            }
        }
    }

    fn line_end(&mut self) {
        self.keeps_breaks = false;
        self.out.push_str(match self.choices.below(6) {
            4 => " # why",
            5 => "  ",
            _ => "",
        });
        self.out.push('\n');
    }

    fn text(&mut self, text: &str, column: usize, deeper: usize) {
        match self.choices.below(5) {
            1 if is_block(text) => self.block(text, column, deeper, '|'),
            2 if is_block(text) && !text.contains("\n\t") && !text.contains("\n ") => {
                self.block(text, column, deeper, '>');
            }
            3 if is_foldable(text) => {
                // A line end inside quotes is a blank, two are one.
                let broken = text.replace('\n', &format!("\n\n{}", " ".repeat(deeper)));
                let (broken, quote) = match self.choices.once_in(2) {
                    true => (broken.replace('\'', "''"), '\''),
                    false => (broken.replace('\\', "\\\\").replace('"', "\\\""), '"'),
                };
                let broken = self.folded(&broken, deeper);
                self.out.push_str(&format!(" {quote}{broken}{quote}"));
                self.line_end();
            }
            4 if PLAIN.contains(&text) && text.contains(' ') => {
                let broken = self.folded(text, deeper);
                self.out.push_str(&format!(" {broken}"));
                self.line_end();
            }
            _ => {
                self.out.push(' ');
                let scalar = self.scalar(text, true);
                self.out.push_str(&scalar);
                self.line_end();
            }
        }
    }

    /// Some single blanks between words become line ends.
    fn folded(&mut self, text: &str, column: usize) -> String {
        let mut out = String::new();
        let characters: Vec<char> = text.chars().collect();
        for (at, character) in characters.iter().enumerate() {
            let word = |at: Option<usize>| {
                at.and_then(|at| characters.get(at)).is_some_and(|one| one.is_alphanumeric())
            };
            if *character == ' ' && word(at.checked_sub(1)) && word(Some(at + 1)) && self.choices.once_in(3) {
                out.push_str(&format!("\n{}", " ".repeat(column)));
            } else {
                out.push(*character);
            }
        }
        out
    }

    fn block(&mut self, text: &str, column: usize, deeper: usize, mark: char) {
        let body = text.trim_end_matches('\n');
        let breaks = text.len() - body.len();
        let first = body.split('\n').find(|line| !line.is_empty()).unwrap_or_default();
        let digit = first.starts_with([' ', '\t']) || self.choices.once_in(4);
        let digit = if digit { (deeper - column).to_string() } else { String::new() };
        let chomping = match breaks {
            0 => "-",
            1 if !self.choices.once_in(4) => "",
            _ => "+",
        };
        let marks =
            if self.choices.once_in(2) { format!("{digit}{chomping}") } else { format!("{chomping}{digit}") };
        self.out.push_str(&format!(" {mark}{marks}"));
        self.line_end();
        let body = match mark {
            '>' => {
                // One line end more between two lines, and blanks that become line ends.
                let mut broken = String::new();
                for (at, line) in body.split('\n').enumerate() {
                    let content_before = 0 < at && !broken.trim_end_matches('\n').is_empty();
                    if 0 < at {
                        broken.push('\n');
                    }
                    if content_before && !line.is_empty() {
                        broken.push('\n');
                    }
                    broken.push_str(&self.folded(line, 0));
                }
                broken
            }
            _ => body.to_owned(),
        };
        for line in body.split('\n') {
            if !line.is_empty() {
                self.out.push_str(&" ".repeat(deeper));
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        self.keeps_breaks = chomping == "+";
        if self.keeps_breaks {
            self.out.push_str(&"\n".repeat(breaks.saturating_sub(1)));
        } else if self.choices.once_in(4) {
            self.out.push('\n');
        }
        self.ends_with_block = true;
    }

    /// A value between brackets, or a scalar of one line.
    fn flow(&mut self, value: &Data, column: usize, may_break: bool) {
        match value {
            Data::Text(text) => {
                let scalar = self.scalar(text, false);
                self.out.push_str(&scalar);
            }
            Data::Integer(number) | Data::Number(number) => self.out.push_str(number),
            Data::Truth(truth) => self.out.push_str(&truth.to_string()),
            Data::Nothing => self.out.push_str(self.choices.one(&["null", "~"])),
            Data::List(items) => {
                let breaks = may_break && !items.is_empty() && self.choices.once_in(3);
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.separator(at, breaks, column);
                    self.flow(item, column + 2, breaks);
                }
                self.flow_end(breaks, column, ']');
            }
            Data::Table(entries) => {
                let breaks = may_break && !entries.is_empty() && self.choices.once_in(3);
                self.out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.separator(at, breaks, column);
                    let key = self.key(key);
                    self.out.push_str(&format!("{key}: "));
                    self.flow(value, column + 2, breaks);
                }
                self.flow_end(breaks, column, '}');
            }
        }
    }

    fn separator(&mut self, at: usize, breaks: bool, column: usize) {
        if 0 < at {
            self.out.push(',');
        }
        if breaks {
            self.out.push_str(self.choices.one(&["", "", " # in"]));
            self.out.push_str(&format!("\n{}", " ".repeat(column + 2)));
        } else if 0 < at {
            self.out.push_str(self.choices.one(&[" ", "  "]));
        }
    }

    fn flow_end(&mut self, breaks: bool, column: usize, bracket: char) {
        if breaks {
            self.out.push_str(self.choices.one(&["", ","]));
            self.out.push_str(&format!("\n{}", " ".repeat(column + 1)));
        }
        self.out.push(bracket);
    }

    fn key(&mut self, key: &str) -> String {
        let plain = |character: char| character.is_alphanumeric() || "._-\u{301}😀".contains(character);
        let is_plain = key.chars().all(plain) && !key.is_empty() && !key.starts_with('-');
        if is_plain && !self.choices.once_in(4) { key.to_owned() } else { self.quoted(key) }
    }

    fn scalar(&mut self, text: &str, is_block: bool) -> String {
        let flow_plain = !text.starts_with(['-', '?']) && !text.contains([',', '[', ']', '{', '}']);
        let is_plain = PLAIN.contains(&text) && (is_block || flow_plain);
        if is_plain && !self.choices.once_in(4) { text.to_owned() } else { self.quoted(text) }
    }

    fn quoted(&mut self, text: &str) -> String {
        if !text.contains('\n') && text.chars().all(is_printable) && self.choices.once_in(2) {
            return format!("'{}'", text.replace('\'', "''"));
        }
        let mut out = String::from("\"");
        for character in text.chars() {
            match character {
                '"' | '\\' => out.push_str(&format!("\\{character}")),
                '\n' => out.push_str("\\n"),
                'A'..='z' if self.choices.once_in(16) => {
                    out.push_str(&format!("\\x{:02x}", u32::from(character)))
                }
                'é' if self.choices.once_in(2) => out.push_str("\\u00e9"),
                '😀' if self.choices.once_in(2) => out.push_str("\\U0001f600"),
                _ if is_printable(character) => out.push(character),
                _ => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            }
        }
        out.push('"');
        out
    }
}

/// Whether a character needs no escape.
fn is_printable(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}') || character == '\t'
}

/// Whether a block scalar can hold the text.
fn is_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    let blank = |line: &str| !line.is_empty() && line.trim_matches([' ', '\t']).is_empty();
    !body.is_empty()
        && body.chars().all(|character| character == '\n' || is_printable(character))
        && !body.split('\n').any(blank)
        && !body.starts_with([' ', '\t', '\n'])
}

/// Whether quotes can hold the text on several lines.
fn is_foldable(text: &str) -> bool {
    let whole = |line: &str| !line.is_empty() && line.trim_matches([' ', '\t']).len() == line.len();
    text.chars().all(|character| character == '\n' || is_printable(character)) && text.split('\n').all(whole)
}
