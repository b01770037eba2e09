//! Follows a run through the store, as long as somebody works on it: a bar on a terminal, lines elsewhere.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness_schema::split::Split;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use crate::engine::cycle::Cycle;
use crate::engine::plan::{Run, State};
use crate::engine::score::{self, Score};
use crate::engine::verdict::Verdict;
use crate::failure::Failure;
use crate::host::record::EventRecord;
use crate::host::store::{RunState, Store, StoredRun, run_name};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(15);

/// How long a run may have no worker before it counts as abandoned: a worker that starts needs a moment.
const ABANDONED: Duration = Duration::from_secs(5);

/// Where a run stood when it was no longer followed.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The run with everything that happened.
    pub cycle: Cycle,
    /// Where it stands.
    pub state: RunState,
    /// Whether nobody works on it although it is not over.
    pub is_interrupted: bool,
    /// Tasks that cannot be measured, and why.
    pub unfillable: Vec<(String, String)>,
    /// Slots that an earlier trial filled.
    pub reused: usize,
    /// The last event that was taken in.
    last: i64,
}

impl Seen {
    /// Its trials.
    #[must_use]
    pub fn run(&self) -> &Run {
        self.cycle.trials()
    }

    /// A run that somebody else has told.
    #[cfg(test)]
    pub(super) fn of(cycle: Cycle, state: RunState, unfillable: Vec<(String, String)>) -> Self {
        Self { cycle, state, is_interrupted: false, unfillable, reused: 0, last: 0 }
    }
}

/// How often Ctrl-C was pressed.
static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

/// Follows a run until it is over, paused or abandoned. The first Ctrl-C asks the worker to end it, the second at once; the
/// third stops following.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn follow(store: &mut Store, stored: &StoredRun) -> Result<Seen, Failure> {
    let progress = Progress::new(stored.record.slots.len());
    listen();
    let already = INTERRUPTS.load(Ordering::Relaxed);
    let (mut asked, mut alone) = (0, None);
    let mut seen = look_at(store, stored)?;
    loop {
        progress.show(&seen, stored);
        if matches!(seen.state, RunState::Ended | RunState::Paused) {
            progress.finish();
            return Ok(seen);
        }
        let has_worker = store.has_worker().map_err(|error| error.to_failure())?;
        let since: Instant = *alone.get_or_insert_with(Instant::now);
        if has_worker {
            alone = None;
        } else if ABANDONED <= since.elapsed() {
            progress.finish();
            return Ok(Seen { is_interrupted: true, ..seen });
        }
        let interrupts = INTERRUPTS.load(Ordering::Relaxed).saturating_sub(already);
        if asked < interrupts.min(2) {
            store.ask_cancel(stored.number).map_err(|error| error.to_failure())?;
            asked += 1;
            progress.say(match asked {
                1 => "stopping: trials that run have 30 s; press Ctrl-C again to stop them now",
                _ => "stopping now",
            });
        } else if 3 <= interrupts {
            progress.finish();
            return Ok(seen);
        }
        thread::sleep(LOOK);
        look_again(store, stored, &mut seen)?;
    }
}

/// Hears Ctrl-C from now on, once for the process.
fn listen() {
    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        let wait = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    INTERRUPTS.fetch_add(1, Ordering::Relaxed);
                }
            });
        };
        // Without it Ctrl-C ends the command, and the run goes on.
        let _ = thread::Builder::new().name(String::from("ctrl-c")).spawn(wait);
    });
}

/// Where the run of a number stands now.
///
/// # Errors
/// A [`Failure`] if the store cannot be read, or has no such run.
pub fn look(store: &Store, number: i64) -> Result<Seen, Failure> {
    let stored = store.run(number).map_err(|error| error.to_failure())?;
    look_at(store, &stored.ok_or_else(|| gone(number))?)
}

/// Where a run stands now.
///
/// # Errors
/// A [`Failure`] if the store cannot be read.
pub fn look_at(store: &Store, stored: &StoredRun) -> Result<Seen, Failure> {
    let mut seen = Seen {
        cycle: Cycle::new(stored.record.design()),
        state: stored.state,
        is_interrupted: false,
        unfillable: Vec::new(),
        reused: 0,
        last: 0,
    };
    look_again(store, stored, &mut seen)?;
    Ok(seen)
}

