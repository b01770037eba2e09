//! The shapes of documents: what may stand where in `harness.toml`, in a tool's file and in `task.toml`.
//!
//! Compiled once from the JSON Schemas that are made from the types, so that checks, completion and hover say the same
//! and walk it without looking up references. Knows forms only: whether a file or a state exists is said elsewhere.

mod compile;

use std::sync::OnceLock;

use regex::Regex;
use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::manifest::{self, AgentKind};
use crate::syntax::data::Step;
use crate::task;

/// What may stand at one place of a document.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The forms that are possible.
    pub form: Form,
    /// The form in words, for messages: `a duration above zero, such as "90s" or "1h30m"`. Empty if [`Form`] says it.
    pub words: String,
    /// What it means, Markdown.
    pub description: String,
}

/// The form of a value.
#[derive(Clone, Debug)]
pub enum Form {
    /// Any value.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer(Range),
    /// A number.
    Number(Range),
    /// A string.
    Text(Text),
    /// A list.
    List(List),
    /// A table.
    Table(Table),
    /// One of several forms.
    OneOf(Vec<Shape>),
}

/// The least and the greatest number that may stand somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// The least.
    pub least: Option<f64>,
    /// The greatest.
    pub greatest: Option<f64>,
    /// Whether the least itself is too little.
    pub above: bool,
}

/// What a string must be like.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The strings that are possible; empty for any.
    pub choices: Vec<Choice>,
    /// The strings that are not possible.
    pub reserved: Vec<String>,
    /// What the string must match.
    pub pattern: Option<Regex>,
    /// Whether the empty string is too short.
    pub is_filled: bool,
    /// What reads the string.
    pub format: Option<Format>,
}

/// What reads a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// [`crate::manifest::Duration`].
    Duration,
    /// A regular expression (the crate `regex`).
    Regex,
}

/// A string that may stand somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The string.
    pub value: String,
    /// What it means, Markdown; may be empty.
    pub description: String,
}

/// What a list must be like.
#[derive(Clone, Debug)]
pub struct List {
    /// Its items.
    pub item: Box<Shape>,
    /// How many there are at least.
    pub least: usize,
}

/// What a table must be like.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The keys that have a meaning, in the order of the documentation.
    pub fields: Vec<Field>,
    /// What entries with names of the author's choice must be like, if there may be any.
    pub free: Option<Box<Free>>,
    /// How many entries there are at least.
    pub least: usize,
    by_name: FxHashMap<Box<str>, usize>,
}

/// Entries with names of the author's choice.
#[derive(Clone, Debug)]
pub struct Free {
    /// Their values.
    pub value: Shape,
    /// What their names must match.
    pub pattern: Option<Regex>,
    /// The names that are not possible.
    pub reserved: Vec<String>,
}

/// A key that has a meaning.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Its value.
    pub shape: Shape,
    /// What holds if the key is not there.
    pub default: Option<Value>,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is an old word.
    pub deprecated: bool,
    /// Whether it is a surface, a part of the contract, or of the execution digest.
    pub is: Marks,
    /// The kinds of agents that read it; empty for all.
    pub agents: Vec<AgentKind>,
    /// What its value names.
    pub names: Option<Names>,
    /// The rule that speaks about a wrong value, if it is not the general one (SH003).
    pub rule: Option<String>,
}

/// What a key is when harnesses are compared and executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// A surface of the native agent.
    pub surface: bool,
    /// A part of the contract: fixed while harnesses are compared, never a surface.
    pub contract: bool,
    /// A part of the execution digest.
    pub execution: bool,
}

/// What a value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// A file or directory of the project.
    Path,
    /// Files of the project.
    Glob,
    /// A tool.
    Tool,
    /// A state.
    State,
    /// A state, or `end`.
    StateOrEnd,
    /// A task, or several by a glob.
    Task,
    /// A detector.
    Detector,
    /// A rule of the checks.
    Rule,
    /// A surface.
    Surface,
    /// A place in a file: the array is a selector.
    Selector,
}

/// The shape of `harness.toml`.
#[must_use]
pub fn manifest() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| compile::compile(&manifest::json_schema()))
}

/// The shape of a tool in a file of its own.
#[must_use]
pub fn tool() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| compile::compile(&manifest::tool_json_schema()))
}

/// The shape of `task.toml`.
#[must_use]
pub fn task() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| compile::compile(&task::json_schema()))
}

