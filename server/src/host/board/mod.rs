//! Reads the store of a project into the [board](Board) that editors show: runs, scores, weaknesses, proposals. It reads and mines;
//! it executes nothing, asks no provider and writes nothing but what SQLite needs to read.
//!
//! What a run came to is read once: a run that is over is told again only if somebody resumed it.

mod database;
mod runs;
mod told;
mod newest;
mod here;
mod mined;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;
use harness_schema::split::Split;

use self::database::{Database, LONGEST, Look, Opened};
use self::mined::Teaching;
use self::told::ToldRun;
use super::consent::{self, Memory};
use super::machine::Machine;
use super::model::KeySource;
use super::sandbox::{Choice, Guarantees};
use super::starting::{self, Asking};
use super::store::{Known, Store, StoreError, StoredRun};
use super::subject::Subject;
use crate::engine::board::{Board, Mined, Next, StoreState, Texts, Trust};
use crate::engine::consent::{ItemKind, Items, changes};
use crate::engine::cycle::{Goal, Rules};
use crate::failure::Failure;

/// So many tasks more make a weakness another one for whoever has dismissed a proposal for it (`editor` 5.3).
const GROWN: u32 = 2;

/// The project and the machine as they were read.
struct Now {
    disk: u64,
    guarantees: Guarantees,
    subject: Subject,
    machine: Machine,
    /// The tasks that teach.
    teaching: Teaching,
    /// Whether runs have the contract of now, by number: it is a digest of all their tasks.
    current: RefCell<BTreeMap<i64, bool>>,
}

impl Now {
    /// Reads both; nobody is asked which images there are.
    ///
    /// # Errors
    /// A [`Failure`] without a configuration of the user's that can be read: nothing can be compared with what is on disk then, and
    /// nothing be started.
    fn read(
        root: &Path,
        disk: u64,
        guarantees: Guarantees,
        machine: fn() -> Result<Machine, Failure>,
    ) -> Result<Self, Failure> {
        let machine = machine()?;
        let subject = Subject::unasked(root, &guarantees, &machine);
        let teaching = Teaching::of(&subject);
        Ok(Self { disk, guarantees, subject, machine, teaching, current: RefCell::default() })
    }

    /// Whether a run has the contract of now.
    fn is_current(&self, told: &ToldRun) -> bool {
        let record = &told.stored.record;
        let is_same = || self.subject.contract_on(record, &told.images).to_string() == record.contract;
        *self.current.borrow_mut().entry(told.stored.number).or_insert_with(is_same)
    }
}

/// What belongs to the user and to no project.
struct User {
    memory: Memory,
    machine: fn() -> Result<Machine, Failure>,
}

/// Reads the board of one project, again and again.
pub struct Reader {
    root: PathBuf,
    user: User,
    database: Database,
    /// The runs, by number. Those that are over are not told again.
    told: BTreeMap<i64, Rc<ToldRun>>,
    /// The project and the machine as they were at a revision of the disk.
    now: Option<Now>,
    /// What was mined last: of which harness in which run, after how many trials.
    mined: Option<(mined::Key, Arc<Mined>)>,
    /// What could not be mined, why, and when it is tried again.
    unmined: Option<(mined::Key, String, Instant)>,
}

