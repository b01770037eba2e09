//! The static guards (`method` 4.5): what is asked of a draft before a trial is paid for, in a fixed order. What passes is a
//! proposal with the whole text of every file that it changes. Whatever a draft says, nothing outside of declared surfaces can
//! come of it.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::check;
use harness_schema::detector;
use harness_schema::digest::Digest;
use harness_schema::edit::{Measure, measure};
use harness_schema::harness::{Executed, Harness, Role};
use harness_schema::path::FilePath;
use harness_schema::problem::{Problem, Severity};
use harness_schema::surface::{Dialect, approx_tokens, compile_error};
use harness_schema::syntax::Document;
use harness_schema::syntax::data::Step;
use harness_schema::text::{Span, TextEdit};

use super::change::{self, Change, Spot};
use super::leak::{Secrets, TaskFacts};
use super::place::{self, NEW_RULE};
use super::reply::{Draft, Scope};
use super::similarity::Shingles;
use super::slot::Slot;
use super::{Author, Judged, Proposal, SurfaceEdit};
use crate::engine::split::HeldIn;
use crate::engine::unseen::is_hidden;
use crate::engine::weakness::{Protected, knob};

pub use super::refused::{Guard, Refused};

/// From this likeness on a proposal is one that was judged before.
const ALIKE: f64 = 0.85;
/// What a second surface costs, in tokens.
const SURFACE_COST: f64 = 20.0;

/// Values that a trial's cost hangs on: they may only go down.
const BUDGETS: [&str; 9] = [
    "max_steps",
    "max_iterations",
    "max_turns",
    "step_limit",
    "max_visits",
    "cost_limit",
    "max_cost",
    "time_limit",
    "max_tokens",
];
/// Values that are fixed while harnesses are compared.
const FIXED: [&str; 10] = [
    "model",
    "model_name",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "endpoint",
    "base_url",
    "api_base",
    "max_output_tokens",
];

/// What a draft is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The harness that it is for.
    pub harness: &'a Harness,
    /// The digest of that harness ([`Harness::digest`]).
    pub baseline: Digest,
    /// Earlier proposals, the oldest first.
    pub history: &'a [Judged],
    /// What works and has to go on working.
    pub protected: &'a [Protected],
    /// What is known of the held-in tasks.
    pub tasks: &'a [HeldIn<TaskFacts>],
    /// The slot that it answers, if it was asked for: then its cluster counts, whatever the draft says.
    pub slot: Option<&'a Slot>,
    /// Who made it.
    pub author: &'a Author,
}

/// Checks a draft, guard by guard; the first that refuses it counts.
///
/// # Errors
/// [`Refused`], with the guard and the reason.
pub fn check(draft: &Draft, against: &Against<'_>) -> Result<Proposal, Refused> {
    let harness = against.harness;
    schema(draft, against)?;
    let mut changes = change::plan(draft, harness)?;
    changes.retain(|change| !same_words(&change.before, &change.after));
    if changes.is_empty() {
        return Err(Refused::new(Guard::NoOp, "the edit changes nothing"));
    }
    let scope = change::scope(draft);
    duplicate(&changes, &scope, against)?;
    let sizes: Vec<Measure> = changes.iter().map(|change| measure(&change.before, &change.after)).collect();
    caps(&changes, &sizes, &scope, against)?;
    changes.iter().try_for_each(placeholder)?;
    let files = change::write(&changes, harness, &draft.mechanism)?;
    let digest = digest(against.baseline, &files);
    if against.history.iter().any(|judged| judged.digest == digest) {
        return Err(Refused::new(Guard::Duplicate, "the same edit was judged before"));
    }
    let candidate = candidate(harness, &files);
    let fresh = fresh(harness, &candidate, &files);
    parse(&fresh)?;
    outside(harness, &candidate)?;
    budget_knob(&changes, harness, &candidate)?;
    leak(&changes, &scope, &fresh, against)?;
    let surfaces = surfaces(&changes).len();
    let added: usize = sizes.iter().map(|size| size.added_tokens).sum();
    let removed: usize = sizes.iter().map(|size| size.removed_tokens).sum();
    let edits = changes.iter().map(|change| SurfaceEdit {
        surface: change.surface.clone(),
        file: change.file(harness),
        before: if matches!(change.spot, Spot::File(_)) { String::new() } else { change.before.clone() },
        after: change.after.clone(),
    });
    Ok(Proposal {
        digest,
        author: against.author.clone(),
        cluster: against.slot.map_or(&draft.cluster, |slot| &slot.cluster).clone(),
        mechanism: draft.mechanism.clone(),
        edits: edits.collect(),
        files,
        scope,
        summary: draft.summary.clone(),
        why: draft.why.clone(),
        differs: draft.differs.clone(),
        fixes: draft.fixes.clone(),
        risks: draft.risks.clone(),
        cost: added as f64 + 0.5 * removed as f64 + SURFACE_COST * surfaces.saturating_sub(1) as f64,
        added,
    })
}

