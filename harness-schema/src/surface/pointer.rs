//! Texts that only point to others: a `CLAUDE.md` whose every line is an import stands for what it imports, and a value
//! of OpenCode's for the file that it names.

use std::collections::HashSet;
use std::sync::Arc;

use crate::path::FilePath;
use crate::syntax::Document;

/// How many imports may follow each other.
pub const MAX_HOPS: usize = 5;

/// Why an import, a pointer or a link leads to no surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Astray {
    /// The file is not there, or is no text.
    Missing {
        /// Who imports it.
        from: FilePath,
        /// The import as written: `@rules.md`, `{file:rules.md}`.
        written: String,
    },
    /// The import leads out of the project, or names no path.
    Outside {
        /// Who imports it.
        from: FilePath,
        /// The import as written.
        written: String,
    },
    /// The imports lead back to this file.
    Cycle(FilePath),
    /// More than [`MAX_HOPS`] imports follow each other.
    TooFar(FilePath),
    /// Several files are imported, so there is no one place.
    Several {
        /// Who imports them.
        from: FilePath,
        /// What they are, in the order of the imports.
        files: Vec<FilePath>,
    },
    /// The file is a link that leads to no file of the project.
    Link(FilePath),
}

impl Astray {
    /// In words, after ``surface `id`: ``.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Missing { from, written } => format!("`{written}` in `{from}` leads nowhere"),
            Self::Outside { from, written } => format!("`{written}` in `{from}` is outside of the project"),
            Self::Cycle(file) => format!("the imports of `{file}` lead back to it"),
            Self::TooFar(file) => format!("`{file}` is more than {MAX_HOPS} imports away"),
            Self::Several { from, files } => {
                let names: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
                let names = crate::selector::in_words(&names, "and");
                format!("{} files are imported by `{from}` ({names})", files.len())
            }
            Self::Link(file) => format!("link `{file}` leads out of the project, or nowhere"),
        }
    }
}

/// The files that `start` stands for: itself, unless every line of it is an import; then what those stand for, in the
/// order of the text, each once.
///
/// # Errors
/// [`Astray`] if an import leads nowhere, outside, in a circle or too far.
pub fn follow(
    start: &FilePath,
    lookup: impl Fn(&FilePath) -> Option<Arc<Document>>,
) -> Result<Vec<FilePath>, Astray> {
    let mut found = Vec::new();
    let mut way = vec![start.clone()];
    let mut done = HashSet::new();
    visit(&lookup, &mut way, &mut done, &mut found)?;
    Ok(found)
}

fn visit(
    lookup: &impl Fn(&FilePath) -> Option<Arc<Document>>,
    way: &mut Vec<FilePath>,
    done: &mut HashSet<FilePath>,
    found: &mut Vec<FilePath>,
) -> Result<(), Astray> {
    let Some(file) = way.last().cloned() else { return Ok(()) };
    let imports = lookup(&file).map(|document| only_imports(document.source())).unwrap_or_default();
    if imports.is_empty() {
        if !found.contains(&file) {
            found.push(file);
        }
        return Ok(());
    }
    for written in imports {
        let outside = || Astray::Outside { from: file.clone(), written: format!("@{written}") };
        let target = file.parent().join(&written).map_err(|_| outside())?;
        if way.contains(&target) {
            return Err(Astray::Cycle(target));
        }
        if MAX_HOPS < way.len() {
            return Err(Astray::TooFar(target));
        }
        if lookup(&target).is_none() {
            return Err(Astray::Missing { from: file.clone(), written: format!("@{written}") });
        }
        // What a file stands for is found once, or many short files would make very many ways.
        if done.insert(target.clone()) {
            way.push(target);
            visit(lookup, way, done, found)?;
            way.pop();
        }
    }
    Ok(())
}

/// The file that a value stands for, as OpenCode writes it: `{file:./prompt.md}`.
#[must_use]
pub fn pointed_file(value: &str) -> Option<&str> {
    let path = value.trim().strip_prefix("{file:")?.strip_suffix('}')?.trim();
    (!path.is_empty() && !path.contains(['{', '}'])).then_some(path)
}

