//! TOML documents: headers, dotted keys, inline tables, lists of tables, and every kind of string.

use super::sample::{Choices, Data, Node, Sample, Takes, nodes, varied};
use crate::selector::{DataFormat, Selector};

/// A document.
pub(super) fn sample(choices: &mut Choices) -> Sample {
    let data = without_nothing(choices.table(3));
    let mut author = Author { choices, out: String::new(), regions: Vec::new() };
    if author.choices.once_in(4) {
        author.out.push_str("# first\n\n");
    }
    if let Data::Table(entries) = &data {
        author.table(&[], entries);
    }
    let Author { out: text, regions, .. } = author;
    let text = varied(choices, text, true);
    let select = |steps, append| Selector::Data { format: DataFormat::Toml, steps, append };
    let mut nodes = nodes(&data, &select, &takes, &entry);
    let regions = regions.into_iter().map(Selector::Region);
    nodes.extend(regions.map(|select| Node { select, text: None, takes: Takes::SomeText }));
    Sample { path: "a.toml", text, nodes }
}

/// TOML has no nothing.
fn without_nothing(data: Data) -> Data {
    match data {
        Data::Nothing => Data::Truth(true),
        Data::List(items) => Data::List(items.into_iter().map(without_nothing).collect()),
        Data::Table(entries) => {
            Data::Table(entries.into_iter().map(|(key, value)| (key, without_nothing(value))).collect())
        }
        other => other,
    }
}

fn takes(data: &Data) -> Vec<String> {
    let values: &[&str] = match data {
        Data::Text(_) | Data::Nothing | Data::Table(_) => &[],
        // It may be written by headers, which hold more than a value.
        Data::List(items) if items.iter().any(|item| matches!(item, Data::Table(_))) => &[],
        Data::Integer(_) => &["7", "-12", "1_000", "0x1F"],
        Data::Number(_) => &["3.25", "4"],
        Data::Truth(_) => &["true", "false"],
        Data::List(_) => &["['n', 7]", "[]"],
    };
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn entry(data: &Data) -> Vec<String> {
    match data {
        Data::Table(_) => vec!["n = 7".to_owned(), "{ n = 7 }".to_owned(), "n = 'x' # y\nm = [1]".to_owned()],
        other => takes(other),
    }
}

/// How an entry is written.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Inline,
    Dotted,
    Header,
}

struct Author<'c> {
    choices: &'c mut Choices,
    out: String,
    regions: Vec<String>,
}

