//! Renames a name everywhere, or says why it cannot be done completely.
//!
//! A rename proves itself: the harness is resolved with its edits, and unless every mention still means what it meant and
//! no problem is new, nothing is changed.

use std::collections::BTreeMap;

use harness_schema::check;
use harness_schema::files::{Content, File, Files};
use harness_schema::harness::{Form, Harness, KNOWN, MANIFEST, Mention, SymbolKind, owner_in_surface_id};
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Problem, Severity};
use harness_schema::syntax::{Document, template};
use harness_schema::text::{Span, TextEdit, apply_all};

use super::moving::{is_pattern, moved_files};
use crate::workspace::Site;

/// The name that would be renamed at an offset, and its place. A task or file can be renamed by editors that move files.
///
/// # Errors
/// Why it cannot be renamed, in words.
pub fn prepare_rename(site: &Site, offset: usize, may_move: bool) -> Result<(Span, String), String> {
    let mention = mention(site, offset)?;
    if !may_move && matches!(mention.kind, SymbolKind::File | SymbolKind::Task) {
        return Err("this editor cannot move files in a rename".to_owned());
    }
    let harness = site.project.harness();
    if mention.kind == SymbolKind::File && [MANIFEST, KNOWN].contains(&mention.name.as_str()) {
        return Err(format!("`{}` has no other name", mention.name));
    }
    if harness.symbols().find(mention.kind, &mention.name).is_none() {
        return Err("this name is not defined in this harness".to_owned());
    }
    if mention.kind == SymbolKind::Surface && is_native(harness, &mention.name) {
        return Err(format!("`{}` is the id of a part of the native agent", mention.name));
    }
    Ok((mention.span, shown(mention).to_owned()))
}

fn mention(site: &Site, offset: usize) -> Result<&Mention, String> {
    let mention = site.project.harness().mention_at(&site.file, offset);
    mention.ok_or_else(|| "there is no name of this harness here".to_owned())
}

/// A name as it stands in the text: of a parameter, the part after its tool.
fn shown(mention: &Mention) -> &str {
    match mention.kind {
        SymbolKind::Parameter => mention.name.split_once('.').map_or(&*mention.name, |(_, last)| last),
        _ => &mention.name,
    }
}

/// The changes that rename what stands at an offset.
///
/// # Errors
/// Why the new name cannot be, or why not every mention can follow, in words.
pub fn rename(site: &Site, offset: usize, new_name: &str, may_move: bool) -> Result<Vec<Change>, String> {
    let (_, shown) = prepare_rename(site, offset, may_move)?;
    let harness = site.project.harness();
    let mention = mention(site, offset)?;
    if new_name == shown {
        return Ok(Vec::new());
    }
    let renaming = Renaming::new(harness, mention, new_name)?;
    if renaming.old == renaming.new {
        return Ok(Vec::new());
    }
    renaming.is_free(harness)?;
    renaming.sees_all(harness)?;
    let changes = renaming.changes(harness)?;
    renaming.prove(site, &changes)?;
    Ok(changes)
}

/// One name and what it becomes.
struct Renaming {
    kind: SymbolKind,
    /// The full name, with the tool of a parameter.
    old: String,
    new: String,
    /// The new name as it is written.
    written: String,
    /// Where a task or file is, and where it would be.
    paths: Option<(FilePath, FilePath)>,
}

impl Renaming {
    fn new(harness: &Harness, mention: &Mention, written: &str) -> Result<Self, String> {
        legal(mention.kind, written)?;
        let (kind, old) = (mention.kind, mention.name.to_string());
        // Paths are compared as they are meant: `a/../b` is `b`.
        let written = match kind {
            SymbolKind::Task | SymbolKind::File => match FilePath::parse(written) {
                Ok(path) => path.to_string(),
                Err(_) => written.to_owned(),
            },
            _ => written.to_owned(),
        };
        if kind == SymbolKind::Surface && is_native(harness, &written) {
            return Err(format!("`{written}` is the id of a part of the native agent"));
        }
        let new = match kind {
            SymbolKind::Parameter => {
                format!("{}.{written}", old.split_once('.').map_or("", |(tool, _)| tool))
            }
            _ => written.clone(),
        };
        let paths = match kind {
            SymbolKind::Task => {
                let suite = harness.suite();
                let from = suite.task(&old).map(|task| task.directory.clone());
                from.zip(suite.directory.as_ref().and_then(|directory| directory.join(&new).ok()))
            }
            SymbolKind::File => FilePath::parse(&old).ok().zip(FilePath::parse(&new).ok()),
            _ => None,
        };
        Ok(Self { kind, old, new, written, paths })
    }

