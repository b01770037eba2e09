//! What is known only once a trial is over: M09, M18, M19, M22 and M37.

use super::deliverable::{at_the_end, is_same, writes};
use super::reading::{CallSeen, Reading};
use super::words::base;
use crate::engine::action::Kind;

/// What else than its trace is known of a trial that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// A limit ended the agent: steps, tokens, money, time or context.
    pub is_limited: bool,
    /// The verifier found nobody where a service should listen.
    pub misses_service: bool,
    /// The verifier could not read a result, or it differs in its form alone.
    pub dislikes_format: bool,
}

/// In fewer steps nothing is late: the first write of three steps that look around is the fourth.
const MIN_STEPS: usize = 10;

/// M09: a required path was written first when 80 % of the steps or of the time were used.
pub(super) fn artifact_late(reading: &Reading, _: &Ending) -> Vec<usize> {
    let mut steps = Vec::new();
    for required in &reading.required {
        let first = writes(reading).find(|(_, file)| is_same(file, required));
        let Some(step) = first.and_then(|(at, _)| reading.calls.get(at)).map(|call| call.step) else {
            continue;
        };
        let is_late = MIN_STEPS <= reading.count_steps() && 0.8 < reading.steps_before(step);
        if is_late || reading.time_before(step).is_some_and(|time| 0.8 < time) {
            steps.push(step);
        }
    }
    steps
}

/// M18: a limit was hit, and at least 60 % of the last 30 % of the calls only looked.
pub(super) fn limit_exploring(reading: &Reading, ending: &Ending) -> Vec<usize> {
    let last = (reading.calls.len() * 3).div_ceil(10);
    let last = reading.calls.iter().rev().take(last);
    let looks = |call: &&CallSeen| call.action.kinds.iter().all(|kind| kind == Kind::Read);
    let reads: Vec<usize> = last.clone().filter(looks).map(|call| call.step).collect();
    let is_exploring = last.len() * 6 <= reads.len() * 10 && !reads.is_empty();
    if ending.is_limited && is_exploring { reads } else { Vec::new() }
}

/// M19: nothing was written before 70 % of the steps were used.
pub(super) fn late_first_write(reading: &Reading, _: &Ending) -> Vec<usize> {
    let first = reading.of_kind(Kind::Write).next().map(|(_, call)| call.step);
    let first = first.filter(|_| MIN_STEPS <= reading.count_steps());
    first.filter(|step| 0.7 < reading.steps_before(*step)).into_iter().collect()
}

/// M22: the verifier found no service; one was started so that it ends with its shell, or was ended.
pub(super) fn service_gone(reading: &Reading, ending: &Ending) -> Vec<usize> {
    const KEEPERS: [&str; 12] = [
        "nohup",
        "setsid",
        "disown",
        "tmux",
        "screen",
        "systemctl",
        "service",
        "supervisord",
        "pm2",
        "docker",
        "daemonize",
        "start-stop-daemon",
    ];
    if !ending.misses_service {
        return Vec::new();
    }
    let is_kept = |call: &CallSeen| {
        call.commands.iter().flat_map(|command| &command.words).any(|word| KEEPERS.contains(&base(word)))
    };
    // What is left running may write its log, and is of that kind then.
    let starts =
        |call: &CallSeen| call.action.is(Kind::Serve) || call.commands.iter().any(|command| command.is_left);
    let Some(first) = reading.calls.iter().position(starts) else { return Vec::new() };
    let unkept = reading.calls.iter().filter(|call| starts(call) && !is_kept(call)).map(|call| call.step);
    let kills = |call: &&CallSeen| {
        call.commands.iter().any(|command| ["kill", "pkill", "killall", "fuser"].contains(&command.program()))
    };
    let killed = reading.calls.iter().skip(first).filter(kills).map(|call| call.step);
    unkept.chain(killed).collect()
}

/// M37: the verifier could not read what was made, or it differs in its form alone: the writes of what is required, else the
/// end.
pub(super) fn output_format(reading: &Reading, ending: &Ending) -> Vec<usize> {
    if !ending.dislikes_format {
        return Vec::new();
    }
    let made =
        writes(reading).filter(|(_, file)| reading.required.iter().any(|required| is_same(file, required)));
    let steps: Vec<usize> = made.filter_map(|(at, _)| reading.calls.get(at)).map(|call| call.step).collect();
    if steps.is_empty() { at_the_end(reading) } else { steps }
}
