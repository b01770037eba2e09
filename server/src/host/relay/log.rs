//! What a relay saw: the conversation, what it cost, how the provider fared, how long the trial waited for it. Everything is
//! redacted before it is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use harness_schema::digest::Digest;
use harness_schema::surface::approx_tokens;
use serde_json::Value;

use super::chat;
use crate::engine::budget::{Budget, Limit};
use crate::engine::trace::Usage;
use crate::host::meter::Meter;
use crate::host::model::{self, Client, Consequence, Cost, ModelError, Pricing, Reply};
use crate::host::redact::Redactor;

/// More of a conversation is not kept.
const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;
/// Conversations that are followed at once; the oldest is forgotten.
const MAX_THREADS: usize = 64;
/// How long a trial may wait for its provider altogether before its own clock goes on.
pub(super) const MOST_PATIENCE: Duration = Duration::from_secs(3600);

/// What a relay saw, once it has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The messages that went to the model and came from it, in order of time, as a JSON document of the format `chat`: each
    /// message of a conversation once. Without secrets.
    pub chat: String,
    /// Whether messages are missing, because there were too many.
    pub is_cut: bool,
    /// Requests that were sent to the model.
    pub sent: u32,
    /// Of these, answered ones.
    pub answered: u32,
    /// What was last refused, and why.
    pub refused: Option<String>,
    /// The limit that it ran into, if it did.
    pub limit: Option<Limit>,
    /// All answers together; an answer that was cut counts as far as can be told.
    pub usage: Usage,
    /// The model that the provider said it is.
    pub model: Option<String>,
    /// The fingerprint that the provider answered with.
    pub fingerprint: Option<String>,
    /// The provider's failure, if that was the last event.
    pub failure: Option<ModelError>,
    /// What the last answer means for the trial, if it was no failure and still cannot be used.
    pub consequence: Option<Consequence>,
}

/// How long a trial has waited for its provider.
#[derive(Clone)]
pub struct Patience(pub(super) Arc<Log>);

impl Patience {
    /// The time for which its clock stands still, up to the end of a wait that goes on; an hour at most.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.state().waited.min(MOST_PATIENCE)
    }

    /// The longest that it can become.
    #[must_use]
    pub fn most() -> Duration {
        MOST_PATIENCE
    }
}

pub(super) struct Log {
    redactor: Redactor,
    pricing: Pricing,
    state: Mutex<State>,
}

struct State {
    /// Separated by commas.
    messages: String,
    is_cut: bool,
    threads: Vec<Thread>,
    next_thread: u64,
    sent: u32,
    answered: u32,
    refused: Option<String>,
    limit: Option<Limit>,
    usage: model::Usage,
    cost: Cost,
    model: Option<String>,
    fingerprint: Option<String>,
    failure: Option<ModelError>,
    consequence: Option<Consequence>,
    waited: Duration,
    waits_until: Instant,
    meter: Meter,
}

/// A conversation as far as it was recorded.
struct Thread {
    number: u64,
    marks: Vec<Digest>,
}

/// A request that was sent. Dropped without an outcome it counts by our own count: the provider was asked all the same.
pub(super) struct Sent {
    log: Arc<Log>,
    thread: u64,
    /// How many messages it had.
    length: usize,
    input: u64,
    has_outcome: bool,
}