    /// Whether nothing has the new name.
    fn is_free(&self, harness: &Harness) -> Result<(), String> {
        let taken = || Err(format!("there is already a {} `{}`", self.kind.word(), self.written));
        match self.kind {
            SymbolKind::File | SymbolKind::Task => {
                let (from, to) = self.paths.as_ref().ok_or("this name is not defined in this harness")?;
                let files = harness.files();
                if files.is_file(to) || files.is_directory(to) {
                    return Err(format!("`{to}` is already there"));
                }
                let mut above = to.parent();
                while !above.as_str().is_empty() {
                    if files.is_file(&above) || above == *from {
                        return Err(format!("`{to}` cannot be inside of `{above}`"));
                    }
                    above = above.parent();
                }
                match harness.suite().tasks.iter().find(|task| to.is_below(&task.directory)) {
                    Some(task) if self.kind == SymbolKind::Task => {
                        Err(format!("inside of task `{}` it would be no task", task.id))
                    }
                    _ => Ok(()),
                }
            }
            // Providers compare names of tools without case.
            SymbolKind::Tool => {
                let mut others = harness.tools().iter().filter(|tool| tool.name != self.old);
                match others.find(|tool| tool.name.eq_ignore_ascii_case(&self.new)) {
                    Some(other) => Err(format!("there is already a tool `{}`", other.name)),
                    None => Ok(()),
                }
            }
            kind if harness.symbols().find(kind, &self.new).is_some() => taken(),
            SymbolKind::Variable if check::prompts::DEFINED.iter().any(|(name, _)| *name == self.new) => {
                Err(format!("the agent itself defines `{}`", self.new))
            }
            _ => Ok(()),
        }
    }

    /// Refuses where a mention could stand in what does not parse.
    fn sees_all(&self, harness: &Harness) -> Result<(), String> {
        let name = self.old.rsplit_once('.').filter(|_| self.kind == SymbolKind::Parameter);
        let name = name.map_or(self.old.as_str(), |(_, last)| last);
        for file in harness.named_files() {
            let Some(document) = harness.document(file).filter(|document| document.data().is_some()) else {
                continue;
            };
            for region in harness.broken_regions(file) {
                if holds_word(region.of(document.source()), name) {
                    let line = line(harness, file, region);
                    return Err(format!("{line} does not parse, and `{name}` stands in it"));
                }
            }
        }
        if !matches!(self.kind, SymbolKind::Variable | SymbolKind::Tool | SymbolKind::State) {
            return Ok(());
        }
        for text in harness.texts() {
            if matches!(harness.files().content(text.file()), Some(Content::Opaque(_) | Content::Unread)) {
                return Err(format!("`{}` cannot be read, and `{name}` may stand in it", text.file()));
            }
            let Some(source) = text.text(harness.files()).filter(|source| holds_word(source, name)) else {
                continue;
            };
            // Only a template hides variables, and what names are compared with.
            let is_hidden = text.role.is_template()
                && (self.kind == SymbolKind::Variable
                    || ['"', '\''].iter().any(|quote| source.contains(&format!("{quote}{name}{quote}"))));
            let error = text.template(harness.files()).errors.first().filter(|_| is_hidden);
            if let Some(error) = error {
                let line = line(harness, text.file(), text.place(error.span));
                return Err(format!("{line} is no template that compiles, and `{name}` stands in its text"));
            }
            if !text.is_exact() && source.contains(['{', '`']) {
                let line = line(harness, text.file(), text.span(harness.files()));
                return Err(format!("{line} is written in a way that hides where `{name}` stands in it"));
            }
        }
        Ok(())
    }

    fn changes(&self, harness: &Harness) -> Result<Vec<Change>, String> {
        if let SymbolKind::File | SymbolKind::Task = self.kind {
            let moves = [self.paths.clone().ok_or("this name is not defined in this harness")?];
            let mut changes = moved_files(harness, &moves);
            let [(from, to)] = moves;
            changes.push(Change::Move { from, to });
            return Ok(changes);
        }
        let mentions = harness.mentions_of(self.kind, &self.old).into_iter();
        let edits = mentions.map(|(file, mention)| Change::Edit {
            file: file.clone(),
            edit: harness.written(file, mention.span, &self.written),
        });
        Ok(edits.collect())
    }

