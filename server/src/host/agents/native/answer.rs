//! Asks the model once, and says what the trial comes to if there is no answer.

use harness_schema::manifest::Compaction;

use super::Ending;
use super::clock::Clock;
use super::talk::Talk;
use crate::engine::trace::End;
use crate::engine::verdict::VoidCause;
use crate::host::agents::Work;
use crate::host::model::{Answer, CallFailed, Consequence, ModelError, Request, Tool, Wait};

/// The model's answer. A conversation that the provider calls too long is asked again once, with fewer old results, where the
/// harness has them left out.
///
/// # Errors
/// The end of the trial.
pub(super) fn of(work: &Work<'_>, talk: &mut Talk, tools: &[Tool], clock: &Clock) -> Result<Answer, Ending> {
    let mut may_elide = work.harness.manifest().runtime.compaction.value == Compaction::ElideOutput;
    loop {
        let failed = match ask(work, talk, tools, clock)? {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        if failed.error.consequence() == Consequence::Context && may_elide && 0 < talk.elide(0.0) {
            may_elide = false;
            continue;
        }
        return Err(ending(&failed));
    }
}

/// What came of asking, if nothing ended the trial first.
fn ask(
    work: &Work<'_>,
    talk: &Talk,
    tools: &[Tool],
    clock: &Clock,
) -> Result<Result<Answer, CallFailed>, Ending> {
    let request = Request { messages: talk.messages(), tools, seed: work.seed };
    let mut waiting = |wait: &Wait<'_>| clock.stand_still(wait.delay);
    work.runtime.block_on(async {
        tokio::select! {
            biased;
            () = work.cancel.cancelled() => Err(cancelled()),
            answer = work.client.complete(&request, &mut waiting) => Ok(answer),
            () = clock.over() => Err(Ending::judged(End::Time, "the time was over before the model answered")),
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
        consequence @ (Consequence::Void | Consequence::Pause) => {
            let hint = failed.error.hint();
            let detail = if hint.is_empty() { said } else { format!("{said}; {hint}") };
            let pauses = consequence == Consequence::Pause;
            Ending { pauses, ..Ending::void(End::Provider, VoidCause::Provider, detail) }
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
