//! Which harness is mined for the board, and what its failures have in common. Held-in trials only: the road is that of
//! [`crate::host::mining`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use harness_schema::detector;
use harness_schema::split::Split;

use super::told::{Measured, ToldRun};
use crate::engine::board::{Mined, Place, Quote, Texts, Weakness};
use crate::engine::contract::Role;
use crate::engine::plan::State;
use crate::engine::signature::Seen;
use crate::engine::split::HeldIn;
use crate::engine::trace::{End, Source};
use crate::engine::weakness;
use crate::host::machine::Machine;
use crate::host::mining::{self, Lesson};
use crate::host::record::TrialRecord;
use crate::host::sandbox::Guarantees;
use crate::host::store::Store;
use crate::host::subject::Subject;
use crate::host::{evidence, telling};

/// At most so many things that were seen are told of a weakness.
const QUOTES: usize = 3;

/// Runs that are no longer read on when none of them has measured a held-in task.
const NEWEST: usize = 20;

/// By what it is known that nothing else was mined: run, arm, and how many trials of it are filled.
pub(super) type Key = (i64, usize, usize);

/// A harness of a run that is to be mined.
pub(super) struct Wanted {
    told: Rc<ToldRun>,
    arm: usize,
    /// The slots of its trials.
    slots: Vec<usize>,
}

impl Wanted {
    pub(super) fn key(&self) -> Key {
        (self.told.stored.number, self.arm, self.slots.len())
    }

    fn measured(&self) -> Option<&Measured> {
        self.told.harnesses.iter().find(|measured| measured.arm == self.arm)
    }
}

/// What is to be mined: the harness on disk, if it was measured, by the newest run that did; else the newest harness that was. A run
/// that tried all `whole` held-in tasks comes before one that tried some.
pub(super) fn wanted(all: &[Rc<ToldRun>], on_disk: &str, whole: usize) -> Option<Wanted> {
    let mut best: Option<((bool, bool), Wanted)> = None;
    for told in all.iter().filter(|told| !told.line.status.is_active()).take(NEWEST) {
        for measured in told.harnesses.iter().rev() {
            let slots = slots(told, measured.arm);
            if slots.is_empty() {
                continue;
            }
            let rank = (whole <= tasks(told, &slots), measured.digest == on_disk);
            if best.as_ref().is_none_or(|(known, _)| *known < rank) {
                best = Some((rank, Wanted { told: Rc::clone(told), arm: measured.arm, slots }));
            }
        }
    }
    best.map(|(_, wanted)| wanted)
}

/// How many held-in tasks some slots try.
fn tasks(told: &ToldRun, slots: &[usize]) -> usize {
    let all = &told.chronicle.cycle().trials().design().slots;
    let of = slots.iter().filter_map(|at| all.get(*at)).filter(|slot| slot.split == Split::HeldIn);
    of.map(|slot| slot.task.as_str()).collect::<BTreeSet<_>>().len()
}

/// The slots of the trials that stand for a harness, as far as they are filled.
fn slots(told: &ToldRun, arm: usize) -> Vec<usize> {
    let run = told.chronicle.cycle().trials();
    let slots = run.design().slots.iter().zip(run.states()).enumerate();
    let stands = |role: Role| match arm {
        0 => matches!(role, Role::Baseline | Role::Smoke),
        _ => matches!(role, Role::Baseline | Role::Confirm),
    };
    let filled = slots.filter(|(_, (slot, state))| {
        slot.arm == arm && stands(slot.role) && matches!(state, State::Filled(_))
    });
    filled.map(|(at, _)| at).collect()
}

/// Mines; `None` if nothing can be read.
pub(super) fn mine(store: &Store, root: &Path, wanted: &Wanted) -> Option<Mined> {
    let measured = wanted.measured()?;
    let machine = Machine::read().ok()?;
    let texts = measured.texts.iter().map(|(path, text)| (path.as_str().to_owned(), text.clone())).collect();
    let subject = Subject::with_texts(root, &texts, &Guarantees::untried(), &machine);
    let mut trials = evidence::trials(store, &wanted.told.stored).ok()?;
    let trials: Vec<TrialRecord> = wanted.slots.iter().filter_map(|slot| trials.remove(slot)).collect();
    let ends = ends(&trials);
    let lesson = mining::mine(store, &subject.harness, &subject.tasks, trials);
    let run = &wanted.told.line.name;
    let weaknesses = lesson.weaknesses.iter().map(|weakness| one(store, run, &lesson, weakness));
    Some(Mined {
        run: run.clone(),
        harness: measured.digest.clone(),
        texts: Texts::clone(&measured.texts),
        failed: count(lesson.mined.cold.failed),
        trials: count(lesson.seen.len()),
        is_cold: lesson.mined.cold.is_cold(),
        weaknesses: weaknesses.collect(),
        limits: ends,
        suspects: suspects(&lesson),
    })
}

