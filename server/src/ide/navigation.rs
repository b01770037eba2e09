//! Where names are defined and used, and renaming them everywhere.

use harness_schema::harness::{Form, Harness, Mention, SymbolKind};
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Location};
use harness_schema::text::{Span, TextEdit};

use crate::workspace::Site;

/// Where the name at an offset is defined.
#[must_use]
pub fn definition(site: &Site, offset: usize) -> Option<(Span, Location)> {
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset)?;
    let symbol = harness.symbols().find(mention.kind, &mention.name)?;
    Some((mention.span, symbol.at.clone()))
}

/// Every place that names what stands at an offset.
#[must_use]
pub fn references(site: &Site, offset: usize, with_definition: bool) -> Vec<Location> {
    let harness = site.project.harness();
    let Some((kind, name)) = named(site, offset) else { return Vec::new() };
    let mentions = harness.mentions_of(kind, &name).into_iter();
    let mentions = mentions.filter(|(_, mention)| with_definition || mention.form != Form::Definition);
    mentions.map(|(file, mention)| Location::new(file, mention.span)).collect()
}

/// The places in this file that name what stands at an offset; the definition is marked.
#[must_use]
pub fn highlights(site: &Site, offset: usize) -> Vec<(Span, bool)> {
    let harness = site.project.harness();
    let Some((kind, name)) = named(site, offset) else { return Vec::new() };
    let here = harness.mentions_in(&site.file).iter();
    let same = here.filter(|mention| mention.kind == kind && mention.name == name);
    same.map(|mention| (mention.span, mention.form == Form::Definition)).collect()
}

/// What stands at an offset, if it has a definition: tasks and files are also meant by their own documents.
fn named(site: &Site, offset: usize) -> Option<(SymbolKind, String)> {
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset)?;
    harness.symbols().find(mention.kind, &mention.name)?;
    Some((mention.kind, mention.name.clone()))
}

/// The name that would be renamed at an offset, and its place. A task or file can be renamed by editors that move files.
///
/// # Errors
/// Why it cannot be renamed, in words.
pub fn prepare_rename(site: &Site, offset: usize, may_move: bool) -> Result<(Span, String), &'static str> {
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset).ok_or("there is no name of this harness here")?;
    if !may_move && matches!(mention.kind, SymbolKind::File | SymbolKind::Task) {
        return Err("this editor cannot move files in a rename");
    }
    if harness.symbols().find(mention.kind, &mention.name).is_none() {
        return Err("this name is not defined in this harness");
    }
    Ok((mention.span, shown(mention)))
}

/// A name as it stands in the text: of a parameter, the part after its tool.
fn shown(mention: &Mention) -> String {
    match mention.kind {
        SymbolKind::Parameter => {
            mention.name.rsplit_once('.').map_or(&*mention.name, |(_, last)| last).to_owned()
        }
        _ => mention.name.clone(),
    }
}

/// The changes that rename what stands at an offset.
///
/// # Errors
/// Why the new name cannot be, in words.
pub fn rename(site: &Site, offset: usize, new_name: &str, may_move: bool) -> Result<Vec<Change>, String> {
    let (_, old) = prepare_rename(site, offset, may_move).map_err(str::to_owned)?;
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset).ok_or("there is no name of this harness here")?;
    if new_name == old {
        return Ok(Vec::new());
    }
    legal(mention.kind, new_name)?;
    let full = match mention.kind {
        SymbolKind::Parameter => {
            let tool = mention.name.rsplit_once('.').map_or("", |(tool, _)| tool);
            format!("{tool}.{new_name}")
        }
        _ => new_name.to_owned(),
    };
    let taken = match mention.kind {
        SymbolKind::File => FilePath::parse(new_name).is_ok_and(|path| harness.files().is_file(&path)),
        kind => harness.symbols().find(kind, &full).is_some(),
    };
    if taken {
        return Err(format!("there is already a {} `{new_name}`", mention.kind.word()));
    }
    let mentions = harness.mentions_of(mention.kind, &mention.name);
    let mut changes: Vec<Change> = mentions
        .into_iter()
        .map(|(file, mention)| Change::Edit {
            file: file.clone(),
            edit: TextEdit { span: mention.span, new_text: new_name.to_owned() },
        })
        .collect();
    changes.extend(moved(harness, mention.kind, &mention.name, new_name));
    Ok(changes)
}

/// A task is its directory, a file is its path: both move.
fn moved(harness: &Harness, kind: SymbolKind, old: &str, new: &str) -> Option<Change> {
    match kind {
        SymbolKind::Task => {
            let directory = harness.suite().directory.as_ref()?;
            let task = harness.suite().task(old)?;
            Some(Change::Move { from: task.directory.clone(), to: directory.join(new).ok()? })
        }
        SymbolKind::File => {
            Some(Change::Move { from: FilePath::parse(old).ok()?, to: FilePath::parse(new).ok()? })
        }
        _ => None,
    }
}

fn legal(kind: SymbolKind, name: &str) -> Result<(), String> {
    let tool = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let id =
        |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '.' | '_' | '-');
    let identifier = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let fits = !name.is_empty() && name.len() <= 64;
    let (is_legal, form) = match kind {
        SymbolKind::Tool => (fits && name.chars().all(tool), "letters, digits, `_` and `-`, at most 64"),
        SymbolKind::Variable => (
            fits && name.chars().all(identifier) && !name.starts_with(|char: char| char.is_ascii_digit()),
            "letters, digits and `_`, not starting with a digit",
        ),
        SymbolKind::Parameter => (fits && name.chars().all(tool), "letters, digits, `_` and `-`"),
        SymbolKind::State | SymbolKind::Rule | SymbolKind::Surface => (
            fits && name.chars().all(id) && !name.starts_with(['.', '_', '-']) && name != "end",
            "lower-case letters, digits, `.`, `_` and `-`, at most 64",
        ),
        SymbolKind::Task | SymbolKind::File => {
            (FilePath::parse(name).is_ok(), "a path inside of the project")
        }
    };
    if is_legal { Ok(()) } else { Err(format!("`{name}` is no name for a {}: {form}", kind.word())) }
}

/// What changes in the manifest and in tool files when files are renamed; paths of directories move all below them.
#[must_use]
pub fn moved_files(harness: &Harness, moves: &[(FilePath, FilePath)]) -> Vec<Change> {
    let mut changes = Vec::new();
    for path in harness.paths() {
        let Ok(target) = &path.target else { continue };
        let renamed = moves.iter().find_map(|(from, to)| {
            let rest = target.relative_to(from).filter(|_| target.is_below(from))?;
            let new = if rest.is_empty() { to.to_string() } else { format!("{to}/{rest}") };
            Some(new)
        });
        if let Some(new_text) = renamed {
            let edit = TextEdit { span: path.at.span, new_text };
            changes.push(Change::Edit { file: path.at.file.clone(), edit });
        }
    }
    // A task's id is its directory.
    let suite = harness.suite();
    for (from, to) in moves {
        let Some(task) = suite.tasks.iter().find(|task| task.directory == *from) else { continue };
        let Some(new) = suite.directory.as_ref().and_then(|directory| to.relative_to(directory)) else {
            continue;
        };
        for (file, mention) in harness.mentions_of(SymbolKind::Task, &task.id) {
            let edit = TextEdit { span: mention.span, new_text: new.to_owned() };
            changes.push(Change::Edit { file: file.clone(), edit });
        }
    }
    changes
}
