//! Reads the store of a project into the [board](Board) that editors show: runs, scores, weaknesses, proposals. It reads and mines;
//! it executes nothing, asks no provider and writes nothing but what SQLite needs to read.
//!
//! What a run came to is read once: a run that is over is told again only if somebody resumed it.

mod runs;
mod told;
mod newest;
mod mined;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use harness_schema::digest::Digest;
use harness_schema::path::FilePath;
use harness_schema::split::Split;

use self::told::ToldRun;
use super::consent::{self, Memory};
use super::machine::Machine;
use super::model::KeySource;
use super::sandbox::{Choice, Guarantees};
use super::store::{Store, StoreError, StoredRun};
use super::subject::Subject;
use crate::engine::board::{Board, Mined, Next, StoreState, Texts, Trust};
use crate::engine::consent::{ItemKind, changes};
use crate::engine::cycle::Rules;
use crate::failure::Failure;

/// The project and the machine as they were read.
struct Now {
    disk: u64,
    /// Whether runs have the contract of now, by number: each tells it by all of its tasks.
    current: RefCell<BTreeMap<i64, bool>>,
    guarantees: Guarantees,
    subject: Subject,
    machine: Machine,
}

impl Now {
    /// `None` without a configuration of the user's that can be read: nothing can be compared with what is on disk then, and
    /// nothing be started.
    fn read(root: &Path, disk: u64, guarantees: Guarantees) -> Option<Self> {
        let machine = Machine::read().ok()?;
        let subject = Subject::read(root, &guarantees, &machine);
        Some(Self { disk, current: RefCell::default(), guarantees, subject, machine })
    }

    /// Whether a run has the contract of now.
    fn is_current(&self, run: &StoredRun) -> bool {
        let told = || self.subject.contract_of(&run.record).to_string() == run.record.contract;
        *self.current.borrow_mut().entry(run.number).or_insert_with(told)
    }
}

/// Reads the board of one project, again and again.
pub struct Reader {
    root: PathBuf,
    store: Option<Store>,
    /// What the store was at when it was read last.
    version: Option<i64>,
    /// The runs that are over, by number.
    told: BTreeMap<i64, Rc<ToldRun>>,
    /// The project and the machine as they were at a revision of the disk.
    now: Option<Now>,
    /// What was mined last: of which harness in which run, after how many trials.
    mined: Option<(mined::Key, Arc<Mined>)>,
}

