//! The detectors of `method` 3.4 that can be decided while an agent works: on a prefix of its trace (P), or when it asks to
//! end (F), one code for runtime rules and for mining; and once the trial is over (E), for mining alone.
//!
//! ```
//! use harness_schema::detector;
//! use self_harness::engine::detector::{Reading, find};
//! use self_harness::engine::trace::Trace;
//!
//! let reading = Reading::of(&Trace::default(), "/app");
//! let looping = detector::named("loop-consecutive").unwrap();
//! assert_eq!(find(&reading, looping, None), None);
//! ```

pub mod message;
mod marks;
mod words;
mod names;
mod entities;
mod moment;
mod result;
mod reading;
mod loops;
mod protocol;
mod deliverable;
mod verification;
mod environment;
mod after;
mod bearing;

use harness_schema::detector::{Detector, On};

pub use self::after::Ending;
pub use self::bearing::{missing_in, named_in};
pub use self::entities::Entities;
pub use self::reading::Reading;

/// What a detector has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The steps that show it ([`crate::engine::trace::Step::index`]), in order, each once; never empty. For what is *not*
    /// there, the last step of the agent.
    pub steps: Vec<usize>,
}

impl Evidence {
    /// The last step that shows it.
    #[must_use]
    pub fn last(&self) -> usize {
        self.steps.last().copied().unwrap_or_default()
    }
}

/// A rule: the steps that show it, with how many calls, steps or writes it takes.
type Rule = fn(&Reading, usize) -> Vec<usize>;

/// The rules in the order of the detectors' ids, and the number in each, where it has one that a trigger's `count` replaces.
const RULES: [(&str, usize, Rule); 35] = [
    ("M01", 3, loops::identical_fail),
    ("M02", 3, loops::consecutive),
    ("M03", 6, loops::cycle),
    ("M04", 3, loops::stuck_red),
    ("M05", 4, loops::edit_thrash),
    ("M06", 1, deliverable::no_write),
    ("M07", 1, deliverable::never_created),
    ("M08", 1, deliverable::wrong_place),
    ("M10", 1, deliverable::overwritten),
    ("M11", 1, verification::none_after_last_write),
    ("M12", 1, verification::never),
    ("M13", 1, verification::stopped_on_red),
    ("M14", 3, verification::ignored_exit),
    ("M15", 1, verification::finished_on_error),
    ("M16", 1, verification::premature_finish),
    ("M17", 1, verification::claim_without_evidence),
    ("M20", 1, environment::command_timeout),
    ("M21", 1, environment::blocking_foreground),
    ("M23", 1, protocol::call_parse),
    ("M24", 1, protocol::unknown_tool),
    ("M25", 3, protocol::no_action_turns),
    ("M26", 1, protocol::context_overflow),
    ("M27", 1, protocol::context_flood),
    ("M28", 3, environment::truncated_read),
    ("M29", 1, environment::package_install_fail),
    ("M30", 1, environment::command_not_found),
    ("M31", 1, environment::dependency_import),
    ("M32", 1, environment::session_state_lost),
    ("M33", 2, environment::path_hallucination),
    ("M34", 1, environment::write_before_read),
    ("M35", 1, environment::out_of_scope_write),
    ("M36", 1, environment::touched_tests),
    ("M38", 1, deliverable::requirement_dropped),
    ("M39", 5, loops::retry_storm),
    ("M40", 1, protocol::interactive_prompt),
];

/// A rule that needs to know how the trial ended.
type Afterwards = fn(&Reading, &Ending) -> Vec<usize>;

/// The rules of detectors that are known only after the end, in the order of their ids.
const AFTERWARDS: [(&str, Afterwards); 5] = [
    ("M09", after::artifact_late),
    ("M18", after::limit_exploring),
    ("M19", after::late_first_write),
    ("M22", after::service_gone),
    ("M37", after::output_format),
];

/// Whether the trace of a trial that is over shows what a detector looks for, whenever it could have been decided.
#[must_use]
pub fn find_after(reading: &Reading, detector: &Detector, ending: &Ending) -> Option<Evidence> {
    if detector.on != On::End {
        return find(reading, detector, None);
    }
    let at = AFTERWARDS.binary_search_by_key(&number(detector.id), |(id, _)| number(id)).ok()?;
    let (_, rule) = AFTERWARDS.get(at)?;
    evidence(rule(reading, ending))
}

/// The bytes of an id as a number, which sorts as it does: numbers are compared faster, and every detector is asked of every trace.
fn number(id: &str) -> u32 {
    id.bytes().fold(0, |number, byte| number << 8 | u32::from(byte))
}

fn evidence(mut steps: Vec<usize>) -> Option<Evidence> {
    steps.sort_unstable();
    steps.dedup();
    (!steps.is_empty()).then_some(Evidence { steps })
}

/// Whether a trace shows what a detector looks for. `count` replaces the number of calls, steps or writes in its rule. For
/// detectors with [`On::Finish`] the trace is taken as that of an agent that asks to end; those with [`On::End`] find nothing.
#[must_use]
pub fn find(reading: &Reading, detector: &Detector, count: Option<u32>) -> Option<Evidence> {
    if detector.on == On::End {
        return None;
    }
    let at = RULES.binary_search_by_key(&number(detector.id), |(id, ..)| number(id)).ok()?;
    let (_, own, rule) = RULES.get(at)?;
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(*own);
    evidence(rule(reading, count.max(1)))
}

#[cfg(test)]
mod tests;
