//! Asks the model once, and says what the trial comes to if there is no answer.

use harness_schema::manifest::Compaction;

use super::Ending;
use super::clock::Clock;
use super::talk::Talk;
use crate::engine::trace::End;
use crate::engine::verdict::VoidCause;
use crate::host::agents::Work;
use crate::host::model::{Answer, CallFailed, Consequence, ModelError, Request, Tool};

/// What came of asking.
enum Asked {
    Answered(Result<Answer, CallFailed>),
    Cancelled,
    OutOfTime,
}

/// The model's answer. A conversation that the provider calls too long is asked again once, with fewer old results, where the
/// harness has them left out.
///
/// # Errors
/// The end of the trial.
pub(super) fn of(work: &Work<'_>, talk: &mut Talk, tools: &[Tool], clock: &Clock) -> Result<Answer, Ending> {
    let elides = work.harness.manifest().runtime.compaction.value == Compaction::ElideOutput;
    let mut may_elide = elides;
    loop {
        let failed = match ask(work, talk, tools, clock) {
            Asked::Answered(Ok(answer)) => return Ok(answer),
            Asked::Answered(Err(failed)) => failed,
            Asked::Cancelled => return Err(cancelled()),
            Asked::OutOfTime => {
                return Err(Ending::judged(End::Time, "the time was over before the model answered"));
            }
        };
        if failed.error.consequence() == Consequence::Context && may_elide && 0 < talk.elide(0.0) {
            may_elide = false;
            continue;
        }
        return Err(ending(&failed));
    }
}

fn ask(work: &Work<'_>, talk: &Talk, tools: &[Tool], clock: &Clock) -> Asked {
    let request = Request { messages: talk.messages(), tools, seed: work.seed };
    let mut waiting = |wait: &crate::host::model::Wait<'_>| clock.stand_still(wait.delay);
    work.runtime.block_on(async {
        tokio::select! {
            biased;
            () = work.cancel.cancelled() => Asked::Cancelled,
            answer = work.client.complete(&request, &mut waiting) => Asked::Answered(answer),
            () = clock.over() => Asked::OutOfTime,
        }
    })
}

/// Somebody wanted the end.
pub(super) fn cancelled() -> Ending {
    Ending::void(End::Killed, VoidCause::KilledOutside, "it was cancelled")
}

/// What a failed call comes to (`formats` 6.2).
fn ending(failed: &CallFailed) -> Ending {
    let said = failed.to_string();
    match failed.error.consequence() {
        Consequence::Void | Consequence::Pause => {
            let hint = failed.error.hint();
            let detail = if hint.is_empty() { said } else { format!("{said}; {hint}") };
            Ending::void(End::Provider, VoidCause::Provider, detail)
        }
        Consequence::Context => Ending::judged(End::Context, said),
        Consequence::Crashed => {
            let why = match &failed.error {
                ModelError::Refused { .. } => String::from("refusal"),
                other => other.to_string(),
            };
            Ending::judged(End::Crashed(why), said)
        }
    }
}
