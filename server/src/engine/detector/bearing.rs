//! What evidence has to do with the rest of its trial (`method` 3.5): what it names, whether it was made good later, and how
//! much of the trial it took.

use std::collections::BTreeSet;

use harness_schema::detector::Detector;

use super::deliverable::{TOP, uncreated, unwritten};
use super::entities::Entities;
use super::names::keyed;
use super::reading::{CallSeen, Reading};
use super::words::base;
use super::{Evidence, message, names, words};
use crate::engine::action::Kind;

/// Detectors of something that is not there, of an act, or of what the verifier found, which comes after every call (M22, M37):
/// no later call makes them good.
const NEVER_MADE_GOOD: [&str; 11] =
    ["M11", "M12", "M16", "M17", "M19", "M22", "M34", "M35", "M36", "M37", "M38"];

/// Detectors of the end itself; they are never made good either.
const TERMINAL: [&str; 6] = ["M06", "M07", "M13", "M15", "M18", "M26"];

/// So many names are kept of what evidence names.
const MAX_ENTITIES: usize = 64;

/// Paths with their base names, tests, ports, modules and programs that a text names. The line that stands behind a path is
/// not part of it.
#[must_use]
pub fn named_in(text: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = names::entities(&words::without_lines(text)).into_iter().collect();
    let missing = message::Missing::of(text);
    for path in missing.paths {
        all.insert(base(&path).to_owned());
        all.insert(path);
    }
    all.extend(missing.commands.into_iter().chain(missing.modules));
    all.retain(|name| 1 < name.len());
    all
}

/// The paths that a text says are not there.
#[must_use]
pub fn missing_in(text: &str) -> BTreeSet<String> {
    message::Missing::of(text).paths
}

/// The first names in order, each once.
fn keep_first(all: &mut Vec<(u64, &str)>) {
    // Those of a call are in order already, and a stable sort makes use of that.
    all.sort();
    all.dedup();
    all.truncate(MAX_ENTITIES);
}

/// A path as it is named, whole or not.
fn with_base(path: &str) -> [&str; 2] {
    [base(path), path]
}

/// In fewer seconds the clock tells about the machine, not about the agent: whether a step that took one of three seconds was a long
/// one depends on what else was running.
const TELLING: f64 = 60.0;

