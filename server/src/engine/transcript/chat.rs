//! Messages of OpenAI chat completions, as a list, in `messages`, or one in a line. The relay records so.

use std::borrow::Cow;

use ecow::{EcoString, eco_format};
use serde::de::{Deserialize as _, Error as _, MapAccess, SeqAccess};
use serde_json::Value;

use super::content::{Content, Tree};
use super::json;
use super::loose::{Any, Given, Loose, object};
use super::parts::{call, text};
use super::{Read, Record};
use crate::engine::trace::{Arguments, Call, Observation, Source, Step, Trace, Usage};

/// Whether somebody of this role speaks in such messages.
fn is_role(role: &str) -> bool {
    ["system", "developer", "user", "assistant", "tool", "function"].contains(&role)
}

pub(super) fn is(record: &Record) -> bool {
    let messages = messages(record);
    let is_message = |value: &Value| text(value, "role").is_some_and(is_role);
    !messages.is_empty() && messages.iter().all(is_message)
}

pub(super) fn read(record: &Record) -> Read {
    let mut read = Read { trace: Trace::default(), stray: 0 };
    let origin = |index: usize| match record {
        Record::Lines(_) => format!("line {}", index + 1),
        Record::Document(Value::Array(_)) => format!("/{index}"),
        _ => format!("/messages/{index}"),
    };
    for (index, message) in messages(record).iter().enumerate() {
        add(message, origin(index), &mut read);
    }
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

fn messages(record: &Record) -> &[Value] {
    match record {
        Record::Lines(lines) => lines,
        Record::Document(Value::Array(items)) => items,
        Record::Document(document) => super::parts::list(document, "messages"),
        Record::Text => &[],
    }
}

/// Adds one message.
pub(super) fn add(message: &Value, origin: impl Into<EcoString>, read: &mut Read) {
    let message = Any::deserialize(message).map_or_else(|_| Message::default(), |Any(message)| message);
    read.stray += add_read(message, origin.into(), &mut read.trace);
}

/// Reads the text of a transcript that is a list of messages, or has one in each line, without a tree of JSON in between; none
/// of any other, and of one that may be in a format that looks alike.
pub(super) fn read_text(source: &str) -> Option<Read> {
    let mut all = Conversation::default();
    if source.trim_start().starts_with('[') {
        Any(all) = json::from_str(source).ok()?;
    } else {
        for (index, line) in source.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            let Any(message) = json::from_str(line).ok()?;
            all.add(message, eco_format!("line {}", index + 1))?;
        }
        // One alone is a document.
        if all.count == 1 {
            return None;
        }
    }
    if all.count == 0 {
        return None;
    }
    let mut trace = all.trace;
    let first_user = trace.steps.iter().find(|step| step.source == Source::User);
    trace.instruction = first_user.map(|step| step.message.clone());
    Some(Read { trace, stray: all.stray })
}

/// Messages as they are read.
#[derive(Default)]
struct Conversation {
    trace: Trace,
    stray: usize,
    count: usize,
}

impl Conversation {
    /// Adds a message; none if it may be of another format.
    fn add(&mut self, message: Message<'_>, origin: EcoString) -> Option<()> {
        self.count += 1;
        self.stray += message.is_told_by_role().then(|| add_read(message, origin, &mut self.trace))?;
        Some(())
    }
}

impl<'de> Loose<'de> for Conversation {
    fn items<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut all = Self::default();
        while let Some(Any(message)) = items.next_element()? {
            let origin = eco_format!("/{}", all.count);
            all.add(message, origin).ok_or_else(|| A::Error::custom("another format"))?;
        }
        Ok(all)
    }
}

object! {
    Message<'de> {
        role: Option<Cow<'de, str>> = "role",
        content: Content<String> = "content",
        refusal: Option<String> = "refusal",
        reasoning_content: Option<String> = "reasoning_content",
        reasoning: Option<String> = "reasoning",
        calls: Vec<CallObject<'de>> = "tool_calls",
        single: Given<CallObject<'de>> = "function_call",
        id: Option<Cow<'de, str>> = "tool_call_id",
        usage: Given<UsageObject> = "usage",
        timestamp: Option<String> = "timestamp",
        finish_reason: Option<String> = "finish_reason",
        step_number: Given<()> = "step_number",
        kind: Given<()> = "type",
    }
}

