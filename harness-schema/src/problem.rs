//! Something wrong in a document, as a value: what, where, why it matters, and what to do.

use crate::path::FilePath;
use crate::text::{Span, TextEdit};

/// How much a problem matters (`error`: will not run, or results would be invalid).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Will not run, or results would be invalid.
    Error,
    /// A likely bug.
    Warning,
    /// Worth knowing.
    Information,
    /// Old or unused.
    Hint,
}

/// An entry of the rule list. Ids are never used again for something else.
#[derive(Debug)]
pub struct Rule {
    /// `SH104`.
    pub id: &'static str,
    /// `unknown-tool`.
    pub name: &'static str,
    /// The severity of its problems.
    pub severity: Severity,
    /// Whether it reads prose and so could be mistaken; an exact rule cannot.
    pub prose: bool,
    /// Whether its problems grey out their span.
    pub unnecessary: bool,
    /// Its documentation, Markdown, with the `bad` and `good` examples that are its tests.
    pub page: &'static str,
}

impl Rule {
    /// An exact rule whose problems grey nothing out.
    #[must_use]
    pub const fn new(id: &'static str, name: &'static str, severity: Severity, page: &'static str) -> Self {
        Self { id, name, severity, prose: false, unnecessary: false, page }
    }

    /// The rule as one that reads prose.
    #[must_use]
    pub const fn prose(self) -> Self {
        Self { prose: true, ..self }
    }

    /// The rule as one whose problems grey out their span.
    #[must_use]
    pub const fn unnecessary(self) -> Self {
        Self { unnecessary: true, ..self }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// A place in a project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub file: FilePath,
    /// The place in it.
    pub span: Span,
}

impl Location {
    /// A place.
    #[must_use]
    pub fn new(file: &FilePath, span: Span) -> Self {
        Self { file: file.clone(), span }
    }
}

/// Something wrong in one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How much it matters: the rule's severity, unless the case is milder or the problem is known.
    pub severity: Severity,
    /// Whether `harness.known.toml` lists it, so that it does not count.
    pub known: bool,
    /// Where, in the document that is checked.
    pub span: Span,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// Why it matters, shown as a second line.
    pub why: String,
    /// What could be done, best first.
    pub fixes: Vec<Fix>,
    /// The other half of a conflict.
    pub related: Vec<Related>,
    /// What it is about (a name, a key, a path), so that the same problem is recognised after an edit elsewhere.
    pub symbol: String,
    /// How many problems before it in the same document say the same.
    pub twin: u32,
}

/// Another place that a problem is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The place.
    pub location: Location,
    /// What is there.
    pub message: String,
}

/// Whether a fix may be applied without looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FixClass {
    /// One possible result, found without guessing, and no byte that reaches the model changes, except where the
    /// harness could not run at all.
    Safe,
    /// An edit that the user looks at first.
    Preview,
    /// Starts or opens something; carries no edit.
    Command,
}

/// Something that would solve a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The action's title, sentence case: ``Replace with `grep_file` ``.
    pub title: String,
    /// Whether it needs a look.
    pub class: FixClass,
    /// What changes.
    pub changes: Vec<Change>,
}

/// One step of a [`Fix`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Replaces a span of a file.
    Edit {
        /// The file.
        file: FilePath,
        /// The replacement.
        edit: TextEdit,
    },
    /// Creates a file that is not there.
    Create {
        /// The file.
        file: FilePath,
        /// Its text.
        text: String,
    },
    /// Moves a file or directory.
    Move {
        /// From.
        from: FilePath,
        /// To; must not exist.
        to: FilePath,
    },
}

