//! A run that was told from its events: which harnesses it measured, what it decided on proposals, what it adopted.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;
use harness_schema::split::Split;

use super::runs;
use crate::engine::board::{Accepted, Board, Edit, Proposal, RunLine, Scored, Texts};
use crate::engine::cycle::Cycle;
use crate::engine::report::Chronicle;
use crate::engine::report::standing::{Point, Standing};
use crate::failure::Failure;
use crate::host::following::{self, Seen};
use crate::host::record::{EventRecord, RunRecord};
use crate::host::sandbox::Choice;
use crate::host::store::{RunState, Store, StoreError, StoredProposal, StoredRun, run_name};
use crate::host::subject::Subject;
use crate::host::{evidence, telling};

/// A run that was told.
pub(super) struct ToldRun {
    pub(super) stored: StoredRun,
    pub(super) seen: Seen,
    pub(super) line: RunLine,
    pub(super) chronicle: Chronicle,
    /// The harnesses that it measured: the first, and each that it adopted, with its digest and texts.
    pub(super) harnesses: Vec<Measured>,
    /// The images that its trials ran on, by task; none without containers.
    pub(super) images: BTreeMap<String, Digest>,
    /// The files of unions, by their members.
    unions: BTreeMap<Vec<u32>, BTreeMap<String, String>>,
}

/// A harness that a run measured.
#[derive(Clone)]
pub(super) struct Measured {
    pub(super) arm: usize,
    pub(super) digest: String,
    pub(super) texts: Texts,
}

impl ToldRun {
    /// Whether it is over. Until then nothing of what judges is told (`editor` 1.4).
    pub(super) fn is_over(&self) -> bool {
        self.line.status.is_over()
    }

    /// Whether nothing more can happen to it.
    pub(super) fn is_final(&self) -> bool {
        self.is_over() && self.stored.state == RunState::Ended
    }

    /// The proposals that nobody should decide on now: an open run has decided on them, or somebody works on them.
    pub(super) fn at_work(&self) -> impl Iterator<Item = u32> {
        let cycle = &self.seen.cycle;
        let decided = cycle.decisions().keys().copied().filter(|_| !self.is_over());
        let tried = cycle.arms().iter().flat_map(|arm| arm.members.iter().copied());
        decided.chain(tried.filter(|_| self.line.status.is_active()))
    }
}

/// Tells a run. `looks` is how many decisions have read its held-out tasks before; `before` is the same run as it was told last. Of
/// a run that somebody works on only what has happened since is read, and nothing that it has come to is told.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub(super) fn tell(
    store: &Store,
    stored: StoredRun,
    looks: u32,
    before: Option<&ToldRun>,
    now: Option<&Subject>,
) -> Result<ToldRun, Failure> {
    let failed = |error: StoreError| error.to_failure();
    let seen = match before {
        Some(before) => {
            let mut seen = before.seen.clone();
            following::look_again(store, &stored, &mut seen)?;
            seen
        }
        None => following::look_at(store, &stored)?,
    };
    let line = runs::line(store, &stored, &seen).map_err(failed)?;
    let is_active = line.status.is_active();
    let images = images(store, &stored, is_active).map_err(failed)?;
    let mut unions = BTreeMap::new();
    let mut hear = |event: &EventRecord| {
        if let EventRecord::Merged { members, files } = event {
            unions.insert(members.clone(), files.clone());
        }
    };
    let chronicle = match is_active {
        true => Chronicle::new(stored.record.design(), looks),
        false => telling::chronicle(store, &stored, looks, |event, _| hear(event))?,
    };
    if is_active {
        let is_known = |members: &[u32]| {
            members.len() < 2 || before.is_some_and(|before| before.unions.contains_key(members))
        };
        let arms = adopted(&seen.cycle);
        let mut arms = arms.iter().filter_map(|arm| seen.cycle.arms().get(*arm));
        // They are read again when there is one more.
        match arms.all(|arm| is_known(&arm.members)) {
            true => unions = before.map(|before| before.unions.clone()).unwrap_or_default(),
            false => store.events(stored.number, 0).map_err(failed)?.iter().for_each(|at| hear(&at.event)),
        }
    }
    let mut told = ToldRun { stored, seen, line, chronicle, harnesses: Vec::new(), images, unions };
    let is_known = |told: &ToldRun, before: &ToldRun| {
        let arms = before.harnesses.iter().skip(1).map(|measured| measured.arm);
        arms.eq(adopted(&told.seen.cycle))
    };
    match before.filter(|before| is_known(&told, before)) {
        Some(before) => told.harnesses.clone_from(&before.harnesses),
        None => told.find_harnesses(store, now).map_err(failed)?,
    }
    Ok(told)
}

