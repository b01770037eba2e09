//! Whether a new text says what only a few held-in tasks say (`method` 4.5, `leak`): such an edit would learn the tasks by heart.
//! What stands in the harness already is no leak, and a text is judged by what it adds.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::harness::Harness;

use crate::engine::split::HeldIn;

use super::place;

/// What is known from so many tasks or fewer belongs to these tasks.
const MAX_TASKS: usize = 2;
/// So many words of an instruction in a row are a quotation.
const QUOTED: usize = 5;
/// A number with so many digits is no everyday number.
const DIGITS: usize = 4;

/// Words with digits and dashes that everybody has.
const STANDARDS: [&str; 6] = ["iso-8601", "iso-8859-1", "sha-256", "sha-512", "utf-16", "x86-64"];

/// What is known of a held-in task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFacts {
    /// Its id.
    pub id: String,
    /// Its family; empty if it has none.
    pub family: String,
    /// What the agent is asked to do.
    pub instruction: String,
    /// Paths, tests, ports, modules and programs in its traces and in what its verifier says.
    pub entities: BTreeSet<String>,
}

/// What a text could give away, by what it would give away.
#[derive(Clone, Debug, Default)]
pub struct Secrets<'a> {
    ids: Vec<&'a str>,
    families: BTreeSet<String>,
    /// How many tasks each name is known from.
    names: BTreeMap<String, usize>,
    /// The runs of words of all instructions.
    runs: BTreeSet<Vec<String>>,
    /// Names that the harness has anyway.
    own: BTreeSet<String>,
    own_runs: BTreeSet<Vec<String>>,
}

impl<'a> Secrets<'a> {
    /// Of these tasks, for an edit of this harness.
    #[must_use]
    pub fn of(tasks: &'a [HeldIn<TaskFacts>], harness: &Harness) -> Self {
        let mut secrets = Self::default();
        for task in tasks.iter().map(HeldIn::get) {
            secrets.ids.push(&task.id);
            if !task.family.is_empty() {
                secrets.families.insert(task.family.to_lowercase());
            }
            let mut names = names(&task.instruction);
            names.extend(task.entities.iter().flat_map(|entity| self::names(entity)));
            for name in names {
                *secrets.names.entry(name).or_default() += 1;
            }
            secrets.runs.extend(runs(&words(&task.instruction)));
        }
        let texts = harness.texts().iter().filter_map(|text| text.text(harness.files()));
        let surfaces =
            harness.surfaces().iter().flat_map(place::values).map(|resolved| resolved.value.as_str());
        let tools = harness.tools().iter().map(|tool| tool.name.as_str());
        for text in texts.chain(surfaces).chain(tools) {
            secrets.own.extend(names(text));
            secrets.own_runs.extend(runs(&words(text)));
        }
        secrets
    }

    /// What `after` gives away and `before` does not, in words.
    #[must_use]
    pub fn told(&self, before: &str, after: &str) -> Option<String> {
        if let Some(id) = self.ids.iter().find(|id| names_task(after, id) && !names_task(before, id)) {
            return Some(format!("it names the held-in task `{id}`"));
        }
        let known = names(before);
        let told = names(after).into_iter().find(|name| {
            let tasks = self.names.get(name).copied().unwrap_or_default();
            !known.contains(name) && !self.own.contains(name) && (1..=MAX_TASKS).contains(&tasks)
        });
        if let Some(name) = told {
            return Some(format!("`{name}` is known from {MAX_TASKS} held-in tasks at most"));
        }
        let known: BTreeSet<Vec<String>> = runs(&words(before)).collect();
        let quoted = runs(&words(after))
            .find(|run| self.runs.contains(run) && !known.contains(run) && !self.own_runs.contains(run));
        if let Some(run) = quoted {
            return Some(format!("`{}` are words of a held-in instruction", run.join(" ")));
        }
        let mut families = self.families.iter();
        families
            .find(|family| is_condition(after, family) && !is_condition(before, family))
            .map(|family| format!("the task family `{family}` is a condition of it"))
    }
}

