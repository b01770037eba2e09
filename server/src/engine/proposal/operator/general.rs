//! What helps most harnesses, for a cold start: when failures are too few or too different to be mined (`method` 3.9), these five are
//! tried before nothing is.

use harness_schema::detector;
use harness_schema::harness::Harness;
use harness_schema::surface::Role;

use super::super::reply::Scope;
use super::{GENERIC, Offer, added, draft, said, trigger};
use crate::engine::weakness::lines::{self, NEW_RULE};
use crate::engine::weakness::phrases;

/// A generic edit.
struct General {
    /// The mechanism that it is against.
    mechanism: &'static str,
    /// What it is, in a word or two.
    what: &'static str,
    /// Which kinds of surfaces it may stand in, the first first.
    roles: &'static [Role],
    /// What is said in a prompt, if it is not the stock sentence.
    sentence: Option<&'static str>,
}

const SNAPSHOT: &str = "Begin with a look at where you are: `pwd`, `ls -la`, and which programs are there \
    (`command -v python3 git gcc node`).";

/// All of them; the cheapest first.
const ALL: [General; 5] = [
    General {
        mechanism: "path-hallucination",
        what: "snapshot of the environment at the start",
        roles: &[Role::Rule, Role::Prompt, Role::Task],
        sentence: Some(SNAPSHOT),
    },
    General {
        mechanism: "artifact-never-created",
        what: "what the task asks for comes first",
        roles: &[Role::Task, Role::Prompt],
        sentence: None,
    },
    General {
        mechanism: "never-verified",
        what: "the result is read back",
        roles: &[Role::Rule, Role::Prompt, Role::Task],
        sentence: None,
    },
    General {
        mechanism: "loop-identical-fail",
        what: "a loop is broken",
        roles: &[Role::Rule, Role::Prompt, Role::Task],
        sentence: None,
    },
    General {
        mechanism: "session-state-lost",
        what: "what belongs together stands in one call",
        roles: &[Role::Tool, Role::Prompt, Role::Task],
        sentence: None,
    },
];

/// The generic edits that a harness has a place for, in order.
pub(super) fn offers(harness: &Harness, cluster: &str) -> Vec<Offer> {
    ALL.iter()
        .filter_map(|general| general.roles.iter().find_map(|role| offer(harness, cluster, general, *role)))
        .collect()
}

fn offer(harness: &Harness, cluster: &str, general: &General, role: Role) -> Option<Offer> {
    let detector = detector::named(general.mechanism)?;
    let phrases = phrases::of(detector)?;
    let sentence = general.sentence.unwrap_or(phrases.sentence);
    let why = "Too little is known of why tasks fail to aim at one mechanism; this helps most harnesses and \
        costs little.";
    if role == Role::Rule {
        lines::new_rule(harness)?;
        let is_start = general.sentence.is_some();
        if !is_start && !lines::rules_on(harness, detector.name).is_empty() {
            return None;
        }
        let (when, text) = match is_start {
            true => (serde_json::Map::from_iter([(String::from("event"), "start".into())]), sentence),
            false => (trigger(detector), phrases.reminder),
        };
        let summary = format!("A rule: {}.", general.what);
        let mut draft = draft(cluster, detector.name, vec![added(NEW_RULE, text.to_owned())], &summary, why);
        draft.scope = Scope::When(when);
        return Some(Offer { operator: GENERIC, draft });
    }
    let is_text = |id: &str| id != "prompt.observation" && !id.starts_with("prompt.variables.");
    let placed = match role {
        // A shell is where a session would be lost.
        Role::Tool => lines::tool(harness, detector)?,
        _ => harness.surfaces().iter().find(|placed| {
            let is_meant = placed.surface.role == Some(role) && is_text(placed.surface.id.as_str());
            is_meant && lines::value(placed).is_some()
        })?,
    };
    let edit = said(harness, &placed.surface.id, sentence)?;
    let summary = format!("`{}` says: {}.", placed.surface.id, general.what);
    Some(Offer { operator: GENERIC, draft: draft(cluster, detector.name, vec![edit], &summary, why) })
}