impl Message<'_> {
    /// Whether it has a role, and nothing by which other formats are told.
    fn is_told_by_role(&self) -> bool {
        self.role.as_deref().is_some_and(is_role) && self.step_number.0.is_none() && self.kind.0.is_none()
    }
}

object! {
    CallObject<'de> {
        id: Option<Cow<'de, str>> = "id",
        function: Given<FunctionObject<'de>> = "function",
        name: Option<Cow<'de, str>> = "name",
        arguments: Written = "arguments",
    }
}

object! {
    FunctionObject<'de> {
        name: Option<Cow<'de, str>> = "name",
        arguments: Written = "arguments",
    }
}

object! {
    UsageObject {
        prompt: Option<u64> = "prompt_tokens",
        input: Option<u64> = "input_tokens",
        details: DetailsObject = "prompt_tokens_details",
        completion: Option<u64> = "completion_tokens",
        output: Option<u64> = "output_tokens",
        cost: Option<f64> = "cost",
    }
}

object! {
    DetailsObject {
        cached: Option<u64> = "cached_tokens",
    }
}

impl CallObject<'_> {
    /// The call; none without a name.
    fn call(self) -> Option<Call> {
        let (name, Written(arguments)) = match self.function.0 {
            Some(function) => (function.name, function.arguments),
            None => (self.name, self.arguments),
        };
        Some(call(self.id.as_deref(), &name?, arguments))
    }
}

/// Arguments: JSON as it is, or as a string; none are an empty object.
struct Written(Arguments);

impl Default for Written {
    fn default() -> Self {
        Self(Arguments::Json(Value::Object(serde_json::Map::new())))
    }
}

impl Written {
    fn json(tree: Tree) -> Self {
        tree.0.map_or_else(Self::default, |value| Self(Arguments::Json(value)))
    }
}

impl<'de> Loose<'de> for Written {
    fn flag(flag: bool) -> Self {
        Self::json(Tree::flag(flag))
    }

    fn negative(number: i64) -> Self {
        Self::json(Tree::negative(number))
    }

    fn whole(number: u64) -> Self {
        Self::json(Tree::whole(number))
    }

    fn real(number: f64) -> Self {
        Self::json(Tree::real(number))
    }

    fn text(text: &str) -> Self {
        Self(Arguments::written(text))
    }

    fn items<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        Tree::items(items).map(Self::json)
    }

    fn entries<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        Tree::entries(entries).map(Self::json)
    }
}

/// Adds one message; how many results belong to no call.
fn add_read(message: Message<'_>, origin: EcoString, trace: &mut Trace) -> usize {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let Content(said) = message.content;
    let source = match message.role.as_deref() {
        Some("tool" | "function") => {
            return usize::from(!trace.observe(message.id.as_deref(), Observation::text(said)));
        }
        Some("system" | "developer") => Source::System,
        Some("assistant") => Source::Agent,
        _ => Source::User,
    };
    let said = if said.is_empty() { message.refusal.unwrap_or_default() } else { said };
    let several = message.calls.into_iter().filter_map(CallObject::call);
    // The old form has no id.
    let single = message.single.0.and_then(|single| CallObject { id: None, ..*single }.call());
    trace.push(Step {
        calls: several.chain(single).collect(),
        reasoning: filled(message.reasoning_content).or_else(|| filled(message.reasoning)),
        usage: message.usage.0.as_deref().and_then(usage),
        started: filled(message.timestamp),
        stop_reason: filled(message.finish_reason),
        ..Step::said(source, said, origin)
    });
    0
}

fn usage(usage: &UsageObject) -> Option<Usage> {
    Some(Usage {
        input: usage.prompt.or(usage.input)?,
        cached: usage.details.cached.unwrap_or_default(),
        output: usage.completion.or(usage.output).unwrap_or_default(),
        cost: usage.cost,
    })
}
