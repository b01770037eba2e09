//! Where an edit with a trigger can change anything (`method` 5.7). Its rules are asked again at every moment of every recorded
//! trial of the baseline, by the very code that asks them when a trial runs; a task of which enough trials are known, and in none
//! of which a rule fires, is *inert*: there the candidate sends the same bytes as the baseline.
//!
//! What a trace does not tell is taken so that a rule rather fires than not: an inert task costs nothing, and a task that is
//! active by mistake only costs trials.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::digest::Digest;
use harness_schema::harness::{GO_TO, Harness, Role, TextRole};
use harness_schema::manifest::{self, Event, Finish};
use harness_schema::path::FilePath;
use harness_schema::surface::approx_tokens;
use harness_schema::syntax::data::{Kind, Value};

use super::runtime::{Action, Moment, Rules};
use super::split::{HeldIn, Splits};
use super::trace::{Call, End, Source, Step, Trace};

/// A task of which fewer traces are known is not called inert.
pub const TRACES: u32 = 4;

/// The state of a harness without an orchestration.
const ONLY: &str = "main";

/// What a candidate does otherwise than its baseline, if that is nothing but runtime rules of the native agent.
#[derive(Clone, Copy, Debug)]
pub struct Trigger<'a> {
    candidate: &'a Harness,
    baseline: &'a Harness,
}

/// A trial of the baseline, as far as it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// What happened: one conversation, from its beginning.
    pub trace: &'a Trace,
    /// How the agent ended, where that is known.
    pub end: Option<&'a End>,
    /// Where the task's tree was seen.
    pub workdir: &'a str,
    /// What the agent was asked to do.
    pub instruction: Option<&'a str>,
}

/// Where a trigger fires, and how sure that is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// The tasks on which the candidate can differ: those where a rule has fired once, and those of which too little is known.
    pub active: BTreeSet<String>,
    /// The chance that a task is called inert although the trigger fires there as often as on the tasks where it was seen to
    /// fire: `(1 - q)^n`, with the fewest traces `n` of an inert task; 0 without an inert task.
    pub missed: f64,
}

impl<'a> Trigger<'a> {
    /// The trigger of a candidate; `None` if another agent runs it, if it has no rule that its baseline lacks or the other way
    /// round, or if anything else differs: then what it sends may differ from the first request on.
    #[must_use]
    pub fn of(candidate: &'a Harness, baseline: &'a Harness) -> Option<Self> {
        let trigger = Self { candidate, baseline };
        let is_native = candidate.is_native() && baseline.is_native();
        (is_native && is_same_but_rules(candidate, baseline) && !trigger.rules().is_empty())
            .then_some(trigger)
    }

    /// The ids of the rules that differ.
    #[must_use]
    pub fn rules(&self) -> BTreeSet<String> {
        let rules = Rules::between(self.candidate, self.baseline, "");
        rules.fires().into_keys().map(str::to_owned).collect()
    }

    /// Whether a rule that differs would have fired in a recorded trial of the baseline.
    #[must_use]
    pub fn fires(&self, recorded: &Recorded<'_>) -> bool {
        Replay::new(self, recorded).fires(recorded)
    }

    /// Whether a rule that differs has fired in a trial of the candidate, by the trace of that trial.
    #[must_use]
    pub fn has_fired(&self, trace: &Trace) -> bool {
        let rules = self.rules();
        trace.steps.iter().filter_map(|step| step.rule.as_ref()).any(|rule| rules.contains(rule))
    }
}

