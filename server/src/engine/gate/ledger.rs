//! What is known of a task before a candidate is tried: the baseline's record, and what that says about the next trial.

use harness_schema::split::Split;

/// The baseline's trials of one task, as far as a stage reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// Passes.
    pub passes: u32,
    /// Trials that measured something.
    pub valid: u32,
    /// Slots that are not run yet.
    pub pending: u32,
    /// Slots that stay empty: their trials were void again and again.
    pub missing: u32,
}

impl Record {
    /// A record with nothing open.
    #[must_use]
    pub fn of(passes: u32, valid: u32) -> Self {
        Self { passes: passes.min(valid), valid, pending: 0, missing: 0 }
    }

    /// Slots whose outcome nobody knows.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.pending + self.missing
    }

    /// All slots.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.valid + self.open()
    }
}

/// What trials say about the chance to pass: a Beta posterior with the prior of `method` 2.5, which was fitted to public
/// records of agents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// The mean of the chance.
    pub mean: f64,
    /// The mean of `p (1 - p)`: how much one trial varies.
    pub variance: f64,
}

const PRIOR_PASS: f64 = 0.20;
const PRIOR_FAIL: f64 = 0.25;

/// A task of fewer trials is not called flaky.
const FLAKY_TRIALS: u32 = 4;
/// A task that varies less is not called flaky.
const FLAKY_VARIANCE: f64 = 0.10;

impl Chance {
    /// After so many passes in so many trials.
    #[must_use]
    pub fn after(passes: u32, valid: u32) -> Self {
        let passed = PRIOR_PASS + f64::from(passes);
        let failed = PRIOR_FAIL + f64::from(valid.saturating_sub(passes));
        let all = passed + failed;
        Self { mean: passed / all, variance: passed * failed / (all * (all + 1.0)) }
    }

    /// How much one trial varies if the mean is taken for the chance.
    #[must_use]
    pub fn spread(&self) -> f64 {
        self.mean * (1.0 - self.mean)
    }
}

/// Whether a task passes now and then: it stays in the gate, but proves no behaviour.
#[must_use]
pub fn is_flaky(passes: u32, valid: u32) -> bool {
    FLAKY_TRIALS <= valid && FLAKY_VARIANCE < Chance::after(passes, valid).variance
}

/// A task as the gate sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Held-in or held-out; a sealed task is in no stage.
    pub split: Split,
    /// The record that decides.
    pub record: Record,
    /// The chance that orders, from every valid trial of this baseline and its ancestors. It decides nothing.
    pub chance: Chance,
    /// How long a trial is expected to take, in seconds.
    pub seconds: f64,
}

impl Task {
    /// A task of which the baseline's record is all that is known.
    #[must_use]
    pub fn new(id: impl Into<String>, split: Split, record: Record) -> Self {
        let chance = Chance::after(record.passes, record.valid);
        Self { id: id.into(), split, record, chance, seconds: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden values of `method` 2.5.
    #[test]
    fn four_trials_say_what_they_say() {
        for (passes, variance) in [(0, 0.0350), (1, 0.1608), (2, 0.2041), (4, 0.0433)] {
            assert!((Chance::after(passes, 4).variance - variance).abs() < 5e-5, "{passes}");
        }
        for (passes, mean) in [(0, 0.045), (2, 0.494), (4, 0.944)] {
            assert!((Chance::after(passes, 4).mean - mean).abs() < 5e-4, "{passes}");
        }
        assert!(is_flaky(2, 4) && is_flaky(1, 4));
        assert!(!is_flaky(0, 4) && !is_flaky(4, 4) && !is_flaky(1, 2));
    }
}