impl Problem {
    /// A problem without fixes.
    #[must_use]
    pub fn new(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: rule.severity,
            known: false,
            span,
            message: message.into(),
            why: String::new(),
            fixes: Vec::new(),
            related: Vec::new(),
            symbol: String::new(),
            twin: 0,
        }
    }

    /// Makes it matter less, or more, than its rule says.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Names what it is about.
    #[must_use]
    pub fn about(mut self, symbol: impl Into<String>) -> Self {
        self.symbol = symbol.into();
        self
    }

    /// Adds something that would solve it.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// Adds several fixes.
    #[must_use]
    pub fn fixes(mut self, fixes: impl IntoIterator<Item = Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }

    /// Adds the other half of a conflict.
    #[must_use]
    pub fn related(mut self, location: Location, message: impl Into<String>) -> Self {
        self.related.push(Related { location, message: message.into() });
        self
    }
}

impl Fix {
    /// A fix that replaces one span.
    #[must_use]
    pub fn replace(
        class: FixClass,
        title: impl Into<String>,
        at: &Location,
        new_text: impl Into<String>,
    ) -> Self {
        let edit = TextEdit { span: at.span, new_text: new_text.into() };
        Self { title: title.into(), class, changes: vec![Change::Edit { file: at.file.clone(), edit }] }
    }

    /// A fix that starts or opens something.
    #[must_use]
    pub fn command(title: impl Into<String>) -> Self {
        Self { title: title.into(), class: FixClass::Command, changes: Vec::new() }
    }
}

/// The candidate nearest to `word` among `names`, if a slip of the hand could lie between: one edit for three
/// characters of the longer of the two.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().filter_map(|name| {
        let limit = word.chars().count().max(name.chars().count()) / 3;
        Some((distance_within(word, name, limit)?, name))
    });
    near.min().map(|(_, name)| name)
}

/// Whether `name` is certainly meant by `word`: the only one of `names` within two edits, and these are few for its length.
#[must_use]
pub fn certain<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    match within(word, names, 2).as_slice() {
        [only] => nearest(word, [*only]),
        _ => None,
    }
}

/// All of `names` within `limit` edits of `word`, nearest first.
#[must_use]
pub fn within<'a>(word: &str, names: impl IntoIterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    let mut scored: Vec<_> =
        names.into_iter().filter_map(|name| Some((distance_within(word, name, limit)?, name))).collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().map(|(_, name)| name).collect()
}

/// Edits between two words, if there are at most `limit`.
#[must_use]
pub fn distance_within(a: &str, b: &str, limit: usize) -> Option<usize> {
    // Each edit changes the length by one at most, so most pairs need no table.
    let lengths = a.chars().count().abs_diff(b.chars().count());
    (lengths <= limit).then(|| distance(a, b)).filter(|edits| *edits <= limit)
}

/// Edits between two words: insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    // Most names are ASCII, where a byte is a character.
    if a.is_ascii() && b.is_ascii() {
        return between(a.as_bytes(), b.as_bytes());
    }
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    between(&a, &b)
}

fn between<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let width = b.len() + 1;
    let mut before = vec![0; width];
    let mut previous: Vec<usize> = (0..width).collect();
    let mut row = vec![0; width];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..width {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (previous[j] + 1).min(row[j - 1] + 1).min(previous[j - 1] + cost);
            if 1 < i && 1 < j && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before, &mut previous);
        std::mem::swap(&mut previous, &mut row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("workdri", "workdir"), 1);
        assert_eq!(distance("max_step", "max_steps"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn far_words_are_not_near() {
        assert_eq!(nearest("grep_files", ["grep_file", "shell"]), Some("grep_file"));
        assert_eq!(nearest("colour", ["shell", "max_steps"]), None);
        assert_eq!(nearest("foo", ["os", "cpus"]), None);
        assert_eq!(nearest("t-99", ["t-01", "t-02"]), None);
        assert_eq!(nearest("End", ["edit", "end"]), Some("end"));
    }

    #[test]
    fn only_one_near_name_is_certain() {
        assert_eq!(certain("verfy", ["verify", "work"]), Some("verify"));
        assert_eq!(certain("edn", ["end", "edit"]), None);
        assert_eq!(certain("xy", ["a"]), None);
    }
}