impl Reader {
    /// A reader of a project that has read nothing.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let user = User { memory: Memory::of_this_user(), machine: Machine::read };
        Self::of(root, user, Known::of_this_user())
    }

    fn of(root: &Path, user: User, known: Known) -> Self {
        Self {
            root: root.to_path_buf(),
            user,
            database: Database::new(root, known),
            told: BTreeMap::new(),
            now: None,
            mined: None,
            unmined: None,
        }
    }

    /// The project.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the store is another than it was when it was read last. It asks SQLite for a number, and reads nothing. A store that
    /// could not be read has none for a while.
    pub fn has_news(&mut self) -> bool {
        self.has_news_at(Instant::now())
    }

    fn has_news_at(&mut self, at: Instant) -> bool {
        let look = self.database.look(at);
        if look == Look::Another {
            self.forget();
        }
        look != Look::Same
    }

    fn forget(&mut self) {
        self.told.clear();
        // It knows runs by their numbers.
        self.now = None;
        self.mined = None;
        self.unmined = None;
    }

    /// The board as it is now. What cannot be read is told on it. The project's files are read again only when `disk`, a number of
    /// the caller's for the state of the disk, is another.
    pub fn board(&mut self, disk: u64) -> Board {
        self.board_at(disk, Instant::now())
    }

    fn board_at(&mut self, disk: u64, at: Instant) -> Board {
        let mut board = Board::default();
        self.has_news_at(at);
        let opened = self.database.take(at).unwrap_or_else(|error| {
            self.forget();
            board.store = StoreState::Unreadable(error.to_string());
            None
        });
        if let Some(opened) = &opened {
            board.store = if opened.store.is_foreign() { StoreState::Imported } else { StoreState::Own };
        }
        let trusted = self.user.memory.recall(&self.root).agreed.trusted;
        // What came with a project that nobody trusts is not read (`security` 2.1).
        let is_barred = board.store == StoreState::Imported && trusted.is_none();
        let store = opened.as_ref().map(|opened| &opened.store).filter(|_| !is_barred);
        let guarantees = guarantees(store);
        let known = self.now.take().filter(|now| (now.disk, &now.guarantees) == (disk, &guarantees));
        let is_new = known.is_none();
        let now = match known {
            Some(now) => Some(now),
            None => Now::read(&self.root, disk, guarantees, self.user.machine)
                .map_err(|failure| remark(&mut board, failure.message))
                .ok(),
        };
        if let Some(Now { subject, machine, .. }) = &now {
            board.trust = trust(trusted, subject, machine);
            board.programs = programs(subject);
        }
        if let Some(opened) = opened {
            self.follow(opened, now.as_ref(), is_barred, (is_new, at), &mut board);
        }
        if let Some(Now { subject, machine, .. }) = &now {
            next(subject, machine, &self.at_work(), &mut board);
            board.environment.extend(here::key(board.next.missing_key.as_deref()));
            board.environment.extend(here::tasks(subject, machine.sandbox()));
        }
        self.now = now;
        board
    }

    /// Reads a store that is open, if it may be read.
    fn follow(
        &mut self,
        opened: Opened,
        now: Option<&Now>,
        is_barred: bool,
        (is_new, at): (bool, Instant),
        board: &mut Board,
    ) {
        if is_barred {
            self.forget();
            return self.database.keep(opened);
        }
        match self.read(&opened.store, now, is_new, at, board) {
            Ok(()) => self.database.keep(opened),
            Err(failure) => {
                tracing::warn!(%failure, "a store cannot be read");
                self.forget();
                self.database.fail(at);
                board.store = StoreState::Unreadable(failure.message);
            }
        }
    }

    /// The proposals that an open run has decided on or works on.
    fn at_work(&self) -> BTreeSet<u32> {
        self.told.values().flat_map(|told| told.at_work()).collect()
    }

    fn read(
        &mut self,
        store: &Store,
        now: Option<&Now>,
        is_new: bool,
        at: Instant,
        board: &mut Board,
    ) -> Result<(), Failure> {
        let failed = |error: StoreError| error.to_failure();
        let subject = now.map(|now| &now.subject);
        // What was adopted is known by what else is on disk.
        for told in self.told.values_mut().filter(|told| is_new && told.has_adopted()) {
            if let Some(told) = Rc::get_mut(told) {
                told.find_harnesses(store, subject).map_err(failed)?;
            }
        }
        let mut looks: BTreeMap<BTreeSet<String>, u32> = BTreeMap::new();
        let mut all = Vec::new();
        for (number, state) in store.states().map_err(failed)? {
            let known = self.told.get(&number);
            let told = match known {
                Some(told) if told.is_final() && state == told.stored.state => Rc::clone(told),
                known => {
                    // What a run was started with stays as it is, and is long: it is read once.
                    let stored = match known {
                        Some(told) if !told.is_final() => Some(StoredRun { state, ..told.stored.clone() }),
                        // One that goes on may spend more than before.
                        _ => store.run(number).map_err(failed)?,
                    };
                    let Some(stored) = stored else { continue };
                    let before = looks.get(&held_out(&stored)).copied().unwrap_or_default();
                    // A run that was resumed is told from its beginning: what was said of its end does not hold.
                    let known = known.filter(|told| !told.is_final());
                    Rc::new(told::tell(store, stored, before, known.map(Rc::as_ref), subject)?)
                }
            };
            if told.stored.record.rules.is_some() {
                looks.insert(held_out(&told.stored), told.chronicle.looks());
            }
            all.push(told);
        }
        self.told = all.iter().map(|told| (told.stored.number, Rc::clone(told))).collect();
        all.reverse();
        board.runs = all.iter().map(|told| told.line.clone()).collect();
        let is_current = |told: &Rc<ToldRun>| now.is_some_and(|now| now.is_current(told));
        let current: Vec<bool> = all.iter().map(is_current).collect();
        let whole = subject.map(tasks).unwrap_or_default();
        told::scores(&all, &current, &whole, board);
        let nobody = BTreeSet::new();
        let held_in = now.map_or(&nobody, |now| &now.teaching.held_in);
        let dismissed = told::proposals(&all, store, held_in, board).map_err(failed)?;
        // What was imported tells nothing of this machine.
        let is_own = |told: &Rc<ToldRun>| told.stored.record.goal() != Goal::Import;
        let own: Vec<Rc<ToldRun>> = all.iter().filter(|told| is_own(told)).map(Rc::clone).collect();
        board.environment = newest::environment(&own);
        if let Some(newest) = own.first().filter(|newest| is_current(newest)) {
            board.environment.extend(here::verifiers(newest));
            board.environment.extend(subject.into_iter().flat_map(here::narrowed));
        }
        board.environment.extend(subject.and_then(|subject| here::moved(&own, subject)));
        board.tests = newest::tests(&all, &current, held_in, (store, subject)).map_err(failed)?;
        if let Some(now) = now {
            let on_disk = now.subject.harness_digest().to_string();
            let whole = whole.get(&Split::HeldIn).copied().unwrap_or_default();
            let wanted = mined::wanted(&all, &current, (&on_disk, whole), &now.teaching);
            self.mined(store, now, wanted, at, board);
            if let Some(mined) = &mut board.mined {
                let mut runs = all.iter().zip(&current);
                mined.is_current = mined.imported.is_some()
                    || runs.any(|(told, is_current)| *is_current && told.line.name == mined.run);
            }
            // What was dismissed is worth another look when two more tasks fail so.
            for (number, then) in dismissed {
                let has_grown = board.support(number).is_some_and(|support| then + GROWN <= support);
                if let Some(proposal) = board.proposals.get_mut(&number).filter(|_| has_grown) {
                    proposal.is_dismissed = false;
                }
            }
            prices(store, now, &all, board);
        }
        Ok(())
    }

    /// What was mined stays as it is while a run is open: nothing that is shown at a line changes then (`editor` 3.5), unless a
    /// task judges by now. If nothing was mined before, a run that is over is.
    fn mined(
        &mut self,
        store: &Store,
        now: &Now,
        wanted: Option<mined::Wanted>,
        at: Instant,
        board: &mut Board,
    ) {
        let is_open = board.open().is_some();
        let key = wanted.as_ref().map(|wanted| &wanted.key);
        let holds = |known: &mined::Key| match is_open {
            true => known.teaches(&now.teaching),
            false => Some(known) == key,
        };
        let known = self.mined.take().filter(|(known, _)| holds(known));
        self.mined = match (known, wanted) {
            (Some(known), _) => Some(known),
            (None, Some(wanted)) => self.mine(store, now, wanted, at, board),
            (None, None) => None,
        };
        board.mined = self.mined.as_ref().map(|(_, mined)| Mined::clone(mined));
    }

    /// Mines, but does not try again and again what failed.
    fn mine(
        &mut self,
        store: &Store,
        now: &Now,
        wanted: mined::Wanted,
        at: Instant,
        board: &mut Board,
    ) -> Option<(mined::Key, Arc<Mined>)> {
        if let Some((key, why, until)) = &self.unmined
            && *key == wanted.key
            && at < *until
        {
            board.remark.clone_from(why);
            return None;
        }
        self.unmined = None;
        match mined::mine(store, &self.root, &now.machine, &wanted) {
            Ok(mined) => Some((wanted.key, Arc::new(mined))),
            Err(why) => {
                let why = format!("weaknesses cannot be told: {why}");
                remark(board, why.clone());
                self.unmined = Some((wanted.key, why, at + LONGEST));
                None
            }
        }
    }
}