impl Author<'_> {
    /// The statements of a table whose header is written, then the tables below it.
    fn table(&mut self, path: &[String], entries: &[(String, Data)]) {
        let ways: Vec<Way> = entries.iter().map(|(_, value)| self.way(value)).collect();
        for ((key, value), _) in entries.iter().zip(&ways).filter(|(_, way)| **way != Way::Header) {
            let key = self.key(key);
            let region = self.choices.once_in(6).then(|| format!("r{}", self.regions.len()));
            if let Some(name) = &region {
                self.out.push_str(&format!("# self-harness:begin {name}\n"));
                self.regions.push(name.clone());
            }
            self.statement(&key, value);
            if let Some(name) = region {
                self.out.push_str(&format!("# self-harness:end {name}\n"));
            }
        }
        for ((key, value), _) in entries.iter().zip(&ways).filter(|(_, way)| **way == Way::Header) {
            let key = self.key(key);
            let path = [path, &[key]].concat();
            match value {
                Data::Table(inner) => {
                    self.header(&format!("[{}]", path.join(".")));
                    self.table(&path, inner);
                }
                Data::List(items) => {
                    for item in items {
                        self.header(&format!("[[{}]]", path.join(".")));
                        if let Data::Table(inner) = item {
                            self.table(&path, inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn way(&mut self, value: &Data) -> Way {
        match value {
            Data::Table(entries) if entries.is_empty() => self.one_of(&[Way::Inline, Way::Header]),
            Data::Table(_) => self.one_of(&[Way::Header, Way::Header, Way::Inline, Way::Dotted]),
            Data::List(items)
                if !items.is_empty() && items.iter().all(|item| matches!(item, Data::Table(_))) =>
            {
                self.one_of(&[Way::Header, Way::Inline])
            }
            _ => Way::Inline,
        }
    }

    fn one_of(&mut self, ways: &[Way]) -> Way {
        ways[self.choices.below(ways.len())]
    }

    fn header(&mut self, header: &str) {
        self.out.push_str(self.choices.one(&["\n", "", "\n# above\n"]));
        self.out.push_str(header);
        self.line_end();
    }

    fn statement(&mut self, key: &str, value: &Data) {
        self.out.push_str(self.choices.one(&["", "", "", "", "\n", "# above\n", "  "]));
        match value {
            Data::Table(entries) if !entries.is_empty() && self.choices.once_in(2) => {
                for (inner, value) in entries {
                    let inner = self.key(inner);
                    let dot = self.choices.one(&[".", ".", " . "]);
                    self.statement(&format!("{key}{dot}{inner}"), value);
                }
            }
            other => {
                self.out.push_str(key);
                self.out.push_str(self.choices.one(&[" = ", "=", "  =  "]));
                self.value(other, true);
                self.line_end();
            }
        }
    }

    fn line_end(&mut self) {
        self.out.push_str(self.choices.one(&["\n", "\n", "\n", " # why\n", "  \n"]));
    }

    fn value(&mut self, value: &Data, may_break: bool) {
        match value {
            Data::Text(text) => self.string(text, may_break),
            Data::Integer(number) | Data::Number(number) => self.out.push_str(number),
            Data::Truth(truth) => self.out.push_str(&truth.to_string()),
            Data::Nothing => {}
            Data::List(items) => {
                let breaks = may_break && !items.is_empty() && self.choices.once_in(2);
                self.out.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.out.push_str(if 0 < at { "," } else { "" });
                    match breaks {
                        true => {
                            self.out.push_str(self.choices.one(&["\n  ", "\n    ", " # in\n  ", "\n\n  "]))
                        }
                        false if 0 < at => self.out.push(' '),
                        false => self.out.push_str(self.choices.one(&["", " "])),
                    }
                    self.value(item, breaks);
                }
                if breaks {
                    self.out.push_str(self.choices.one(&["\n", ",\n", " # end\n", ", # end\n"]));
                }
                self.out.push(']');
            }
            Data::Table(entries) => {
                self.out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.out.push_str(if 0 < at { ", " } else { " " });
                    let key = self.key(key);
                    self.out.push_str(&format!("{key} = "));
                    self.value(value, false);
                }
                self.out.push_str(" }");
            }
        }
    }

    fn key(&mut self, key: &str) -> String {
        let is_bare = |one: char| one.is_ascii_alphanumeric() || "-_".contains(one);
        match self.choices.below(4) {
            0 | 1 if !key.is_empty() && key.chars().all(is_bare) => key.to_owned(),
            2 if is_literal(key) => format!("'{key}'"),
            _ => format!("\"{}\"", self.escaped(key, false)),
        }
    }

    fn string(&mut self, text: &str, may_break: bool) {
        let literal = match self.choices.below(4) {
            1 if is_literal(text) => format!("'{text}'"),
            2 if may_break && is_triple_literal(text) => {
                let first = if text.starts_with('\n') || self.choices.once_in(2) { "\n" } else { "" };
                format!("'''{first}{text}'''")
            }
            3 if may_break => {
                let first = if text.starts_with('\n') || self.choices.once_in(2) { "\n" } else { "" };
                format!("\"\"\"{first}{}\"\"\"", self.escaped(text, true))
            }
            _ => format!("\"{}\"", self.escaped(text, false)),
        };
        self.out.push_str(&literal);
    }

    fn escaped(&mut self, text: &str, several: bool) -> String {
        let mut out = String::new();
        for character in text.chars() {
            if several && !character.is_whitespace() && self.choices.once_in(12) {
                out.push_str(self.choices.one(&["\\\n", "\\\n    ", "\\  \n\n  "]));
            }
            match character {
                '\n' if several => out.push('\n'),
                '"' | '\\' => out.push_str(&format!("\\{character}")),
                'é' if self.choices.once_in(2) => out.push_str("\\u00E9"),
                '😀' if self.choices.once_in(2) => out.push_str("\\U0001F600"),
                '\t' if self.choices.once_in(2) => out.push('\t'),
                '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\u{:04X}", u32::from(character))),
                _ => out.push(character),
            }
        }
        out
    }
}

fn is_literal(text: &str) -> bool {
    !text.contains('\'') && text.chars().all(|one| one == '\t' || (' ' <= one && one != '\x7f'))
}

fn is_triple_literal(text: &str) -> bool {
    let allowed = |one: char| one == '\t' || one == '\n' || (' ' <= one && one != '\x7f');
    !text.contains("'''") && !text.ends_with('\'') && text.chars().all(allowed)
}