impl Shape {
    /// What may stand at the end of some steps; `None` where nothing may.
    #[must_use]
    pub fn at(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |shape, step| match step {
            Step::Key(key) => shape.entry(key),
            Step::Index(_) if matches!(shape.form, Form::Any) => Some(shape),
            Step::Index(_) => Some(&*shape.list()?.item),
        })
    }

    /// The key at the end of some steps, if the last step is a key with a meaning.
    #[must_use]
    pub fn field_at(&self, steps: &[Step]) -> Option<&Field> {
        let (last, parents) = steps.split_last()?;
        match last {
            Step::Key(key) => self.at(parents)?.table()?.field(key),
            Step::Index(_) => None,
        }
    }

    /// The keys that may stand in this table; none if it is no table.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.table().into_iter().flat_map(|table| &table.fields)
    }

    /// The strings that may stand here; none if any may, or no string.
    pub fn choices(&self) -> impl Iterator<Item = &Choice> {
        self.text().into_iter().flat_map(|text| &text.choices)
    }

    /// The table that may stand here.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        self.find(|form| match form {
            Form::Table(table) => Some(table),
            _ => None,
        })
    }

    /// The list that may stand here.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        self.find(|form| match form {
            Form::List(list) => Some(list),
            _ => None,
        })
    }

    /// The string that may stand here.
    #[must_use]
    pub fn text(&self) -> Option<&Text> {
        self.find(|form| match form {
            Form::Text(text) => Some(text),
            _ => None,
        })
    }

    /// What the entry called `key` may be.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Self> {
        if matches!(self.form, Form::Any) {
            return Some(self);
        }
        let table = self.table()?;
        match table.field(key) {
            Some(field) => Some(&field.shape),
            None => table.free.as_ref().map(|free| &free.value),
        }
    }

    fn find<'s, T>(&'s self, part: impl Fn(&'s Form) -> Option<T>) -> Option<T> {
        match &self.form {
            Form::OneOf(shapes) => shapes.iter().find_map(|shape| part(&shape.form)),
            form => part(form),
        }
    }

    /// The form in words, with its article: `a number from 0 to 1`, `` `native`, `command` or `harbor` ``.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.form {
            _ if !self.words.is_empty() => self.words.clone(),
            Form::Integer(range) | Form::Number(range) => {
                format!("{}{}", self.kind_in_words(), range.in_words())
            }
            _ => self.kind_in_words(),
        }
    }

    /// The kind of value in words, without its bounds: `a number`.
    #[must_use]
    pub fn kind_in_words(&self) -> String {
        match &self.form {
            Form::Any => "a value".to_owned(),
            Form::Boolean => "true or false".to_owned(),
            Form::Integer(_) => "a whole number".to_owned(),
            Form::Number(_) => "a number".to_owned(),
            Form::Text(Text { format: Some(Format::Duration), .. }) | Form::OneOf(_)
                if !self.words.is_empty() =>
            {
                self.words.clone()
            }
            Form::Text(text) if !text.choices.is_empty() => {
                let choices: Vec<String> =
                    text.choices.iter().map(|choice| format!("`{}`", choice.value)).collect();
                any_of(&choices)
            }
            Form::Text(text) => match text.format {
                Some(Format::Regex) => "a regular expression".to_owned(),
                _ => "a text".to_owned(),
            },
            Form::List(list) if list.item.table().is_some() => "a list of tables".to_owned(),
            Form::List(_) => "a list".to_owned(),
            Form::Table(_) => "a table".to_owned(),
            Form::OneOf(shapes) => any_of(&shapes.iter().map(Self::in_words).collect::<Vec<_>>()),
        }
    }
}

impl Table {
    /// The field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).and_then(|at| self.fields.get(*at))
    }

    fn new(fields: Vec<Field>, free: Option<Free>, least: usize) -> Self {
        let by_name = fields.iter().enumerate().map(|(at, field)| (field.name.as_str().into(), at)).collect();
        Self { fields, free: free.map(Box::new), least, by_name }
    }
}

impl Range {
    /// Whether a number is in it.
    #[must_use]
    pub fn holds(self, number: f64) -> bool {
        let enough = self.least.is_none_or(|least| if self.above { least < number } else { least <= number });
        enough && self.greatest.is_none_or(|greatest| number <= greatest) && number.is_finite()
    }

    /// In words after `a number`: ` from 0 to 1`, or nothing.
    fn in_words(self) -> String {
        match (self.least, self.greatest) {
            (Some(least), Some(greatest)) if self.above => format!(" above {least}, at most {greatest}"),
            (Some(least), Some(greatest)) => format!(" from {least} to {greatest}"),
            (Some(least), None) if self.above => format!(" above {least}"),
            (Some(least), None) => format!(" of at least {least}"),
            (None, Some(greatest)) => format!(" of at most {greatest}"),
            (None, None) => String::new(),
        }
    }
}

/// `a, b or c`.
fn any_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
