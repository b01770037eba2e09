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
use crate::engine::imported::known::{Known, Meaning};
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

/// Which tasks may teach now.
pub(super) struct Teaching {
    /// Those that are held-in.
    pub(super) held_in: BTreeSet<String>,
    /// All of the project, and what they are for.
    known: Known,
}

impl Teaching {
    /// In a project as it is on disk.
    pub(super) fn of(subject: &Subject) -> Self {
        let held_in = subject.tasks.iter().filter(|task| task.split == Split::HeldIn);
        Self { held_in: held_in.map(|task| task.id.clone()).collect(), known: Known::of(&subject.harness) }
    }

    /// Whether a task is none of the project: what others have seen of it may teach.
    pub(super) fn is_elsewhere(&self, task: &str) -> bool {
        self.known.meaning(task) == Meaning::Elsewhere
    }
}

/// By what it is known that nothing else was mined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The run.
    pub(super) run: i64,
    arm: usize,
    /// The slots of its trials.
    slots: Vec<usize>,
    /// The tasks that are held-in now: one that judges by now must not be told.
    pub(super) held_in: BTreeSet<String>,
    /// Tasks that the project does not know, of imported trials.
    pub(super) elsewhere: BTreeSet<String>,
}

impl Key {
    fn has(&self, task: &str) -> bool {
        self.held_in.contains(task) || self.elsewhere.contains(task)
    }

    /// Whether everything that was mined may teach now.
    pub(super) fn teaches(&self, teaching: &Teaching) -> bool {
        self.held_in.is_subset(&teaching.held_in)
            && self.elsewhere.iter().all(|task| teaching.is_elsewhere(task))
    }
}

/// A harness of a run that is to be mined.
pub(super) struct Wanted {
    told: Rc<ToldRun>,
    pub(super) key: Key,
    is_current: bool,
}

impl Wanted {
    fn measured(&self) -> Option<&Measured> {
        self.told.harnesses.iter().find(|measured| measured.arm == self.key.arm)
    }
}

/// What is to be mined, of the runs that are over: a run under the contract of now comes before one under another; a run that tried
/// all `whole` held-in tasks before one that tried some; the harness on disk before others; and then the newest.
pub(super) fn wanted(
    all: &[Rc<ToldRun>],
    current: &[bool],
    (on_disk, whole): (&str, usize),
    teaching: &Teaching,
) -> Option<Wanted> {
    // What was imported is under no contract, so it never comes before what was measured here under the one of now.
    let mut best: Option<((bool, bool, bool), Wanted)> = None;
    let over = all.iter().zip(current).filter(|(told, _)| told.is_over());
    for (told, is_current) in over.take(NEWEST) {
        for measured in told.harnesses.iter().rev() {
            let Trials { slots, tasks } = Trials::of(told, measured.arm, teaching);
            if slots.is_empty() {
                continue;
            }
            let (own, elsewhere): (BTreeSet<String>, BTreeSet<String>) =
                tasks.into_iter().partition(|task| teaching.held_in.contains(task));
            let rank = (*is_current, whole <= own.len(), measured.digest == on_disk);
            if best.as_ref().is_none_or(|(known, _)| *known < rank) {
                let held_in = teaching.held_in.clone();
                let key = Key { run: told.stored.number, arm: measured.arm, slots, held_in, elsewhere };
                best = Some((rank, Wanted { told: Rc::clone(told), key, is_current: *is_current }));
            }
        }
    }
    best.map(|(_, wanted)| wanted)
}

/// The held-in trials that stand for a harness.
#[derive(Default)]
struct Trials {
    /// The slots that are filled.
    slots: Vec<usize>,
    /// The tasks that were tried, void ones among them.
    tasks: BTreeSet<String>,
}

