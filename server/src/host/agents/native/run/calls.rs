//! The calls of one answer: read, checked against what is offered, done in the sandbox, and shown to the model.

use ecow::{EcoString, eco_format};
use harness_schema::harness::{END, GO_TO};
use serde_json::Value;

use super::super::hands::{Lost, Outcome};
use super::super::prompts::Output;
use super::super::tools::{Does, Tool};
use super::super::{Ending, way_to_end};
use super::{Run, unrendered};
use crate::engine::trace::{self, Arguments, End, Observation, Step};
use crate::engine::verdict::VoidCause;
use crate::host::model::{self, Stop, ToolResult};

/// What a call of an answer came to.
pub(super) enum Done {
    /// A tool was run, or was refused for want of calls.
    Ran,
    /// It has no good form.
    Malformed,
    /// The model wants to go on, to a state or to the end.
    Leaves(Option<String>),
}

impl Run<'_> {
    /// Does the calls of an answer in order. What comes after a call that leaves is not done.
    pub(super) fn do_calls(
        &mut self,
        reply: &model::Reply,
        tools: &[String],
        step: &mut Step,
    ) -> Result<Vec<Done>, Ending> {
        let mut done: Vec<Done> = Vec::new();
        let mut lost: Option<Ending> = None;
        let last = reply.calls.len().saturating_sub(1);
        for (at, call) in reply.calls.iter().enumerate() {
            // Every call has an answer, or the provider refuses the conversation.
            let has_left = done.iter().any(|done| matches!(done, Done::Leaves(_)));
            let mut made = unanswered(call, None);
            let shown = if lost.is_some() || has_left {
                EcoString::from("This call was not made: the work went on elsewhere before.")
            } else if let Err(ending) = self.stop_if_unwanted() {
                lost = Some(ending);
                EcoString::from("This call was not made: the time is over.")
            } else {
                let is_cut = reply.stop == Stop::Length && at == last;
                match self.do_call(call, is_cut, tools, &mut made) {
                    Ok((one, shown)) => {
                        done.push(one);
                        shown
                    }
                    Err(ending) => {
                        lost = Some(ending);
                        EcoString::new()
                    }
                }
            };
            let result = ToolResult { call: call.id.clone(), text: shown };
            self.talk.push_result(&call.name, result);
            step.calls.push(made);
        }
        match lost {
            Some(ending) => Err(ending),
            None => Ok(done),
        }
    }

    /// Does one call; what it came to, and what the model is shown.
    fn do_call(
        &mut self,
        call: &model::Call,
        is_cut: bool,
        tools: &[String],
        made: &mut trace::Call,
    ) -> Result<(Done, EcoString), Ending> {
        let malformed = |made: &mut trace::Call, why: String| {
            let why = EcoString::from(why);
            made.observation = Some(Observation { failed: Some(true), ..Observation::text(why.clone()) });
            Ok((Done::Malformed, why))
        };
        if !tools.contains(&call.name) {
            let offered: Vec<String> = tools.iter().map(|name| format!("`{name}`")).collect();
            let offered = if offered.is_empty() { String::from("none") } else { offered.join(", ") };
            let why = format!(
                "There is no tool `{}` here. Tools: {offered}; {}.",
                call.name,
                way_to_end(self.work.harness)
            );
            return malformed(made, why);
        }
        let next = self.states.next();
        let go_to = (1 < next.len() && call.name == GO_TO).then(|| Tool::go_to(next));
        let Some(tool) =
            go_to.as_ref().or_else(|| self.toolbox.all().iter().find(|tool| tool.name == call.name))
        else {
            return malformed(made, format!("There is no tool `{}`.", call.name));
        };
        let arguments = match &call.arguments {
            model::Arguments::Object(arguments) => arguments,
            model::Arguments::Malformed(_) => {
                made.schema_ok = Some(false);
                let cut = if is_cut { "The answer was cut at its limit of tokens, so the" } else { "The" };
                let why = format!("{cut} arguments of `{}` are no JSON object. {}", tool.name, tool.form());
                return malformed(made, why);
            }
        };
        if let Some(objection) = tool.objection(arguments) {
            made.schema_ok = Some(false);
            let cut = if is_cut { "The answer was cut at its limit of tokens. " } else { "" };
            let why =
                format!("{cut}The arguments of `{}` do not fit: {objection}. {}", tool.name, tool.form());
            return malformed(made, why);
        }
        made.schema_ok = Some(true);
        let calls = self.calls.entry(tool.name.clone()).or_default();
        if self.max_calls.get(&tool.name).is_some_and(|most| *most <= *calls) {
            let why = eco_format!("No more calls of `{}` are allowed.", tool.name);
            made.observation = Some(Observation { failed: Some(true), ..Observation::text(why.clone()) });
            return Ok((Done::Ran, why));
        }
        *calls += 1;
        match &tool.does {
            Does::GoTo => {
                let state = arguments.get("state").and_then(Value::as_str).unwrap_or(END).to_owned();
                let words = eco_format!("You go on with `{state}`.");
                made.observation = Some(Observation::text(words.clone()));
                return Ok((Done::Leaves(Some(state)), words));
            }
            _ if tool.is_finish() => {
                let words = EcoString::from("You ask to end.");
                made.observation = Some(Observation::text(words.clone()));
                return Ok((Done::Leaves(None), words));
            }
            Does::Builtin(_) | Does::Run(_) => {}
        }
        let timeout = tool.timeout.min(self.clock.left());
        let outcome = self.hands.call(tool, arguments, timeout).map_err(|lost| match lost {
            Lost::Killed(why) => Ending::judged(End::Killed, why),
            Lost::Died(why) => Ending::void(End::Killed, VoidCause::HostResource, why),
        });
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(ending) => {
                let failed = Observation { failed: Some(true), ..Observation::text(ending.detail.clone()) };
                made.observation = Some(failed);
                return Err(ending);
            }
        };
        let text = EcoString::from(outcome.text.as_str());
        made.observation = Some(observation(&outcome, text.clone()));
        let output = Output {
            tool: &call.name,
            text: &outcome.text,
            exit: outcome.exit,
            timed_out: outcome.timed_out,
            cut_bytes: outcome.cut_bytes,
        };
        let shown = self.prompts.observation(&output, &self.scene()).map_err(|why| unrendered(&why))?;
        // Mostly it is shown as it is. Trace and conversation keep it to the end of the trial, once.
        let shown = if text == shown { text } else { EcoString::from(shown) };
        Ok((Done::Ran, shown))
    }
}

/// A call as a trace has it, before anything came of it.
pub(super) fn unanswered(call: &model::Call, schema_ok: Option<bool>) -> trace::Call {
    let arguments = match &call.arguments {
        model::Arguments::Object(arguments) => Arguments::Json(Value::Object(arguments.clone())),
        model::Arguments::Malformed(written) => Arguments::Raw(written.clone()),
    };
    let id = Some(call.id.clone()).filter(|id| !id.is_empty());
    trace::Call { id, tool: call.name.clone(), arguments, schema_ok, observation: None }
}

fn observation(outcome: &Outcome, text: EcoString) -> Observation {
    Observation {
        text,
        exit: Some(outcome.exit),
        timed_out: outcome.timed_out,
        truncated: 0 < outcome.cut_bytes,
        ..Observation::default()
    }
}