/// Where a trigger fires among `tasks`. `place` tells of a trial which task it is of, `fires` whether the trigger fires in it;
/// `None` where nobody can tell. Of a held-out trial nothing else is heard, and sealed ones are not asked.
#[must_use]
pub fn activity<T>(
    tasks: &[String],
    trials: &Splits<T>,
    place: impl Fn(&T) -> Option<usize>,
    fires: impl Fn(&T) -> Option<bool>,
) -> Activity {
    let held_in = trials.held_in.iter().map(HeldIn::get).map(|trial| (place(trial), fires(trial)));
    let held_out = trials.held_out.iter().map(|trial| trial.judge(|trial| (place(trial), fires(trial))));
    let mut seen: Vec<(u32, u32)> = vec![(0, 0); tasks.len()];
    for (place, fires) in held_in.chain(held_out) {
        if let (Some(fires), Some((traces, fired))) = (fires, place.and_then(|place| seen.get_mut(place))) {
            *traces += 1;
            *fired += u32::from(fires);
        }
    }
    let is_inert = |(traces, fired): &(u32, u32)| *fired == 0 && TRACES <= *traces;
    let active = tasks.iter().zip(&seen).filter(|(_, seen)| !is_inert(seen)).map(|(task, _)| task.clone());
    let (mut traces, mut fired) = (0, 0);
    for (of_task, fires) in seen.iter().filter(|(_, fired)| 0 < *fired) {
        traces += of_task;
        fired += fires;
    }
    let often = if traces == 0 { 0.0 } else { f64::from(fired) / f64::from(traces) };
    let fewest = seen.iter().filter(|seen| is_inert(seen)).map(|(traces, _)| *traces).min();
    let missed = fewest.map_or(0.0, |traces| (1.0 - often).powf(f64::from(traces)));
    Activity { active: active.collect(), missed }
}

/// Whether two harnesses of the native agent send the same until a rule fires: everything that the agent reads is equal, but for
/// rules and their texts.
fn is_same_but_rules(candidate: &Harness, baseline: &Harness) -> bool {
    let texts = |harness: &Harness| -> Vec<(TextRole, String, Option<String>)> {
        let texts = harness.texts().iter().filter(|text| text.role != TextRole::Rule);
        let texts = texts.map(|text| {
            let written = text.text(harness.files()).map(str::to_owned);
            (text.role, text.owner.to_string(), written)
        });
        texts.collect()
    };
    let tables = |harness: &Harness| {
        let mut out = String::new();
        for key in ["prompt", "orchestration"] {
            canonical(harness.tree().root.get(key), "", &mut out);
        }
        canonical(harness.tree().root.get("runtime"), "rule", &mut out);
        for tool in harness.tools() {
            out.push_str(if tool.enabled { "on" } else { "off" });
            canonical(Some(tool.value()), "", &mut out);
        }
        out
    };
    let programs = |harness: &Harness| -> BTreeMap<FilePath, Option<Digest>> {
        let read = harness
            .named_files()
            .filter(|file| matches!(harness.role(file), Some(Role::Tool | Role::Surface | Role::Program)));
        let digest = |file: &FilePath| harness.document(file).map(|document| document.digest());
        read.map(|file| (file.clone(), digest(file))).collect()
    };
    texts(candidate) == texts(baseline)
        && tables(candidate) == tables(baseline)
        && programs(candidate) == programs(baseline)
}

/// A value without its place, tables by key; of the table itself a key is left out, and without entries it is like none.
fn canonical(value: Option<&Value>, left_out: &str, out: &mut String) {
    match value.map(|value| &value.kind) {
        Some(Kind::Table(table)) => {
            let mut entries: BTreeMap<&str, &Value> = BTreeMap::new();
            for entry in table.entries.iter().filter(|entry| entry.key.name != left_out) {
                // Of equal keys the first counts, as everywhere.
                entries.entry(&entry.key.name).or_insert(&entry.value);
            }
            for (key, value) in entries {
                out.push_str(&format!("{{{key:?}:"));
                canonical(Some(value), "", out);
                out.push('}');
            }
        }
        Some(Kind::List(list)) => {
            out.push('[');
            list.items.iter().for_each(|item| canonical(Some(item), "", out));
            out.push(']');
        }
        Some(Kind::Text(text)) => out.push_str(&format!("{:?}", text.value)),
        Some(other) => out.push_str(&format!("{other:?};")),
        None => {}
    }
}

