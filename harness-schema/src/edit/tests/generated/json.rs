//! JSON documents, with comments, trailing commas and every way to escape.

use super::sample::{Choices, Data, Sample, nodes, varied};
use crate::selector::{DataFormat, Selector};

/// A document.
pub(super) fn sample(choices: &mut Choices) -> Sample {
    let data = choices.table(3);
    let indent = choices.one(&["", "  ", "    ", "\t"]);
    let mut author = Author { choices, out: String::new(), indent };
    author.out.push_str(author.choices.one(&["", "", "", "// first\n"]));
    author.value(&data, 0);
    author.out.push_str(author.choices.one(&["\n", "\n", " // last\n"]));
    let text = author.out;
    let text = varied(choices, text, true);
    let select = |steps, append| Selector::Data { format: DataFormat::Json, steps, append };
    Sample { path: "a.json", text, nodes: nodes(&data, &select, &takes, &takes) }
}

fn takes(data: &Data) -> Vec<String> {
    let values: &[&str] = match data {
        Data::Text(_) | Data::Nothing => &[],
        Data::Integer(_) => &["7", "-12"],
        Data::Number(_) => &["3.25", "4"],
        Data::Truth(_) => &["true", "false"],
        Data::List(_) => &["[\"n\", 7]", "[]", "[\n  1\n]"],
        Data::Table(_) => &["{\"n\": 7}", "{}", "{\n  \"n\": [1]\n}"],
    };
    values.iter().map(|value| (*value).to_owned()).collect()
}

struct Author<'c> {
    choices: &'c mut Choices,
    out: String,
    indent: &'static str,
}

impl Author<'_> {
    fn value(&mut self, data: &Data, depth: usize) {
        match data {
            Data::Text(text) => self.string(text),
            Data::Integer(number) | Data::Number(number) => self.out.push_str(number),
            Data::Truth(truth) => self.out.push_str(&truth.to_string()),
            Data::Nothing => self.out.push_str("null"),
            Data::List(items) => {
                self.out.push('[');
                let breaks = self.breaks(items.is_empty());
                for (at, item) in items.iter().enumerate() {
                    self.separator(at, breaks, depth);
                    self.value(item, depth + 1);
                }
                self.end(breaks, depth);
                self.out.push(']');
            }
            Data::Table(entries) => {
                self.out.push('{');
                let breaks = self.breaks(entries.is_empty());
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.separator(at, breaks, depth);
                    self.string(key);
                    self.out.push_str(self.choices.one(&[": ", ":", " : ", ": /* v */ "]));
                    self.value(value, depth + 1);
                }
                self.end(breaks, depth);
                self.out.push('}');
            }
        }
    }

    fn breaks(&mut self, is_empty: bool) -> bool {
        !is_empty && !self.indent.is_empty() && !self.choices.once_in(4)
    }

    fn separator(&mut self, at: usize, breaks: bool, depth: usize) {
        if 0 < at {
            self.out.push_str(self.choices.one(&[",", ",", ",", " ,", ", /* in */"]));
        }
        if breaks {
            self.out.push_str(self.choices.one(&["", "", "", " // why"]));
            self.out.push_str(self.choices.one(&["\n", "\n", "\n\n"]));
            self.out.push_str(&self.indent.repeat(depth + 1));
        } else if 0 < at {
            self.out.push(' ');
        }
    }

    fn end(&mut self, breaks: bool, depth: usize) {
        if breaks {
            self.out.push_str(self.choices.one(&["", "", ",", " // end", ", // end", ", /* end */"]));
            self.out.push('\n');
            self.out.push_str(&self.indent.repeat(depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => self.out.push_str(&format!("\\{character}")),
                '\n' => self.out.push_str("\\n"),
                '/' if self.choices.once_in(2) => self.out.push_str("\\/"),
                _ if character < ' ' || (character != 'a' && self.choices.once_in(16)) => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }
}
