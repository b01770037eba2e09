//! The runtime rules of the native agent (`formats` 1.3): which of them fire on the trace so far, and what they do then. A rule
//! sees nothing but the trace and the moment, so a recorded trace tells where it would have fired.

use std::collections::BTreeMap;

use harness_schema::detector::{self, Detector, On};
use harness_schema::harness::{Harness, TextRole};
use harness_schema::manifest::{Event, Outcome, RuntimeRule, When};
use regex::Regex;

use super::action::is_error;
use super::detector::{Reading, find};
use super::trace::{Call, Source, Trace};

/// The rules of a harness, with how often each has fired.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    reading: Reading,
}

/// A moment at which rules are asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment<'a> {
    /// What happens; none after an ordinary step. Rules without an event are asked after every step, a malformed one too.
    pub event: Option<Event>,
    /// How many steps were taken.
    pub step: u32,
    /// How many steps are left.
    pub steps_left: u32,
    /// How much of the context is used, from 0 to 1; none where the window is not known.
    pub context_used: Option<f64>,
    /// How much of its time the agent has used, from 0 to 1, where that is known.
    pub time_used: Option<f64>,
    /// The state.
    pub state: &'a str,
}

/// A rule that fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Its id.
    pub rule: String,
    /// What it does.
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Says something to the model: the template of a user message.
    Inject(String),
    /// At most so many more steps.
    LimitSteps(u32),
    /// At most so many more calls of a tool.
    LimitCalls {
        /// The tool.
        tool: String,
        /// How many more.
        calls: u32,
    },
    /// Refuses the end and says what to check first: the template of a user message.
    AskVerify(String),
}

#[derive(Clone, Debug)]
struct Rule {
    id: String,
    when: Condition,
    action: Action,
    max_fires: u32,
    cooldown: u32,
    fired: u32,
    /// The step at which it last fired, and the last step of the trace and number of calls then.
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    step: u32,
    index: usize,
}

#[derive(Clone, Debug, Default)]
struct Condition {
    event: Option<Event>,
    detector: Option<&'static Detector>,
    calls: Option<Calls>,
    count: Option<u32>,
    output: Option<Regex>,
    step: Option<u32>,
    steps_left: Option<u32>,
    context_used: Option<f64>,
    state: Option<String>,
}

/// Calls that are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Calls {
    tool: Option<String>,
    outcome: Outcome,
    consecutive: bool,
}

impl Rules {
    /// The rules of a harness, in declared order; `workdir` is where the task's tree is seen. What cannot fire (an unknown
    /// detector, a pattern that does not compile, no condition, no action) is left out: the checks report it.
    #[must_use]
    pub fn of(harness: &Harness, workdir: &str) -> Self {
        let declared = &harness.manifest().runtime.rule;
        let rules = declared.iter().enumerate().filter_map(|(at, rule)| Rule::read(harness, at, rule));
        Self { rules: rules.collect(), reading: Reading::new(workdir) }
    }

    /// The rules that one of two harnesses has and the other has not, those of `candidate` first: as long as none of them fires,
    /// both do the same.
    #[must_use]
    pub fn between(candidate: &Harness, baseline: &Harness, workdir: &str) -> Self {
        let (mut new, old) = (Self::of(candidate, workdir), Self::of(baseline, workdir));
        let lacks = |rules: &[Rule], rule: &Rule| !rules.iter().any(|other| other.acts_like(rule));
        let gone: Vec<Rule> = old.rules.iter().filter(|rule| lacks(&new.rules, rule)).cloned().collect();
        new.rules.retain(|rule| lacks(&old.rules, rule));
        new.rules.extend(gone);
        new
    }

    /// What each rule does, by its id.
    #[must_use]
    pub fn actions(&self) -> BTreeMap<&str, &Action> {
        self.rules.iter().map(|rule| (rule.id.as_str(), &rule.action)).collect()
    }

