//! How often detectors find something in failed trials and in passed ones: which of them are habits of a harness, and which tell
//! nothing about failure (`method` 3.6).

use harness_schema::detector::{DETECTORS, Detector};

use crate::engine::signature::{Finding, Seen, Signature, Status};

/// With fewer trials of either kind nothing is set aside.
const MIN_TRIALS: usize = 10;

/// Whether a mechanism comes after others although it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aside {
    /// It does not.
    No,
    /// It is found in four of five trials and more, whatever comes of them.
    Habit,
    /// It is found less often in failed trials than in passed ones.
    Uninformative,
}

/// How often a detector found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Which.
    pub detector: &'static Detector,
    /// In so many failed trials.
    pub failed: usize,
    /// Of so many.
    pub of_failed: usize,
    /// In so many passed trials.
    pub passed: usize,
    /// Of so many.
    pub of_passed: usize,
}

/// How often each detector found something in the held-in trials of one harness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firings {
    /// Each detector once, by id.
    pub all: Vec<Firing>,
}

impl Firing {
    /// How much more often it is found in failed trials than in passed ones; both counts are smoothed by a half.
    #[must_use]
    pub fn lift(&self) -> f64 {
        let rate = |found: usize, of: usize| (found as f64 + 0.5) / (of as f64 + 1.0);
        rate(self.failed, self.of_failed) / rate(self.passed, self.of_passed)
    }

    /// Whether it comes after others.
    #[must_use]
    pub fn aside(&self) -> Aside {
        let is_most = |found: usize, of: usize| of * 4 <= found * 5;
        if self.of_failed < MIN_TRIALS || self.of_passed < MIN_TRIALS {
            Aside::No
        } else if is_most(self.failed, self.of_failed) && is_most(self.passed, self.of_passed) {
            Aside::Habit
        } else if self.lift() < 1.0 {
            Aside::Uninformative
        } else {
            Aside::No
        }
    }
}

impl Firings {
    /// Counts them.
    #[must_use]
    pub(super) fn of(trials: &[&Seen]) -> Self {
        let of_passed = trials.iter().filter(|seen| seen.cause.is_none()).count();
        let of_failed = trials.len() - of_passed;
        let mut all: Vec<Firing> = DETECTORS
            .iter()
            .map(|detector| Firing { detector, failed: 0, of_failed, passed: 0, of_passed })
            .collect();
        for seen in trials {
            for finding in &seen.findings {
                let firing = all.iter_mut().find(|firing| firing.detector.id == finding.detector.id);
                if let Some(firing) = firing {
                    *if seen.cause.is_some() { &mut firing.failed } else { &mut firing.passed } += 1;
                }
            }
        }
        Self { all }
    }

    /// Of one detector.
    #[must_use]
    pub fn of_detector(&self, detector: &Detector) -> Option<&Firing> {
        self.all.iter().find(|firing| firing.detector.id == detector.id)
    }

    /// Whether a detector comes after others.
    #[must_use]
    pub fn aside(&self, detector: &Detector) -> Aside {
        self.of_detector(detector).map_or(Aside::No, Firing::aside)
    }

    /// The detectors that are habits of the harness, by id.
    pub fn habits(&self) -> impl Iterator<Item = &'static Detector> {
        self.all.iter().filter(|firing| firing.aside() == Aside::Habit).map(|firing| firing.detector)
    }

    /// The finding that says most about a trial: what is not set aside, is closest to the failure, and of the least tier.
    #[must_use]
    pub fn top<'a>(&self, seen: &'a Seen) -> Option<&'a Finding> {
        seen.findings.iter().min_by_key(|finding| {
            let detector = finding.detector;
            (self.aside(detector), finding.status, detector.tier, detector.id)
        })
    }

    /// How a trial failed; none if it passed.
    #[must_use]
    pub fn signature(&self, seen: &Seen) -> Option<Signature> {
        let cause = seen.cause?;
        let top = self.top(seen);
        let status = top.map_or(Status::Undetermined, |finding| finding.status);
        Some(Signature { cause, status, mechanism: top.map(|finding| finding.detector) })
    }
}