/// The harness with these texts of its files.
#[must_use]
pub fn candidate(harness: &Harness, files: &BTreeMap<FilePath, String>) -> Harness {
    let open = files.iter().fold(harness.files().clone(), |all, (path, text)| {
        all.with_open(Document::new(path.clone(), text.as_str().into()))
    });
    Harness::resolve(&open, Some(harness))
}

/// What takes a proposal back in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// A replacement in the text that the proposal made.
    Text(TextEdit),
    /// The file was made by the proposal and goes again.
    Remove,
}

/// What takes a proposal back, byte for byte, in the harness that it was made for.
#[must_use]
pub fn invert(harness: &Harness, proposal: &Proposal) -> BTreeMap<FilePath, Undo> {
    let undo = |(path, after): (&FilePath, &String)| {
        let undo = match harness.document(path) {
            Some(before) => {
                let before = before.source();
                Undo::Text(harness_schema::edit::invert(before, &difference(before, after)))
            }
            None => Undo::Remove,
        };
        (path.clone(), undo)
    };
    proposal.files.iter().map(undo).collect()
}

/// The one replacement that makes `after` of `before`: what differs, without what both begin or end with.
#[must_use]
pub fn difference(before: &str, after: &str) -> TextEdit {
    let same = |(one, other): &(char, char)| one == other;
    let first: usize =
        before.chars().zip(after.chars()).take_while(same).map(|(each, _)| each.len_utf8()).sum();
    let (old, new) = (before.get(first..).unwrap_or_default(), after.get(first..).unwrap_or_default());
    let last: usize =
        old.chars().rev().zip(new.chars().rev()).take_while(same).map(|(each, _)| each.len_utf8()).sum();
    let new_text = new.get(..new.len() - last).unwrap_or_default().to_owned();
    TextEdit { span: Span::new(first, first + old.len() - last), new_text }
}

/// What a proposal is known by.
fn digest(baseline: Digest, files: &BTreeMap<FilePath, String>) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"proposal/1", baseline.bytes()];
    for (path, text) in files {
        parts.extend([path.as_str().as_bytes(), text.as_bytes()]);
    }
    Digest::of_parts(parts)
}

/// The form that a draft has beyond its types.
fn schema(draft: &Draft, against: &Against<'_>) -> Result<(), Refused> {
    // What an operator acts on may be no detector; a model names one, or none.
    let is_known = draft.mechanism == "none" || detector::named(&draft.mechanism).is_some();
    if *against.author == Author::Model && !is_known {
        let why = format!(
            "`{}` is no mechanism; name a detector",
            draft.mechanism.chars().take(60).collect::<String>()
        );
        return Err(Refused::new(Guard::Schema, why));
    }
    // Whoever looks at an edit must see all of it.
    let hides = |text: &str| text.chars().any(is_invisible);
    if let Some(edit) = draft.edits.iter().find(|edit| hides(&edit.replace)) {
        let why = format!("the new text of `{}` holds invisible characters", edit.surface.escape_debug());
        return Err(Refused::new(Guard::Schema, why));
    }
    if draft.edits.iter().any(|edit| hides(&edit.surface)) {
        return Err(Refused::new(Guard::Schema, "the name of a surface holds invisible characters"));
    }
    if let Scope::When(when) = &draft.scope
        && when.values().filter_map(serde_json::Value::as_str).any(hides)
    {
        return Err(Refused::new(Guard::Schema, "the trigger holds invisible characters"));
    }
    Ok(())
}

/// Whether a character shows nothing and is no blank: controls, marks of direction, and what has no width.
fn is_invisible(each: char) -> bool {
    let is_blank = matches!(each, '\n' | '\r' | '\t');
    // Joiners have their place in a text, and none in an edit of a prompt.
    (each.is_control() && !is_blank) || is_hidden(each) || matches!(each, '\u{200c}' | '\u{200d}')
}

fn same_words(before: &str, after: &str) -> bool {
    before.split_whitespace().eq(after.split_whitespace())
}

fn surfaces(changes: &[Change]) -> BTreeSet<String> {
    let surface = |change: &Change| match &change.spot {
        // A new file belongs to the surface that lets it be made.
        Spot::File(_) => change.surface.split('@').next().unwrap_or_default().to_owned(),
        _ => change.surface.clone(),
    };
    changes.iter().map(surface).collect()
}