/// Takes in what has happened since the last look: a long run is told once, not with every look.
fn look_again(store: &Store, stored: &StoredRun, seen: &mut Seen) -> Result<(), Failure> {
    let Seen { cycle, unfillable, reused, last, .. } = seen;
    let record = &stored.record;
    // The state first: what a run has come to is stored before it, so nobody sees an end without what it came to.
    let state = store.state(stored.number).map_err(|error| error.to_failure())?;
    seen.state = state.ok_or_else(|| gone(stored.number))?;
    let more = store.replay(stored.number, *last, cycle, |event| match event {
        EventRecord::Unfillable { slot, why, .. } => {
            let task = record.slots.get(slot).map(|slot| slot.task.clone()).unwrap_or_default();
            if !unfillable.iter().any(|(other, _)| *other == task) {
                unfillable.push((task, why));
            }
        }
        EventRecord::Reused { .. } => *reused += 1,
        _ => {}
    });
    *last = more.map_err(|error| error.to_failure())?;
    let has_worker = store.has_worker().map_err(|error| error.to_failure())?;
    seen.is_interrupted = seen.state == RunState::Running && !has_worker;
    Ok(())
}

fn gone(number: i64) -> Failure {
    Failure::host(format!("the run {} is gone", run_name(number)), "somebody has removed the store")
}

/// One line about a run that is open: `31/72 trials · held-in 19 pass 8 fail · held-out 4 done · $0.34`.
#[must_use]
pub fn line(seen: &Seen, stored: &StoredRun) -> String {
    let run = seen.run();
    let states = run.states();
    let done = states.iter().filter(|state| matches!(state, State::Filled(_) | State::Missing(_))).count();
    if done == 0 && run.running().next().is_none() && run.finished().is_none() {
        return format!("checking {} tasks before the first trial", tasks(stored));
    }
    let mut parts = vec![format!("{done}/{} trials", states.len())];
    for split in Split::ALL {
        let of_split = run.design().slots.iter().zip(states).filter(|(slot, _)| slot.split == split);
        let verdicts: Vec<Verdict> = of_split
            .filter_map(|(_, state)| if let State::Filled(verdict) = state { Some(*verdict) } else { None })
            .collect();
        let passes = verdicts.iter().filter(|verdict| **verdict == Verdict::Pass).count();
        match split {
            Split::HeldIn if !verdicts.is_empty() => {
                parts.push(format!("held-in {passes} pass {} fail", verdicts.len() - passes));
            }
            // What judges is not shown before it is complete.
            Split::HeldOut | Split::Sealed if !verdicts.is_empty() => {
                parts.push(format!("{} {} done", split.word(), verdicts.len()));
            }
            _ => {}
        }
    }
    if 0 < run.voids() {
        parts.push(format!("{} void", run.voids()));
    }
    let spent = run.spent();
    parts.push(match stored.record.budget.cost {
        Some(most) if spent.cost != Some(0.0) => format!("{} of ${most:.2}", score::money(spent.cost)),
        _ => score::money(spent.cost),
    });
    parts.push(remaining(run, done));
    parts.join(" · ")
}

