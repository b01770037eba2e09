//! Preset `claude-code`: a manifest that points at the prose that is there: `CLAUDE.md`, subagents and skills.
//!
//! Settings, hooks and commands are no prose; they grant rights, so no surface is made of them.

use std::path::Path;

use harness_schema::check;
use harness_schema::files::{Content, Files};
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::surface::approx_tokens;
use harness_schema::text::Span;

use super::fit::{self, id, quoted, room_for};
use crate::host::disk;
use crate::host::write::NewFile;

/// What every session reads first.
const MEMORY: &str = "CLAUDE.md";

/// Where else that may be: among the settings, where no proposal may write.
const MEMORY_INSIDE: &str = ".claude/CLAUDE.md";

/// A part of a file that may become a surface.
struct Candidate {
    id: String,
    description: String,
    file: FilePath,
    select: &'static str,
    kind: &'static str,
}

/// Keeps the memory file that is there and adds a surface for each part of the present prose that can be one; says what
/// it found.
pub(super) fn adapt(root: &Path, files: &mut Vec<NewFile>) -> String {
    let has_memory = root.join(MEMORY).is_file();
    if has_memory {
        files.retain(|file| file.path.as_str() != MEMORY);
    }
    let plain = fit::manifest(files).map(|manifest| manifest.clone()).unwrap_or_default();
    let mut candidates = candidates(&prose(root));
    loop {
        if let Some(manifest) = fit::manifest(files) {
            *manifest = with_surfaces(&plain, &candidates);
        }
        let harness = fit::harness(root, files);
        let refused = refused(&harness);
        let before = candidates.len();
        // A front matter without a description, a body without a word: no surface, and no problem of the user's.
        candidates.retain(|candidate| !refused.contains(&candidate.id));
        if candidates.len() == before {
            if let Some(manifest) = fit::manifest(files) {
                *manifest = fit::with_room(&harness);
            }
            break;
        }
    }
    let memory = if has_memory {
        format!("`{MEMORY}` stays as it is and is a surface")
    } else if root.join(MEMORY_INSIDE).is_file() {
        format!(
            "`{MEMORY}` is new and a surface (`{MEMORY_INSIDE}` can be none: move there what proposals may change)"
        )
    } else {
        format!("there was no `{MEMORY}`, so there is a short one now, which is a surface")
    };
    let names: Vec<String> = candidates.iter().map(|candidate| format!("`{}`", candidate.id)).collect();
    if names.is_empty() { memory } else { format!("{memory}; so are {}", names.join(", ")) }
}

/// Subagents and skills, with their texts. What is a link is left out: its text belongs elsewhere.
fn prose(root: &Path) -> Files {
    let directory = root.join(".claude");
    if !directory.is_dir() {
        return Files::default();
    }
    let found = disk::scan_below(root, &directory).into_iter().filter(|(path, file)| {
        let is_agent = path.as_str().starts_with(".claude/agents/") && path.extension() == "md";
        let is_skill = path.as_str().starts_with(".claude/skills/") && path.name() == "SKILL.md";
        file.link.is_none() && (is_agent || is_skill)
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
        candidates.push(Candidate {
            id: base.clone(),
            description: format!("What the {what} `{name}` does."),
            file: file.clone(),
            select: "[\"md.body\"]",
            kind: "prompt",
        });
        candidates.push(Candidate {
            id: format!("{base}-when"),
            description: format!("When the {what} `{name}` is used."),
            file: file.clone(),
            select: "[\"md.frontmatter\", \"description\"]",
            kind: "tool",
        });
    }
    candidates
}

fn with_surfaces(manifest: &str, candidates: &[Candidate]) -> String {
    let mut entries = String::new();
    for Candidate { id, description, file, select, kind } in candidates {
        let (description, file) = (quoted(description), quoted(file.as_str()));
        let limit = room_for(0);
        entries.push_str(&format!(
            "[[surface]]\nid = \"{id}\"\ndescription = {description}\nfile = {file}\nselect = {select}\nkind = \"{kind}\"\nmax_tokens = {limit}\n\n"
        ));
    }
    // Before the budget, where the surface of the preset is.
    match manifest.split_once("[budget]") {
        Some((before, after)) => format!("{before}{entries}[budget]{after}"),
        None => format!("{manifest}\n{entries}"),
    }
}

/// The surfaces that something is wrong with, length apart, and those without a text.
fn refused(harness: &Harness) -> Vec<String> {
    let over_limit = |id: &str| id == "SH026";
    let problems = harness
        .named_files()
        .flat_map(|file| check::file(harness, file).into_iter().map(move |problem| (file.clone(), problem)));
    let wrong: Vec<(FilePath, Span)> = problems
        .filter(|(_, problem)| !over_limit(problem.rule.id))
        .map(|(file, problem)| (file, problem.span))
        .collect();
    let manifest = harness.manifest_path();
    let surfaces = harness.surfaces().iter().filter(|placed| placed.surface.declaration.file == manifest);
    surfaces
        .filter(|placed| {
            let empty = placed.places.iter().all(
                |place| !matches!(place.resolved(), Some(Ok(found)) if 0 < approx_tokens(found.value.trim())),
            );
            let declaration = placed.surface.declaration.span;
            let blamed =
                wrong.iter().any(|(file, span)| file.as_str() == MANIFEST && declaration.contains(*span));
            empty || blamed
        })
        .map(|placed| placed.surface.id.clone())
        .collect()
}