/// The imports of a text that has nothing else, as written without `@`; none if it has anything else.
///
/// A line of code is no import: a fence or an inline code has a mark that no import line has, and an indented line is
/// code after a blank one.
#[must_use]
fn only_imports(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut imports = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let path = line.trim().strip_prefix('@').unwrap_or_default();
        let blank = |character: char| character.is_whitespace() || character == '`';
        if path.is_empty() || path.contains(blank) || 3 < indent || line.starts_with('\t') {
            return Vec::new();
        }
        imports.push(path.to_owned());
    }
    imports
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    fn path(text: &str) -> FilePath {
        FilePath::parse(text).unwrap()
    }

    fn led(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let lookup = |file: &FilePath| {
            let (_, text) = files.iter().find(|(name, _)| *name == file.as_str())?;
            Some(Document::new(file.clone(), Text::new(text)))
        };
        follow(&path(files[0].0), lookup)
            .map(|found| found.iter().map(FilePath::to_string).collect())
            .map_err(|astray| astray.message())
    }

    #[test]
    fn a_file_of_imports_stands_for_what_it_imports() {
        assert_eq!(
            led(&[("CLAUDE.md", "@AGENTS.md\n"), ("AGENTS.md", "# Rules\n")]),
            Ok(vec!["AGENTS.md".into()])
        );
        let files = [("CLAUDE.md", "\n@a/b.md\n\n@c.md\n"), ("a/b.md", "@../c.md"), ("c.md", "text")];
        assert_eq!(led(&files), Ok(vec!["c.md".into()]));
    }

    #[test]
    fn beside_other_text_an_import_is_not_followed() {
        for text in ["Read @AGENTS.md\n", "# Rules\n@AGENTS.md\n", "    @AGENTS.md\n", "`@AGENTS.md`\n", ""] {
            assert_eq!(
                led(&[("CLAUDE.md", text), ("AGENTS.md", "x")]),
                Ok(vec!["CLAUDE.md".into()]),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_value_can_be_a_pointer() {
        assert_eq!(pointed_file("{file:./prompts/build.md}"), Some("./prompts/build.md"));
        assert_eq!(pointed_file("Read {file:a.md}"), None);
    }

    #[test]
    fn many_imports_are_followed_in_time() {
        // Each file imports both of the next level, so that ways double with each hop.
        let lookup = |file: &FilePath| {
            let level: usize = file.as_str().split('-').next()?.parse().ok()?;
            let lines: Vec<String> = (0..40).map(|at| format!("@{}-{at}.md", level + 1)).collect();
            let text = if level < 5 { lines.join("\n") } else { "text".to_owned() };
            Some(Document::new(file.clone(), Text::new(&text)))
        };
        assert_eq!(follow(&path("0-0.md"), lookup).unwrap().len(), 40);
    }

    #[test]
    fn imports_that_lead_nowhere_say_so() {
        assert_eq!(led(&[("a.md", "@b.md")]), Err("`@b.md` in `a.md` leads nowhere".into()));
        assert_eq!(
            led(&[("a.md", "@../b.md")]),
            Err("`@../b.md` in `a.md` is outside of the project".into())
        );
        assert_eq!(led(&[("a.md", "@~/b.md")]), Err("`@~/b.md` in `a.md` is outside of the project".into()));
        let circle = [("a.md", "@b.md"), ("b.md", "@a.md")];
        assert_eq!(led(&circle), Err("the imports of `a.md` lead back to it".into()));
        let chain = [
            ("0.md", "@1.md"),
            ("1.md", "@2.md"),
            ("2.md", "@3.md"),
            ("3.md", "@4.md"),
            ("4.md", "@5.md"),
            ("5.md", "@6.md"),
            ("6.md", "text"),
        ];
        assert_eq!(led(&chain), Err("`6.md` is more than 5 imports away".into()));
        assert_eq!(led(&chain[1..]), Ok(vec!["6.md".into()]));
    }
}
