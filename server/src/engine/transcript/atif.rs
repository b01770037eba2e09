//! ATIF, Harbor's Agent Trajectory Interchange Format, versions 1.0 to 1.8. Most transcripts are in it and they are long, so it
//! is read from its text without a tree of JSON in between.

use std::borrow::Cow;

use ecow::{EcoString, eco_format};
use memchr::memmem;
use serde::de::{Deserialize as _, MapAccess};

use super::content::{Content, Tree};
use super::json;
use super::loose::{Any, Given, Loose, object};
use super::parts::text;
use super::{Read, Record};
use crate::engine::trace::{Agent, Arguments, Call, End, Observation, Source, Step, Trace, Usage};

/// How the version of the format begins.
const VERSION: &str = "ATIF-v1.";

pub(super) fn is(record: &Record) -> bool {
    matches!(record, Record::Document(document) if text(document, "schema_version").is_some_and(|version| version.starts_with(VERSION)))
}

/// Reads the text of a transcript; none if it is no JSON or in another format.
pub(super) fn read_text(source: &str) -> Option<Read> {
    // What does not name the format is not read in vain.
    memmem::find(source.as_bytes(), VERSION.as_bytes())?;
    let Any(document) = json::from_str::<Any<Document>>(source).ok()?;
    let is_named = document.version.as_deref().is_some_and(|version| version.starts_with(VERSION));
    is_named.then(|| trace(document))
}

pub(super) fn read(record: &Record) -> Read {
    let document = match record {
        Record::Document(document) => Any::deserialize(document).ok(),
        _ => None,
    };
    trace(document.map_or_else(Document::default, |Any(document)| document))
}

object! {
    /// A trajectory, or one that is embedded in another.
    Document<'de> {
        version: Option<Cow<'de, str>> = "schema_version",
        id: Option<String> = "trajectory_id",
        agent: AgentObject = "agent",
        steps: Vec<StepObject<'de>> = "steps",
        inner: Vec<Document<'de>> = "subagent_trajectories",
        extra: DocumentExtra = "extra",
    }
}

object! {
    AgentObject {
        name: Option<String> = "name",
        version: Option<String> = "version",
        model: Option<String> = "model_name",
        tools: Vec<Tool> = "tool_definitions",
    }
}

object! {
    Tool {
        function: Function = "function",
        name: Option<String> = "name",
    }
}

object! {
    Named {
        name: Option<String> = "name",
    }
}

object! {
    DocumentExtra {
        end: Option<String> = "end",
    }
}

object! {
    StepObject<'de> {
        is_copied: Option<bool> = "is_copied_context",
        source: Option<Cow<'de, str>> = "source",
        message: Content<String> = "message",
        reasoning: Option<String> = "reasoning_content",
        calls: Vec<CallObject> = "tool_calls",
        observation: ObservationObject<'de> = "observation",
        timestamp: Option<String> = "timestamp",
        metrics: Given<Metrics> = "metrics",
        extra: Given<StepExtra> = "extra",
    }
}

object! {
    Metrics {
        prompt: Option<u64> = "prompt_tokens",
        cached: Option<u64> = "cached_tokens",
        completion: Option<u64> = "completion_tokens",
        cost: Option<f64> = "cost_usd",
    }
}

object! {
    StepExtra {
        stop_reason: Option<String> = "stop_reason",
        state: Option<String> = "state",
        rule: Option<String> = "rule",
    }
}

object! {
    CallObject {
        id: Option<String> = "tool_call_id",
        tool: Option<String> = "function_name",
        arguments: Tree = "arguments",
        extra: CallExtra = "extra",
    }
}

object! {
    CallExtra {
        raw: Option<String> = "raw_arguments",
        schema_ok: Option<bool> = "schema_ok",
    }
}

object! {
    ObservationObject<'de> {
        results: Vec<ResultObject<'de>> = "results",
    }
}

object! {
    ResultObject<'de> {
        call: Option<Cow<'de, str>> = "source_call_id",
        content: Content<EcoString> = "content",
        extra: ResultExtra = "extra",
    }
}

object! {
    ResultExtra {
        exit: Option<i64> = "exit_code",
        timed_out: Option<bool> = "timed_out",
        truncated: Option<bool> = "truncated",
        failed: Option<bool> = "failed",
    }
}

/// The name below `function`, if that is there.
#[derive(Default)]
struct Function(Option<Option<String>>);