/// The images that trials of a run ran on, by task.
fn images(
    store: &Store,
    stored: &StoredRun,
    is_active: bool,
) -> Result<BTreeMap<String, Digest>, StoreError> {
    if Choice::named(&stored.record.sandbox) != Some(Choice::Container) {
        return Ok(BTreeMap::new());
    }
    let trials: Vec<_> = match is_active {
        true => store.trials(stored.number)?,
        false => evidence::trials(store, stored)?.into_values().collect(),
    };
    let images = trials.into_iter().filter_map(|trial| Some((trial.task, trial.image.parse().ok()?)));
    Ok(images.collect())
}

/// The arms between the first harness of a run and the one that it works from, the oldest first.
fn adopted(cycle: &Cycle) -> Vec<usize> {
    let mut arms = Vec::new();
    let mut at = cycle.working();
    while let Some(of) = cycle.arms().get(at).filter(|of| of.parent < at) {
        arms.push(at);
        at = of.parent;
    }
    arms.reverse();
    arms
}

/// Whether the texts of a run and what is on disk now make the harness that was measured: a program that has changed since makes
/// another one.
fn is_whole(now: &Subject, record: &RunRecord) -> bool {
    now.digest_with(&record.files).to_string() == record.harness
}

impl ToldRun {
    /// Finds the harnesses that it measured. What it adopted is known by its digest, which is made of the texts of then and of what
    /// else is on disk now: where that is not what was measured, only the first is told.
    ///
    /// # Errors
    /// A [`StoreError`].
    pub(super) fn find_harnesses(&mut self, store: &Store, now: Option<&Subject>) -> Result<(), StoreError> {
        let record = &self.stored.record;
        let first = Measured { arm: 0, digest: record.harness.clone(), texts: super::texts(&record.files) };
        let mut harnesses = vec![first];
        let arms = adopted(&self.seen.cycle);
        if let Some(now) = now.filter(|now| !arms.is_empty() && is_whole(now, record)) {
            for arm in arms {
                let Some(of) = self.seen.cycle.arms().get(arm) else { continue };
                let Some(files) = self.files(store, &of.members)? else { continue };
                let Some(parent) = harnesses.iter().find(|measured| measured.arm == of.parent) else {
                    continue;
                };
                let mut texts = BTreeMap::clone(&parent.texts);
                texts.extend(files);
                let by_name = texts.iter().map(|(path, text)| (path.as_str().to_owned(), text.clone()));
                let digest = now.digest_with(&by_name.collect()).to_string();
                harnesses.push(Measured { arm, digest, texts: texts.into() });
            }
        }
        self.harnesses = harnesses;
        Ok(())
    }

    /// Whether it adopted something.
    pub(super) fn has_adopted(&self) -> bool {
        self.seen.cycle.working() != 0
    }

    /// The files that proposals together change, whole; `None` if the store has lost them.
    fn files(
        &self,
        store: &Store,
        members: &[u32],
    ) -> Result<Option<BTreeMap<FilePath, String>>, StoreError> {
        let files = match members {
            [proposal] => store.proposal(*proposal)?.map(|stored| stored.record.files),
            several => self.unions.get(several).cloned(),
        };
        Ok(files.map(|files| BTreeMap::clone(&super::texts(&files))))
    }
}

/// The harnesses that were measured under the contract of now, the newest first, each once; each split as the newest run that
/// tried all of it measured it: `whole` says how many tasks there are. Of a run that is open nothing is told of what it measures: it
/// is the run before that holds until then.
pub(super) fn scores(
    all: &[Rc<ToldRun>],
    current: &[bool],
    whole: &BTreeMap<Split, usize>,
    board: &mut Board,
) {
    for (told, is_current) in all.iter().zip(current) {
        if !told.is_over() || !is_current || told.stored.record.seal.is_some() {
            continue;
        }
        let cycle = told.chronicle.cycle();
        for measured in told.harnesses.iter().rev() {
            let standing = Standing::of(cycle, measured.arm);
            let is_whole = |point: &Point| {
                let tasks = (point.tasks + point.void) as usize;
                0 < point.tasks && whole.get(&point.split).copied().unwrap_or_default() <= tasks
            };
            let point =
                |split| standing.point(split).filter(|point| is_whole(point) && !standing.is_open(split));
            let (held_in, held_out) = (point(Split::HeldIn), point(Split::HeldOut));
            if held_in.is_none() && held_out.is_none() {
                continue;
            }
            // A run may have tried one split only: it hides nothing of the other.
            if let Some(known) = board.measured.iter_mut().find(|known| known.harness == measured.digest) {
                known.held_in = known.held_in.or(held_in);
                known.held_out = known.held_out.or(held_out);
                continue;
            }
            board.measured.push(Scored {
                harness: measured.digest.clone(),
                run: told.line.name.clone(),
                texts: Texts::clone(&measured.texts),
                held_in,
                held_out,
                proposals: lineage(told, measured.arm),
            });
        }
    }
}

