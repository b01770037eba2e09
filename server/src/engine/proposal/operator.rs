//! The structural operators (`method` 4.7): edits that need no model. Each is a draft, just as a model would have written it, and
//! the same guards judge it. What an operator cannot do in this harness it does not offer.

mod insertion;
mod removal;
mod turn;
mod schema;
mod general;

use harness_schema::detector::{Detector, On};
use harness_schema::harness::Harness;
use harness_schema::selector::Resolved;
use harness_schema::surface::Role;
use harness_schema::syntax::data::Value;

use super::place;
use super::reply::{Draft, DraftEdit, Edge, Scope};
use crate::engine::signature::Seen;
use crate::engine::split::HeldIn;
use crate::engine::weakness::lines::{self, NEW_RULE, NEW_STATE};
use crate::engine::weakness::subject::{self, Subject};
use crate::engine::weakness::{Actionable, Location, Relation, Weakness, knob};

/// Adds a runtime rule with the detector as its trigger.
pub const ADD_RULE: &str = "add-rule";
/// Adds a state before the end in which the result is checked.
pub const ADD_STATE: &str = "add-state";
/// Turns a limit to twice or half of what it is.
pub const SET_LIMIT: &str = "set-limit";
/// Lets a tool's schema accept less, or says in its description what it accepts.
pub const TIGHTEN_TOOL: &str = "tighten-tool";
/// Drops what brings a mechanism about, or contradicts another line.
pub const REMOVE_LINE: &str = "remove-line";
/// Drops one of two lines that say nearly the same.
pub const MERGE_LINES: &str = "merge-lines";
/// Adds the stock sentence where no line says anything about the mechanism.
pub const ADD_LINE: &str = "add-line";
/// What helps most harnesses, for a cold start.
pub const GENERIC: &str = "generic";

const MAX_SUMMARY: usize = 160;
const MAX_WHY: usize = 400;

/// A draft with the operator that made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The operator, for [`super::Author::Operator`].
    pub operator: &'static str,
    /// The draft; its slot is 0, because nobody asked for it.
    pub draft: Draft,
}

/// What the operators can do about some weaknesses, each draft once. Only what is actionable is acted on; of one weakness the surest
/// operator comes first. Whoever takes the first few takes most of the first weakness and something of the next: the second offer of
/// a weakness stands beside the first one of the weakness behind it. On a cold start the generic edits count as one weakness more.
#[must_use]
pub fn offers(harness: &Harness, weaknesses: &[Weakness], seen: &[HeldIn<Seen>], cold: bool) -> Vec<Offer> {
    let actionable = weaknesses.iter().filter(|weakness| weakness.actionable == Actionable::Yes);
    let targets: Vec<Target> = actionable
        .filter_map(|weakness| {
            let subject = subject::of(&weakness.cluster, seen)?;
            Some(Target { harness, weakness, subject })
        })
        .collect();
    let mut rows: Vec<Vec<Offer>> = targets.iter().map(Target::offers).collect();
    if let (Some(row), Some(target)) = (rows.first_mut(), targets.first()) {
        row.extend(merged_lines(target));
    }
    if cold {
        let cluster = weaknesses.first().map_or("", |weakness| weakness.cluster.id.as_str());
        rows.push(general::offers(harness, cluster));
    }
    let ranked = rows.into_iter().enumerate().flat_map(|(row, offers)| {
        offers.into_iter().enumerate().map(move |(column, offer)| (row + column, row, offer))
    });
    let mut ranked: Vec<(usize, usize, Offer)> = ranked.collect();
    ranked.sort_by_key(|(rank, row, _)| (*rank, *row));
    let mut each: Vec<Offer> = Vec::new();
    for (_, _, offer) in ranked {
        // What is kept from proposals is no place for one.
        if offer.draft.edits.iter().any(|edit| place::find(harness, &edit.surface).is_err()) {
            continue;
        }
        let is_same =
            |other: &Offer| other.draft.edits == offer.draft.edits && other.draft.scope == offer.draft.scope;
        if !each.iter().any(is_same) {
            each.push(offer);
        }
    }
    each
}

/// A weakness that is acted on.
struct Target<'a> {
    harness: &'a Harness,
    weakness: &'a Weakness,
    subject: Subject,
}

