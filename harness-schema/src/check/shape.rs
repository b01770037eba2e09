//! What a document's form allows: unknown keys (SH002), wrong values (SH003), missing keys (SH004), keys that exclude each
//! other, a newer format (SH009) and keys that belong to the machine (SH011). Looks at one document alone; what its values name is checked elsewhere.

mod broken;
mod place;
mod words;
mod repair;
mod value;
mod key;
mod missing;
mod exclusive;

use std::cell::OnceCell;

use crate::edit::removal_in;
use crate::harness::{Harness, Role};
use crate::manifest::SCHEMA;
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::shape::{self, Field, Form, Shape, Table as TableShape};
use crate::syntax::data::{Entry, Kind, Style, Table, Tree, Value};
use crate::syntax::decode::BadSpans;
use crate::text::{Span, Text, TextEdit};

use self::broken::Broken;
use self::place::{Part, Place};

/// A key that the format does not have.
pub static UNKNOWN_KEY: Rule =
    Rule::new("SH002", "unknown-key", Severity::Error, include_str!("rules/SH002-unknown-key.md"));
/// A value of a wrong type, range, choice or form.
pub static WRONG_VALUE: Rule =
    Rule::new("SH003", "wrong-value", Severity::Error, include_str!("rules/SH003-wrong-value.md"));
/// A key that must be there and is not.
pub static MISSING_KEY: Rule =
    Rule::new("SH004", "missing-key", Severity::Error, include_str!("rules/SH004-missing-key.md"));
/// A key or table of another agent kind, or one that another key stands in for.
pub static NO_EFFECT: Rule =
    Rule::new("SH008", "no-effect", Severity::Warning, include_str!("rules/SH008-no-effect.md"))
        .unnecessary();
/// A manifest of a newer format.
pub static NEWER_SCHEMA: Rule =
    Rule::new("SH009", "newer-schema", Severity::Error, include_str!("rules/SH009-newer-schema.md"));
/// A key that only the machine sets.
pub static MACHINE_KEY: Rule =
    Rule::new("SH011", "machine-key", Severity::Error, include_str!("rules/SH011-machine-key.md"));

/// Which document is checked; some rules concern only one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Manifest,
    /// A tool in a file of its own.
    Tool,
    /// `task.toml`: all keys may be left out, and another rule speaks about unknown ones.
    Task,
}

/// The problems of a document against its shape ([`shape::manifest`], [`shape::tool`] or [`shape::task`]), and the values
/// that decoding leaves out. `source` is the text that `tree` was read from.
#[must_use]
pub fn check(tree: &Tree, shape: &Shape, file: &FilePath, source: &str) -> (Vec<Problem>, BadSpans) {
    let subject = match shape {
        _ if std::ptr::eq(shape, shape::manifest()) => Subject::Manifest,
        _ if std::ptr::eq(shape, shape::task()) => Subject::Task,
        _ => Subject::Tool,
    };
    let place = Place::new(file);
    let broken = Broken::new(tree, source);
    let (problems, bad) = (Vec::new(), BadSpans::default());
    let text = OnceCell::new();
    let mut checker = Checker { tree, file, source, text, subject, place, broken, hints: 0, problems, bad };
    checker.document(shape);
    (checker.problems, checker.bad)
}

/// Whether the manifest is of a newer format than this program reads.
pub(super) fn is_newer(harness: &Harness) -> bool {
    let version = harness.tree().root.get("schema").and_then(Value::as_integer);
    version.is_some_and(|version| i64::from(SCHEMA) < version)
}

/// The edit that writes one more key into a table of a TOML document.
pub(super) fn inserted(source: &str, table: &Value, key: &str, value: &str) -> Option<TextEdit> {
    repair::insert(source, table, key, value, true)
}

/// The problems of a manifest, a tool's file or `task.toml` of a harness.
pub(super) fn family(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let shape = match harness.role(file) {
        Some(Role::Manifest) => shape::manifest(),
        Some(Role::Tool) => shape::tool(),
        Some(Role::TaskManifest) => shape::task(),
        _ => return,
    };
    let Some(document) = harness.document(file) else { return };
    if let Some(tree) = document.data() {
        problems.extend(check(tree, shape, file, document.source()).0);
    }
}

struct Checker<'a> {
    tree: &'a Tree,
    file: &'a FilePath,
    source: &'a str,
    /// Its lines, once something is to be removed.
    text: OnceCell<Text>,
    subject: Subject,
    place: Place<'a>,
    broken: Broken<'a>,
    /// For how many unknown keys it was said what may be meant.
    hints: usize,
    problems: Vec<Problem>,
    bad: BadSpans,
}

impl<'a> Checker<'a> {
    /// Removes an entry, wherever it is written.
    fn remove(&self, entry: &Entry) -> Option<Fix> {
        let text = self.text.get_or_init(|| Text::new(self.source));
        let edits = removal_in(self.tree, self.source, text, &[entry.key.span])?;
        Some(repair::fix(self.file, FixClass::Preview, format!("Remove `{}`", entry.key.name), edits))
    }