/// Says why something is not told, on the board and in the log.
fn remark(board: &mut Board, why: String) {
    tracing::warn!("{why}");
    board.remark = why;
}

/// What the sandbox kept when something was measured last: nobody tries it while somebody only looks.
fn guarantees(store: Option<&Store>) -> Guarantees {
    let recorded = || {
        let store = store?;
        // Nobody agreed to anything where something was imported.
        let agreed = |(run, _)| store.agreement(run).ok().flatten();
        let terms = store.states().ok()?.into_iter().rev().find_map(agreed)?.terms();
        Some(Guarantees::recorded(&terms.backend, &terms.guarantees))
    };
    recorded().unwrap_or_else(Guarantees::untried)
}

fn trust(trusted: Option<Items>, subject: &Subject, machine: &Machine) -> Trust {
    let Some(trusted) = trusted else { return Trust::Untrusted };
    let mut changed = changes(&trusted, &subject.execution_items());
    // Which images tasks stand on only their engine could tell, and nothing is started to look.
    let is_told = |kind: ItemKind| {
        kind != ItemKind::Sandbox && !(kind == ItemKind::Task && machine.sandbox() == Choice::Container)
    };
    changed.retain(|change| is_told(change.kind));
    match changed.is_empty() {
        true => Trust::Trusted,
        false => Trust::Changed(consent::reasons(&[crate::engine::consent::Reason::Changed(changed)])),
    }
}