    /// What a mention of before must mention afterwards.
    fn renamed(&self, kind: SymbolKind, name: &str) -> String {
        if let (SymbolKind::File, Some((from, to))) = (kind, &self.paths) {
            let path = FilePath::parse(name).unwrap_or_else(|_| FilePath::root());
            return moved(&path, from, to).to_string();
        }
        if kind == self.kind {
            return if name == self.old { self.new.clone() } else { name.to_owned() };
        }
        match (kind, self.kind) {
            (SymbolKind::Parameter, SymbolKind::Tool) => match name.split_once('.') {
                Some((tool, parameter)) if tool == self.old => format!("{}.{parameter}", self.new),
                _ => name.to_owned(),
            },
            (SymbolKind::Surface, _) => match owner_in_surface_id(name) {
                Some((owner, range)) if owner == self.kind && name.get(range.clone()) == Some(&self.old) => {
                    let mut name = name.to_owned();
                    name.replace_range(range, &self.new);
                    name
                }
                _ => name.to_owned(),
            },
            _ => name.to_owned(),
        }
    }

    /// Refuses if something would mean something else, or a problem would be new.
    fn prove(&self, site: &Site, changes: &[Change]) -> Result<(), String> {
        let before = site.project.harness();
        let files = after(before, changes).ok_or("the edits of this rename do not fit")?;
        let after = Harness::resolve(&files, Some(&**before));
        for file in before.named_files() {
            let there = match &self.paths {
                Some((from, to)) => moved(file, from, to),
                None => file.clone(),
            };
            let mut found: BTreeMap<(SymbolKind, String, Form), usize> = BTreeMap::new();
            for mention in after.mentions_in(&there) {
                *found.entry((mention.kind, mention.name.to_string(), mention.form)).or_default() += 1;
            }
            for mention in before.mentions_in(file) {
                let name = self.renamed(mention.kind, &mention.name);
                match found.get_mut(&(mention.kind, name, mention.form)) {
                    Some(left) if 0 < *left => *left -= 1,
                    _ => {
                        let line = line(before, file, mention.span);
                        let what = format!("{} `{}`", mention.kind.word(), shown(mention));
                        return Err(format!("{line} would no longer mean the {what}"));
                    }
                }
            }
        }
        self.no_new_problem(site, &after)
    }

    fn no_new_problem(&self, site: &Site, after: &Harness) -> Result<(), String> {
        let before = site.project.harness();
        // A rule that reads prose may be mistaken, and is no reason to refuse.
        let counts = |problem: &&Problem| !problem.rule.prose || problem.severity == Severity::Error;
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let mut messages: Vec<String> = Vec::new();
        for file in before.named_files() {
            for problem in site.project.problems(file).iter().filter(counts) {
                *known.entry(problem.rule.id).or_default() += 1;
                messages.push(problem.message.clone());
            }
        }
        let mut now: Vec<(FilePath, Problem)> = Vec::new();
        for file in after.named_files() {
            now.extend(check::file(after, file).into_iter().map(|problem| (file.clone(), problem)));
        }
        let now = now.iter().filter(|(_, problem)| counts(&problem));
        for (_, problem) in now.clone() {
            let left = known.entry(problem.rule.id).or_default();
            if let Some(less) = left.checked_sub(1) {
                *left = less;
                continue;
            }
            // Of the problems of this rule the one that was not there is the one to show.
            let mut same = now.clone().filter(|(_, other)| other.rule == problem.rule);
            let (file, new) = same
                .clone()
                .find(|(_, other)| !messages.contains(&other.message))
                .or_else(|| same.next())
                .ok_or("the harness would have a new problem")?;
            return Err(format!("{}: {}", line(after, file, new.span), new.message));
        }
        Ok(())
    }
}

/// Whether a name is, or would be, the id of a part of the native agent.
fn is_native(harness: &Harness, id: &str) -> bool {
    harness.is_native()
        && (id.starts_with("runtime.")
            || matches!(id, "rules.new" | "states.new")
            || harness.texts().iter().any(|text| text.id == id))
}

