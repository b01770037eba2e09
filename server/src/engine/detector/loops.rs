//! Agents that do the same again: M01–M05 and M39.

use std::collections::BTreeMap;

use super::message::template_id;
use super::reading::{CallSeen, Content, Reading};
use crate::engine::action::{Command, Kind};

/// M01: so many calls with the same norm, all of which went wrong.
pub(super) fn identical_fail(reading: &Reading, count: usize) -> Vec<usize> {
    let mut by_norm: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for call in reading.calls.iter().filter(|call| call.action.is_error) {
        by_norm.entry(call.norm).or_default().push(call.step);
    }
    by_norm.into_values().filter(|steps| count <= steps.len()).flatten().collect()
}

/// M02: so many calls in a row with the same tool and arguments.
pub(super) fn consecutive(reading: &Reading, count: usize) -> Vec<usize> {
    runs(&reading.calls, |_, other| other.repeats, count)
}

/// The steps of all runs of neighbours that are the same, and long enough.
fn runs(calls: &[CallSeen], is_same: impl Fn(&CallSeen, &CallSeen) -> bool, count: usize) -> Vec<usize> {
    let runs = calls.chunk_by(is_same).filter(|run| count <= run.len());
    runs.flatten().map(|call| call.step).collect()
}

/// M03: so many calls in a row that repeat with period 2 or 3. Period 1 is M02.
pub(super) fn cycle(reading: &Reading, count: usize) -> Vec<usize> {
    let norms: Vec<usize> = reading.calls.iter().map(|call| call.norm).collect();
    let mut steps = Vec::new();
    for period in [2, 3] {
        // A cycle is seen once it comes round.
        let length = count.max(2 * period);
        for (at, window) in norms.windows(length).enumerate() {
            let shifted = window.get(period..).unwrap_or_default();
            let repeats = window.iter().zip(shifted).all(|(one, other)| one == other);
            let is_constant = window.iter().all(|norm| Some(norm) == window.first());
            if repeats && !is_constant {
                steps.extend(reading.calls.iter().skip(at).take(length).map(|call| call.step));
            }
        }
    }
    steps
}

/// M04: the last so many verify calls went wrong with the same message.
pub(super) fn stuck_red(reading: &Reading, count: usize) -> Vec<usize> {
    let last: Vec<&CallSeen> =
        reading.of_kind(Kind::Verify).map(|(_, call)| call).rev().take(count).collect();
    if last.len() < count {
        return Vec::new();
    }
    let mut errors = last.iter().map(|call| call.error.as_deref());
    let Some(Some(first)) = errors.next() else { return Vec::new() };
    let template = template_id(first);
    let is_stuck =
        errors.all(|error| error.is_some_and(|error| error == first || template_id(error) == template));
    if is_stuck { last.iter().map(|call| call.step).collect() } else { Vec::new() }
}

/// M05: one file was written so many times, or what is in it came back.
pub(super) fn edit_thrash(reading: &Reading, count: usize) -> Vec<usize> {
    let mut writes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut contents: BTreeMap<&str, Vec<(usize, &Content)>> = BTreeMap::new();
    for call in reading.calls.iter().filter(|call| !call.action.is_error) {
        for file in &call.action.writes {
            let steps = writes.entry(reading.plain(file)).or_default();
            // Several commands of one call are one write.
            if steps.last() != Some(&call.step) {
                steps.push(call.step);
            }
        }
        if let Some((file, content)) = &call.content {
            contents.entry(reading.plain(file)).or_default().push((call.step, content));
        }
    }
    let mut steps: Vec<usize> = writes.into_values().filter(|steps| count <= steps.len()).flatten().collect();
    for contents in contents.values() {
        for three in contents.windows(3) {
            let [(first, a), (second, b), (third, c)] = three else { continue };
            if matches!(a, Content::Whole(_)) && a == c && a != b {
                steps.extend([*first, *second, *third]);
            }
        }
        for two in contents.windows(2) {
            let [(first, Content::Replaced(old, new)), (second, Content::Replaced(again, back))] = two else {
                continue;
            };
            if old == back && new == again && old != new {
                steps.extend([*first, *second]);
            }
        }
    }
    steps
}

/// M39: so many calls in a row that try the network with the same program, and fail.
pub(super) fn retry_storm(reading: &Reading, count: usize) -> Vec<usize> {
    const NETWORK: [&str; 14] = [
        "curl", "wget", "pip", "pip3", "apt", "apt-get", "npm", "git", "ping", "nc", "ssh", "telnet", "go",
        "cargo",
    ];
    fn program(call: &CallSeen) -> Option<&str> {
        call.commands.iter().map(Command::program).find(|program| NETWORK.contains(program))
    }
    let programs: Vec<Option<&str>> =
        reading.calls.iter().map(|call| program(call).filter(|_| call.action.is_error)).collect();
    let mut steps = Vec::new();
    let mut at = 0;
    for run in programs.chunk_by(|one, other| one.is_some() && one == other) {
        if count <= run.len() {
            steps.extend(reading.calls.iter().skip(at).take(run.len()).map(|call| call.step));
        }
        at += run.len();
    }
    // A run of one is none of calls without the network.
    if count == 1 {
        let failed = reading.calls.iter().zip(&programs).filter(|(_, program)| program.is_some());
        return failed.map(|(call, _)| call.step).collect();
    }
    steps
}