    fn document(&mut self, shape: &Shape) {
        let is_newer = self.subject == Subject::Manifest && self.is_newer();
        let said = self.problems.len();
        match (&self.tree.root.kind, &shape.form) {
            (Kind::Table(table), Form::Table(form)) => {
                self.table(&self.tree.root, table, form);
                missing::by_others(self);
                missing::window(self);
            }
            // Nothing was written yet, or nothing can be read.
            (Kind::Null | Kind::Broken, _) => {}
            (_, _) => value::wrong_kind(self, &self.tree.root, shape),
        }
        // What a newer format means is not known: nothing else is said, but wrong values are left out all the same.
        if is_newer {
            self.problems.truncate(said);
        }
    }

    /// Reports a newer format.
    fn is_newer(&mut self) -> bool {
        let Some(schema) = self.tree.root.get("schema") else { return false };
        let Some(version) = schema.as_integer().filter(|version| i64::from(SCHEMA) < *version) else {
            return false;
        };
        self.bad.insert(schema.span);
        let message = format!("the manifest has schema {version}, this server reads {SCHEMA}");
        let problem = Problem::new(&NEWER_SCHEMA, schema.span, message);
        self.report(
            problem.why("what the newer format adds would be ignored: update self-harness").about("schema"),
        );
        true
    }

    fn table(&mut self, value: &'a Value, table: &'a Table, form: &TableShape) {
        // Of equal keys the first counts; that there are two is an error of the syntax.
        let mut meant: Vec<String> = Vec::new();
        for entry in &table.entries {
            let name = &*entry.key.name;
            self.place.push(Part::Key(name));
            match (form.field(name), &form.free) {
                (Some(field), _) => self.value(&entry.value, &field.shape, Some(field)),
                (None, Some(free)) => {
                    if free.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(name)) {
                        value::wrong_name(self, entry);
                    } else if free.reserved.iter().any(|reserved| reserved == name) {
                        value::reserved_name(self, entry);
                    } else {
                        self.value(&entry.value, &free.value, None);
                    }
                }
                // Another rule speaks about unknown keys of tasks.
                (None, None) if self.subject == Subject::Task => {}
                (None, None) => meant.extend(key::unknown(self, entry, table, form)),
            }
            self.place.pop();
        }
        if self.subject != Subject::Task {
            missing::required(self, value, table, form, &meant);
            exclusive::keys(self, value);
        }
    }

    fn value(&mut self, value: &'a Value, shape: &Shape, field: Option<&Field>) {
        match (&shape.form, &value.kind) {
            // What is broken is said once, by the syntax; what an alias stands for is not followed.
            (_, Kind::Broken | Kind::Alias) => {}
            // Free values of a manifest are sent or passed on as JSON.
            (Form::Any, _) if self.subject == Subject::Task => {}
            (Form::Any, _) => value::no_json(self, value),
            (Form::OneOf(shapes), _) => {
                match shapes.iter().find(|shape| value::is_kind(value, &shape.form)) {
                    Some(one) => {
                        self.value(value, one, field);
                        self.without_its_parts(value, one);
                    }
                    None => value::wrong_kind(self, value, shape),
                }
            }
            (Form::Table(form), Kind::Table(table)) => self.table(value, table, form),
            (Form::List(form), Kind::List(list)) => {
                if list.items.len() < form.least {
                    value::too_few(self, value);
                }
                for item in &list.items {
                    self.place.push(Part::Item(label(item)));
                    self.value(item, &form.item, field);
                    self.place.pop();
                }
            }
            (form, _) if value::is_kind(value, form) => value::scalar(self, value, shape, field),
            _ => value::wrong_kind(self, value, shape),
        }
    }

    /// One of several forms is nothing without the parts that it needs.
    fn without_its_parts(&mut self, value: &Value, shape: &Shape) {
        let is_there = |key: &str| {
            let part = value.get(key);
            part.is_some_and(|part| {
                !matches!(part.kind, Kind::Broken | Kind::Alias) && !self.bad.contains(part.span)
            })
        };
        if shape.fields().any(|field| field.required && !is_there(&field.name)) {
            self.bad.insert(value.span);
        }
    }

    /// Reports a problem, unless it lies where the text does not parse.
    fn report(&mut self, problem: Problem) {
        if !self.broken.holds(problem.span) {
            self.problems.push(problem);
        }
    }

    /// A wrong value: reported, and left out by decoding.
    fn wrong(&mut self, value: &Value, message: String, fixes: Vec<Fix>) {
        self.bad.insert(value.span);
        let problem = Problem::new(&WRONG_VALUE, shown(value), message)
            .why("a value of a wrong form is not read, as if it were not there")
            .about(self.place.path())
            .fixes(fixes);
        self.report(problem);
    }

    fn at(&self, span: Span) -> Location {
        Location::new(self.file, span)
    }

    fn replace(&self, class: FixClass, span: Span, new_text: &str) -> Fix {
        Fix::replace(class, format!("Replace with `{new_text}`"), &self.at(span), new_text)
    }

    fn is_toml(&self) -> bool {
        self.file.extension() == "toml"
    }
}

/// What is marked of a value: a table or list of tables by its first header.
fn shown(value: &Value) -> Span {
    match &value.kind {
        Kind::Table(table) => table.headers.first().copied().unwrap_or(value.span),
        Kind::List(list) if list.style == Style::Header => list.items.first().map_or(value.span, shown),
        _ => value.span,
    }
}

/// What a table of a list is known by.
fn label(item: &Value) -> &str {
    let name = |key| item.get(key).and_then(Value::as_text);
    name("id").or_else(|| name("name")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