/// The names of the tools that a harness offers, as the native agent notes them in a trace.
fn offered(harness: &Harness) -> Vec<String> {
    let runs = |value: &Value| value.get("builtin").is_some() || value.get("run").is_some();
    let is_there = harness.tools().iter().filter(|tool| tool.enabled && !tool.name.is_empty());
    let mut names: Vec<String> =
        is_there.clone().filter(|tool| runs(tool.value())).map(|tool| tool.name.to_string()).collect();
    let ends = |value: &Value| value.get("builtin").and_then(Value::as_text) == Some("finish");
    if harness.manifest().runtime.finish.value == Finish::Tool
        && !is_there.clone().any(|tool| ends(tool.value()))
    {
        names.push(String::from("finish"));
    }
    if harness.offers_go_to() {
        names.push(GO_TO.to_owned());
    }
    names
}

/// A trial that is gone through again.
struct Replay<'a> {
    /// The rules that differ.
    rules: Rules,
    /// What the rules of the baseline do, by their ids.
    actions: BTreeMap<String, Action>,
    states: Option<&'a manifest::Orchestration>,
    max_format_errors: u32,
    /// What was there at the moment.
    trace: Trace,
    steps: u32,
    max_steps: u32,
    /// Answers in a row in which nothing was right.
    format_errors: u32,
    context_used: Option<f64>,
}

impl<'a> Replay<'a> {
    fn new(trigger: &Trigger<'a>, recorded: &Recorded<'_>) -> Self {
        let Trigger { candidate, baseline } = *trigger;
        let manifest = baseline.manifest();
        let max_steps = manifest.runtime.max_steps.value;
        let own = Rules::of(baseline, recorded.workdir);
        let actions = own.actions().into_iter();
        Self {
            rules: Rules::between(candidate, baseline, recorded.workdir),
            actions: actions.map(|(id, action)| (id.to_owned(), action.clone())).collect(),
            states: manifest.orchestration.as_ref().map(|states| &states.value),
            max_format_errors: manifest.runtime.max_format_errors.value,
            trace: Trace {
                window: manifest.model.context_window.as_ref().map(|window| window.value),
                max_steps: Some(u64::from(max_steps)),
                instruction: recorded.instruction.map(str::to_owned),
                offered_tools: offered(baseline),
                ..Trace::default()
            },
            steps: 0,
            max_steps,
            format_errors: 0,
            context_used: None,
        }
    }

    fn fires(mut self, recorded: &Recorded<'_>) -> bool {
        let all = recorded.trace.steps.as_slice();
        let answers: Vec<usize> = (0..all.len())
            .filter(|at| all.get(*at).is_some_and(|step| step.source == Source::Agent))
            .collect();
        let opening = all.get(..answers.first().copied().unwrap_or(all.len())).unwrap_or_default();
        let first = answers.first().and_then(|at| all.get(*at));
        self.fill_context(0, &[], opening, first);
        opening.iter().for_each(|step| self.trace.push(step.clone()));
        let start = self.states.map(|states| states.start.value.clone());
        if let Some(start) = &start
            && self.ask(Some(Event::StateEntered), start)
        {
            return true;
        }
        if self.ask(Some(Event::Start), start.as_deref().unwrap_or(ONLY)) {
            return true;
        }
        opening.iter().for_each(|step| self.obey(step));
        for (turn, at) in answers.iter().enumerate() {
            let next = answers.get(turn + 1).copied();
            let Some(answer) = all.get(*at) else { continue };
            let behind = all.get(at + 1..next.unwrap_or(all.len())).unwrap_or_default();
            if self.turn(answer, behind, next.and_then(|next| all.get(next)), recorded.end) {
                return true;
            }
        }
        false
    }