impl<'de> Loose<'de> for Function {
    fn other() -> Self {
        Self(Some(None))
    }

    fn entries<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        Named::entries(entries).map(|named| Self(Some(named.name)))
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn trace(document: Document<'_>) -> Read {
    let Document { agent, steps, inner, extra, .. } = document;
    let names = agent.tools.into_iter().filter_map(|tool| tool.function.0.unwrap_or(tool.name));
    let mut read = Read {
        trace: Trace {
            offered_tools: names.collect(),
            agent: Agent {
                name: filled(agent.name).unwrap_or_default(),
                version: filled(agent.version),
                model: filled(agent.model),
            },
            end: extra.end.as_deref().and_then(end),
            ..Trace::default()
        },
        stray: 0,
    };
    trajectory(steps, inner, "", &[], &mut read);
    let first_user = read.trace.steps.iter().find(|step| step.source == Source::User);
    read.trace.instruction = first_user.map(|step| step.message.clone());
    read
}

/// The steps of a trajectory and of what it embeds.
fn trajectory(
    steps: Vec<StepObject<'_>>,
    inner: Vec<Document<'_>>,
    pointer: &str,
    path: &[String],
    read: &mut Read,
) {
    read.trace.steps.reserve(steps.len());
    for (index, object) in steps.into_iter().enumerate() {
        if object.is_copied == Some(true) {
            continue;
        }
        let origin = eco_format!("{pointer}/steps/{index}");
        let (step, stray) = self::step(object, origin, path);
        read.trace.push(step);
        read.stray += stray;
    }
    for (index, document) in inner.into_iter().enumerate() {
        let Document { id, agent, steps, inner, .. } = document;
        let mut path = path.to_vec();
        path.push(agent.name.or(id).unwrap_or_else(|| String::from("subagent")));
        trajectory(steps, inner, &format!("{pointer}/subagent_trajectories/{index}"), &path, read);
    }
}

fn step(object: StepObject<'_>, origin: EcoString, path: &[String]) -> (Step, usize) {
    let StepObject { message, reasoning, calls, observation, timestamp, metrics, extra, .. } = object;
    let (metrics, extra) = (metrics.or_default(), extra.or_default());
    let source = match object.source.as_deref() {
        Some("system") => Source::System,
        Some("agent") => Source::Agent,
        _ => Source::User,
    };
    let usage = metrics.prompt.map(|input| Usage {
        input,
        cached: metrics.cached.unwrap_or_default(),
        output: metrics.completion.unwrap_or_default(),
        cost: metrics.cost,
    });
    let mut step = Step {
        source,
        message: message.0,
        reasoning: filled(reasoning),
        calls: calls.into_iter().map(call).collect(),
        started: filled(timestamp),
        usage,
        stop_reason: filled(extra.stop_reason),
        state: filled(extra.state),
        rule: filled(extra.rule),
        agent_path: path.to_vec(),
        origin,
        ..Step::default()
    };
    let mut stray = 0;
    for ResultObject { call, content, extra } in observation.results {
        let observation = Observation {
            text: content.0,
            exit: extra.exit,
            timed_out: extra.timed_out.unwrap_or_default(),
            truncated: extra.truncated.unwrap_or_default(),
            shared: false,
            failed: extra.failed,
        };
        stray += usize::from(!step.observe(call.as_deref(), observation));
    }
    (step, stray)
}

fn call(object: CallObject) -> Call {
    let CallObject { id, tool, arguments, extra } = object;
    let arguments = match (arguments.0, extra.raw) {
        (None, _) => Arguments::written(""),
        // What the model wrote is no JSON, and the format has no other place for it.
        (Some(_), Some(written)) => Arguments::Raw(written),
        (Some(value), None) => Arguments::Json(value),
    };
    Call {
        id: filled(id),
        tool: tool.unwrap_or_default(),
        arguments,
        schema_ok: extra.schema_ok,
        observation: None,
    }
}

/// The end that was written into `extra`.
fn end(word: &str) -> Option<End> {
    Some(match word {
        "finished" => End::Finished,
        "steps" => End::Steps,
        "tokens" => End::Tokens,
        "cost" => End::Cost,
        "time" => End::Time,
        "context" => End::Context,
        "provider" => End::Provider,
        "killed" => End::Killed,
        other => End::Crashed(
            other.strip_prefix("crashed: ").or_else(|| other.strip_prefix("crashed"))?.to_owned(),
        ),
    })
}