impl Reading {
    /// What the verifier wants to find is asked for as well (Q), at the end alone. A path that ends in `/` is a directory: any
    /// write below it will do, so that the task's directory itself says that something has to change.
    pub fn require<'a>(&mut self, paths: impl IntoIterator<Item = &'a str>) {
        for path in paths {
            let is_top = path.ends_with('/') && path.trim_end_matches('/') == self.workdir;
            let plain = if is_top { TOP } else { self.plain(path) };
            if !plain.is_empty() && !self.required.iter().any(|path| path == plain) {
                self.required.push(plain.to_owned());
            }
        }
    }

    /// How many steps the agent took.
    #[must_use]
    pub fn count_steps(&self) -> usize {
        self.steps.len()
    }

    fn shown_by<'a>(&'a self, evidence: &'a Evidence) -> impl Iterator<Item = &'a CallSeen> {
        self.calls.iter().filter(|call| evidence.steps.binary_search(&call.step).is_ok())
    }

    /// What evidence names: of its calls, or of what is not there.
    #[must_use]
    pub fn entities(&self, detector: &Detector, evidence: &Evidence) -> Entities {
        let mut all: Vec<(u64, &str)> = Vec::new();
        match detector.id {
            "M06" => all.extend(self.required.iter().flat_map(|path| with_base(path)).map(keyed)),
            "M07" => all.extend(uncreated(self).flat_map(|path| with_base(path)).map(keyed)),
            "M38" => all.extend(self.unnamed.iter().flat_map(|literal| with_base(literal)).map(keyed)),
            _ => {
                if detector.id == "M08" {
                    all.extend(unwritten(self).flat_map(|path| with_base(path)).map(keyed));
                }
                for call in self.shown_by(evidence) {
                    let files = call.action.writes.iter().chain(&call.action.reads);
                    all.extend(files.flat_map(|path| with_base(path)).map(keyed));
                    all.extend(call.missing.paths.iter().flat_map(|path| with_base(path)).map(keyed));
                    let missing = call.missing.commands.iter().chain(&call.missing.modules);
                    all.extend(missing.map(|name| keyed(name)));
                    // They are in order: what comes later is not among the first.
                    all.extend(self.named_by(call).take(MAX_ENTITIES).map(keyed));
                    if 4 * MAX_ENTITIES < all.len() {
                        keep_first(&mut all);
                    }
                }
            }
        }
        keep_first(&mut all);
        Entities::of_sorted(all.iter().map(|(_, name)| *name))
    }

    /// Whether the end of the trial is what the detector has found; such a thing is never made good.
    #[must_use]
    pub fn is_terminal(&self, detector: &Detector, evidence: &Evidence) -> bool {
        TERMINAL.contains(&detector.id) || (detector.id == "M23" && self.is_severe(evidence))
    }

    /// Whether so many calls were malformed that nothing else could come of it (M23): three, or one in ten steps.
    #[must_use]
    pub fn is_severe(&self, evidence: &Evidence) -> bool {
        let malformed = self.shown_by(evidence).filter(|call| !call.is_well_formed).count();
        3 <= malformed || (0 < malformed && self.steps.len() <= malformed * 10)
    }

    /// Whether what went wrong went well later: after the evidence, a call succeeded on each target that failed in it; where
    /// nothing failed in it, on each target of it. What was cut (M28) is made good by a result that is whole.
    #[must_use]
    pub fn is_made_good(&self, detector: &Detector, evidence: &Evidence) -> bool {
        if NEVER_MADE_GOOD.contains(&detector.id) || self.is_terminal(detector, evidence) {
            return false;
        }
        let is_about_cuts = detector.id == "M28";
        let has_failed = self.shown_by(evidence).any(|call| call.action.is_error);
        let is_bad = |call: &&CallSeen| {
            if is_about_cuts { call.truncated } else { call.action.is_error || !has_failed }
        };
        let is_good = |call: &&CallSeen| {
            let is_whole = !call.truncated && !call.action.is(Kind::Write);
            !call.action.is_error && (is_whole || !is_about_cuts)
        };
        let bad = self.shown_by(evidence).filter(is_bad);
        let mut targets: Vec<&str> = bad.map(|call| self.plain(&call.action.target)).collect();
        targets.sort_unstable();
        targets.dedup();
        let last = evidence.last();
        let later = || self.calls.iter().filter(|call| last < call.step).filter(is_good);
        let is_good = |target: &&str| later().any(|call| self.plain(&call.action.target) == *target);
        !targets.is_empty() && targets.iter().all(is_good)
    }

    /// The place of a step among those of the agent, from 0.
    fn place(&self, step: usize) -> usize {
        self.steps.partition_point(|seen| seen.index < step)
    }

    /// Which share of its steps the agent had used before a step.
    pub(super) fn steps_before(&self, step: usize) -> f64 {
        if self.steps.is_empty() { 0.0 } else { self.place(step) as f64 / self.steps.len() as f64 }
    }

    /// Which share of its time the agent had used before a step, where the transcript tells and there was [enough](TELLING) of it.
    pub(super) fn time_before(&self, step: usize) -> Option<f64> {
        let first = self.steps.iter().find_map(|seen| seen.started)?;
        let last = self.steps.iter().rev().find_map(|seen| seen.finished.or(seen.started))?;
        let then = self.steps.get(self.place(step))?.started?;
        (TELLING <= last - first).then(|| (then - first) / (last - first))
    }

    /// Whether the last step of evidence is one of the last 30 %.
    #[must_use]
    pub fn is_late(&self, evidence: &Evidence) -> bool {
        // With the step itself: the last step of any trace is late.
        self.steps.len() * 7 < (self.place(evidence.last()) + 1) * 10
    }

    /// Which share of the trial the steps of evidence took: of its steps, tokens or time, whichever is most.
    #[must_use]
    pub fn share(&self, evidence: &Evidence) -> f64 {
        let is_shown = |index: usize| evidence.steps.binary_search(&index).is_ok();
        let steps = self.steps.iter().filter(|seen| is_shown(seen.index)).count() as f64;
        let tokens = |of: &dyn Fn(usize) -> bool| {
            self.steps.iter().filter(|seen| of(seen.index)).map(|seen| seen.tokens as f64).sum::<f64>()
        };
        let ends = self.steps.iter().skip(1).map(|seen| seen.started).chain([None]);
        let times: Vec<(usize, f64)> = self
            .steps
            .iter()
            .zip(ends)
            .filter_map(|(seen, next)| Some((seen.index, next.or(seen.finished)? - seen.started?)))
            .filter(|(_, time)| 0.0 < *time)
            .collect();
        let time = |of: &dyn Fn(usize) -> bool| {
            times.iter().filter(|(index, _)| of(*index)).map(|(_, time)| time).sum::<f64>()
        };
        let all = |_: usize| true;
        let shares = [
            (steps, self.steps.len() as f64),
            (tokens(&is_shown), tokens(&all)),
            (time(&is_shown), time(&all)),
        ];
        let least = [0.0, 0.0, TELLING];
        let shares = shares.into_iter().zip(least).filter(|((_, all), least)| 0.0 < *all && least <= all);
        shares.map(|((part, all), _)| part / all).fold(0.0, f64::max)
    }
}
