//! Documents whose author knows every place in them: choices become data, data becomes text in some format.

use crate::edit::tests::properties::PIECES;
use crate::selector::Selector;
use crate::syntax::data::Step;

/// Decisions that an author takes one after the other. Where they end, each is the first, so that fewer and smaller
/// ones make a simpler document.
pub(super) struct Choices {
    left: std::vec::IntoIter<u16>,
}

/// A document and the places in it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) path: &'static str,
    pub(super) text: String,
    pub(super) nodes: Vec<Node>,
}

/// A place as its author knows it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) select: Selector,
    /// The text that stands there; none of what has no decoded text.
    pub(super) text: Option<String>,
    pub(super) takes: Takes,
}

/// What can be written to a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Takes {
    /// Every text.
    AnyText,
    /// Every text that has these replacement fields.
    Fields(Vec<String>),
    /// Text or code, if it does not leave its place.
    SomeText,
    /// One of these; each of them is good.
    Values(Vec<String>),
    /// One more entry of a list: any text, or one of these values.
    Entry(Option<Vec<String>>),
}

/// A value of a data notation.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Text(String),
    Integer(&'static str),
    Number(&'static str),
    Truth(bool),
    Nothing,
    List(Vec<Data>),
    Table(Vec<(String, Data)>),
}

/// Lines as people write them.
const LINES: &[&str] = &[
    "Be brief.",
    "Use the tool: `run`.",
    "# no comment",
    "- item",
    "a b  c",
    "it's \"quoted\"",
    "é 漢 😀",
    "e\u{301}",
    "{{ task }}",
    "key: value",
    "C:\\dir\\n",
    "100%",
    "",
    "tab\tinside",
    "two words and some more of them to fold",
    "'''",
    "\"\"\"",
    "*x",
    "[a, b]",
    "--- x",
    "@at",
];

/// Texts that need no quotes in YAML.
pub(super) const PLAIN: &[&str] = &[
    "word",
    "two words",
    "a:b",
    "a#b",
    "-x",
    "https://a.b/c?d=e#f",
    "é 漢 😀",
    "it's",
    "say \"x\"",
    "C:\\dir",
    "x - y",
    "100%",
    "e\u{301}",
    "?x",
    "a|b",
    "yes",
];

const KEYS: &[&str] = &[
    "a", "b", "name", "prompt", "a.b", "a b", "ключ", "é", "e\u{301}", "😀", "1", "2.0", "yes", "null", "-x",
    "#", "\"q\"", "it's", "", "x:y", "a-b_c", "\\", "{", "tab\t",
];

impl Choices {
    pub(super) fn new(choices: Vec<u16>) -> Self {
        Self { left: choices.into_iter() }
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.left.next().map_or(0, |choice| usize::from(choice) % end)
    }

    /// Whether to do something that is done once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub(super) fn one<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }

    /// A text: lines, or whatever some format could take for something else.
    pub(super) fn text(&mut self) -> String {
        match self.below(4) {
            0 => self.one(PLAIN).to_owned(),
            1 => {
                let pieces = self.below(6);
                (0..pieces).map(|_| self.one(PIECES)).collect()
            }
            _ => {
                let count = 1 + self.below(4);
                let lines: Vec<&str> = (0..count).map(|_| self.one(LINES)).collect();
                format!("{}{}", lines.join("\n"), "\n".repeat(self.below(4) % 3))
            }
        }
    }

    /// A table of data that nests at most so deep.
    pub(super) fn table(&mut self, depth: usize) -> Data {
        let mut entries: Vec<(String, Data)> = Vec::new();
        for _ in 0..1 + self.below(4) {
            let key = self.one(KEYS);
            if entries.iter().all(|(known, _)| known != key) {
                entries.push((key.to_owned(), self.data(depth)));
            }
        }
        Data::Table(entries)
    }

    fn data(&mut self, depth: usize) -> Data {
        match self.below(if depth == 0 { 7 } else { 12 }) {
            0..=3 => Data::Text(self.text()),
            4 => Data::Integer(self.one(&["1", "40", "-3", "0"])),
            5 => Data::Number(self.one(&["2.5", "0.1", "1e3", "-1.0"])),
            6 => match self.below(3) {
                0 => Data::Truth(false),
                1 => Data::Truth(true),
                _ => Data::Nothing,
            },
            7 | 8 => {
                let texts = self.once_in(2);
                let count = self.below(4);
                let item = |choices: &mut Self| match texts {
                    true => Data::Text(choices.text()),
                    false => choices.data(depth - 1),
                };
                Data::List((0..count).map(|_| item(self)).collect())
            }
            9 => {
                let count = 1 + self.below(3);
                Data::List((0..count).map(|_| self.table(depth - 1)).collect())
            }
            _ if self.once_in(8) => Data::Table(Vec::new()),
            _ => self.table(depth - 1),
        }
    }
}

/// The nodes of a value: itself and all that is inside. `takes` says what a value of another kind than text takes,
/// `entry` what can stand beside an entry of a list.
pub(super) fn nodes(
    data: &Data,
    select: &impl Fn(Vec<Step>, bool) -> Selector,
    takes: &impl Fn(&Data) -> Vec<String>,
    entry: &impl Fn(&Data) -> Vec<String>,
) -> Vec<Node> {
    let mut found = Vec::new();
    walk(data, &mut Vec::new(), &mut |steps, data| {
        let place = select(steps.to_vec(), false);
        found.push(match data {
            Data::Text(text) => Node { select: place, text: Some(text.clone()), takes: Takes::AnyText },
            other => Node { select: place, text: None, takes: Takes::Values(takes(other)) },
        });
        if let Data::List(items) = data {
            let texts = !items.is_empty() && items.iter().all(|item| matches!(item, Data::Text(_)));
            let entry = items.first().map_or_else(|| entry(&Data::Integer("1")), entry);
            let select = select(steps.to_vec(), true);
            let entry = if texts { None } else { Some(entry) };
            found.push(Node { select, text: None, takes: Takes::Entry(entry) });
        }
    });
    found
}

fn walk(data: &Data, steps: &mut Vec<Step>, visit: &mut impl FnMut(&[Step], &Data)) {
    visit(steps, data);
    let mut inside = |step, inner: &Data| {
        steps.push(step);
        walk(inner, steps, visit);
        steps.pop();
    };
    match data {
        Data::List(items) => {
            for (at, item) in items.iter().enumerate() {
                inside(Step::Index(i64::try_from(at).unwrap()), item);
            }
        }
        Data::Table(entries) => {
            for (key, value) in entries {
                inside(Step::Key(key.as_str().into()), value);
            }
        }
        _ => {}
    }
}

/// With CRLF, a byte order mark and without its last line end, as it comes.
pub(super) fn varied(choices: &mut Choices, mut text: String, may_lose_end: bool) -> String {
    if may_lose_end && choices.once_in(4) && text.ends_with('\n') {
        text.pop();
    }
    if choices.once_in(3) {
        text = text.replace('\n', "\r\n");
    }
    if choices.once_in(4) { format!("\u{feff}{text}") } else { text }
}