impl Trials {
    /// Of an arm. Where an edit does not act nothing was run again, and what its parent did stands, as in a
    /// [standing](crate::engine::report::standing::Standing); an arm without any trial of its own has nothing to tell.
    fn of(told: &ToldRun, arm: usize, teaching: &Teaching) -> Self {
        let mut own = Self::own(told, arm, teaching);
        let parent = told.chronicle.cycle().arms().get(arm).map_or(arm, |of| of.parent);
        if parent < arm && !own.slots.is_empty() {
            let design = told.chronicle.cycle().trials().design();
            let inherited = Self::of(told, parent, teaching);
            let is_inert = |at: &usize| design.slots.get(*at).is_some_and(|of| !own.tasks.contains(&of.task));
            let slots: Vec<usize> = inherited.slots.into_iter().filter(is_inert).collect();
            own.slots.extend(slots);
            own.slots.sort_unstable();
            own.tasks.extend(inherited.tasks);
        }
        own
    }

    fn own(told: &ToldRun, arm: usize, teaching: &Teaching) -> Self {
        let run = told.chronicle.cycle().trials();
        let stands = |role: Role| match arm {
            0 => matches!(role, Role::Baseline | Role::Smoke | Role::Imported),
            _ => matches!(role, Role::Baseline | Role::Confirm),
        };
        let mut trials = Self::default();
        for (at, (slot, state)) in run.design().slots.iter().zip(run.states()).enumerate() {
            let teaches = teaching.held_in.contains(&slot.task)
                || (slot.role == Role::Imported && teaching.is_elsewhere(&slot.task));
            if slot.arm != arm || !stands(slot.role) || slot.split != Split::HeldIn || !teaches {
                continue;
            }
            match state {
                State::Filled(_) => trials.slots.push(at),
                State::Missing(_) => {}
                State::Pending { .. } | State::Running { .. } | State::Dropped => continue,
            }
            trials.tasks.insert(slot.task.clone());
        }
        trials
    }
}

/// Mines.
///
/// # Errors
/// Why nothing can be read, in a sentence.
pub(super) fn mine(store: &Store, root: &Path, machine: &Machine, wanted: &Wanted) -> Result<Mined, String> {
    let Wanted { told, key, is_current } = wanted;
    let run = &told.line.name;
    let measured = wanted.measured().ok_or_else(|| format!("the texts of {run} are lost"))?;
    let texts = measured.texts.iter().map(|(path, text)| (path.as_str().to_owned(), text.clone())).collect();
    let subject = Subject::unasked_with_texts(root, &texts, &Guarantees::untried(), machine);
    let mut trials = evidence::trials(store, &told.stored)
        .map_err(|error| format!("the trials of {run} cannot be read: {error}"))?;
    let trials = key.slots.iter().filter_map(|slot| trials.remove(slot));
    let teaches = |trial: &TrialRecord| trial.split == Split::HeldIn.word() && key.has(&trial.task);
    let trials: Vec<TrialRecord> = trials.filter(teaches).collect();
    if trials.is_empty() {
        return Err(format!("the store has lost the trials of {run}"));
    }
    let ends = ends(&trials);
    let lesson = mining::mine(store, &subject.harness, &subject.tasks, trials);
    let weaknesses = lesson.weaknesses.iter().map(|weakness| one(store, run, &lesson, weakness));
    Ok(Mined {
        run: run.clone(),
        // Under no contract, it is as old as the lines that it is about.
        is_current: *is_current || told.seen.imported.is_some(),
        imported: told.seen.imported.clone(),
        harness: measured.digest.clone(),
        texts: Texts::clone(&measured.texts),
        failed: count(lesson.mined.cold.failed),
        trials: count(lesson.seen.len()),
        is_cold: lesson.mined.cold.is_cold(),
        weaknesses: weaknesses.collect(),
        // The limits of another harness are no keys of this one.
        limits: if measured.digest.is_empty() { Vec::new() } else { ends },
        suspects: suspects(&lesson),
    })
}

/// The limits at which held-in trials ended, as keys of `[runtime]`, the most frequent first.
fn ends(trials: &[TrialRecord]) -> Vec<(String, u32)> {
    let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| trial.verdict != "void") {
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