impl Reader {
    /// A reader of a project that has read nothing.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            store: None,
            version: None,
            told: BTreeMap::new(),
            now: None,
            mined: None,
        }
    }

    /// The project.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the store is another than it was when it was read last. It asks SQLite for a number, and reads nothing.
    pub fn has_news(&mut self) -> bool {
        match &self.store {
            // Somebody may have moved it aside, or removed it.
            Some(store) if !store.path().exists() => {
                self.forget();
                true
            }
            Some(store) => store.data_version().ok() != self.version,
            None => Store::is_there(&self.root),
        }
    }

    fn forget(&mut self) {
        self.store = None;
        self.version = None;
        self.told.clear();
        self.mined = None;
        // It knows runs by their numbers.
        self.now = None;
    }

    /// The board as it is now. What cannot be read is told on it. The project's files are read again only when `disk`, a number of
    /// the caller's for the state of the disk, is another.
    pub fn board(&mut self, disk: u64) -> Board {
        let mut board = Board::default();
        if self.store.is_none() {
            match Store::look_into(&self.root) {
                Ok(store) => self.store = store,
                Err(error) => board.store = StoreState::Unreadable(error.to_string()),
            }
        }
        let guarantees = self.guarantees();
        let known = self.now.take().filter(|now| (now.disk, &now.guarantees) == (disk, &guarantees));
        let now = known.or_else(|| Now::read(&self.root, disk, guarantees));
        if let Some(store) = self.store.take() {
            // Before it is read: what is written meanwhile is read again.
            self.version = store.data_version().ok();
            board.store = if store.is_foreign() { StoreState::Imported } else { StoreState::Own };
            match self.read(&store, now.as_ref(), &mut board) {
                Ok(()) => self.store = Some(store),
                Err(failure) => board.store = StoreState::Unreadable(failure.message),
            }
        }
        if let Some(Now { subject, machine, .. }) = &now {
            board.trust = self.trust(subject, machine);
            board.programs = programs(subject);
            next(subject, machine, &mut board);
        }
        self.now = now;
        board
    }

    /// What the sandbox kept when something was measured last: nobody tries it while somebody only looks.
    fn guarantees(&self) -> Guarantees {
        let recorded = || {
            let store = self.store.as_ref()?;
            let (newest, _) = store.states().ok()?.pop()?;
            let terms = store.agreement(newest).ok()??.terms();
            Some(Guarantees::recorded(&terms.backend, &terms.guarantees))
        };
        recorded().unwrap_or_else(Guarantees::untried)
    }

    fn trust(&self, subject: &Subject, machine: &Machine) -> Trust {
        let Some(trusted) = Memory::of_this_user().recall(&self.root).agreed.trusted else {
            return Trust::Untrusted;
        };
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

    fn read(&mut self, store: &Store, now: Option<&Now>, board: &mut Board) -> Result<(), Failure> {
        let failed = |error: StoreError| error.to_failure();
        let mut looks: BTreeMap<BTreeSet<String>, u32> = BTreeMap::new();
        let mut all = Vec::new();
        for (number, state) in store.states().map_err(failed)? {
            let known = self.told.get(&number);
            let told = match known {
                Some(told) if told.is_final() && state == told.stored.state => Rc::clone(told),
                known => {
                    // What a run was started with stays as it is, and is long: it is read once.
                    let stored = match known {
                        Some(told) => Some(StoredRun { state, ..told.stored.clone() }),
                        None => store.run(number).map_err(failed)?,
                    };
                    let Some(stored) = stored else { continue };
                    let before = looks.get(&held_out(&stored)).copied().unwrap_or_default();
                    // A run that was resumed is told from its beginning: what was said of its end does not hold.
                    let known = known.filter(|told| !told.is_final());
                    Rc::new(told::tell(&self.root, store, stored, before, known.map(Rc::as_ref))?)
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
        let is_current = |told: &Rc<ToldRun>| now.is_some_and(|now| now.is_current(&told.stored));
        let current: Vec<bool> = all.iter().map(is_current).collect();
        let whole = now.map(|now| tasks(&now.subject)).unwrap_or_default();
        told::scores(&all, &current, &whole, board);
        told::proposals(&all, store, board).map_err(failed)?;
        let on_disk = now.map(|now| now.subject.harness_digest().to_string()).unwrap_or_default();
        self.mined(store, &all, (&on_disk, &whole), board);
        board.environment = newest::environment(&all);
        board.tests = newest::tests(&all);
        Ok(())
    }

    /// What was mined stays as it is while a run is open: nothing that is shown at a line changes then (`editor` 3.5).
    fn mined(
        &mut self,
        store: &Store,
        all: &[Rc<ToldRun>],
        (on_disk, whole): (&str, &BTreeMap<Split, usize>),
        board: &mut Board,
    ) {
        let is_open = board.active().is_some();
        let wanted = mined::wanted(all, on_disk, whole.get(&Split::HeldIn).copied().unwrap_or_default());
        let key = wanted.as_ref().map(mined::Wanted::key);
        let known = self.mined.take().filter(|(known, _)| is_open || Some(known) == key.as_ref());
        self.mined = match (known, wanted) {
            (Some(known), _) => Some(known),
            (None, Some(wanted)) if !is_open => {
                let mined = mined::mine(store, &self.root, &wanted);
                mined.map(|mined| (wanted.key(), Arc::new(mined)))
            }
            (None, _) => None,
        };
        board.mined = self.mined.as_ref().map(|(_, mined)| Mined::clone(mined));
    }
}

/// What a start would do.
fn next(subject: &Subject, machine: &Machine, board: &mut Board) {
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
            && proposal.decision.is_none_or(|decision| decision.is_interrupted())
    };
    board.next = Next {
        tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
        repeats: Rules::of(&manifest.improve.value).baseline,
        evaluate: String::new(),
        waiting: board.proposals.values().filter(waits).map(|proposal| proposal.number).collect(),
        missing_key,
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