    /// One answer of the model, what was said behind it, and the next answer, if there is one.
    fn turn(&mut self, answer: &Step, behind: &[Step], next: Option<&Step>, end: Option<&End>) -> bool {
        self.steps += 1;
        self.trace.push(answer.clone());
        let known = answer.usage.map_or(0, |usage| usage.input.saturating_add(usage.output));
        self.fill_context(known, &answer.calls, behind, next);
        // Who was refused, or has no context left, is asked nothing.
        if matches!(answer.stop_reason.as_deref(), Some("refusal" | "context")) {
            return false;
        }
        let says_nothing_of_itself = |step: &Step| step.rule.is_none() && step.state.is_none();
        let objection = behind.first().filter(|step| says_nothing_of_itself(step));
        if let Some(objection) = objection {
            self.trace.push(objection.clone());
        }
        let is_error = objection.is_some() || answer.calls.iter().any(is_malformed);
        let is_good = answer.calls.iter().any(|call| call.schema_ok == Some(true));
        self.format_errors = if is_error && !is_good { self.format_errors + 1 } else { 0 };
        if self.max_format_errors <= self.format_errors {
            return false;
        }
        let state = answer.state.as_deref().unwrap_or(ONLY);
        let enters = |step: &&Step| step.rule.is_none() && step.state.is_some();
        let prompt = behind.iter().position(|step| enters(&step));
        let (now, then) = behind.split_at(prompt.unwrap_or(behind.len()));
        let is_refused = now.iter().any(|step| matches!(self.action(step), Some(Action::AskVerify(_))));
        let plain = is_error.then_some(Event::FormatError);
        let fires = match (is_refused, next, end) {
            (true, ..) | (false, None, Some(End::Finished)) => self.ask(Some(Event::Finish), state),
            // Nobody knows whether it wanted to end.
            (false, None, None) => self.ask(Some(Event::Finish), state) || self.ask(plain, state),
            (false, ..) => self.ask(plain, state),
        };
        now.iter().for_each(|step| self.obey(step));
        let entered = prompt.and_then(|at| behind.get(at)).or(next).and_then(|step| step.state.as_deref());
        let enters = entered.filter(|entered| prompt.is_some() || *entered != state || self.may_stay(state));
        let fires = fires || enters.is_some_and(|entered| self.ask(Some(Event::StateEntered), entered));
        then.iter().for_each(|step| self.obey(step));
        fires
    }

    /// Whether a way may lead from a state into itself: then nothing in the trace tells that it was entered again.
    fn may_stay(&self, id: &str) -> bool {
        let mut states = self.states.into_iter().flat_map(|states| states.state.iter());
        let state = states.find(|state| state.id.value == id);
        state
            .is_some_and(|state| state.on_limit.value == id || state.next.iter().any(|next| next.value == id))
    }

    fn action(&self, step: &Step) -> Option<&Action> {
        self.actions.get(step.rule.as_ref()?)
    }

    /// A rule of the baseline has acted: what it tightened stays tight.
    fn obey(&mut self, step: &Step) {
        if let Some(Action::LimitSteps(more)) = self.action(step) {
            self.max_steps = self.max_steps.min(self.steps.saturating_add(*more));
        }
    }

    /// How full the context was at most: what was known at the answer and what came behind it, or what the next request was
    /// counted as. What was left out of it meanwhile is not taken off.
    fn fill_context(&mut self, known: u64, calls: &[Call], behind: &[Step], next: Option<&Step>) {
        let results =
            calls.iter().filter_map(|call| call.observation.as_ref()).map(|seen| seen.text.as_str());
        let said = behind.iter().map(|step| step.message.as_str());
        let new: u64 = results.chain(said).map(|text| approx_tokens(text) as u64).sum();
        let counted = next.and_then(|next| next.usage).map_or(0, |usage| usage.input);
        let tokens = known.saturating_add(new).max(counted);
        self.context_used = self.trace.window.map(|window| tokens as f64 / window.max(1) as f64);
    }

    fn ask(&mut self, event: Option<Event>, state: &str) -> bool {
        let moment = Moment {
            event,
            step: self.steps,
            steps_left: self.max_steps.saturating_sub(self.steps),
            context_used: self.context_used,
            // Nobody has noted it. Only the end is judged by it, and who has used no time fires most.
            time_used: None,
            state,
        };
        !self.rules.fire(&self.trace, &moment).is_empty()
    }
}

/// Whether a call had no good form, as the native agent notes it.
fn is_malformed(call: &Call) -> bool {
    let has_failed = call.observation.as_ref().is_some_and(|seen| seen.failed == Some(true));
    call.schema_ok == Some(false) || (call.schema_ok.is_none() && has_failed)
}

#[cfg(test)]
mod tests;