/// The proposals between the first harness of a run and one of its arms.
fn lineage(told: &ToldRun, arm: usize) -> Vec<u32> {
    let mut proposals = Vec::new();
    let mut at = arm;
    while let Some(of) = told.chronicle.cycle().arms().get(at).filter(|of| of.parent < at) {
        proposals.extend(of.members.iter().copied());
        at = of.parent;
    }
    proposals.sort_unstable();
    proposals
}

/// All proposals, and what was accepted as a whole; of those that were dismissed how many tasks failed so then. What a run decides is told when it is over; until then the run before holds.
/// Tasks are told that are held-in now.
///
/// # Errors
/// A [`StoreError`].
pub(super) fn proposals(
    all: &[Rc<ToldRun>],
    store: &Store,
    held_in: &BTreeSet<String>,
    board: &mut Board,
) -> Result<BTreeMap<u32, u32>, StoreError> {
    let mut dismissed = BTreeMap::new();
    let base = |harness: &str| {
        let mut harnesses = all.iter().flat_map(|told| &told.harnesses);
        harnesses.find(|measured| measured.digest == harness).map(|measured| Texts::clone(&measured.texts))
    };
    for stored in store.proposals()? {
        let base = base(&stored.record.harness).unwrap_or_default();
        let mut over = all.iter().filter(|told| told.is_over());
        let deciding = over.find(|told| told.chronicle.cycle().decisions().contains_key(&stored.number));
        let mut proposal = proposal(&stored, deciding.map(Rc::as_ref), base);
        proposal.fixes.retain(|task| held_in.contains(task));
        proposal.risks.retain(|task| held_in.contains(task));
        board.proposals.insert(stored.number, proposal);
        dismissed.extend(stored.dismissed_at.map(|support| (stored.number, support)));
    }
    for told in all.iter().filter(|told| told.is_over()) {
        for measured in told.harnesses.iter().skip(1).rev() {
            let Some(of) = told.chronicle.cycle().arms().get(measured.arm) else { continue };
            let Some(parent) = told.harnesses.iter().find(|before| before.arm == of.parent) else { continue };
            let judgement = match of.members.as_slice() {
                [proposal] => told.chronicle.judgement_on(*proposal),
                _ => told.chronicle.judgement_on_union(measured.arm),
            };
            let judgement = judgement
                .or_else(|| of.members.iter().find_map(|member| told.chronicle.judgement_on(*member)));
            board.accepted.push(Accepted {
                proposals: of.members.clone(),
                run: told.line.name.clone(),
                harness: parent.digest.clone(),
                base: Texts::clone(&parent.texts),
                result: measured.digest.clone(),
                files: told.files(store, &of.members)?.unwrap_or_default(),
                measured: judgement.and_then(|judgement| judgement.measured.clone()),
                look: judgement.and_then(|judgement| judgement.look),
                gate: told.line.gate,
            });
        }
    }
    Ok(dismissed)
}

fn proposal(stored: &StoredProposal, deciding: Option<&ToldRun>, base: Texts) -> Proposal {
    let record = &stored.record;
    let number = stored.number;
    let judgement = deciding.and_then(|told| told.chronicle.judgement_on(number));
    let arm = judgement.and_then(|judgement| deciding?.chronicle.cycle().arms().get(judgement.arm));
    let with = arm.map(|arm| arm.members.as_slice()).unwrap_or_default();
    let edits = record.edits.iter().map(|edit| Edit {
        surface: edit.surface.clone(),
        file: FilePath::parse(&edit.file).ok(),
        before: edit.before.clone(),
        after: edit.after.clone(),
    });
    Proposal {
        number,
        summary: record.summary.clone(),
        why: record.why.clone(),
        author: record.author.clone(),
        cluster: telling::cluster(&record.cluster),
        harness: record.harness.clone(),
        base,
        edits: edits.collect(),
        files: record.changed(),
        scope: telling::scope(&record.scope),
        fixes: record.fixes.clone(),
        risks: record.risks.clone(),
        decision: deciding.and_then(|told| told.chronicle.cycle().decisions().get(&number).copied()),
        gate: deciding.and_then(|told| told.line.gate),
        measured: judgement.and_then(|judgement| judgement.measured.clone()),
        look: judgement.and_then(|judgement| judgement.look),
        run: deciding.map_or_else(|| run_name(stored.run), |told| told.line.name.clone()),
        is_dismissed: stored.is_dismissed,
        with: with.iter().copied().filter(|other| *other != number).collect(),
    }
}
