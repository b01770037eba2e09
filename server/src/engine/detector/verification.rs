//! Agents that do not look at what they did: M11–M17.

use super::deliverable::{at_the_end, no_write};
use super::reading::{CallSeen, Reading};
use super::words::claims_success;
use crate::engine::action::Kind;

/// The last write, with its place.
fn last_write(reading: &Reading) -> Option<(usize, &CallSeen)> {
    reading.of_kind(Kind::Write).next_back()
}

/// M11: no verify call after the last write. One call may do both.
pub(super) fn none_after_last_write(reading: &Reading, _: usize) -> Vec<usize> {
    let Some((at, write)) = last_write(reading) else { return Vec::new() };
    let is_verified = reading.of_kind(Kind::Verify).any(|(verify, _)| at <= verify);
    if is_verified { Vec::new() } else { vec![write.step] }
}

/// M12: something was written, nothing was ever verified.
pub(super) fn never(reading: &Reading, _: usize) -> Vec<usize> {
    if reading.of_kind(Kind::Verify).next().is_some() {
        return Vec::new();
    }
    reading.of_kind(Kind::Write).map(|(_, call)| call.step).collect()
}

/// M13: the last verify call went wrong.
pub(super) fn stopped_on_red(reading: &Reading, _: usize) -> Vec<usize> {
    let last = reading.of_kind(Kind::Verify).next_back();
    last.filter(|(_, call)| call.action.is_error).map(|(_, call)| call.step).into_iter().collect()
}

/// M14: a call went wrong, and none of the next so many calls is about the same thing.
pub(super) fn ignored_exit(reading: &Reading, count: usize) -> Vec<usize> {
    let mut steps = Vec::new();
    for (at, call) in reading.calls.iter().enumerate().filter(|(_, call)| call.action.is_error) {
        let next = reading.calls.get(at + 1..).and_then(|next| next.get(..count)).unwrap_or_default();
        let missing = || call.missing.paths.iter().chain(&call.missing.commands).chain(&call.missing.modules);
        if next.is_empty() || (missing().next().is_none() && reading.names_nothing(call)) {
            continue;
        }
        let returns = |later: &CallSeen| {
            later.norm == call.norm
                || missing().any(|name| reading.names(later, name))
                || reading.share_names(call, later)
        };
        if !next.iter().any(returns) {
            steps.push(call.step);
            steps.extend(next.last().map(|last| last.step));
        }
    }
    steps
}

/// M15: the last call went wrong.
pub(super) fn finished_on_error(reading: &Reading, _: usize) -> Vec<usize> {
    let last = reading.calls.last().filter(|call| call.action.is_error);
    last.map(|call| call.step).into_iter().collect()
}

/// M16: less than a quarter of the steps and of the time was used, and nothing was verified or written. What is not known of
/// the time does not speak against it.
pub(super) fn premature_finish(reading: &Reading, count: usize) -> Vec<usize> {
    let Some(most) = reading.max_steps else { return Vec::new() };
    let is_early = (reading.steps.len() as u64) * 4 < most;
    let has_time = reading.time_used.is_none_or(|used| used < 0.25);
    let is_careless = !never(reading, count).is_empty() || !no_write(reading, count).is_empty();
    if is_early && has_time && is_careless { at_the_end(reading) } else { Vec::new() }
}

/// M17: the last message claims success, and no verify call after the last write went well.
pub(super) fn claim_without_evidence(reading: &Reading, _: usize) -> Vec<usize> {
    let from = last_write(reading).map_or(0, |(at, _)| at);
    let has_evidence = reading.of_kind(Kind::Verify).any(|(at, call)| from <= at && !call.action.is_error);
    let is_claimed = || claims_success(&reading.last_message);
    let last = reading.steps.last().filter(|_| !has_evidence && is_claimed());
    last.map(|last| last.index).into_iter().collect()
}