impl Target<'_> {
    fn offers(&self) -> Vec<Offer> {
        let mut all = Vec::new();
        all.extend(self.turned_limits());
        all.extend(self.removed_lines());
        all.extend(self.added_rule());
        all.extend(self.added_state());
        all.extend(schema::tightened(self));
        all.extend(self.added_lines());
        all
    }

    fn detector(&self) -> &'static Detector {
        self.subject.detector
    }

    fn locations(&self, relations: &[Relation]) -> impl Iterator<Item = &Location> {
        self.weakness.locations.iter().filter(move |location| relations.contains(&location.relation))
    }

    fn offer(&self, operator: &'static str, edits: Vec<DraftEdit>, summary: &str, why: &str) -> Offer {
        let draft =
            draft(&self.weakness.cluster.id, self.detector().name, edits, summary, &self.because(why));
        Offer { operator, draft }
    }

    /// Why something should help: how many tasks it is about, and what is said of the place.
    fn because(&self, why: &str) -> String {
        let cluster = &self.weakness.cluster;
        let cause = cluster.cause.map(|cause| format!(" and end in `{}`", cause.word())).unwrap_or_default();
        let what = match cluster.mechanism {
            Some(mechanism) => format!("{} tasks show `{}`{cause}", cluster.support, mechanism.name),
            None => format!(
                "{} tasks fail alike{cause}; `{}` is the likeliest reason",
                cluster.support,
                self.detector().name
            ),
        };
        format!("{what}. {why}")
    }

    /// The detector as a trigger, its stock sentence as what is said then.
    fn added_rule(&self) -> Option<Offer> {
        let detector = self.detector();
        if detector.on == On::End || !lines::rules_on(self.harness, detector.name).is_empty() {
            return None;
        }
        let place = self.locations(&[Relation::Absent, Relation::Violated]).next()?;
        lines::new_rule(self.harness)?;
        let why = match place.relation {
            Relation::Violated => {
                "A line asks for it already and is not followed; said when it happens, it is."
            }
            _ => {
                "Nothing in the harness speaks of it; a rule says it when it happens, and other tasks see nothing of it."
            }
        };
        let summary = format!("A rule on `{}`: {}", detector.name, self.subject.phrases.reminder);
        let edit = added(NEW_RULE, self.subject.phrases.reminder.to_owned());
        let mut offer = self.offer(ADD_RULE, vec![edit], &summary, why);
        offer.draft.scope = Scope::When(trigger(detector));
        Some(offer)
    }

    /// A state before the end, for mechanisms that are a want of checking.
    fn added_state(&self) -> Option<Offer> {
        const UNCHECKED: [&str; 6] = ["M11", "M12", "M13", "M16", "M17", "M38"];
        if !UNCHECKED.contains(&self.detector().id) || has_checking_state(self.harness) {
            return None;
        }
        lines::new_state(self.harness)?;
        let summary =
            "A state before the end in which the result is checked against the task, point by point.";
        let why = "The agent ends without it; a state cannot be skipped as a line of a prompt can.";
        let text = "Check the result now. Go through the task point by point: run what you made or read it back, and compare it with \
             what the task asks for. Mend what is wrong, then finish.";
        Some(self.offer(ADD_STATE, vec![added(NEW_STATE, text.to_owned())], summary, why))
    }

    /// Limits at twice or half of what they are.
    fn turned_limits(&self) -> Vec<Offer> {
        if self.locations(&[Relation::Knob]).next().is_none() {
            return Vec::new();
        }
        let turned = |knob: knob::Knob| {
            let setting = turn::turned(self.harness, &knob)?;
            let edit = DraftEdit {
                surface: knob.surface.clone(),
                find: knob.text.clone(),
                at: None,
                replace: knob.text.replacen(&knob.setting, &setting, 1),
            };
            let summary = format!("`{}` is {setting}, not {}.", knob.name, knob.setting);
            Some(self.offer(SET_LIMIT, vec![edit], &summary, "That limit decides when it happens."))
        };
        knob::of(self.harness, self.detector()).into_iter().filter_map(turned).collect()
    }

    /// Without the line that brings it about, or that contradicts another.
    fn removed_lines(&self) -> Vec<Offer> {
        let removed = |location: &Location| {
            let resolved = holding(self.harness, location)?;
            let is_triggering = location.relation == Relation::Triggering;
            let causing = if is_triggering { self.subject.phrases.causes() } else { Vec::new() };
            let (edit, gone) =
                removal::without(&location.surface, &resolved.value, &location.line, &causing)?;
            let summary = format!("`{}` no longer says: {gone}", location.surface);
            let why = match is_triggering {
                true => "This line asks for what goes wrong.",
                false => "This line contradicts another one, which asks for what would be right.",
            };
            Some(self.offer(REMOVE_LINE, vec![edit], &summary, why))
        };
        self.locations(&[Relation::Triggering, Relation::Conflicting]).filter_map(removed).collect()
    }

    /// The stock sentence where nothing speaks of it.
    fn added_lines(&self) -> Vec<Offer> {
        let prose = self.locations(&[Relation::Absent]);
        // Of tools only the one that is meant: what is said of a parameter, or of another tool, is read there by nobody.
        let tool = lines::tool(self.harness, self.detector()).map(|placed| &placed.surface.id);
        let prose = prose.filter(|location| match location.role {
            Role::Prompt | Role::Task => true,
            Role::Tool => tool.is_some_and(|id| *id == location.surface),
            _ => false,
        });
        let added = |location: &Location| {
            let edit = said(self.harness, &location.surface, self.subject.phrases.sentence)?;
            let summary = format!("`{}` says: {}", location.surface, self.subject.phrases.sentence);
            Some(self.offer(ADD_LINE, vec![edit], &summary, "No line of it says anything about that."))
        };
        prose.filter_map(added).collect()
    }
}