/// Whether a text names a task: by its id, or its last part, as a word. An id that is an everyday word counts only where it is
/// quoted or called a task.
fn names_task(text: &str, id: &str) -> bool {
    let fold = |text: &str| text.to_lowercase().replace('_', "-");
    let (text, id) = (fold(text), fold(id));
    let id = id.rsplit('/').next().unwrap_or(&id);
    if id.is_empty() {
        return false;
    }
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_word = |each: char| each.is_alphanumeric() || each == '-';
    text.match_indices(id).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + id.len()..).unwrap_or_default();
        if before.ends_with(is_word) || after.starts_with(is_word) {
            return false;
        }
        let is_quoted = before.ends_with(['`', '"', '\'']) && after.starts_with(['`', '"', '\'']);
        let is_called = before.trim_end().ends_with("task") || after.trim_start().starts_with("task");
        !is_plain || is_quoted || is_called
    })
}

/// Paths, files, ports, identifiers and long numbers of a text, in lower case; of a path also its parts.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |each: char| each.is_alphanumeric() || "_-./:~@+".contains(each);
    let mut names = BTreeSet::new();
    for word in text.split(|each| !is_part(each)) {
        let word = word.trim_matches(|each| ".:-@+".contains(each) && each != '.').trim_end_matches('.');
        let is_camel = word
            .as_bytes()
            .windows(2)
            .any(|pair| matches!(pair, [one, two] if one.is_ascii_lowercase() && two.is_ascii_uppercase()));
        let folded = word.trim_start_matches("./").to_lowercase();
        let pieces = folded.split([':', '@', '/']).chain(folded.split([':', '@']));
        names.extend(pieces.chain([folded.as_str()]).filter(|name| is_name(name)).map(str::to_owned));
        if is_camel {
            names.insert(folded);
        }
    }
    names
}

/// Whether a word has the form of a name, and is no everyday word.
fn is_name(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_number = DIGITS <= digits && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_path = word.starts_with(['/', '~']) && 2 < word.len() || 2 <= word.matches('/').count();
    let is_file = word.rsplit_once('.').is_some_and(|(name, extension)| {
        let is_extension = extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && extension.bytes().any(|byte| byte.is_ascii_alphabetic())
            && (1..=8).contains(&extension.len());
        // `e.g` and `i.e` are no files.
        is_extension && name.chars().any(char::is_alphanumeric) && 4 <= word.len()
    });
    let is_identifier = word.split('_').filter(|part| part.chars().any(char::is_alphanumeric)).count() >= 2
        || (2 <= digits && word.contains('-') && !STANDARDS.contains(&word))
        || (8 <= word.len() && 2 <= digits && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_number || is_path || is_file || is_identifier
}

/// The words of a text, in lower case.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|each: char| !each.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

fn runs(words: &[String]) -> impl Iterator<Item = Vec<String>> {
    words.windows(QUOTED).map(<[String]>::to_vec)
}

/// Whether a text has a family of tasks as a condition: "for sqlite tasks", "if the task is about sqlite".
fn is_condition(text: &str, family: &str) -> bool {
    const CONDITIONS: [&str; 9] = ["if", "when", "whenever", "for", "in", "on", "unless", "while", "with"];
    const TASKS: [&str; 12] = [
        "task",
        "tasks",
        "job",
        "jobs",
        "problem",
        "problems",
        "exercise",
        "exercises",
        "category",
        "family",
        "instruction",
        "kind",
    ];
    const BETWEEN: [&str; 12] =
        ["is", "are", "about", "involves", "concerns", "uses", "of", "the", "a", "an", "called", "named"];
    let family = words(family);
    text.split(['.', '\n', ';']).any(|sentence| {
        let words = words(sentence);
        let is_task = |at: usize| words.get(at).is_some_and(|word| TASKS.contains(&word.as_str()));
        let begins = (0..words.len()).filter(|at| {
            !family.is_empty() && words.get(*at..).is_some_and(|rest| rest.starts_with(&family))
        });
        begins.into_iter().any(|at| {
            let is_condition =
                words.iter().take(at).rev().take(8).any(|word| CONDITIONS.contains(&word.as_str()));
            let follows = is_task(at + family.len());
            // Back over the small words between: "the task is about …".
            let small =
                words.iter().take(at).rev().take_while(|word| BETWEEN.contains(&word.as_str())).count();
            let leads = 0 < small && at.checked_sub(small + 1).is_some_and(is_task);
            is_condition && (follows || leads)
        })
    })
}

#[cfg(test)]
mod tests;
