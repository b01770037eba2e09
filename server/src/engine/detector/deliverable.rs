//! What the task wants and did not get: M06–M08, M10 and M38. They look at an agent that asks to end.

use super::reading::Reading;
use super::words::base;
use crate::engine::action::Kind;

/// The last step of the agent, for what is not there.
pub(super) fn at_the_end(reading: &Reading) -> Vec<usize> {
    reading.steps.last().map(|step| step.index).into_iter().collect()
}

/// Writes of files, in order: the call's place and the file.
pub(super) fn writes(reading: &Reading) -> impl Iterator<Item = (usize, &str)> {
    let calls = reading.calls.iter().enumerate().filter(|(_, call)| !call.action.is_error);
    calls.flat_map(move |(at, call)| call.action.writes.iter().map(move |file| (at, reading.plain(file))))
}

/// The task's directory, where it is required that something in it changes.
pub(super) const TOP: &str = "./";

/// Whether a file as written is one that is required: the same path, the same from another directory, or below a required one.
pub(super) fn is_same(file: &str, required: &str) -> bool {
    if required == TOP {
        return !file.starts_with(['/', '~']) && !file.starts_with("../");
    }
    if required.ends_with('/') {
        return file.starts_with(required);
    }
    file == required
        || file.ends_with(&format!("/{required}")) && !file.starts_with('/')
        // `cd out && echo > a.txt` writes `out/a.txt`.
        || required.ends_with(&format!("/{file}"))
}

/// M06: nothing was written although the task asks for files.
pub(super) fn no_write(reading: &Reading, _: usize) -> Vec<usize> {
    let is_idle = reading.of_kind(Kind::Write).next().is_none() && !reading.required.is_empty();
    if is_idle { at_the_end(reading) } else { Vec::new() }
}

/// The required paths that no call wrote or named as a target.
pub(super) fn uncreated(reading: &Reading) -> impl Iterator<Item = &String> {
    reading.required.iter().filter(|required| {
        let by_write = writes(reading).any(|(_, file)| is_same(file, required));
        // A program of the agent may write what it is told to.
        let by_program = || {
            let ran =
                reading.calls.iter().filter(|call| !call.action.is_error && !call.action.is(Kind::Read));
            let mut ran = ran.filter(|call| !call.commands.is_empty());
            ran.any(|call| reading.names(call, base(required)))
        };
        !by_write && !by_program()
    })
}

/// M07: a required path was never the target of a write.
pub(super) fn never_created(reading: &Reading, _: usize) -> Vec<usize> {
    if uncreated(reading).next().is_some() { at_the_end(reading) } else { Vec::new() }
}

/// The required paths that no call wrote.
pub(super) fn unwritten(reading: &Reading) -> impl Iterator<Item = &String> {
    reading.required.iter().filter(|required| !writes(reading).any(|(_, file)| is_same(file, required)))
}

/// M08: a file of the same name was written below another directory, the required one was not.
pub(super) fn wrong_place(reading: &Reading, _: usize) -> Vec<usize> {
    let missing: Vec<&String> = unwritten(reading).collect();
    let elsewhere =
        writes(reading).filter(|(_, file)| missing.iter().any(|required| base(file) == base(required)));
    elsewhere.filter_map(|(at, _)| reading.calls.get(at)).map(|call| call.step).collect()
}

/// M10: a required path was written, then truncated, removed or moved, and not written again.
pub(super) fn overwritten(reading: &Reading, _: usize) -> Vec<usize> {
    let mut steps = Vec::new();
    // What is lost below a directory need not be what was made there.
    for required in reading.required.iter().filter(|required| !required.ends_with('/')) {
        let Some(last) = writes(reading).filter(|(_, file)| is_same(file, required)).map(|(at, _)| at).last()
        else {
            continue;
        };
        for call in reading.calls.iter().skip(last).filter(|call| !call.action.is_error) {
            let loses = call.commands.iter().any(|command| {
                let words = command.bare().iter().skip(1).filter(|word| !word.starts_with('-'));
                let files: Vec<&str> = words.map(|word| reading.plain(word)).collect();
                match command.program() {
                    "rm" | "unlink" | "shred" | "truncate" => {
                        files.iter().any(|file| is_same(file, required))
                    }
                    // What is moved is all but the last.
                    "mv" => files.iter().rev().skip(1).any(|file| is_same(file, required)),
                    _ => false,
                }
            });
            if loses {
                steps.push(call.step);
            }
        }
    }
    steps
}

/// M38: the instruction says something to the letter that is in no step of the agent.
pub(super) fn requirement_dropped(reading: &Reading, _: usize) -> Vec<usize> {
    if reading.unnamed.is_empty() { Vec::new() } else { at_the_end(reading) }
}
