//! What documents must say when files, tasks or directories are moved.

use harness_schema::harness::{Harness, PathKind, SymbolKind};
use harness_schema::path::FilePath;
use harness_schema::problem::Change;
use harness_schema::split::TaskPattern;
use harness_schema::syntax::data::{Style, Value};
use harness_schema::text::{Span, TextEdit};

/// The edits that let every path, pattern, import and task id mean the same after files or directories were moved. What
/// a document cannot say (a task outside of the directory of the tasks) stays as it is.
#[must_use]
pub fn moved_files(harness: &Harness, moves: &[(FilePath, FilePath)]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut put = |file: &FilePath, span: Span, new: &str| {
        let source = harness.document(file).map_or("", |document| document.source());
        let change = Change::Edit { file: file.clone(), edit: harness.written(file, span, new) };
        if span.of(source) != new && !changes.contains(&change) {
            changes.push(change);
        }
    };
    for (file, mention) in harness.mentions_of_kind(SymbolKind::File) {
        let Ok(target) = FilePath::parse(&mention.name) else { continue };
        let to = moved(&target, moves);
        if harness.is_import(file) {
            // An import is written as its own file sees it, and that may move too.
            let from = moved(file, moves);
            if to.is_some() || from.is_some() {
                let directory = from.as_ref().unwrap_or(file).parent();
                put(file, mention.span, &to.unwrap_or(target).seen_from(&directory));
            }
        } else if let Some(to) = to {
            put(file, mention.span, to.as_str());
        }
    }
    for path in harness.paths().iter().filter(|path| !is_mention(path.kind, &path.written)) {
        if let Some(to) = path.target.as_ref().ok().and_then(|target| moved(target, moves)) {
            put(&path.at.file, path.at.span, to.as_str());
        }
    }
    let manifest = harness.manifest_path();
    let tasks = harness.tree().root.get("tasks");
    let (Some(tasks), Some(directory)) = (tasks, &harness.suite().directory) else { return changes };
    let source = harness.manifest_file().document.source();
    for key in ["held_in", "held_out", "sealed", "exclude"] {
        for item in tasks.get(key).and_then(Value::as_list).unwrap_or_default() {
            let new = item.as_text().and_then(|written| moved_id(written, directory, moves));
            if let Some(new) = new {
                put(&manifest, item.inside(source), &new);
            }
        }
    }
    if let Some(to) = moved(directory, moves).filter(|_| tasks.get("dir").is_none()) {
        changes.extend(declared_directory(harness, tasks, &to));
    }
    changes
}

/// Whether a path is a mention of one file.
fn is_mention(kind: PathKind, written: &str) -> bool {
    match kind {
        PathKind::File | PathKind::Program => true,
        PathKind::Glob | PathKind::MayBeMissing => !is_pattern(written),
        PathKind::Directory => false,
    }
}

/// Whether a path would be read as a pattern.
pub(super) fn is_pattern(written: &str) -> bool {
    written.contains(['*', '?', '[', '{'])
}

/// Where a path is afterwards, if it is moved.
fn moved(path: &FilePath, moves: &[(FilePath, FilePath)]) -> Option<FilePath> {
    // Of a directory and what is below it, the nearest move holds.
    let (from, to) =
        moves.iter().filter(|(from, _)| path.is_below(from)).max_by_key(|(from, _)| from.as_str().len())?;
    let rest = path.relative_to(from)?;
    if rest.is_empty() { Some(to.clone()) } else { to.join(rest).ok() }
}

/// An id or a pattern of ids, as it must be written afterwards.
fn moved_id(written: &str, directory: &FilePath, moves: &[(FilePath, FilePath)]) -> Option<String> {
    // Of a pattern only the directories before it are names.
    let (fixed, rest) = if TaskPattern::new(written).is_glob() {
        let fixed = written.split(['*', '?', '[', '{']).next()?.rsplit_once('/')?.0;
        (fixed, written.get(fixed.len()..)?)
    } else {
        (written, "")
    };
    let to = moved(&directory.join(fixed).ok()?, moves)?;
    let home = moved(directory, moves);
    let id = to.relative_to(home.as_ref().unwrap_or(directory)).filter(|id| !id.is_empty())?;
    // A name with such a mark would be read as a pattern.
    (!is_pattern(id)).then(|| format!("{id}{rest}"))
}

/// Says where the tasks are, where the manifest relied on the default.
fn declared_directory(harness: &Harness, tasks: &Value, to: &FilePath) -> Option<Change> {
    let document = &harness.manifest_file().document;
    let text = document.text();
    let line_end = text.line_ending();
    let table = tasks.as_table()?;
    let quoted = format!("\"{}\"", to.as_str().replace('\\', "\\\\").replace('"', "\\\""));
    let line_start = |at: u32| text.line_start(text.line_of(at as usize));
    let (at, new_text) = match (table.headers.first(), table.style) {
        (Some(header), _) => {
            let line = text.line_span(text.line_of(header.start as usize));
            (line.end as usize, format!("{line_end}dir = {quoted}"))
        }
        (None, Style::Flow) => {
            let comma = if table.entries.is_empty() { "" } else { "," };
            (tasks.span.start as usize + 1, format!(" dir = {quoted}{comma}"))
        }
        (None, _) => {
            let key = harness.tree().root.entry("tasks")?.key.span;
            let start = line_start(key.start);
            let is_header = document.source().get(start..)?.trim_start().starts_with('[');
            let new_text = if is_header {
                format!("[tasks]{line_end}dir = {quoted}{line_end}{line_end}")
            } else {
                format!("tasks.dir = {quoted}{line_end}")
            };
            (start, new_text)
        }
    };
    let edit = TextEdit { span: Span::at(at), new_text };
    Some(Change::Edit { file: document.path().clone(), edit })
}