impl Log {
    pub(super) fn new(client: &Client, meter: Meter) -> Self {
        let state = State {
            messages: String::new(),
            is_cut: false,
            threads: Vec::new(),
            next_thread: 0,
            sent: 0,
            answered: 0,
            refused: None,
            limit: None,
            usage: model::Usage::default(),
            cost: Cost::Usd(0.0),
            model: None,
            fingerprint: None,
            failure: None,
            consequence: None,
            waited: Duration::ZERO,
            waits_until: Instant::now(),
            meter,
        };
        Self {
            redactor: client.redactor().clone(),
            pricing: client.settings().pricing.clone(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was refused and not sent.
    pub(super) fn refused(&self, words: &str) {
        self.state().refused = Some(self.redactor.text(words).into_owned());
    }

    /// The limit of a budget that is reached, if one is: then nothing more is sent. What is asked at the same time may still go
    /// over it. A cost that is not known stops no trial halfway; whether one may begin then is asked before it.
    pub(super) fn limit(&self, budget: &Budget) -> Option<Limit> {
        let mut state = self.state();
        let tokens = state.usage.input.saturating_add(state.usage.output);
        let limit = match (budget.cost, state.cost) {
            _ if budget.tokens.is_some_and(|most| most <= tokens) => Some(Limit::Tokens),
            (Some(most), Cost::Usd(usd)) if most <= usd => Some(Limit::Cost),
            _ => None,
        };
        state.limit = limit.or(state.limit);
        limit
    }

    /// A wait begins, because of that. Waits at once are one. A program that does not wait for the end of it has seen the
    /// provider fail.
    pub(super) fn waits(&self, error: &ModelError, delay: Duration) {
        let mut state = self.state();
        state.failure = Some(error.clone());
        let now = Instant::now();
        let (from, until) = (state.waits_until.max(now), now + delay);
        state.waited += until.saturating_duration_since(from);
        state.waits_until = state.waits_until.max(until);
    }

    /// A request is sent.
    pub(super) fn sends(self: &Arc<Self>, body: &Value) -> Sent {
        let messages = chat::messages(body);
        let marks: Vec<Digest> = messages.iter().map(chat::mark).collect();
        let input = ["messages", "system", "tools"].iter().filter_map(|name| body.get(name));
        let input = input.map(|part| approx_tokens(&part.to_string()) as u64).sum();
        let mut state = self.state();
        state.sent = state.sent.saturating_add(1);
        let (thread, known) = state.follow(marks);
        for message in messages.iter().skip(known) {
            self.keep(&mut state, message.clone());
        }
        Sent { log: Arc::clone(self), thread, length: messages.len(), input, has_outcome: false }
    }

    fn keep(&self, state: &mut State, mut message: Value) {
        self.redactor.json(&mut message);
        let text = message.to_string();
        if state.is_cut || MAX_RECORD_BYTES < state.messages.len() + text.len() {
            state.is_cut = true;
            return;
        }
        if !state.messages.is_empty() {
            state.messages.push_str(",\n");
        }
        // Names of fields are the agent's words too.
        state.messages.push_str(&self.redactor.text(&text));
    }

    pub(super) fn recorded(&self) -> Recorded {
        let state = self.state();
        let cost = match state.cost {
            Cost::Usd(usd) => Some(usd),
            Cost::Unknown => None,
        };
        let model::Usage { input, cached, output, .. } = state.usage;
        Recorded {
            chat: format!("{{\"messages\":[\n{}]}}\n", state.messages),
            is_cut: state.is_cut,
            sent: state.sent,
            answered: state.answered,
            refused: state.refused.clone(),
            limit: state.limit,
            usage: Usage { input, cached, output, cost },
            model: state.model.clone(),
            fingerprint: state.fingerprint.clone(),
            failure: state.failure.clone(),
            consequence: state.consequence,
        }
    }
}

impl State {
    /// The thread that a conversation belongs to, and how many of its messages are known from it. A conversation that goes on
    /// is the same thread; one that leaves it halfway is a new one.
    fn follow(&mut self, marks: Vec<Digest>) -> (u64, usize) {
        let common = |thread: &Thread| {
            thread.marks.iter().zip(&marks).take_while(|(known, mark)| known == mark).count()
        };
        // Of equal ones the newest.
        let best = self.threads.iter_mut().max_by_key(|thread| common(thread));
        if let Some(thread) = best {
            let known = common(thread);
            let goes_on = 0 < known && known == thread.marks.len();
            let is_asked_again = known == marks.len() && known + 1 == thread.marks.len();
            if goes_on || is_asked_again {
                thread.marks = marks;
                return (thread.number, known);
            }
            return (self.begin(marks), known);
        }
        (self.begin(marks), 0)
    }

    fn begin(&mut self, marks: Vec<Digest>) -> u64 {
        if self.threads.len() == MAX_THREADS {
            self.threads.remove(0);
        }
        let number = self.next_thread;
        self.next_thread += 1;
        self.threads.push(Thread { number, marks });
        number
    }

    fn count(&mut self, usage: model::Usage, cost: Cost) {
        let priced = match cost {
            Cost::Usd(usd) => Some(usd),
            Cost::Unknown => None,
        };
        let model::Usage { input, cached, output, .. } = usage;
        self.meter.add(&Usage { input, cached, output, cost: priced });
        self.usage = self.usage.plus(usage);
        self.cost = self.cost.plus(cost);
    }
}

impl Sent {
    /// It was answered.
    pub(super) fn answered(mut self, reply: &Reply) {
        self.has_outcome = true;
        let cost = self.log.pricing.cost(&reply.usage);
        let message = chat::answer(reply, cost);
        let mut state = self.log.state();
        state.count(reply.usage, cost);
        state.answered = state.answered.saturating_add(1);
        state.failure = None;
        state.consequence = reply.stop.consequence();
        state.model =
            reply.model.as_ref().map(|name| self.log.redactor.text(name).into_owned()).or(state.model.take());
        state.fingerprint = reply
            .fingerprint
            .as_ref()
            .map(|print| self.log.redactor.text(print).into_owned())
            .or(state.fingerprint.take());
        if let Some(thread) = state.threads.iter_mut().find(|thread| thread.number == self.thread)
            && thread.marks.len() == self.length
        {
            thread.marks.push(chat::mark(&message));
        }
        self.log.keep(&mut state, message);
    }

    /// It failed: no answer, or one that broke. What was read of it counts as read.
    pub(super) fn failed(mut self, error: ModelError, passed_bytes: usize) {
        self.has_outcome = true;
        let mut state = self.log.state();
        // Nobody is charged for a refusal; half an answer was made all the same.
        if 0 < passed_bytes {
            self.count(&mut state, passed_bytes);
        }
        state.consequence = None;
        state.failure = Some(error);
    }

    /// The program went away before its answer was whole; so many bytes of it had come.
    pub(super) fn abandoned(mut self, passed_bytes: usize) {
        self.has_outcome = true;
        let mut state = self.log.state();
        self.count(&mut state, passed_bytes);
    }

    fn count(&self, state: &mut State, passed_bytes: usize) {
        // Of a stream's bytes the smaller part is text; four bytes are about a token.
        let output = (passed_bytes / 16) as u64;
        let usage = model::Usage { input: self.input, output, is_estimated: true, ..model::Usage::default() };
        state.count(usage, self.log.pricing.cost(&usage));
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if !self.has_outcome {
            let mut state = self.log.state();
            self.count(&mut state, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use harness_schema::manifest::{Model, Price};
    use serde_json::json;

    use super::*;
    use crate::host::model::Settings;
    use crate::host::redact::SecretString;

    const KEY: &str = "a-live-secret-of-the-test";

    fn log() -> Arc<Log> {
        let price = Price { input: 2.0.into(), output: 10.0.into(), ..Price::default() };
        let model = Model {
            endpoint: String::from("http://127.0.0.1:1/v1").into(),
            price: Some(price.into()),
            ..Model::default()
        };
        let client = Client::new(Settings::of(&model).unwrap(), Some(&SecretString::new(KEY))).unwrap();
        Arc::new(Log::new(&client, Meter::default()))
    }

    fn body(texts: &[&str]) -> Value {
        let roles = ["user", "assistant"].into_iter().cycle();
        let messages: Vec<Value> =
            texts.iter().zip(roles).map(|(text, role)| json!({ "role": role, "content": text })).collect();
        json!({ "messages": messages })
    }

    fn reply(text: &str) -> Reply {
        let usage = model::Usage { input: 500_000, output: 100_000, ..model::Usage::default() };
        Reply { text: text.to_owned(), usage, ..Reply::default() }
    }

    fn contents(log: &Log) -> Vec<String> {
        let chat: Value = serde_json::from_str(&log.recorded().chat).unwrap();
        let messages = chat["messages"].as_array().unwrap().iter();
        messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_message_is_recorded_once() {
        let log = log();
        log.sends(&body(&["a"])).answered(&reply("b"));
        log.sends(&body(&["a", "b in other words", "c"])).answered(&reply("d"));
        // Asked once more.
        log.sends(&body(&["a", "b in other words", "c"])).answered(&reply("e"));
        log.sends(&body(&["a", "b", "c", "e", "f"])).answered(&reply("g"));
        // Another conversation, and the first again.
        log.sends(&body(&["x"])).answered(&reply("y"));
        log.sends(&body(&["a", "b", "c", "e", "f", "g", "h"])).answered(&reply("i"));
        // It leaves the first halfway.
        log.sends(&body(&["a", "b", "z"])).answered(&reply("end"));
        let expected = ["a", "b", "c", "d", "e", "f", "g", "x", "y", "h", "i", "z", "end"];
        assert_eq!(contents(&log), expected);
        let recorded = log.recorded();
        assert_eq!((recorded.sent, recorded.answered), (7, 7));
        assert_eq!((recorded.usage.input, recorded.usage.output), (3_500_000, 700_000));
        assert_eq!(recorded.usage.cost, Some(14.0));
    }

    #[test]
    fn the_last_event_is_the_evidence() {
        let log = log();
        let error = || ModelError::Unavailable { status: 429, words: String::new() };
        log.sends(&body(&["a"])).failed(error(), 0);
        let recorded = log.recorded();
        assert_eq!((recorded.failure, recorded.answered, recorded.usage.input), (Some(error()), 0, 0));
        log.sends(&body(&["a"])).answered(&reply("b"));
        assert_eq!(log.recorded().failure, None);
        drop(log.sends(&body(&["a"])));
        assert!(500_000 < log.recorded().usage.input);
    }

    #[test]
    fn a_budget_that_is_reached_is_said() {
        let log = log();
        let tokens = |most| Budget { tokens: Some(most), ..Budget::default() };
        let cost = |most| Budget { cost: Some(most), ..Budget::default() };
        assert_eq!(log.limit(&tokens(1)), None);
        log.sends(&body(&["a"])).answered(&reply("b"));
        assert_eq!((log.limit(&tokens(600_000)), log.limit(&tokens(600_001))), (Some(Limit::Tokens), None));
        assert_eq!((log.limit(&cost(2.0)), log.limit(&cost(2.01))), (Some(Limit::Cost), None));
        assert_eq!(log.limit(&Budget::default()), None);
        assert_eq!(log.recorded().limit, Some(Limit::Cost));
    }

    #[test]
    fn esc_108_109_110_the_record_has_no_secret() {
        let log = log();
        let message =
            json!({ "role": "user", "content": format!("it is {KEY} or sk-{}", "x".repeat(40)), KEY: 1 });
        log.sends(&json!({ "messages": [message] })).answered(&reply(&format!("so {KEY}")));
        // The key in base64, broken over lines.
        let wrapped = "YS1saXZlLXNlY3JldC1v\nZi10aGUtdGVzdA==";
        log.sends(&body(&[wrapped])).answered(&reply("x"));
        log.refused(KEY);
        let recorded = log.recorded();
        assert!(!format!("{recorded:?}").contains(KEY), "{recorded:?}");
        assert!(!recorded.chat.contains(&wrapped[..20]), "{recorded:?}");
        assert!(recorded.chat.contains("[redacted]") && !recorded.chat.contains("xxxx"), "{recorded:?}");
    }

    #[test]
    fn waits_at_once_are_one() {
        let log = log();
        let error = ModelError::Unavailable { status: 429, words: String::new() };
        log.waits(&error, Duration::from_secs(10));
        log.waits(&error, Duration::from_secs(4));
        assert_eq!(log.recorded().failure.as_ref(), Some(&error));
        let waited = Patience(Arc::clone(&log)).waited();
        assert!(Duration::from_secs(10) == waited, "{waited:?}");
        log.waits(&error, Duration::from_secs(30));
        let waited = Patience(log).waited();
        assert!(Duration::from_secs(29) < waited && waited < Duration::from_secs(31), "{waited:?}");
    }
}
