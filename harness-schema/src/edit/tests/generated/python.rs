//! Python files: functions, classes in classes, docstrings, decorators, and strings in every prefix and quote.

use super::sample::{Choices, Node, Sample, Takes, varied};
use crate::selector::{PythonPart, Selector};

/// A file.
pub(super) fn sample(choices: &mut Choices) -> Sample {
    let indent = choices.one(&["    ", "  ", "\t", "   "]);
    let mut author = Author { choices, out: String::new(), indent, nodes: Vec::new() };
    author.out.push_str(author.choices.one(&[
        "",
        "",
        "#!/usr/bin/env python\n",
        "\"\"\"Module.\"\"\"\n\nimport os\n\n",
    ]));
    author.scope(&[], 2, false);
    let Author { out, nodes, .. } = author;
    Sample { path: "a.py", text: varied(choices, out, true), nodes }
}

struct Author<'c> {
    choices: &'c mut Choices,
    out: String,
    indent: &'static str,
    nodes: Vec<Node>,
}

impl Author<'_> {
    fn margin(&self, path: &[String]) -> String {
        self.indent.repeat(path.len())
    }

    /// Some definitions of one scope.
    fn scope(&mut self, path: &[String], depth: usize, is_function: bool) {
        for at in 0..1 + self.choices.below(3) {
            let margin = self.margin(path);
            self.out.push_str(self.choices.one(&["", "", "\n", "\n\n"]));
            if self.choices.once_in(4) {
                self.out.push_str(&format!("{margin}# above: 'it'\n"));
            }
            let inner = |name: String| [path, &[name]].concat();
            // A region that starts before a body and ends in it holds no part of code alone.
            let region = (!is_function && self.choices.once_in(6)).then(|| format!("r{}", self.out.len()));
            if let Some(name) = &region {
                self.out.push_str(&format!("{margin}# self-harness:begin {name}\n"));
            }
            match self.choices.below(if depth == 0 || is_function { 1 } else { 4 }) {
                0 => {
                    let name = format!("{}{at}", self.choices.one(&["NAME", "x_", "größe"]));
                    self.constant(&inner(name), &margin);
                }
                1 | 2 => self.function(&inner(format!("f{at}")), &margin, depth),
                _ => self.class(&inner(format!("C{at}")), &margin, depth),
            }
            if let Some(name) = region {
                self.out.push_str(&format!("{margin}# self-harness:end {name}\n"));
                self.nodes.push(Node { select: Selector::Region(name), text: None, takes: Takes::SomeText });
            }
        }
    }

    fn class(&mut self, path: &[String], margin: &str, depth: usize) {
        let name = path.last().cloned().unwrap_or_default();
        let bases = self.choices.one(&["", "()", "(Base, metaclass=M)"]);
        self.out.push_str(&format!("{margin}class {name}{bases}:\n"));
        self.docstring(path);
        self.scope(path, depth - 1, false);
    }

    fn function(&mut self, path: &[String], margin: &str, depth: usize) {
        let name = path.last().cloned().unwrap_or_default();
        for _ in 0..self.choices.below(4) % 3 {
            let decorator = self.choices.one(&["@cached", "@tool(name='x')", "@a.b(\n    1,\n)"]);
            self.out.push_str(&format!("{margin}{decorator}\n"));
        }
        let head = self.choices.one(&["def", "def", "async def"]);
        let signature = self.choices.one(&["()", "(name, *, x=1)", "(\n    name,\n)"]);
        let result = self.choices.one(&["", " -> str", " -> 'str'"]);
        self.out.push_str(&format!("{margin}{head} {name}{signature}{result}:"));
        self.code(PythonPart::Function, path, vec![format!("def {name}():\n    return 1")]);
        let bodies = [
            "pass",
            "return 7",
            "if x:\n    y = '''a\n  b'''\n\nreturn [\n    1,\n]",
            "x = 1\n# why\nreturn 'x'",
        ];
        self.code(PythonPart::Body, path, bodies.map(str::to_owned).to_vec());
        if self.choices.once_in(6) {
            self.out.push_str(" return ");
            self.returned(path);
            return;
        }
        self.out.push_str(self.choices.one(&["\n", "  # why\n"]));
        self.docstring(path);
        if 0 < depth && self.choices.once_in(2) {
            self.scope(path, depth - 1, true);
        }
        let inner = self.margin(path);
        if self.choices.once_in(3) {
            self.out.push_str(&format!("{inner}text = '''one\n  two'''\n\n{inner}call(text)\n"));
        }
        if self.choices.once_in(3) {
            self.out.push_str(&format!("{inner}def g():\n{inner}{}return None\n", self.indent));
        }
        self.out.push_str(&format!("{inner}return "));
        self.returned(path);
    }

    fn code(&mut self, part: PythonPart, path: &[String], good: Vec<String>) {
        let select = Selector::Python { part, path: path.to_vec() };
        self.nodes.push(Node { select, text: None, takes: Takes::Values(good) });
    }

    fn docstring(&mut self, path: &[String]) {
        if self.choices.once_in(2) {
            let text = self.choices.text();
            let margin = self.margin(path);
            let (literal, value) = self.literal(&text, &[], "");
            self.out.push_str(&format!("{margin}{literal}\n"));
            self.text(PythonPart::Doc, path, value, Vec::new());
        }
    }

    fn returned(&mut self, path: &[String]) {
        self.expression(PythonPart::Return, path);
    }

    fn constant(&mut self, path: &[String], margin: &str) {
        let name = path.last().cloned().unwrap_or_default();
        let equals = self.choices.one(&[" = ", "=", ": Final = ", ": 'str' = "]);
        self.out.push_str(&format!("{margin}{name}{equals}"));
        self.expression(PythonPart::Const, path);
    }

    /// The right side of an assignment or a `return`, to the end of the line.
    fn expression(&mut self, part: PythonPart, path: &[String]) {
        let values: &[&str] = match self.choices.below(12) {
            0 => &["1", "7", "-12"],
            1 => &["2.5", "4", "1e3"],
            2 => &["True", "False"],
            3 => &["[1, 'x']", "[]", "[\n    'y',\n]"],
            4 => &["{'a': 1}", "{}", "{\"n\": [1, None]}"],
            _ => &[],
        };
        if let [first, others @ ..] = values {
            self.out.push_str(first);
            let takes = Takes::Values(others.iter().map(|value| (*value).to_owned()).collect());
            let select = Selector::Python { part, path: path.to_vec() };
            self.nodes.push(Node { select, text: None, takes });
        } else {
            self.string(part, path);
        }
        self.out.push_str(self.choices.one(&["\n", "\n", "  # why\n", "; pass\n"]));
    }

    fn string(&mut self, part: PythonPart, path: &[String]) {
        let fields: &[&str] = match self.choices.below(4) {
            2 => &["{name}"],
            3 => &["{name!r:>{4}}", "{x}"],
            _ => &[],
        };
        let (open, close) = match self.choices.below(6) {
            1 => ("(", ")"),
            2 => ("dedent(", ")"),
            3 => ("", ".strip()"),
            4 => ("(\n    ", "\n)"),
            _ => ("", ""),
        };
        self.out.push_str(open);
        let mut value = String::new();
        let count = if open.is_empty() { 1 } else { 1 + self.choices.below(3) };
        let any_fields = !fields.is_empty();
        for at in 0..count {
            let text = self.choices.text();
            let here = if at == 0 { fields } else { &[] };
            let (literal, meant) = self.literal(&text, here, if any_fields { "{" } else { "" });
            self.out.push_str(if 0 < at { self.choices.one(&[" ", "\n    ", "  # part\n    "]) } else { "" });
            self.out.push_str(&literal);
            value.push_str(&meant);
        }
        self.out.push_str(close);
        self.text(part, path, value, fields.iter().map(|field| (*field).to_owned()).collect());
    }

    fn text(&mut self, part: PythonPart, path: &[String], value: String, fields: Vec<String>) {
        let select = Selector::Python { part, path: path.to_vec() };
        let takes = if fields.is_empty() { Takes::AnyText } else { Takes::Fields(fields) };
        self.nodes.push(Node { select, text: Some(value), takes });
    }

    /// A literal and what it means: with fields an f-string, whose literal braces count twice; `braces` is not empty
    /// where one stands beside it, so that they count twice here too.
    fn literal(&mut self, text: &str, fields: &[&str], braces: &str) -> (String, String) {
        let doubled = text.replace('{', "{{").replace('}', "}}");
        let meant = if braces.is_empty() { text.to_owned() } else { doubled.clone() };
        let quote = self.choices.one(&["\"", "'"]);
        let triple = self.choices.once_in(2);
        let quotes = if triple { quote.repeat(3) } else { quote.to_owned() };
        if !fields.is_empty() {
            let prefix = self.choices.one(&["f", "F"]);
            let written = self.escaped(text, quote, triple).replace('{', "{{").replace('}', "}}");
            let fields = fields.concat();
            return (format!("{prefix}{quotes}{fields}{written} {quotes}"), format!("{fields}{meant} "));
        }
        let raw = |one: char| one == '\t' || (one == '\n' && triple) || (' ' <= one && one != '\x7f');
        if text.chars().all(raw) && !text.contains(quote) && !text.ends_with('\\') && self.choices.once_in(3)
        {
            let prefix = self.choices.one(&["r", "R"]);
            return (format!("{prefix}{quotes}{text}{quotes}"), meant);
        }
        let prefix = self.choices.one(&["", "", "u", "U"]);
        let written = self.escaped(text, quote, triple);
        (format!("{prefix}{quotes}{written}{quotes}"), meant)
    }

    fn escaped(&mut self, text: &str, quote: &str, several: bool) -> String {
        let mut out = String::new();
        for character in text.chars() {
            if self.choices.once_in(16) {
                out.push_str("\\\n");
            }
            match character {
                '\n' if several && !self.choices.once_in(8) => out.push('\n'),
                '\n' => out.push_str("\\n"),
                '\\' => out.push_str("\\\\"),
                'd' if self.choices.once_in(4) => out.push_str("\\x64"),
                'b' if self.choices.once_in(4) => out.push_str("\\142"),
                '😀' if self.choices.once_in(2) => out.push_str("\\U0001f600"),
                '\0'..='\x1f' | '\x7f' if character != '\t' => {
                    out.push_str(&format!("\\x{:02x}", u32::from(character)))
                }
                _ if quote.starts_with(character) => out.push_str(&format!("\\{character}")),
                _ => out.push(character),
            }
        }
        out
    }
}