/// What would cost how much of what is offered. While a run is open nobody is offered another one.
fn prices(store: &Store, now: &Now, all: &[Rc<ToldRun>], board: &mut Board) {
    let asking = Asking::new(&now.subject, store, &now.guarantees, &now.machine);
    let told = |number: i64| all.iter().find(|told| told.stored.number == number);
    let (resumable, is_open) = (board.resumable().map(|run| run.number), board.open().is_some());
    let next = &mut board.next;
    if is_open {
        let told = resumable.and_then(told);
        next.resume = told.and_then(|told| starting::going_on(&asking, &told.stored)).unwrap_or_default();
        return;
    }
    (next.price, next.seconds) = starting::evaluation(&asking).unwrap_or_default();
    if board.mined.is_some() {
        next.propose = starting::proposing(&asking).unwrap_or_default();
    }
    if !board.proposals.is_empty() {
        next.validate = starting::validation(&asking, &[]).unwrap_or_default();
    }
}

/// What a start would do.
fn next(subject: &Subject, machine: &Machine, at_work: &BTreeSet<u32>, board: &mut Board) {
    let manifest = subject.harness.manifest();
    let tasks = subject.tasks.iter().filter(|task| task.split != Split::Sealed).count();
    let missing_key = match machine.key_of(&manifest.model.value) {
        Ok(KeySource::Variable(name)) if std::env::var_os(&name).is_none() => Some(name),
        _ => None,
    };
    let harness = subject.harness_digest().to_string();
    let waits = |proposal: &&crate::engine::board::Proposal| {
        proposal.harness == harness
            && !proposal.is_dismissed
            && !at_work.contains(&proposal.number)
            && proposal.decision.is_none_or(|decision| decision.is_interrupted())
    };
    board.next = Next {
        tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
        repeats: Rules::of(&manifest.improve.value).baseline,
        waiting: board.proposals.values().filter(waits).map(|proposal| proposal.number).collect(),
        missing_key,
        ..std::mem::take(&mut board.next)
    };
}

/// The held-out tasks of a run: decisions are counted by what they have read.
fn held_out(run: &StoredRun) -> BTreeSet<String> {
    let slots = run.record.slots.iter().filter(|slot| slot.split == Split::HeldOut.word());
    slots.map(|slot| slot.task.clone()).collect()
}

/// How many tasks of each split can be run.
fn tasks(now: &Subject) -> BTreeMap<Split, usize> {
    let mut tasks: BTreeMap<Split, usize> = BTreeMap::new();
    for task in now.tasks.iter().filter(|task| task.plan.is_ok()) {
        *tasks.entry(task.split).or_default() += 1;
    }
    tasks
}

/// Texts by path, as the board has them.
fn texts<'a>(files: impl IntoIterator<Item = (&'a String, &'a String)>) -> Texts {
    let texts =
        files.into_iter().filter_map(|(path, text)| Some((FilePath::parse(path).ok()?, text.clone())));
    Arc::new(texts.collect())
}

/// The digests of files that a harness names and nobody reads as text.
fn programs(subject: &Subject) -> BTreeMap<FilePath, Digest> {
    let mut programs = BTreeMap::new();
    // The harness asks for exactly those.
    let _ = subject.harness.digest(|path| {
        let digest = subject.of_file(path)?;
        programs.insert(path.clone(), digest);
        Some(digest)
    });
    programs
}

#[cfg(test)]
mod tests;