fn tasks(stored: &StoredRun) -> usize {
    let mut ids: Vec<&str> = stored.record.slots.iter().map(|slot| slot.task.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

fn remaining(run: &Run, done: usize) -> String {
    let paid = run.spent().trials;
    let left = run.states().len().saturating_sub(done);
    if paid < 5 || left == 0 {
        return String::from(if left == 0 { "all done" } else { "time not known yet" });
    }
    let each = run.spent().time.as_secs_f64() / paid as f64;
    format!("about {}", score::time((each * left as f64).ceil() as u64))
}

/// How a run ended, in a sentence: `evaluate finished: held-in 15.5/24 ×2, held-out 7/12 ×2, $1.62, 13 min`.
#[must_use]
pub fn ending(seen: &Seen, stored: &StoredRun) -> String {
    let (run, verb) = (seen.run(), &stored.record.verb);
    let spent = run.spent();
    let done = run.states().iter().filter(|state| matches!(state, State::Filled(_))).count();
    let at = format!("at {done} of {} trials", run.states().len());
    let name = run_name(stored.number);
    if seen.is_interrupted {
        return format!("{verb} interrupted {at}; `self-harness status --resume` goes on ({name})");
    }
    if let Some(why) = run.paused() {
        return format!("{verb} paused {at}: {why}; `self-harness status --resume` goes on ({name})");
    }
    use crate::engine::plan::Finish;
    match run.finished() {
        None => format!("{verb} goes on {at} ({name})"),
        Some(Finish::Cancelled) => {
            format!("{verb} cancelled {at}, {} spent, results are kept ({name})", score::money(spent.cost))
        }
        Some(Finish::Budget(limit)) => {
            format!("{verb} stopped {at}: {}, results are kept ({name})", limit.words())
        }
        Some(Finish::Infrastructure) => {
            format!("{verb} failed {at}: trials were void again and again; results are kept ({name})")
        }
        Some(Finish::ContractBroken) => {
            format!(
                "{verb} failed {at}: a task or the harness changed while it ran; results are kept ({name})"
            )
        }
        Some(Finish::Complete | Finish::NoWeakness | Finish::Stalled | Finish::Rounds) => {
            let mut parts: Vec<String> = match &stored.record.seal {
                None => {
                    Split::ALL.into_iter().filter_map(|split| Some(Score::of(run, split)?.words())).collect()
                }
                Some(seal) => {
                    seen.cycle.reading().map(|reading| reading.words(seal.look)).into_iter().collect()
                }
            };
            if 0 < run.voids() {
                let trials = if run.voids() == 1 { "void trial" } else { "void trials" };
                parts.push(format!("{} {trials} repeated", run.voids()));
            }
            if 0 < seen.reused {
                parts.push(format!("{} of {} trials known before", seen.reused, run.states().len()));
            }
            parts.push(score::money(spent.cost));
            parts.push(score::time(spent.time.as_secs()));
            format!("{verb} finished: {} ({name})", parts.join(", "))
        }
    }
}

struct Progress {
    bar: Option<ProgressBar>,
    said: std::cell::RefCell<(Option<Instant>, String)>,
}

impl Progress {
    fn new(slots: usize) -> Self {
        let bar = terminal::is_interactive().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(5);
            let bar = ProgressBar::with_draw_target(Some(slots as u64), target);
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, said: std::cell::RefCell::new((None, String::new())) }
    }

    fn show(&self, seen: &Seen, stored: &StoredRun) {
        let line = line(seen, stored);
        if let Some(bar) = &self.bar {
            let states = seen.run().states().iter();
            let done = states.filter(|state| matches!(state, State::Filled(_) | State::Missing(_))).count();
            bar.set_position(done as u64);
            bar.set_message(line);
            return;
        }
        let mut said = self.said.borrow_mut();
        if said.0.is_none_or(|at| LINE <= at.elapsed()) && said.1 != line {
            terminal::print_aside(&format!("{line}\n"));
            *said = (Some(Instant::now()), line);
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => terminal::print_aside(&format!("{line}\n")),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The exit code of a command that followed a run.
#[must_use]
pub fn exit_code(seen: &Seen) -> u8 {
    use crate::engine::plan::Finish;
    match seen.run().finished() {
        Some(
            Finish::Complete | Finish::NoWeakness | Finish::Stalled | Finish::Rounds | Finish::Budget(_),
        ) => 0,
        Some(Finish::Cancelled) => 130,
        Some(Finish::Infrastructure) => 4,
        Some(Finish::ContractBroken) => 3,
        None if seen.run().paused().is_some() || seen.is_interrupted => 4,
        None => 0,
    }
}

/// Starts a worker if none is at work, and follows a run; what the person reads at the end.
///
/// # Errors
/// A [`Failure`] if the worker cannot be started or the store cannot be read.
pub fn to_the_end(root: &Path, store: &mut Store, stored: &StoredRun) -> Result<Seen, Failure> {
    crate::host::worker::ensure(root, store, stored.record.key_variable.as_deref())?;
    follow(store, stored)
}
