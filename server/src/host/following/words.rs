//! What is said of a run while it is followed, and when it is over.

use harness_schema::split::Split;

use super::Seen;
use crate::engine::board::UNCONFINED;
use crate::engine::cycle::{Cycle, Decision, Goal};
use crate::engine::plan::{Finish, Run, State};
use crate::engine::report::standing::Standing;
use crate::engine::report::words;
use crate::engine::score::{self, Score};
use crate::engine::verdict::Verdict;
use crate::host::store::{StoredRun, run_name};

/// One line about a run that is open: `31/72 trials · held-in 19 pass 8 fail · held-out 4 done · $0.34`.
#[must_use]
pub fn line(seen: &Seen, stored: &StoredRun) -> String {
    let line = how_far(seen, stored);
    if stored.record.is_confined() { line } else { format!("{UNCONFINED} · {line}") }
}

fn how_far(seen: &Seen, stored: &StoredRun) -> String {
    let run = seen.run();
    let states = run.states();
    let done = states.iter().filter(|state| matches!(state, State::Filled(_) | State::Missing(_))).count();
    if done == 0 && run.running().next().is_none() && run.finished().is_none() {
        return format!("checking {} tasks before the first trial", tasks(stored));
    }
    if stored.record.goal() != Goal::Evaluate && seen.cycle.phase() != "baseline" {
        return improving(seen, stored, done);
    }
    let mut parts = vec![format!("{done}/{} trials", states.len())];
    for split in Split::ALL {
        let of_split = run.design().slots.iter().zip(states).filter(|(slot, _)| slot.split == split);
        let verdicts: Vec<Verdict> = of_split
            .filter_map(|(_, state)| if let State::Filled(verdict) = state { Some(*verdict) } else { None })
            .collect();
        let passes = verdicts.iter().filter(|verdict| **verdict == Verdict::Pass).count();
        match split {
            Split::HeldIn if !verdicts.is_empty() => {
                parts.push(format!("held-in {passes} pass {} fail", verdicts.len() - passes));
            }
            // What judges is not shown before it is complete.
            Split::HeldOut | Split::Sealed if !verdicts.is_empty() => {
                parts.push(format!("{} {} done", split.word(), verdicts.len()));
            }
            _ => {}
        }
    }
    if 0 < run.voids() {
        parts.push(format!("{} void", run.voids()));
    }
    parts.push(paid(run, stored));
    parts.push(remaining(run, done));
    parts.join(" · ")
}

fn paid(run: &Run, stored: &StoredRun) -> String {
    let spent = run.spent();
    match stored.record.budget.cost {
        Some(most) if spent.cost != Some(0.0) => format!("{} of ${most:.2}", score::money(spent.cost)),
        _ => score::money(spent.cost),
    }
}

/// What a run is at between two measurements: `round 1 of 10 · screening 4 proposals · 181 trials · $0.34 · 6 min`. How a candidate
/// does is not told before it is decided.
fn improving(seen: &Seen, stored: &StoredRun, done: usize) -> String {
    let cycle = &seen.cycle;
    let proposals = |count: usize| match count {
        1 => String::from("1 proposal"),
        count => format!("{count} proposals"),
    };
    let (stages, run) = (cycle.stages(), seen.run());
    let what = match (cycle.phase(), stages.as_slice()) {
        ("screening", stages) => format!("screening {}", proposals(stages.len())),
        ("confirming", [(arm, _)]) => {
            let members = cycle.arms().get(*arm).map_or(0, |arm| arm.members.len());
            format!("confirming {}", proposals(members))
        }
        ("proposing", _) => String::from("asking for proposals"),
        (phase, _) => phase.to_owned(),
    };
    let mut parts = Vec::new();
    if stored.record.goal() == Goal::Improve {
        parts.push(format!("round {} of {}", cycle.round() + 1, cycle.design().rules.rounds));
    }
    parts.push(what);
    parts.push(format!("{done} trials"));
    if 0 < run.voids() {
        parts.push(format!("{} void", run.voids()));
    }
    parts.push(paid(run, stored));
    parts.push(score::time(run.spent().time.as_secs()));
    parts.join(" · ")
}

