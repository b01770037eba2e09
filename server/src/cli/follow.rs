//! Follows a run through the store, as long as somebody works on it: a bar on a terminal, lines elsewhere.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal;
use crate::engine::plan::State;
use crate::failure::Failure;
use crate::host::following::{ABANDONED, Seen, line, look_again, look_at};
use crate::host::store::{RunState, Store, StoredRun};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(15);

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
            seen.is_interrupted = true;
            return Ok(seen);
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

/// How often Ctrl-C was pressed; it is heard from the first question on.
pub fn interrupts() -> u32 {
    listen();
    INTERRUPTS.load(Ordering::Relaxed)
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
            // A run that tries proposals does not know beforehand how many trials it takes.
            bar.set_length(seen.run().states().len() as u64);
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
        Some(Finish::Complete | Finish::Rounds | Finish::Stalled) if seen.is_undecided() => 1,
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
