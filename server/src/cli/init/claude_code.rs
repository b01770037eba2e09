//! Preset `claude-code`: a manifest that points at the prose that is there: `CLAUDE.md`, subagents and skills.
//!
//! Settings, hooks and commands are no prose; they grant rights, so no surface is made of them.

use std::collections::BTreeSet;
use std::path::Path;

use harness_schema::check;
use harness_schema::files::{Content, Files, Link};
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::problem::Problem;
use harness_schema::surface::approx_tokens;

use super::fit::{self, id, quoted, room_for};
use crate::failure::Failure;
use crate::host::disk;
use crate::host::write::NewFile;

/// What every session reads first.
const MEMORY: &str = "CLAUDE.md";

/// Where else that may be: among the settings, where no proposal may write.
const MEMORY_INSIDE: &str = ".claude/CLAUDE.md";

/// Its surface in the preset.
const MEMORY_ID: &str = "memory";

/// A part of a file that may become a surface.
struct Candidate {
    id: String,
    file: FilePath,
    /// Its entry in the manifest.
    entry: String,
}

/// Keeps the memory file that is there and adds a surface for each part of the present prose that can be one; says what
/// it found.
///
/// # Errors
/// A [`Failure`] if there is no prose that can be one.
pub(super) fn adapt(root: &Path, files: &mut Vec<NewFile>) -> Result<String, Failure> {
    let has_memory = root.join(MEMORY).is_file();
    if has_memory {
        files.retain(|file| file.path.as_str() != MEMORY);
    }
    let plain = fit::manifest(files).map(|manifest| manifest.clone()).unwrap_or_default();
    let (before, memory, after) = parts(&plain);
    let memory = FilePath::parse(MEMORY).ok().map(|file| Candidate {
        id: String::from(MEMORY_ID),
        file,
        entry: memory.to_owned(),
    });
    let mut candidates: Vec<Candidate> = memory.into_iter().chain(candidates(&prose(root))).collect();
    let mut why = String::new();
    let harness = loop {
        let entries: String = candidates.iter().map(|candidate| candidate.entry.as_str()).collect();
        if let Some(manifest) = fit::manifest(files) {
            *manifest = format!("{before}{entries}{after}");
        }
        let harness = fit::harness(root, files);
        let refused = refused(&harness, &candidates);
        if refused.iter().all(Option::is_none) {
            break harness;
        }
        let mut refused = refused.into_iter();
        candidates.retain(|candidate| match refused.next().flatten() {
            Some(reason) if candidate.id == MEMORY_ID => {
                why = reason;
                false
            }
            // A front matter without a description, a body without a word: no surface, and no problem of the user's.
            Some(_) => false,
            None => true,
        });
    };
    if candidates.is_empty() {
        return Err(Failure::config(
            format!(
                "`{MEMORY}` can be no surface ({why}), and there is no other text here; nothing was written"
            ),
            format!("write into `{MEMORY}` itself what proposals may change, then run this again"),
        ));
    }
    if let Some(manifest) = fit::manifest(files) {
        *manifest = fit::with_room(&harness);
    }
    let memory = if !why.is_empty() {
        format!("`{MEMORY}` stays as it is and can be no surface ({why})")
    } else if let Some(text) = text_of(&harness, MEMORY_ID).filter(|text| text.as_str() != MEMORY) {
        format!("`{MEMORY}` stays as it is and leads to `{text}`, which is a surface")
    } else if has_memory {
        format!("`{MEMORY}` stays as it is and is a surface")
    } else if root.join(MEMORY_INSIDE).is_file() {
        format!(
            "`{MEMORY}` is new and a surface (`{MEMORY_INSIDE}` can be none: move there what proposals may change)"
        )
    } else {
        format!("there was no `{MEMORY}`, so there is a short one now, which is a surface")
    };
    let others = candidates.iter().filter(|candidate| candidate.id != MEMORY_ID);
    let names: Vec<String> = others.map(|candidate| format!("`{}`", candidate.id)).collect();
    Ok(match (names.as_slice(), why.is_empty()) {
        ([], _) => memory,
        (names, true) => format!("{memory}; so are {}", names.join(", ")),
        (names, false) => format!("{memory}; surfaces are {}", names.join(", ")),
    })
}

/// The manifest of the preset around its one surface: what stands before it, the surface, and what follows.
fn parts(manifest: &str) -> (&str, &str, &str) {
    let (before, rest) = manifest.split_at(manifest.find("[[surface]]").unwrap_or(manifest.len()));
    let (surface, after) = rest.split_at(rest.find("[budget]").unwrap_or(rest.len()));
    (before, surface, after)
}