/// The limits at which held-in trials ended, as keys of `[runtime]`, the most frequent first.
fn ends(trials: &[TrialRecord]) -> Vec<(String, u32)> {
    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    let held_in = trials.iter().filter(|trial| trial.split == Split::HeldIn.word());
    for trial in held_in.filter(|trial| trial.verdict != "void") {
        let key = match End::named(&trial.end) {
            Some(End::Steps) => "max_steps",
            Some(End::Tokens) => "max_tokens",
            Some(End::Cost) => "max_cost_usd",
            Some(End::Time) => "timeout",
            _ => continue,
        };
        *ends.entry(key).or_default() += 1;
    }
    let mut ends: Vec<(String, u32)> = ends.into_iter().map(|(key, count)| (key.to_owned(), count)).collect();
    ends.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    ends
}

/// Tasks that prove nothing: a weakness that stands on them alone says so.
fn suspects(lesson: &Lesson) -> Vec<String> {
    let of =
        lesson.weaknesses.iter().filter(|weakness| weakness.actionable == weakness::Actionable::SuspectTask);
    let tasks: BTreeSet<String> =
        of.flat_map(|weakness| weakness.cluster.supporters.iter().map(|task| task.task.clone())).collect();
    tasks.into_iter().collect()
}

fn one(store: &Store, run: &str, lesson: &Lesson, weakness: &weakness::Weakness) -> Weakness {
    let cluster = &weakness.cluster;
    let words = [cluster.cause.map(|cause| cause.word()), cluster.status.map(|status| status.word())];
    let places = weakness.locations.iter().map(|location| Place {
        surface: location.surface.clone(),
        file: Some(location.file.clone()),
        start: location.span.start as usize,
        end: location.span.end as usize,
        relation: location.relation.word().to_owned(),
    });
    Weakness {
        cluster: cluster.id.clone(),
        name: telling::cluster(&cluster.id),
        title: title(cluster),
        signature: words.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        mechanism: cluster.mechanism.map(|detector| detector.name.to_owned()).unwrap_or_default(),
        support: count(cluster.support),
        actionable: weakness.actionable.word().to_owned(),
        is_habit: cluster.is_habit,
        tasks: cluster.supporters.iter().map(|task| task.task.clone()).collect(),
        places: places.collect(),
        quotes: quotes(store, run, lesson, weakness),
    }
}

/// What an agent does there, in words.
fn title(cluster: &crate::engine::cluster::Cluster) -> String {
    match (cluster.mechanism, cluster.cause) {
        (Some(detector), _) => detector::title(detector.name).unwrap_or(detector.name).to_owned(),
        (None, Some(cause)) => format!("fails with `{}`, for no reason that is known", cause.word()),
        (None, None) => String::from("fails for no reason that is known"),
    }
}

/// What was seen, each in another task where there are several.
fn quotes(store: &Store, run: &str, lesson: &Lesson, weakness: &weakness::Weakness) -> Vec<Quote> {
    let first = weakness.cluster.supporters.iter().filter_map(|task| task.trials.first());
    let seen =
        first.filter_map(|trial| lesson.seen.iter().map(HeldIn::get).find(|seen| seen.trial == *trial));
    seen.take(QUOTES).map(|seen| quote(store, run, seen, weakness)).collect()
}

fn quote(store: &Store, run: &str, seen: &Seen, weakness: &weakness::Weakness) -> Quote {
    let finding = seen.findings.iter().find(|finding| Some(finding.detector) == weakness.cluster.mechanism);
    let last = finding.map(|finding| finding.evidence.last());
    let step = last.and_then(|last| {
        let trace = evidence::trace(store, &seen.trial)?;
        let of_agent = trace.steps.iter().filter(|step| step.source == Source::Agent);
        let all = of_agent.clone().count();
        let at = of_agent.filter(|step| step.index <= last).count();
        (0 < at).then_some((at, all))
    });
    let text = seen.messages.first().cloned().or_else(|| seen.cause.map(|cause| cause.word().to_owned()));
    Quote {
        run: run.to_owned(),
        task: seen.task.clone(),
        repeat: seen.repeat,
        step,
        text: text.unwrap_or_default(),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
