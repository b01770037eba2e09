//! The tree that TOML, YAML and JSON share: values with spans, equal keys kept, broken parts marked.
//!
//! Parsing cannot fail: what is wrong is in [`Tree::errors`], and all that could be read is in [`Tree::root`].

use ecow::{EcoString, EcoVec};

use crate::text::Span;

/// A parsed data document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// The top value; an empty table for an empty TOML document, [`Kind::Null`] for an empty YAML or JSON document.
    pub root: Value,
    /// What does not parse, in order; at most one for each broken region.
    pub errors: Vec<SyntaxError>,
    /// Comments with their marks, in order.
    pub comments: Vec<Span>,
    /// How many documents the text holds; only YAML can have more than one. The tree is the first one's.
    pub documents: usize,
}

/// A place that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where the parser stumbled; at least one character wide where the line has one.
    pub span: Span,
    /// The part of the text about which nothing else is known; no other problem is reported inside.
    pub region: Span,
    /// ``expected a value after `max_steps =` ``
    pub message: String,
}

/// A value and the bytes that write it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// From the first to the last byte of the value: quotes, brackets and block indicators included, comments and
    /// anchors not. A TOML table that is written by headers spans from its first header to its last entry.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// Whether a YAML anchor stands at it (`&name`).
    pub anchored: bool,
}

/// The kinds of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kind {
    /// Named entries in the order of the text, equal keys included.
    Table(Table),
    /// Values in order.
    List(List),
    /// A string.
    Text(Scalar),
    /// An integer.
    Integer(i64),
    /// A number with a fraction or exponent, or an integer beyond 64 bits.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A TOML date, time or both.
    Date,
    /// `null`, `~`, or nothing.
    #[default]
    Null,
    /// A YAML alias (`*name`): what it stands for is not followed.
    Alias,
    /// A value that does not parse.
    Broken,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The entries.
    pub entries: EcoVec<Entry>,
    /// How the table is written.
    pub style: Style,
    /// TOML headers (`[a.b]`, `[[a]]`) that open this very table, brackets included; empty for inline and dotted ones.
    pub headers: EcoVec<Span>,
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// The values.
    pub items: EcoVec<Value>,
    /// How the list is written.
    pub style: Style,
}

/// How a table or list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Between brackets or braces.
    #[default]
    Flow,
    /// By indentation (YAML).
    Block,
    /// By TOML headers: `[table]`, `[[list]]`.
    Header,
    /// By TOML dotted keys, or only implied by a longer header.
    Dotted,
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Value,
}

impl Entry {
    /// Key and value with what stands between.
    #[must_use]
    pub fn span(&self) -> Span {
        self.key.span.cover(self.value.span)
    }
}

/// A key as read and as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key without quotes and escapes.
    pub name: EcoString,
    /// The key in the text, quotes included. For a TOML table written by headers: the key's part in its first header.
    pub span: Span,
}

/// A string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The string that the text means.
    pub value: EcoString,
    /// How it is written.
    pub style: Quote,
}

/// How a string is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// YAML, without quotes.
    Plain,
    /// `"…"`.
    Double,
    /// `'…'`.
    Single,
    /// TOML `"""…"""`.
    TripleDouble,
    /// TOML `'''…'''`.
    TripleSingle,
    /// YAML `|`.
    Literal,
    /// YAML `>`.
    Folded,
}

/// A step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The entry of a table.
    Key(EcoString),
    /// The item of a list, from zero; a negative one counts from the end.
    Index(i64),
}

impl Value {
    /// The table, if it is one.
    #[must_use]
    pub fn as_table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match &self.kind {
            Kind::List(list) => Some(&list.items),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(scalar) => Some(&scalar.value),
            _ => None,
        }
    }

    /// The string as a shared copy, if it is one.
    #[must_use]
    pub fn as_shared(&self) -> Option<EcoString> {
        match &self.kind {
            Kind::Text(scalar) => Some(scalar.value.clone()),
            _ => None,
        }
    }

    /// The integer, if it is one; a number without a fraction is one however it is written (`2.0`).
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self.kind {
            Kind::Integer(integer) => Some(integer),
            // Beyond 2^53 not every integer is a float.
            Kind::Float(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 => {
                Some(number as i64)
            }
            _ => None,
        }
    }

    /// The first entry called `key`, if this is a table that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The first entry called `key` with its key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_table()?.entries.iter().find(|entry| &*entry.key.name == key)
    }

    /// The value at the end of some keys.
    #[must_use]
    pub fn at(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// In words, for messages: `a text`, `a table`, …
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Table(_) => "a table",
            Kind::List(_) => "a list",
            Kind::Text(_) => "a text",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Boolean(_) => "true or false",
            Kind::Date => "a date",
            Kind::Null => "nothing",
            Kind::Alias => "an alias",
            Kind::Broken => "broken",
        }
    }

    /// What stands between the quotes of a string, escapes included; all of it for a value without quotes.
    #[must_use]
    pub fn inside(&self, source: &str) -> Span {
        if let Some(span) = self.verbatim(source) {
            return span;
        }
        let quotes = match &self.kind {
            Kind::Text(scalar) => match scalar.style {
                Quote::Double | Quote::Single => 1,
                Quote::TripleDouble | Quote::TripleSingle => 3,
                Quote::Plain | Quote::Literal | Quote::Folded => 0,
            },
            _ => 0,
        };
        let (start, end) = (self.span.start as usize + quotes, self.span.end as usize);
        let opening = source.get(self.span.start as usize..start);
        match end.checked_sub(quotes).filter(|last| start <= *last) {
            Some(last) if source.get(last..end) == opening => Span::new(start, last),
            // Nobody has closed it: all that follows is in it.
            _ if opening.is_some() && start <= end => Span::new(start, end),
            _ => self.span,
        }
    }

    /// Where the string's own characters stand in `source`, if they are written there as they are, without escapes,
    /// indentation or folding; then an offset in the string is an offset in the span.
    #[must_use]
    pub fn verbatim(&self, source: &str) -> Option<Span> {
        let Kind::Text(scalar) = &self.kind else { return None };
        let quotes = match scalar.style {
            Quote::Plain => 0,
            Quote::Double | Quote::Single => 1,
            Quote::TripleDouble | Quote::TripleSingle => 3,
            Quote::Literal | Quote::Folded => return None,
        };
        let mut start = self.span.start as usize + quotes;
        let end = (self.span.end as usize).checked_sub(quotes)?;
        // TOML drops a line break right after three quotes.
        if quotes == 3 {
            let inner = source.get(start..end)?;
            start += if inner.starts_with("\r\n") { 2 } else { usize::from(inner.starts_with('\n')) };
        }
        (source.get(start..end)? == &*scalar.value).then(|| Span::new(start, end))
    }
}