fn tasks(stored: &StoredRun) -> usize {
    let mut ids: Vec<&str> = stored.record.slots.iter().map(|slot| slot.task.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

fn remaining(run: &Run, done: usize) -> String {
    let paid = run.spent().trials;
    let left = run.states().len().saturating_sub(done);
    if paid < 5 || left == 0 {
        return String::from(if left == 0 { "all done" } else { "time not known yet" });
    }
    let each = run.spent().time.as_secs_f64() / paid as f64;
    format!("about {}", score::time((each * left as f64).ceil() as u64))
}

/// A run that somebody works on, in a sentence. It says nothing of what the run came to, even where that is stored already.
#[must_use]
pub fn going_on(seen: &Seen, stored: &StoredRun) -> String {
    let states = seen.run().states();
    let done = states.iter().filter(|state| matches!(state, State::Filled(_))).count();
    format!("{} goes on at {done} of {} trials ({})", stored.record.verb, states.len(), named(stored))
}

/// A run's name, and that nothing confines it.
fn named(stored: &StoredRun) -> String {
    let name = run_name(stored.number);
    if stored.record.is_confined() { name } else { format!("{name}, {UNCONFINED}") }
}

/// How a run ended, in a sentence: `evaluate finished: held-in 15.5/24 ×2, held-out 7/12 ×2, $1.62, 13 min`.
#[must_use]
pub fn ending(seen: &Seen, stored: &StoredRun) -> String {
    let (run, verb) = (seen.run(), &stored.record.verb);
    let spent = run.spent();
    let done = run.states().iter().filter(|state| matches!(state, State::Filled(_))).count();
    let at = format!("at {done} of {} trials", run.states().len());
    let name = named(stored);
    if seen.is_interrupted {
        return format!("{verb} interrupted {at}; `self-harness status --resume` goes on ({name})");
    }
    if let Some(why) = run.paused() {
        return format!("{verb} paused {at}: {why}; `self-harness status --resume` goes on ({name})");
    }
    match run.finished() {
        None => going_on(seen, stored),
        Some(Finish::Cancelled) => {
            format!("{verb} cancelled {at}, {} spent, results are kept ({name})", score::money(spent.cost))
        }
        Some(Finish::Budget(limit)) => {
            format!("{verb} stopped {at}: {}, results are kept ({name})", limit.words())
        }
        Some(Finish::Infrastructure) => {
            format!("{verb} failed {at}: trials were void again and again; results are kept ({name})")
        }
        Some(Finish::ContractBroken) => {
            format!(
                "{verb} failed {at}: a task or the harness changed while it ran; results are kept ({name})"
            )
        }
        Some(Finish::Complete | Finish::NoWeakness | Finish::Stalled | Finish::Rounds) => {
            let mut parts = match stored.record.goal() {
                // What it took was paid elsewhere.
                Goal::Import => return format!("{verb} finished: {} ({name})", evidence(seen, stored)),
                Goal::Evaluate => measured(seen),
                Goal::Seal => read(seen, stored),
                goal => improved(seen, goal),
            };
            parts.push(score::money(spent.cost));
            parts.push(score::time(spent.time.as_secs()));
            let how = if seen.is_undecided() { "undecided" } else { "finished" };
            format!("{verb} {how}: {} ({name})", parts.join(", "))
        }
    }
}

/// What came of the one reading of sealed tasks, and what else there is to say.
fn read(seen: &Seen, stored: &StoredRun) -> Vec<String> {
    let look = stored.record.seal.as_ref().map_or(1, |seal| seal.look);
    let read = seen.cycle.reading().map(|reading| reading.words(look));
    read.into_iter().chain(asides(seen)).collect()
}

/// What was imported. It is evidence and no score, so passes are not set against anything.
fn evidence(seen: &Seen, stored: &StoredRun) -> String {
    let states = seen.run().states();
    let failed = states.iter().filter(|state| matches!(state, State::Filled(Verdict::Fail))).count();
    let trials = words::plural(states.len() as u64, "trial", "trials");
    let tasks = words::plural(tasks(stored) as u64, "task", "tasks");
    let form = seen.imported.as_deref().unwrap_or("another program");
    format!("{trials} of {tasks} from {form}, {failed} failed; evidence, no score")
}

/// The scores of an evaluation, and what else there is to say.
fn measured(seen: &Seen) -> Vec<String> {
    let run = seen.run();
    let scores = Split::ALL.into_iter().filter_map(|split| Some(Score::of(run, split)?.words()));
    let nothing = nothing_left(run).then(|| String::from("nothing left to learn from these tasks"));
    scores.chain(nothing).chain(asides(seen)).collect()
}

/// Whether every held-in task was passed each time: there is no failure to learn from.
#[must_use]
pub fn nothing_left(run: &Run) -> bool {
    let held_in = score::tally(run, Split::HeldIn);
    !held_in.is_empty()
        && held_in.values().all(|tally| tally.passes == tally.valid && 0 < tally.valid && tally.open == 0)
}

/// How many trials were repeated, and how many were known before.
fn asides(seen: &Seen) -> Vec<String> {
    let run = seen.run();
    let mut parts = Vec::new();
    if 0 < run.voids() {
        let trials = if run.voids() == 1 { "void trial" } else { "void trials" };
        parts.push(format!("{} {trials} repeated", run.voids()));
    }
    if 0 < seen.reused {
        parts.push(format!("{} of {} trials known before", seen.reused, run.states().len()));
    }
    parts
}

/// What came of proposals.
fn improved(seen: &Seen, goal: Goal) -> Vec<String> {
    let cycle = &seen.cycle;
    let mut tried: Vec<u32> = cycle.arms().iter().flat_map(|arm| arm.members.iter().copied()).collect();
    tried.sort_unstable();
    tried.dedup();
    let count = |count: usize| format!("{count} {}", if count == 1 { "proposal" } else { "proposals" });
    if goal == Goal::Propose {
        return vec![match tried.len() {
            0 if seen.is_mined => String::from("no proposal came through, see the report"),
            0 => String::from("there is no weakness that an edit could help with"),
            proposals => format!("{} {} to be validated", count(proposals), waits(proposals)),
        }];
    }
    let accepted = cycle.decisions().values().filter(|decision| **decision == Decision::Accepted).count();
    let mut parts = vec![match (tried.len(), seen.run().finished()) {
        (0, Some(Finish::NoWeakness)) => {
            String::from("there is no weakness that an edit could help with, the harness is unchanged")
        }
        (all, _) if seen.is_undecided() => {
            let open = cycle.decisions().values().filter(|of| matches!(of, Decision::Undecided(_)));
            let why = open.clone().next().map_or("", |decision| decision.words());
            format!("{} of {} undecided, {why}", open.count(), count(all))
        }
        (all, _) if accepted == 0 => format!("0 of {} accepted, the harness is unchanged", count(all)),
        (all, _) => format!("{accepted} of {} accepted", count(all)),
    }];
    if cycle.working() != 0 {
        parts.extend([Split::HeldIn, Split::HeldOut].into_iter().map(|split| gain(cycle, split)));
    }
    if let Some(Finish::Stalled) = seen.run().finished() {
        parts.push(String::from("three rounds in a row brought nothing"));
    }
    parts
}

fn waits(count: usize) -> &'static str {
    if count == 1 { "waits" } else { "wait" }
}

/// From the harness that the run began with to the one that came out of it, on the tasks that both were measured on:
/// `held-in 7.4→9.1/14`.
fn gain(cycle: &Cycle, split: Split) -> String {
    let (before, after) = (Standing::of(cycle, 0), Standing::of(cycle, cycle.working()));
    if let Some(point) = after.point(split).filter(|point| point.bounds().is_some()) {
        return format!("{} {}", split.word(), words::claim(&point));
    }
    let (before, after, tasks) = after.beside(&before, split);
    format!("{} {}→{}/{tasks}", split.word(), score::number(before), score::number(after))
}

#[cfg(test)]
mod tests;