/// One of two lines that say nearly the same is enough: what is left is read better. For the most promising weakness, because such
/// an edit is about no mechanism of its own.
fn merged_lines(target: &Target<'_>) -> Vec<Offer> {
    let all = lines::of(target.harness, Role::Prompt);
    let merged = removal::twins(&all).filter_map(|(kept, dropped)| {
        let placed = target.harness.surface(&dropped.surface)?;
        let (_, resolved) = lines::value(placed)?;
        let (edit, gone) = removal::without(&dropped.surface, &resolved.value, &dropped.text, &[])?;
        let summary = format!("`{}` says once what it says twice; it drops: {gone}", dropped.surface);
        let why = format!("`{}` says the same and more.", kept.text);
        Some(target.offer(MERGE_LINES, vec![edit], &summary, &why))
    });
    merged.collect()
}

/// A detector as the trigger of a runtime rule.
fn trigger(detector: &Detector) -> serde_json::Map<String, serde_json::Value> {
    let mut when = serde_json::Map::new();
    when.insert(String::from("detector"), detector.name.into());
    if detector.on == On::Finish {
        when.insert(String::from("event"), "finish".into());
    }
    when
}

/// Whether a state is there already in which results are checked.
fn has_checking_state(harness: &Harness) -> bool {
    let states =
        harness.tree().root.at(&["orchestration", "state"]).and_then(Value::as_list).unwrap_or_default();
    let mut ids = states.iter().filter_map(|state| state.get("id").and_then(Value::as_text));
    ids.any(|id| ["verif", "check", "review", "test", "before-end"].iter().any(|word| id.contains(word)))
}

/// A sentence in a text surface, in the style of the text.
fn said(harness: &Harness, surface: &str, sentence: &str) -> Option<DraftEdit> {
    let (_, resolved) = lines::value(harness.surface(surface)?)?;
    Some(insertion::of(surface, &resolved.value, sentence))
}

/// The place of a surface that holds a line.
fn holding<'h>(harness: &'h Harness, location: &Location) -> Option<&'h Resolved> {
    let placed = harness.surface(&location.surface)?;
    let resolved = placed.places.iter().filter_map(|place| place.resolved()?.as_ref().ok());
    resolved.into_iter().find(|resolved| resolved.value.lines().any(|line| line.trim() == location.line))
}

/// A text for what is new.
fn added(surface: &str, text: String) -> DraftEdit {
    DraftEdit { surface: surface.to_owned(), find: String::new(), at: Some(Edge::End), replace: text }
}

fn draft(cluster: &str, mechanism: &str, edits: Vec<DraftEdit>, summary: &str, why: &str) -> Draft {
    Draft {
        slot: 0,
        cluster: cluster.to_owned(),
        mechanism: mechanism.to_owned(),
        edits,
        scope: Scope::Always,
        summary: clipped(summary, MAX_SUMMARY),
        why: clipped(why, MAX_WHY),
        differs: String::new(),
        fixes: Vec::new(),
        risks: Vec::new(),
        unknown: std::collections::BTreeMap::new(),
    }
}

/// The beginning of a text that is too long, up to a word.
fn clipped(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let kept = kept.rsplit_once(' ').map_or(kept.as_str(), |(kept, _)| kept);
    format!("{}…", kept.trim_end_matches([',', ';', ':']))
}

#[cfg(test)]
mod tests;
