//! A run that was told from its events: which harnesses it measured, what it decided on proposals, what it adopted.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use harness_schema::path::FilePath;
use harness_schema::split::Split;

use super::runs;
use crate::engine::board::{Accepted, Board, Edit, Proposal, RunLine, Scored, Texts};
use crate::engine::report::Chronicle;
use crate::engine::report::standing::{Point, Standing};
use crate::failure::Failure;
use crate::host::following::{self, Seen};
use crate::host::machine::Machine;
use crate::host::record::EventRecord;
use crate::host::sandbox::Guarantees;
use crate::host::store::{Store, StoreError, StoredProposal, StoredRun, run_name};
use crate::host::subject::Subject;
use crate::host::telling;

/// A run that was told.
pub(super) struct ToldRun {
    pub(super) stored: StoredRun,
    pub(super) seen: Seen,
    pub(super) line: RunLine,
    pub(super) chronicle: Chronicle,
    /// The harnesses that it measured: the first, and each that it adopted, with its digest and texts.
    pub(super) harnesses: Vec<Measured>,
    /// The files of unions, by their members.
    unions: BTreeMap<Vec<u32>, BTreeMap<String, String>>,
}

/// A harness that a run measured.
pub(super) struct Measured {
    pub(super) arm: usize,
    pub(super) digest: String,
    pub(super) texts: Texts,
}

impl ToldRun {
    /// Whether nothing more can happen to it.
    pub(super) fn is_final(&self) -> bool {
        self.line.status.is_over()
    }
}

/// Tells a run. `looks` is how many decisions have read its held-out tasks before; `before` is the same run as it was told last. Of
/// a run that somebody works on only what has happened since is read, and nothing that it has come to is told.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub(super) fn tell(
    root: &Path,
    store: &Store,
    stored: StoredRun,
    looks: u32,
    before: Option<&ToldRun>,
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
    let mut unions = BTreeMap::new();
    let chronicle = match line.status.is_active() {
        true => Chronicle::new(stored.record.design(), looks),
        false => telling::chronicle(store, &stored, looks, |event, _| {
            if let EventRecord::Merged { members, files } = event {
                unions.insert(members.clone(), files.clone());
            }
        })?,
    };
    let mut told = ToldRun { stored, seen, line, chronicle, harnesses: Vec::new(), unions };
    told.harnesses = harnesses(root, store, &told).map_err(failed)?;
    Ok(told)
}

fn harnesses(root: &Path, store: &Store, told: &ToldRun) -> Result<Vec<Measured>, StoreError> {
    let record = &told.stored.record;
    let first = Measured { arm: 0, digest: record.harness.clone(), texts: super::texts(&record.files) };
    let mut harnesses = vec![first];
    if told.chronicle.adopted().is_empty() {
        return Ok(harnesses);
    }
    let Ok(machine) = Machine::read() else { return Ok(harnesses) };
    for arm in told.chronicle.adopted() {
        let Some(of) = told.chronicle.cycle().arms().get(*arm) else { continue };
        let Some(files) = told.files(store, &of.members)? else { continue };
        let Some(parent) = harnesses.iter().find(|measured| measured.arm == of.parent) else { continue };
        let mut texts = BTreeMap::clone(&parent.texts);
        texts.extend(files);
        let by_name = texts.iter().map(|(path, text)| (path.as_str().to_owned(), text.clone())).collect();
        let subject = Subject::with_texts(root, &by_name, &Guarantees::untried(), &machine);
        let digest = subject.harness_digest().to_string();
        harnesses.push(Measured { arm: *arm, digest, texts: texts.into() });
    }
    Ok(harnesses)
}

impl ToldRun {
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

/// The harnesses that were measured under the contract of now, the newest first, each once. Of a run that is open nothing is told
/// of what it measures: it is the run before that holds until then. Nor of a split of which it tried some tasks only: `whole` says
/// how many there are.
pub(super) fn scores(
    all: &[Rc<ToldRun>],
    current: &[bool],
    whole: &BTreeMap<Split, usize>,
    board: &mut Board,
) {
    for (told, is_current) in all.iter().zip(current) {
        if told.line.status.is_active() || !is_current || told.stored.record.seal.is_some() {
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
            let is_known = board.measured.iter().any(|known| known.harness == measured.digest);
            if is_known || (held_in.is_none() && held_out.is_none()) {
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

/// All proposals, and what was accepted as a whole.
///
/// # Errors
/// A [`StoreError`].
pub(super) fn proposals(all: &[Rc<ToldRun>], store: &Store, board: &mut Board) -> Result<(), StoreError> {
    let base = |harness: &str| {
        let mut harnesses = all.iter().flat_map(|told| &told.harnesses);
        harnesses.find(|measured| measured.digest == harness).map(|measured| Texts::clone(&measured.texts))
    };
    for stored in store.proposals()? {
        let base = base(&stored.record.harness).unwrap_or_default();
        let deciding =
            all.iter().find(|told| told.chronicle.cycle().decisions().contains_key(&stored.number));
        board.proposals.insert(stored.number, proposal(&stored, deciding.map(Rc::as_ref), base));
    }
    for told in all.iter().filter(|told| !told.line.status.is_active()) {
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
    Ok(())
}

fn proposal(stored: &StoredProposal, deciding: Option<&ToldRun>, base: Texts) -> Proposal {
    let record = &stored.record;
    let number = stored.number;
    // What a run that is open has measured may still be compared.
    let judgement = deciding
        .filter(|told| !told.line.status.is_active())
        .and_then(|told| told.chronicle.judgement_on(number));
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