    /// The rules that fire now, in declared order; each counts as having fired. Steps of the trace that were seen before must
    /// not have changed.
    pub fn fire(&mut self, trace: &Trace, moment: &Moment<'_>) -> Vec<Fired> {
        self.reading.extend(trace);
        if let Some(share) = moment.time_used {
            self.reading.use_time(share);
        }
        let mut fired = Vec::new();
        for rule in &mut self.rules {
            if rule.may_fire(moment) && rule.when.holds(trace, &self.reading, moment, rule.last) {
                rule.fired += 1;
                rule.last = Some(Last { step: moment.step, index: trace.steps.len() });
                fired.push(Fired { rule: rule.id.clone(), action: rule.action.clone() });
            }
        }
        fired
    }

    /// How often each rule has fired, by its id.
    #[must_use]
    pub fn fires(&self) -> BTreeMap<&str, u32> {
        self.rules.iter().map(|rule| (rule.id.as_str(), rule.fired)).collect()
    }
}

impl Rule {
    fn read(harness: &Harness, at: usize, rule: &RuntimeRule) -> Option<Self> {
        let id = if rule.id.is_empty() { (at + 1).to_string() } else { rule.id.value.clone() };
        let text = || {
            let mut texts = harness.texts().iter().filter(|text| text.role == TextRole::Rule);
            texts.find(|text| text.owner == id.as_str())?.text(harness.files()).map(str::to_owned)
        };
        let action = if rule.inject.is_some() {
            Action::Inject(text()?)
        } else if rule.ask_verify.is_some() {
            Action::AskVerify(text()?)
        } else {
            let limit = rule.limit.as_ref()?;
            match (&limit.steps, &limit.tool, &limit.calls) {
                (Some(steps), ..) => Action::LimitSteps(steps.value),
                (None, Some(tool), Some(calls)) => {
                    Action::LimitCalls { tool: tool.value.clone(), calls: calls.value }
                }
                (None, ..) => return None,
            }
        };
        let when = Condition::read(&rule.when)?;
        // Only who wants to end can be asked to check first.
        if matches!(action, Action::AskVerify(_)) && when.event != Some(Event::Finish) {
            return None;
        }
        Some(Self {
            id,
            when,
            action,
            max_fires: rule.max_fires.value,
            cooldown: rule.cooldown.value,
            fired: 0,
            last: None,
        })
    }

    /// Whether both say the same under the same name.
    fn acts_like(&self, other: &Self) -> bool {
        self.when.is_like(&other.when)
            && (&self.id, &self.action) == (&other.id, &other.action)
            && (self.max_fires, self.cooldown) == (other.max_fires, other.cooldown)
    }

    fn may_fire(&self, moment: &Moment<'_>) -> bool {
        let rests = self
            .last
            .is_some_and(|last| 0 < self.cooldown && moment.step.saturating_sub(last.step) <= self.cooldown);
        self.fired < self.max_fires && !rests
    }
}

impl Condition {
    fn read(when: &When) -> Option<Self> {
        let detector = match &when.detector {
            Some(name) => Some(detector::named(name)?),
            None => None,
        };
        let event = when.event.as_ref().map(|event| event.value);
        match detector.map(|detector| detector.on) {
            Some(On::End) => return None,
            Some(On::Finish) if event != Some(Event::Finish) => return None,
            Some(On::Prefix | On::Finish) | None => {}
        }
        let output = match &when.output {
            Some(pattern) => Some(Regex::new(pattern).ok()?),
            None => None,
        };
        let counts = when.count.is_some() && detector.is_none();
        let counts_calls =
            counts || when.tool.is_some() || when.outcome.is_some() || when.consecutive.is_some();
        let calls = counts_calls.then(|| Calls {
            tool: when.tool.as_ref().map(|tool| tool.value.clone()),
            outcome: when.outcome.as_ref().map_or(Outcome::Any, |outcome| outcome.value),
            consecutive: when.consecutive.as_ref().is_some_and(|consecutive| consecutive.value),
        });
        let condition = Self {
            event,
            detector,
            calls,
            count: when.count.as_ref().map(|count| count.value),
            output,
            step: when.step.as_ref().map(|step| step.value),
            steps_left: when.steps_left.as_ref().map(|left| left.value),
            context_used: when.context_used.as_ref().map(|share| share.value),
            state: when.state.as_ref().map(|state| state.value.clone()),
        };
        (!condition.is_empty()).then_some(condition)
    }

