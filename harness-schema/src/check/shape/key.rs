//! Unknown keys (SH002), and keys that belong to the machine (SH011).

use super::{Checker, MACHINE_KEY, UNKNOWN_KEY, repair, words};
use crate::problem::{Fix, FixClass, Problem, distance, nearest, within};
use crate::shape::{self, Field, Table as TableShape};
use crate::syntax::data::{Entry, Table};

/// At most so many edits make a key certain to be meant.
const NEAR: usize = 2;

/// After so many unknown keys nothing more is searched for: no more are shown, and what was pasted is no manifest.
const MAX_HINTS: usize = 100;

/// Reports a key that `form` does not have; the keys of the same table that may be meant.
pub(super) fn unknown(
    checker: &mut Checker<'_>,
    entry: &Entry,
    table: &Table,
    form: &TableShape,
) -> Vec<String> {
    let name = &*entry.key.name;
    let keys: Vec<&str> = checker.place.keys().collect();
    let parent = keys.split_last().map(|(_, parents)| parents.join(".")).unwrap_or_default();
    if checker.subject == super::Subject::Manifest {
        if let Some(what) = words::machine_choice(&parent, name) {
            machine(checker, entry, what);
            return Vec::new();
        }
        if let Some(what) = words::reserved(&parent, name) {
            let message = format!("`{name}` is reserved for {what}, which this version does not read");
            let fixes = checker.remove(entry).into_iter().collect();
            report(checker, entry, message, fixes);
            return Vec::new();
        }
    }
    let here = checker.place.table();
    checker.hints += 1;
    if MAX_HINTS < checker.hints {
        report(checker, entry, format!("unknown key `{name}` in {here}"), Vec::new());
        return Vec::new();
    }
    let meant = meant(&parent, name, table, form);
    let hint = meant.first().map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
    let fixes = renames(checker, entry, &meant, table, form);
    report(checker, entry, format!("unknown key `{name}` in {here}{hint}"), fixes);
    meant
}

/// The keys that may be meant, the likeliest first; one with a dot stands in another table.
fn meant(parent: &str, name: &str, table: &Table, form: &TableShape) -> Vec<String> {
    let is_set = |key: &str| table.entries.iter().any(|entry| &*entry.key.name == key);
    let names = || form.fields.iter().filter(|field| !field.deprecated).map(|field| field.name.as_str());
    let near: Vec<&str> = within(name, names(), NEAR).into_iter().filter(|key| is_close(name, key)).collect();
    // A key that is there already is hardly meant once more, if there is another one.
    let (open, taken): (Vec<&str>, Vec<&str>) = near.into_iter().partition(|key| !is_set(key));
    let mut meant: Vec<String> = open.into_iter().map(str::to_owned).collect();
    let known = words::our_key(parent, name).filter(|key| key.contains('.') || form.field(key).is_some());
    meant.extend(known.map(str::to_owned));
    meant.extend(taken.into_iter().map(str::to_owned));
    if meant.is_empty() {
        meant.extend(nearest(name, names().filter(|key| !is_set(key))).map(str::to_owned));
    }
    if meant.is_empty() && parent.is_empty() {
        meant.extend(in_another_table(name));
    }
    let mut unique: Vec<String> = Vec::with_capacity(meant.len());
    meant.into_iter().for_each(|key| {
        if !unique.contains(&key) {
            unique.push(key);
        }
    });
    unique
}

/// Whether two edits are few for such short words.
fn is_close(word: &str, key: &str) -> bool {
    distance(word, key) * 3 <= word.chars().count().max(key.chars().count())
}

/// A key that only one table of the manifest has.
fn in_another_table(name: &str) -> Option<String> {
    let mut tables = shape::manifest().fields().filter(|table| {
        table
            .shape
            .entry(name)
            .is_some_and(|_| table.shape.table().is_some_and(|form| form.field(name).is_some()))
    });
    match (tables.next(), tables.next()) {
        (Some(only), None) => Some(format!("{}.{name}", only.name)),
        _ => None,
    }
}

/// One fix for each key that may be meant; without one the key can only go.
fn renames(
    checker: &Checker<'_>,
    entry: &Entry,
    meant: &[String],
    table: &Table,
    form: &TableShape,
) -> Vec<Fix> {
    let name = &*entry.key.name;
    let is_set = |key: &str| table.entries.iter().any(|entry| &*entry.key.name == key);
    let near = |field: &&Field| distance(name, &field.name) <= NEAR && is_close(name, &field.name);
    let certain: Vec<&str> = form.fields.iter().filter(near).map(|field| field.name.as_str()).collect();
    // Another unknown key that may mean the same makes it a choice: both cannot be that key.
    let is_meant_twice = |key: &str| {
        let mut others = table.entries.iter().filter(|other| other.key.span != entry.key.span);
        others.any(|other| {
            let other = &*other.key.name;
            form.field(other).is_none() && distance(other, key) <= NEAR && is_close(other, key)
        })
    };
    let class = |key: &str| match certain.as_slice() {
        [only] if *only == key && !is_meant_twice(key) => FixClass::Safe,
        _ => FixClass::Preview,
    };
    let depth = checker.place.keys().count().saturating_sub(1);
    let fixes: Vec<Fix> = meant
        .iter()
        .filter(|key| !key.contains('.') && !is_set(key))
        .filter_map(|key| {
            let edits = repair::rename(checker.source, entry, depth, key)?;
            Some(repair::fix(checker.file, class(key), format!("Replace with `{key}`"), edits))
        })
        .collect();
    if fixes.is_empty() { checker.remove(entry).into_iter().collect() } else { fixes }
}

fn machine(checker: &mut Checker<'_>, entry: &Entry, what: &str) {
    let name = &*entry.key.name;
    let message = format!("the machine chooses {what}, not a project; remove `{name}`");
    let problem = Problem::new(&MACHINE_KEY, entry.key.span, message)
        .why("a project could loosen what protects the machine that runs it")
        .about(checker.place.path())
        .fixes(checker.remove(entry));
    checker.report(problem);
}

fn report(checker: &mut Checker<'_>, entry: &Entry, message: String, fixes: Vec<Fix>) {
    let problem = Problem::new(&UNKNOWN_KEY, entry.key.span, message)
        .why("an unknown key has no effect")
        .about(checker.place.path())
        .fixes(fixes);
    checker.report(problem);
}