fn duplicate(changes: &[Change], scope: &Scope, against: &Against<'_>) -> Result<(), Refused> {
    let shingles = Shingles::of(changes.iter().map(|change| (change.before.as_str(), change.after.as_str())));
    let ids: BTreeSet<String> = changes.iter().map(|change| change.surface.clone()).collect();
    let trigger = scope.trigger();
    let before = against.history.iter().find(|judged| {
        judged.baseline == against.baseline
            && judged.surfaces == ids
            && judged.trigger == trigger
            && ALIKE <= judged.shingles.likeness(&shingles)
    });
    match before {
        Some(judged) => {
            let why = format!("it is almost the edit `{}`, which was judged before", judged.digest.short(12));
            Err(Refused::new(Guard::Duplicate, why))
        }
        None => Ok(()),
    }
}

fn caps(changes: &[Change], sizes: &[Measure], scope: &Scope, against: &Against<'_>) -> Result<(), Refused> {
    let refused = |why: String| Err(Refused::new(Guard::Caps, why));
    let improve = &against.harness.manifest().improve;
    let most = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let surfaces = surfaces(changes).len();
    let allowed = most(*improve.max_surfaces);
    if allowed < surfaces {
        return refused(format!("it changes {surfaces} surfaces, and {allowed} are allowed"));
    }
    let lines: usize = sizes.iter().map(|size| size.changed_lines).sum();
    let allowed = most(*improve.max_changed_lines);
    if allowed < lines {
        return refused(format!("it changes {lines} lines, and {allowed} are allowed"));
    }
    // A trigger is text that is added, too.
    let trigger = scope.trigger().map_or(0, |trigger| approx_tokens(&trigger));
    let added = sizes.iter().map(|size| size.added_tokens).sum::<usize>() + trigger;
    let allowed = most(*improve.max_added_tokens);
    if allowed < added {
        return refused(format!("it adds ≈{added} tokens, and {allowed} are allowed"));
    }
    for line in against.protected.iter().filter_map(|protected| protected.line.as_ref()) {
        let words = line.line.trim();
        let is_lost = |change: &&Change| {
            !words.is_empty()
                && change.file(against.harness) == line.file
                && change.before.contains(words)
                && !change.after.contains(words)
        };
        if changes.iter().any(|change| is_lost(&change)) {
            return refused(format!("it removes a line that protects what works: `{words}`"));
        }
    }
    Ok(())
}

fn placeholder(change: &Change) -> Result<(), Refused> {
    let dialect = match &change.spot {
        Spot::Part { limits, dialect, .. } => {
            let lost = limits.requires.iter().find(|placeholder| {
                harness_schema::surface::has_placeholder(&change.before, placeholder)
                    && !harness_schema::surface::has_placeholder(&change.after, placeholder)
            });
            if let Some(lost) = lost {
                return Err(Refused::new(Guard::Placeholder, format!("it loses the placeholder `{lost}`")));
            }
            *dialect
        }
        Spot::Rule(_) | Spot::State => Some(Dialect::Native),
        Spot::File(_) => None,
    };
    let Some(dialect) = dialect else { return Ok(()) };
    let kept = place::placeholders(&change.after, dialect);
    let before = place::placeholders(&change.before, dialect);
    if let Some(lost) = before.iter().find(|placeholder| !kept.contains(*placeholder)) {
        return Err(Refused::new(Guard::Placeholder, format!("it loses the placeholder `{lost}`")));
    }
    // A section may hold half of a block; then the whole text is judged with the harness.
    let is_whole = compile_error(dialect, &change.before).is_none();
    match compile_error(dialect, &change.after).filter(|_| is_whole) {
        Some(error) => {
            Err(Refused::new(Guard::Placeholder, format!("the template does not compile: {}", error.message)))
        }
        None => Ok(()),
    }
}

/// The problems that a harness has with an edit and had not without it.
fn fresh(before: &Harness, after: &Harness, files: &BTreeMap<FilePath, String>) -> Vec<Problem> {
    let is_own = |harness: &Harness, file: &FilePath| {
        matches!(harness.role(file), Some(Role::Manifest | Role::Text | Role::Tool | Role::Surface))
    };
    // Tasks are none of an edit's; whatever it may concern stands in what the agent reads.
    let own: BTreeSet<FilePath> = after
        .named_files()
        .filter(|file| is_own(after, file) || files.contains_key(*file))
        .cloned()
        .collect();
    let mut fresh = Vec::new();
    for file in own {
        let mut old: BTreeMap<(&str, String, String), usize> = BTreeMap::new();
        let key = |problem: &Problem| (problem.rule.id, problem.symbol.clone(), problem.message.clone());
        for problem in check::uncapped(before, &file) {
            *old.entry(key(&problem)).or_default() += 1;
        }
        for problem in check::uncapped(after, &file) {
            match old.get_mut(&key(&problem)) {
                Some(count) if 0 < *count => *count -= 1,
                _ => fresh.push(problem),
            }
        }
    }
    fresh
}

