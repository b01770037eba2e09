//! By which rules proposals are compared with the baseline: the modes of the gate (`method` 5.1).

use harness_schema::manifest::{Gate, Improve};

use crate::engine::gate::stage::Course;

/// How strictly, how often, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How strictly a proposal is judged.
    pub gate: Gate,
    /// How often each task is run by the baseline before proposals are compared with it (`R_b`).
    pub baseline: u32,
    /// How often by a candidate that is screened (`R`).
    pub screen: u32,
    /// How often by a candidate that is confirmed (`R_c`).
    pub confirm: u32,
    /// How many proposals are validated in a round (`K`).
    pub proposals: u32,
    /// How many rounds there are at most (`T`).
    pub rounds: u32,
}

/// The gain has to be so many standard errors when a candidate is screened, in the certified mode.
const MARGIN: f64 = 0.5;

/// So many proposals make a union at most, in the certified mode.
const MERGED: usize = 3;

impl Rules {
    /// The rules of a manifest.
    #[must_use]
    pub fn of(improve: &Improve) -> Self {
        let gate = improve.gate.value;
        let (baseline, screen, confirm) = match gate {
            Gate::Certified => (4, 1, 4),
            Gate::Exact => (4, 2, 2),
            Gate::Paper => (2, 2, 2),
        };
        let repeats = &improve.repeats.value;
        Self {
            gate,
            baseline: repeats.baseline.as_ref().map_or(baseline, |written| written.value.max(1)),
            screen: repeats.screen.as_ref().map_or(screen, |written| written.value.max(1)),
            confirm: repeats.confirm.as_ref().map_or(confirm, |written| written.value.max(1)),
            proposals: improve.proposals.value.max(1),
            rounds: improve.rounds.value.max(1),
        }
    }

    /// By how many standard errors a candidate has to gain when it is screened.
    #[must_use]
    pub fn margin(&self) -> Option<f64> {
        (self.gate == Gate::Certified).then_some(MARGIN)
    }

    /// In what order a candidate that is screened is run, and when it stops.
    #[must_use]
    pub fn screening(&self) -> Course {
        match self.gate {
            Gate::Certified | Gate::Exact => Course::Shortest,
            Gate::Paper => Course::Exhaustive,
        }
    }

    /// The same for a candidate that is confirmed.
    #[must_use]
    pub fn confirming(&self) -> Course {
        match self.gate {
            Gate::Certified => Course::Confirming,
            Gate::Exact => Course::Shortest,
            Gate::Paper => Course::Exhaustive,
        }
    }

    /// How often each task is run by the baseline once a candidate is confirmed: fresh trials of both arms meet the same weather.
    #[must_use]
    pub fn topped_up(&self) -> u32 {
        match self.gate {
            Gate::Certified => self.baseline.saturating_mul(2),
            Gate::Exact | Gate::Paper => self.baseline,
        }
    }

    /// Whether one proposal alone, once it is screened, has to be confirmed.
    #[must_use]
    pub fn confirms_one(&self) -> bool {
        self.gate == Gate::Certified
    }

    /// How many proposals make a union at most.
    #[must_use]
    pub fn merged(&self) -> usize {
        match self.gate {
            Gate::Certified => MERGED,
            Gate::Exact | Gate::Paper => usize::MAX,
        }
    }
}