fn legal(kind: SymbolKind, name: &str) -> Result<(), String> {
    let tool = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let id =
        |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '.' | '_' | '-');
    let fits = !name.is_empty() && name.len() <= 64;
    let (is_legal, form) = match kind {
        SymbolKind::Tool => (fits && name.chars().all(tool), "letters, digits, `_` and `-`, at most 64"),
        SymbolKind::Variable => (
            fits && is_variable(name),
            "letters, digits and `_`, not starting with a digit, and no word of the template language",
        ),
        SymbolKind::Parameter => (fits && name.chars().all(tool), "letters, digits, `_` and `-`"),
        SymbolKind::State | SymbolKind::Rule | SymbolKind::Surface => (
            fits && name.chars().all(id) && !name.starts_with(['.', '_', '-']) && name != "end",
            "lower-case letters, digits, `.`, `_` and `-`, at most 64",
        ),
        SymbolKind::Task | SymbolKind::File => (
            FilePath::parse(name).is_ok_and(|path| !path.as_str().is_empty())
                && !is_pattern(name)
                && !name.contains(char::is_control)
                && name.split('/').all(|part| part == part.trim()),
            "a path inside of the project, without `*`, `?`, `[` and `{`",
        ),
    };
    if is_legal { Ok(()) } else { Err(format!("`{name}` is no name for a {}: {form}", kind.word())) }
}

/// Whether a template reads a word as the name of a variable; `not`, `true` and `range` it does not.
fn is_variable(name: &str) -> bool {
    let is_word = name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let reads = |source: &str| {
        let tree = template::Tree::parse(source);
        tree.errors.is_empty() && matches!(tree.names.as_slice(), [only] if only.path == [name])
    };
    is_word
        && reads(&format!("{{{{ {name} }}}}"))
        && reads(&format!("{{% for each in [1] %}}{{{{ {name} }}}}{{% endfor %}}"))
}

/// A place in words: `` `harness.toml`, line 12 ``.
fn line(harness: &Harness, file: &FilePath, span: Span) -> String {
    match harness.document(file) {
        Some(document) => format!("`{file}`, line {}", document.text().line_of(span.start as usize) + 1),
        None => format!("`{file}`"),
    }
}

/// Whether a text has a name as a whole word.
fn holds_word(text: &str, name: &str) -> bool {
    let is_part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        !is_part(before) && !is_part(after)
    })
}

/// Where a path is after what is above it, or itself, was moved.
fn moved(path: &FilePath, from: &FilePath, to: &FilePath) -> FilePath {
    match path.relative_to(from).filter(|_| path.is_below(from)) {
        Some("") => to.clone(),
        Some(rest) => to.join(rest).unwrap_or_else(|_| path.clone()),
        None => path.clone(),
    }
}

/// The files of a harness with changes made; `None` if an edit does not fit.
fn after(harness: &Harness, changes: &[Change]) -> Option<Files> {
    let mut files = harness.files().clone();
    let mut edits: BTreeMap<&FilePath, Vec<TextEdit>> = BTreeMap::new();
    for change in changes {
        if let Change::Edit { file, edit } = change {
            edits.entry(file).or_default().push(edit.clone());
        }
    }
    for (file, edits) in edits {
        let text = apply_all(harness.document(file)?.source(), &edits)?;
        files = files.with_open(Document::new(file.clone(), text.as_str().into()));
    }
    for change in changes {
        let Change::Move { from, to } = change else { continue };
        let open: Vec<_> =
            files.open_documents().filter(|document| document.path().is_below(from)).cloned().collect();
        for document in open {
            files = files
                .with_closed(document.path())
                .with_open(Document::new(moved(document.path(), from, to), document.text().clone()));
        }
        let one = files.on_disk(from).map(|file| (from, file));
        let taken: Vec<(FilePath, Option<File>)> = one
            .into_iter()
            .chain(files.entries_below(from))
            .flat_map(|(path, file)| {
                let to = moved(path, from, to);
                let content = match &file.content {
                    Content::Text(document) => {
                        Content::Text(Document::new(to.clone(), document.text().clone()))
                    }
                    other => other.clone(),
                };
                [(path.clone(), None), (to, Some(File { content, ..file.clone() }))]
            })
            .collect();
        files = files.with_disk(taken);
    }
    Some(files)
}

#[cfg(test)]
mod tests;