/// Whether a problem says that a text gives a task away.
fn is_leak(problem: &Problem) -> bool {
    problem.rule.id.starts_with("SH6")
}

fn parse(fresh: &[Problem]) -> Result<(), Refused> {
    let error = fresh.iter().find(|problem| problem.severity == Severity::Error && !is_leak(problem));
    match error {
        Some(problem) => {
            Err(Refused::new(Guard::Parse, format!("a new error, {}: {}", problem.rule.id, problem.message)))
        }
        None => Ok(()),
    }
}

/// What is executed, where, and at whose cost stays what it is. That the bytes beside the surfaces stay was proved when the
/// edits were written.
fn outside(before: &Harness, after: &Harness) -> Result<(), Refused> {
    let executed = |harness: &Harness| {
        let mut all = harness.executed(|_| None);
        all.retain(|item, _| !matches!(item, Executed::Program(_)));
        all
    };
    let (before, after) = (executed(before), executed(after));
    let changed = before.iter().chain(&after).find(|(item, _)| before.get(item) != after.get(item));
    match changed {
        Some((item, _)) => {
            let what = match item {
                Executed::Key(key) => key,
                Executed::Tool(name) | Executed::Program(name) => name,
            };
            Err(Refused::new(Guard::Outside, format!("it changes `{what}`, which decides what is executed")))
        }
        None => Ok(()),
    }
}

fn budget_knob(changes: &[Change], before: &Harness, after: &Harness) -> Result<(), Refused> {
    let refused = |why: String| Err(Refused::new(Guard::BudgetKnob, why));
    for change in changes {
        let Spot::Part { selector, .. } = &change.spot else { continue };
        if let Some(name) = knob::raised(&change.before, &change.after) {
            return refused(format!("`{name}` may only go down"));
        }
        let steps = selector.steps();
        let key = steps.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.to_lowercase()),
            Step::Index(_) => None,
        });
        let Some(key) = key else { continue };
        if FIXED.contains(&key.as_str()) {
            return refused(format!("`{key}` is fixed while harnesses are compared"));
        }
        let number = |text: &str| text.trim().replace('_', "").parse::<f64>().ok();
        let is_raised = match (number(&change.before), number(&change.after)) {
            (Some(before), Some(after)) => before < after,
            _ => true,
        };
        if BUDGETS.contains(&key.as_str()) && is_raised {
            return refused(format!("`{key}` may only go down"));
        }
    }
    let (old, new) = (&before.manifest().runtime, &after.manifest().runtime);
    if *old.max_steps < *new.max_steps {
        return refused(String::from("`runtime.max_steps` may only go down"));
    }
    let fixed = |harness: &Harness| {
        let manifest = harness.manifest();
        let runtime = &manifest.runtime;
        (runtime.max_tokens.as_deref().copied(), *runtime.max_format_errors)
    };
    match fixed(before) == fixed(after) {
        true => Ok(()),
        false => refused(String::from("a limit of trials would change")),
    }
}

fn leak(changes: &[Change], scope: &Scope, fresh: &[Problem], against: &Against<'_>) -> Result<(), Refused> {
    let refused = |why: String| Err(Refused::new(Guard::Leak, why));
    if let Some(problem) = fresh.iter().find(|problem| is_leak(problem)) {
        // What it says may be of a held-out task, so it is not repeated.
        return refused(format!("{} ({})", problem.rule.name, problem.rule.id));
    }
    let secrets = Secrets::of(against.tasks, against.harness);
    // A new file and an appended entry are no text of the harness that the checks know, so what is written is searched itself.
    let runs = against.harness.word_runs();
    let held_back = |text: &str| runs.quotations(text).len() + runs.canaries(text).len();
    for change in changes {
        if held_back(&change.before) < held_back(&change.after) {
            return refused(String::from("it holds text of a task"));
        }
        // A new file says something by its name, too.
        let name = if let Spot::File(file) = &change.spot { file.as_str() } else { "" };
        let told = secrets.told(&change.before, &change.after).or_else(|| secrets.told("", name));
        if let Some(why) = told {
            return refused(why);
        }
    }
    if let Scope::When(when) = scope {
        let texts = when.values().filter_map(serde_json::Value::as_str);
        // A backslash that escapes a dot would hide a file's name.
        if let Some(why) = texts.map(|text| text.replace('\\', "")).find_map(|text| secrets.told("", &text)) {
            return refused(format!("in the trigger of `{NEW_RULE}`: {why}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