/// The file that holds the text of a surface.
fn text_of(harness: &Harness, id: &str) -> Option<FilePath> {
    let placed = harness.surfaces().iter().find(|placed| placed.surface.id == id)?;
    Some(placed.places.first()?.target.clone())
}

/// Subagents and skills, with their texts, each once. A link that leaves the project is left out: its text belongs elsewhere.
fn prose(root: &Path) -> Files {
    let directory = root.join(".claude");
    if !directory.is_dir() {
        return Files::default();
    }
    let mut seen = BTreeSet::new();
    let found = disk::scan_below(root, &directory).into_iter().filter(|(path, file)| {
        let text = match &file.link {
            None => path,
            Some(Link::Inside(text)) => text,
            Some(Link::Outside) => return false,
        };
        let is_agent = path.as_str().starts_with(".claude/agents/") && path.extension() == "md";
        let is_skill = path.as_str().starts_with(".claude/skills/") && path.name() == "SKILL.md";
        (is_agent || is_skill) && seen.insert(text.clone())
    });
    let read = found.filter_map(|(path, _)| {
        let file = disk::read(root, &path)?;
        Some((path, file))
    });
    Files::new(read)
}

fn candidates(prose: &Files) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for file in prose.paths() {
        if !matches!(prose.content(file), Some(Content::Text(_))) {
            continue;
        }
        let (what, name) = match file.as_str().strip_prefix(".claude/skills/") {
            Some(rest) => ("skill", rest.trim_end_matches("SKILL.md").trim_end_matches('/')),
            None => ("subagent", file.name().trim_end_matches(".md")),
        };
        let name = if name.is_empty() { what } else { name };
        let prefix = if what == "skill" { "skill-" } else { "agent-" };
        let mut base = id(prefix, name);
        let mut nth = 2;
        while candidates.iter().any(|other| other.id == base) {
            base = format!("{}-{nth}", id(prefix, name));
            nth += 1;
        }
        let when = format!("{base}-when");
        let does = format!("What the {what} `{name}` does.");
        let used = format!("When the {what} `{name}` is used.");
        let description = "[\"md.frontmatter\", \"description\"]";
        candidates.push(candidate(base, &does, file, "[\"md.body\"]", "prompt"));
        candidates.push(candidate(when, &used, file, description, "tool"));
    }
    candidates
}

fn candidate(id: String, description: &str, file: &FilePath, select: &str, kind: &str) -> Candidate {
    let (description, path, limit) = (quoted(description), quoted(file.as_str()), room_for(0));
    let entry = format!(
        "[[surface]]\nid = \"{id}\"\ndescription = {description}\nfile = {path}\nselect = {select}\nkind = \"{kind}\"\nmax_tokens = {limit}\n\n"
    );
    Candidate { id, file: file.clone(), entry }
}

/// What is wrong with each of them, length apart: in its entry, in the file that it names or in the one with its text.
fn refused(harness: &Harness, candidates: &[Candidate]) -> Vec<Option<String>> {
    let of = |file: &FilePath| {
        let problems = check::file(harness, file).into_iter().filter(|problem| problem.rule.id != "SH026");
        problems.map(|problem| (file.clone(), problem)).collect::<Vec<_>>()
    };
    let problems: Vec<(FilePath, Problem)> = harness.named_files().flat_map(of).collect();
    let mut refused: Vec<Option<String>> =
        candidates.iter().map(|candidate| reason(harness, candidate, &problems)).collect();
    // What an import comes by on its way belongs to no entry; only the memory has imports.
    if refused.iter().all(Option::is_none)
        && let ([(_, problem), ..], Some(first)) = (problems.as_slice(), refused.first_mut())
    {
        *first = Some(problem.message.clone());
    }
    refused
}

fn reason(harness: &Harness, candidate: &Candidate, problems: &[(FilePath, Problem)]) -> Option<String> {
    let placed = harness.surfaces().iter().find(|placed| placed.surface.id == candidate.id)?;
    let declaration = placed.surface.declaration.span;
    let is_its =
        |file: &FilePath| *file == candidate.file || placed.places.iter().any(|place| place.target == *file);
    let mut wrong = problems.iter().filter(|(file, problem)| {
        is_its(file) || (file.as_str() == MANIFEST && declaration.contains(problem.span))
    });
    let has_text = placed
        .places
        .iter()
        .any(|place| matches!(place.resolved(), Some(Ok(found)) if 0 < approx_tokens(found.value.trim())));
    let has_place = candidate.id == MEMORY_ID
        && placed.places.iter().any(|place| matches!(place.resolved(), Some(Ok(_))));
    match wrong.next() {
        Some((_, problem)) => Some(problem.message.clone()),
        None if has_text || has_place => None,
        None => Some(String::from("it has no text")),
    }
}
