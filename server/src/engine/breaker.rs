//! The circuit breaker: when the machine or the provider fails, trials stop instead of piling up voids. It counts voids only; a
//! harness that fails every task is measured as it is. Rules of `method` 2.3. Time comes in from outside.

use std::collections::VecDeque;
use std::time::Duration;

/// So many voids in a row open it.
const IN_A_ROW: usize = 5;

/// Or more than this share of the last attempts.
const SHARE: f64 = 0.2;

/// So many attempts are remembered.
const REMEMBERED: usize = 25;

/// Voids of one task alone are that task's.
const LEAST_TASKS: usize = 2;

/// How long it stays open before one trial may try again, at first.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// And at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// Opening so often ends the run.
const LAST_OPENING: u32 = 4;

/// The retries of a void slot come after so long.
pub const RETRY_AFTER: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(20), Duration::from_secs(80)];

/// The breaker of a run.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// The last attempts: the task, and whether it was void.
    last: VecDeque<(String, bool)>,
    openings: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// Until then nothing starts.
    Open(Duration),
    /// One trial tries.
    Probing,
    /// For good.
    Ended,
}

/// What may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Any trial.
    Any,
    /// One trial of the baseline, which tries whether all is well again.
    Probe,
    /// Nothing before this time.
    Nothing {
        /// Since the start of the run.
        until: Duration,
    },
    /// Nothing while the probe runs.
    Waiting,
    /// Nothing any more: the run ends for want of infrastructure.
    Ended,
}

impl Breaker {
    /// What may start at a time since the start of the run. A probe that is permitted counts as started.
    pub fn ask(&mut self, now: Duration) -> Permission {
        match self.state {
            State::Closed => Permission::Any,
            State::Open(until) if now < until => Permission::Nothing { until },
            State::Open(_) => {
                self.state = State::Probing;
                Permission::Probe
            }
            State::Probing => Permission::Waiting,
            State::Ended => Permission::Ended,
        }
    }

    /// Whether nothing may start for now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    /// An attempt ended.
    pub fn ended(&mut self, task: &str, is_void: bool, now: Duration) {
        if self.state == State::Probing && !is_void {
            self.last.clear();
            self.state = State::Closed;
            return;
        }
        self.last.push_back((task.to_owned(), is_void));
        if REMEMBERED < self.last.len() {
            self.last.pop_front();
        }
        let fails_again = self.state == State::Probing;
        if fails_again || (self.state == State::Closed && self.trips()) {
            self.open(now);
        }
    }

    fn open(&mut self, now: Duration) {
        self.openings += 1;
        if LAST_OPENING <= self.openings {
            self.state = State::Ended;
            return;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << (self.openings - 1).min(8));
        self.state = State::Open(now.saturating_add(doubled.min(LONGEST_WAIT)));
    }

    fn trips(&self) -> bool {
        let several = |voids: &mut dyn Iterator<Item = &(String, bool)>| {
            let mut tasks: Vec<&str> = voids.map(|(task, _)| task.as_str()).collect();
            tasks.sort_unstable();
            tasks.dedup();
            LEAST_TASKS <= tasks.len()
        };
        let row = self.last.iter().rev().take_while(|(_, is_void)| *is_void).count();
        if IN_A_ROW <= row && several(&mut self.last.iter().rev().take(row)) {
            return true;
        }
        let voids = self.last.iter().filter(|(_, is_void)| *is_void).count();
        REMEMBERED <= self.last.len()
            && SHARE * REMEMBERED as f64 + f64::EPSILON < voids as f64
            && several(&mut self.last.iter().filter(|(_, is_void)| *is_void))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::ZERO;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn voids_of_several_tasks_in_a_row_open_it_and_a_probe_closes_it() {
        let mut breaker = Breaker::default();
        for task in ["a", "b", "a", "b"] {
            breaker.ended(task, true, START);
            assert_eq!(breaker.ask(START), Permission::Any);
        }
        breaker.ended("a", true, seconds(10));
        assert_eq!(breaker.ask(seconds(69)), Permission::Nothing { until: seconds(70) });
        assert_eq!(breaker.ask(seconds(70)), Permission::Probe);
        assert_eq!(breaker.ask(seconds(71)), Permission::Waiting);
        breaker.ended("a", false, seconds(80));
        assert_eq!(breaker.ask(seconds(80)), Permission::Any);
    }

    #[test]
    fn voids_of_one_task_are_that_tasks() {
        let mut breaker = Breaker::default();
        for _ in 0..40 {
            breaker.ended("a", true, START);
        }
        assert_eq!(breaker.ask(START), Permission::Any);
    }

    #[test]
    fn more_than_a_fifth_of_the_last_attempts_opens_it() {
        let run = |voids: usize| {
            let mut breaker = Breaker::default();
            for at in 0..REMEMBERED {
                let is_void = at % 4 == 0 && at / 4 < voids;
                breaker.ended(if at % 8 == 0 { "a" } else { "b" }, is_void, START);
            }
            breaker.is_open()
        };
        assert!(!run(5));
        assert!(run(6));
    }

    #[test]
    fn waiting_doubles_and_the_fourth_opening_ends_the_run() {
        let mut breaker = Breaker::default();
        for task in ["a", "b", "c", "d", "e"] {
            breaker.ended(task, true, START);
        }
        let mut now = START;
        for wait in [60, 120, 240] {
            assert_eq!(breaker.ask(now), Permission::Nothing { until: now + seconds(wait) });
            now += seconds(wait);
            assert_eq!(breaker.ask(now), Permission::Probe);
            breaker.ended("a", true, now);
        }
        assert_eq!(breaker.ask(now + seconds(100_000)), Permission::Ended);
    }

    proptest! {
        #[test]
        fn failures_never_open_it(tasks in prop::collection::vec("[a-d]", 0..80)) {
            let mut breaker = Breaker::default();
            for task in tasks {
                breaker.ended(&task, false, START);
                prop_assert_eq!(breaker.ask(START), Permission::Any);
            }
        }
    }
}
