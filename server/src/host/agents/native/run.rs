//! One trial of the native agent: step after step until something ends it.

mod calls;

use std::collections::BTreeMap;
use std::time::SystemTime;

use harness_schema::harness::{END, GO_TO, TextRole};
use harness_schema::manifest::{Compaction, Event, Finish};

use self::calls::{Done, unanswered};
use super::clock::{Clock, timestamp};
use super::hands::Hands;
use super::prompts::{Prompts, Scene, text};
use super::states::{States, Way};
use super::talk::Talk;
use super::tools::{Tool, Toolbox};
use super::{Ending, NAME, answer, sum, usage, way_to_end};
use crate::engine::runtime::{Action, Moment, Rules};
use crate::engine::trace::{Agent, End, Source, Step, Trace, Usage};
use crate::engine::verdict::VoidCause;
use crate::host::agents::{Work, Worked};
use crate::host::model::{self, Answer, Consequence, Message, Stop};
use crate::host::sandbox::Sandbox;

/// As much as is told of the end; all of it stands in the trace.
const MAX_DETAIL: usize = 2000;

/// A trial.
pub(super) struct Run<'a> {
    work: &'a Work<'a>,
    hands: Hands<'a>,
    toolbox: Toolbox,
    prompts: Prompts,
    states: States,
    rules: Rules,
    talk: Talk,
    clock: Clock,
    trace: Trace,
    /// Calls of the model that were answered.
    steps: u32,
    /// How many there may be; rules lower it.
    max_steps: u32,
    /// Calls of each tool.
    calls: BTreeMap<String, u32>,
    /// How many calls of a tool there may be, where a rule says so.
    max_calls: BTreeMap<String, u32>,
    /// Answers in a row in which nothing was right.
    format_errors: u32,
    used: Usage,
    model: Option<String>,
    fingerprint: Option<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(work: &'a Work<'a>, sandbox: &'a mut dyn Sandbox) -> Self {
        let manifest = work.harness.manifest();
        let toolbox = Toolbox::of(work.harness);
        let offered: Vec<(&str, &str)> =
            toolbox.all().iter().map(|tool| (tool.name.as_str(), tool.description.as_str())).collect();
        let prompts = Prompts::of(work.harness, work.instruction, work.workdir, &offered);
        let mut offered_tools: Vec<String> = offered.iter().map(|(name, _)| (*name).to_owned()).collect();
        if work.harness.offers_go_to() {
            offered_tools.push(GO_TO.to_owned());
        }
        let settings = work.client.settings();
        let agent = Agent {
            name: NAME.to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            model: Some(settings.name.clone()),
        };
        let max_steps = manifest.runtime.max_steps.value;
        Self {
            work,
            hands: Hands::new(sandbox, work.harness),
            toolbox,
            prompts,
            states: States::of(work.harness),
            rules: Rules::of(work.harness, work.workdir),
            talk: Talk::default(),
            clock: Clock::new(work.started, work.timeout),
            trace: Trace {
                agent,
                window: manifest.model.context_window.as_ref().map(|window| window.value),
                max_steps: Some(u64::from(max_steps)),
                instruction: Some(work.instruction.to_owned()),
                offered_tools,
                ..Trace::default()
            },
            steps: 0,
            max_steps,
            calls: BTreeMap::new(),
            max_calls: BTreeMap::new(),
            format_errors: 0,
            used: Usage { cost: Some(0.0), ..Usage::default() },
            model: None,
            fingerprint: None,
        }
    }

    /// Works until something ends it.
    pub(super) fn go(&mut self) -> Ending {
        if let Err(ending) = self.begin() {
            return ending;
        }
        loop {
            if let Err(ending) = self.step() {
                return ending;
            }
        }
    }

    pub(super) fn worked(self, ending: Ending) -> Worked {
        let trace = Trace { end: Some(ending.end.clone()), ..self.trace };
        Worked {
            trace,
            end: ending.end,
            void: ending.void,
            pauses: ending.pauses,
            detail: ending.detail.chars().take(MAX_DETAIL).collect(),
            requests: self.steps,
            usage: self.used,
            model: self.model,
            fingerprint: self.fingerprint,
        }
    }

    fn begin(&mut self) -> Result<(), Ending> {
        let harness = self.work.harness;
        let system = text(harness, TextRole::System).unwrap_or_default();
        let system = self.render("prompt.system", system).map_err(not_started)?;
        let task = match text(harness, TextRole::Task) {
            Some(task) => self.render("prompt.task", task).map_err(not_started)?,
            None => self.work.instruction.to_owned(),
        };
        if !system.is_empty() {
            self.talk.push(Message::System(system.clone()));
        }
        self.trace.push(Self::said(Source::System, system));
        self.talk.push(Message::User(task.clone()));
        self.trace.push(Self::said(Source::User, task));
        let way = self.states.begin();
        self.arrive(way).map_err(not_started)?;
        self.fire(Some(Event::Start)).map_err(not_started)?;
        Ok(())
    }

    fn scene(&self) -> Scene<'_> {
        Scene { state: self.states.id(), steps: self.steps, steps_left: self.steps_left() }
    }

    fn steps_left(&self) -> u32 {
        self.max_steps.saturating_sub(self.steps)
    }

    fn render(&self, name: &str, source: &str) -> Result<String, Ending> {
        self.prompts.render(source, &self.scene()).map_err(|why| unrendered(&format!("`{name}`: {why}")))
    }

    /// A step of the trace that somebody says now.
    fn said(source: Source, message: String) -> Step {
        let started = Some(timestamp(SystemTime::now()));
        Step { started, ..Step::said(source, message, "") }
    }

    /// Where a way led: the state's prompt is said, and rules may answer; or it was the end.
    fn arrive(&mut self, way: Way) -> Result<(), Ending> {
        match way {
            Way::End => return Err(Ending::judged(End::Finished, "")),
            Way::Limit(why) => return Err(Ending::judged(End::Steps, why)),
            Way::Entered => {}
        }
        let prompt = self.states.current().and_then(|state| state.prompt.clone());
        if let Some(prompt) = prompt {
            let name = format!("state.{}.prompt", self.states.id());
            let prompt = self.render(&name, &prompt)?;
            self.talk.push(Message::User(prompt.clone()));
            let step = Step { state: self.states.declared(), ..Self::said(Source::User, prompt) };
            self.trace.push(step);
        }
        // Who has no orchestration enters nothing.
        if self.states.declared().is_some() {
            self.fire(Some(Event::StateEntered))?;
        }
        Ok(())
    }

    /// Asks the rules, and does what those say that fire. Whether the end is refused.
    fn fire(&mut self, event: Option<Event>) -> Result<bool, Ending> {
        let moment = Moment {
            event,
            step: self.steps,
            steps_left: self.steps_left(),
            context_used: self.trace.window.map(|window| self.talk.tokens() as f64 / window.max(1) as f64),
            time_used: Some(self.clock.used()),
            state: self.states.id(),
        };
        let fired = self.rules.fire(&self.trace, &moment);
        let mut said: Vec<String> = Vec::new();
        let mut is_refused = false;
        for fired in fired {
            let words = match fired.action {
                Action::Inject(text) => self.render(&format!("rule.{}", fired.rule), &text)?,
                Action::AskVerify(text) => {
                    is_refused = true;
                    self.render(&format!("rule.{}", fired.rule), &text)?
                }
                // What only tightens says nothing to the model.
                Action::LimitSteps(steps) => {
                    self.max_steps = self.max_steps.min(self.steps.saturating_add(steps));
                    self.note(fired.rule, format!("[at most {steps} more steps]"));
                    continue;
                }
                Action::LimitCalls { tool, calls } => {
                    let most = self.calls.get(&tool).copied().unwrap_or_default().saturating_add(calls);
                    self.max_calls
                        .entry(tool.clone())
                        .and_modify(|old| *old = most.min(*old))
                        .or_insert(most);
                    self.note(fired.rule, format!("[at most {calls} more calls of `{tool}`]"));
                    continue;
                }
            };
            self.note(fired.rule, words.clone());
            said.push(words);
        }
        if !said.is_empty() {
            self.talk.push(Message::User(said.join("\n\n")));
        }
        Ok(is_refused)
    }

    /// A rule has acted.
    fn note(&mut self, rule: String, words: String) {
        let step = Step { rule: Some(rule), ..Self::said(Source::User, words) };
        self.trace.push(step);
    }

    /// One call of the model, with all that follows from it.
    fn step(&mut self) -> Result<(), Ending> {
        self.stop_if_unwanted()?;
        if self.steps_left() == 0 {
            return Err(Ending::judged(End::Steps, format!("{} steps were taken", self.steps)));
        }
        self.compact();
        let (tools, offers) = self.offers();
        let started = timestamp(SystemTime::now());
        let answer = answer::of(self.work, &mut self.talk, &offers, &self.clock)?;
        let state = self.states.declared();
        let mut step = self.answered(&answer, started);
        let reply = answer.reply;
        if let Some(consequence) = reply.stop.consequence() {
            step.calls = reply.calls.iter().map(|call| unanswered(call, None)).collect();
            self.trace.push(step);
            return Err(match consequence {
                Consequence::Context => {
                    Ending::judged(End::Context, "the context window of the model is full")
                }
                _ => Ending::judged(End::Crashed(String::from("refusal")), reply.text),
            });
        }
        let done = self.do_calls(&reply, &tools, &mut step);
        step.finished = Some(timestamp(SystemTime::now()));
        step.state = state;
        self.trace.push(step);
        self.go_on(&reply, done?)
    }

    /// Whether somebody wants it to end, or the time does.
    fn stop_if_unwanted(&self) -> Result<(), Ending> {
        if self.work.cancel.is_cancelled() {
            return Err(answer::cancelled());
        }
        if self.clock.is_over() {
            let why = format!("{} s were used", self.work.timeout.as_secs_f64());
            // Without a request nothing of the agent was measured.
            let void = (self.steps == 0).then_some(VoidCause::AgentStart);
            return Err(Ending { void, ..Ending::judged(End::Time, why) });
        }
        Ok(())
    }

    /// Leaves out old results if the context fills.
    fn compact(&mut self) {
        let runtime = &self.work.harness.manifest().runtime.value;
        let Some(window) = self.trace.window.filter(|_| runtime.compaction.value == Compaction::ElideOutput)
        else {
            return;
        };
        let threshold = window as f64 * runtime.compaction_at.value;
        if threshold <= self.talk.tokens() as f64 {
            let elided = self.talk.elide(threshold);
            tracing::debug!(elided, "old results were left out of the conversation");
        }
    }

    /// The tools that the state offers: their names, and as the model is told of them.
    fn offers(&self) -> (Vec<String>, Vec<model::Tool>) {
        let names = self.states.current().and_then(|state| state.tools.as_deref());
        let mut offers: Vec<model::Tool> = self.toolbox.offered(names).map(Tool::offer).collect();
        if 1 < self.states.next().len() {
            // No name is offered twice.
            offers.retain(|tool| tool.name != GO_TO);
            offers.push(Tool::go_to(self.states.next()).offer());
        }
        (offers.iter().map(|tool| tool.name.clone()).collect(), offers)
    }

    /// Counts an answer; the step that it is, without its calls.
    fn answered(&mut self, answer: &Answer, started: String) -> Step {
        let reply = &answer.reply;
        self.steps += 1;
        self.talk.push(Message::Assistant(reply.turn()));
        self.talk.count(&reply.usage);
        let used = usage(&reply.usage, answer.cost);
        self.work.meter.add(&used);
        self.used = sum(self.used, used);
        if let Some(model) = &reply.model {
            self.model = Some(model.clone());
            self.trace.agent.model = Some(model.clone());
        }
        if let Some(fingerprint) = &reply.fingerprint {
            self.fingerprint = Some(fingerprint.clone());
        }
        Step {
            source: Source::Agent,
            message: reply.text.clone(),
            reasoning: Some(reply.reasoning.clone()).filter(|text| !text.is_empty()),
            started: Some(started),
            usage: Some(used),
            stop_reason: Some(stop_word(&reply.stop)),
            state: self.states.declared(),
            ..Step::default()
        }
    }

    /// What follows from an answer once its calls are done: rules, moves, limits.
    fn go_on(&mut self, reply: &model::Reply, done: Vec<Done>) -> Result<(), Ending> {
        let is_malformed = done.iter().any(|done| matches!(done, Done::Malformed));
        let is_good = done.iter().any(|done| !matches!(done, Done::Malformed));
        let mut wish = done.into_iter().find_map(|done| match done {
            Done::Leaves(to) => Some(to),
            Done::Ran | Done::Malformed => None,
        });
        let mut objection = None;
        if reply.calls.is_empty() && reply.stop != Stop::Paused {
            match self.work.harness.manifest().runtime.finish.value {
                // Who was cut off did not want to end.
                _ if reply.stop == Stop::Length => {
                    objection = Some(String::from(
                        "The answer was cut at its limit of tokens. Answer more briefly, with one call.",
                    ));
                }
                Finish::NoToolCall => wish = Some(None),
                Finish::Tool => {
                    objection = Some(format!(
                        "The answer has no call. Call a tool, and {}.",
                        way_to_end(self.work.harness)
                    ));
                }
            }
        }
        // Of several next states one has to be named.
        let target = match wish {
            None => None,
            Some(Some(state)) => Some(state),
            Some(None) => match self.states.next() {
                [] => Some(END.to_owned()),
                [only] => Some(only.clone()),
                several => {
                    let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
                    objection = Some(format!("Call `go_to` to say where to go on: {}.", names.join(", ")));
                    None
                }
            },
        };
        let is_error = is_malformed || objection.is_some();
        if let Some(objection) = objection {
            self.talk.push(Message::User(objection.clone()));
            let step = Self::said(Source::User, objection);
            self.trace.push(step);
        }
        if is_error && !is_good {
            self.format_errors += 1;
        } else {
            self.format_errors = 0;
        }
        let most = self.work.harness.manifest().runtime.max_format_errors.value;
        if most <= self.format_errors {
            let why = format!("{} format errors in a row", self.format_errors);
            return Err(Ending::judged(End::Crashed(why.clone()), why));
        }
        let next = match target {
            Some(name) if name == END => {
                // Who ends with the last step has finished, and was not stopped.
                if !self.fire(Some(Event::Finish))? {
                    return Err(Ending::judged(End::Finished, reply.text.clone()));
                }
                None
            }
            other => {
                self.fire(is_error.then_some(Event::FormatError))?;
                other
            }
        };
        self.check_limits()?;
        let way = match next {
            Some(name) => Some(self.states.go(&name)),
            None => self.states.take_step(),
        };
        way.map_or(Ok(()), |way| self.arrive(way))
    }

    fn check_limits(&self) -> Result<(), Ending> {
        let manifest = self.work.harness.manifest();
        self.stop_if_unwanted()?;
        if self.steps_left() == 0 {
            return Err(Ending::judged(End::Steps, format!("{} steps were taken", self.steps)));
        }
        let tokens = self.used.input.saturating_add(self.used.output);
        if manifest.runtime.max_tokens.as_ref().is_some_and(|most| most.value <= tokens) {
            return Err(Ending::judged(End::Tokens, format!("{tokens} tokens were used")));
        }
        // One trial may not cost more than the whole run.
        let most = manifest.budget.max_cost_usd.as_ref().map(|most| most.value).filter(|most| 0.0 < *most);
        if let (Some(most), Some(cost)) = (most, self.used.cost)
            && most <= cost
        {
            return Err(Ending::judged(End::Cost, format!("${cost:.4} were spent")));
        }
        Ok(())
    }
}

/// An end before the first request: nothing was measured.
fn not_started(ending: Ending) -> Ending {
    Ending { void: Some(VoidCause::AgentStart), ..ending }
}

fn unrendered(why: &str) -> Ending {
    let why = format!("a prompt cannot be rendered: {why}");
    Ending::judged(End::Crashed(why.clone()), why)
}

/// Why the model stopped, in a word of records.
fn stop_word(stop: &Stop) -> String {
    String::from(match stop {
        Stop::End => "stop",
        Stop::Calls => "tool_calls",
        Stop::Length => "length",
        Stop::Refused => "refusal",
        Stop::ContextFull => "context",
        Stop::Paused => "pause",
        Stop::Other(word) => return word.clone(),
    })
}