    fn is_like(&self, other: &Self) -> bool {
        let pattern = |condition: &Self| condition.output.as_ref().map(|output| output.as_str().to_owned());
        let detector = |condition: &Self| condition.detector.map(|detector| detector.name);
        (self.event, &self.calls, self.count, self.step, self.steps_left)
            == (other.event, &other.calls, other.count, other.step, other.steps_left)
            && (self.context_used, &self.state) == (other.context_used, &other.state)
            && (pattern(self), detector(self)) == (pattern(other), detector(other))
    }

    fn is_empty(&self) -> bool {
        let has_number = self.step.is_some() || self.steps_left.is_some() || self.context_used.is_some();
        let has_trace = self.detector.is_some() || self.calls.is_some() || self.output.is_some();
        self.event.is_none() && !has_number && !has_trace && self.state.is_none()
    }

    /// Whether all of it holds. What has made the rule fire before does not count again.
    fn holds(&self, trace: &Trace, reading: &Reading, moment: &Moment<'_>, last: Option<Last>) -> bool {
        let is_moment = match self.event {
            Some(event) => moment.event == Some(event),
            // After every step, whether it was malformed or not.
            None => matches!(moment.event, None | Some(Event::FormatError)),
        };
        let is_there = self.state.as_deref().is_none_or(|state| state == moment.state);
        let is_late = self.step.is_none_or(|step| step <= moment.step);
        let is_short = self.steps_left.is_none_or(|left| moment.steps_left <= left);
        let is_full =
            self.context_used.is_none_or(|share| moment.context_used.is_some_and(|used| share <= used));
        if !is_moment || !is_there || !is_late || !is_short || !is_full {
            return false;
        }
        let since = last.map_or(0, |last| last.index);
        let shows = self.detector.is_none_or(|detector| {
            let evidence = find(reading, detector, self.count);
            // Who asks to end a second time is judged a second time.
            evidence.is_some_and(|evidence| detector.on == On::Finish || since < evidence.last())
        });
        let count = self.count.filter(|_| self.detector.is_none()).unwrap_or(1) as usize;
        shows
            && self.calls.as_ref().is_none_or(|calls| calls.hold(trace, since, count))
            && self.output.as_ref().is_none_or(|output| newest_result_matches(trace, since, output))
    }
}

/// Calls of the agent after a step, with the step's number.
fn calls_after(trace: &Trace, since: usize) -> impl DoubleEndedIterator<Item = &Call> {
    let steps = trace.steps.get(since..).unwrap_or_default();
    steps.iter().filter(|step| step.source == Source::Agent).flat_map(|step| &step.calls)
}

impl Calls {
    fn hold(&self, trace: &Trace, since: usize, count: usize) -> bool {
        let fits = |call: &&Call| self.fits(call);
        let found = if self.consecutive {
            calls_after(trace, since).rev().take_while(fits).count()
        } else {
            calls_after(trace, since).filter(fits).count()
        };
        count <= found
    }

    fn fits(&self, call: &Call) -> bool {
        if self.tool.as_ref().is_some_and(|tool| *tool != call.tool) {
            return false;
        }
        let timed_out = call.observation.as_ref().is_some_and(|seen| seen.timed_out);
        match self.outcome {
            Outcome::Any => true,
            Outcome::Timeout => timed_out,
            Outcome::Error => !timed_out && is_error(call),
            Outcome::Ok => call.observation.is_some() && !timed_out && !is_error(call),
        }
    }
}

fn newest_result_matches(trace: &Trace, since: usize, pattern: &Regex) -> bool {
    let mut newest = calls_after(trace, since).rev().filter_map(|call| call.observation.as_ref());
    newest.next().is_some_and(|seen| pattern.is_match(&seen.text))
}

#[cfg(test)]
mod tests;
