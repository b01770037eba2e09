//! Calls that are none, and contexts that fill: M23–M27 and M40.

use super::reading::Reading;

/// M23: so many calls that could not be read or do not fit the tool's schema.
pub(super) fn call_parse(reading: &Reading, count: usize) -> Vec<usize> {
    let malformed = reading.calls.iter().filter(|call| !call.is_well_formed);
    enough(malformed.map(|call| call.step).collect(), count)
}

/// M24: so many calls of a tool that is not offered.
pub(super) fn unknown_tool(reading: &Reading, count: usize) -> Vec<usize> {
    enough(reading.calls.iter().filter(|call| !call.is_offered).map(|call| call.step).collect(), count)
}

/// M25: so many steps of the agent in a row without a call.
pub(super) fn no_action_turns(reading: &Reading, count: usize) -> Vec<usize> {
    let runs = reading.steps.chunk_by(|one, other| !one.has_calls && !other.has_calls);
    let idle = runs.filter(|run| count <= run.len() && run.iter().all(|step| !step.has_calls));
    idle.flatten().map(|step| step.index).collect()
}

/// M26: the provider said that the conversation is too long, or it fills more than 95 % of the window.
pub(super) fn context_overflow(reading: &Reading, _: usize) -> Vec<usize> {
    let is_full = |tokens: u64| reading.window.is_some_and(|window| window * 95 < tokens * 100);
    let full = reading.steps.iter().filter(|step| step.is_too_long || is_full(step.input_tokens));
    full.map(|step| step.index).collect()
}

/// M27: one result has more than 30 kB, or all together have more than 60 % of the window.
pub(super) fn context_flood(reading: &Reading, _: usize) -> Vec<usize> {
    let mut steps: Vec<usize> =
        reading.calls.iter().filter(|call| 30_000 < call.result_bytes).map(|call| call.step).collect();
    let is_flooded = reading.window.is_some_and(|window| window * 60 < reading.result_tokens * 100);
    if is_flooded {
        // What filled it most.
        let largest = reading.calls.iter().max_by_key(|call| call.result_bytes);
        steps.extend(largest.iter().map(|call| call.step));
    }
    steps
}

/// M40: a result ends in a question, and the next call does not answer it.
pub(super) fn interactive_prompt(reading: &Reading, count: usize) -> Vec<usize> {
    let ignored = reading.calls.windows(2).filter_map(|two| match two {
        [asked, next] if asked.asks && !next.answers => Some([asked.step, next.step]),
        _ => None,
    });
    let ignored: Vec<[usize; 2]> = ignored.collect();
    if count <= ignored.len() { ignored.concat() } else { Vec::new() }
}

/// The steps, if there are enough.
pub(super) fn enough(steps: Vec<usize>, count: usize) -> Vec<usize> {
    if count <= steps.len() { steps } else { Vec::new() }
}
