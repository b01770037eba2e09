//! What an agent did in a trial, step after step, fifty steps a page. Texts of agents and tools stand in fences only.

use super::Page;
use super::name::Name;
use super::safe::{code, fenced};
use crate::engine::report::text::{line, markdown as safe};
use crate::engine::report::words::plural;
use crate::engine::trace::{Arguments, Call, Loss, Observation, Source, Step, Trace};

/// So many steps of the agent are on a page.
pub const STEPS: usize = 50;

/// What is to be known of the trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceAbout {
    /// The [root](super::name::root_id) of its project.
    pub root: String,
    /// The run.
    pub run: String,
    /// The task: a held-in one, for no other has a page.
    pub task: String,
    /// Which repeat, from 0.
    pub repeat: u32,
    /// `pass`, `fail` or `void`.
    pub verdict: String,
    /// Why, in a line; may be empty.
    pub detail: String,
    /// What the verifier printed; may be empty.
    pub verifier: String,
}

/// The page of a trace that a step of the agent is on; both are counted from 1.
#[must_use]
pub fn page_of(step: usize) -> usize {
    step.saturating_sub(1) / STEPS + 1
}

/// A page of a trace, from 1; behind the last one there is the last one.
#[must_use]
pub fn trace(trace: &Trace, about: &TraceAbout, page: usize) -> Page {
    let steps = trace.steps.iter().filter(|step| step.source == Source::Agent).count();
    let pages = page_of(steps);
    let page = page.clamp(1, pages);
    let mut out = format!("# {} #{}: {}\n\n", safe(&about.task), about.repeat, safe(&about.verdict));
    let mut facts = vec![safe(&about.run)];
    facts.extend(agent(trace));
    if let Some(end) = &trace.end {
        facts.push(format!("ended: {}", end.word()));
    }
    out.push_str(&format!("{}\n", facts.join(" · ")));
    if !about.detail.is_empty() {
        out.push_str(&format!("\n{}", fenced(&about.detail, "text")));
    }
    for loss in &trace.losses {
        // That times or prices are missing is seen; that steps are, is not.
        match loss {
            Loss::CutOff => out.push_str("\n> The record ends in the middle: what comes before is shown.\n"),
            Loss::StrayResults(count) => {
                let results = plural(*count as u64, "result belongs", "results belong");
                out.push_str(&format!("\n> {results} to no call: not shown.\n"));
            }
            Loss::SystemPrompt | Loss::ExitCodes | Loss::Usage | Loss::Times => {}
        }
    }
    let links = links(about, page, pages, steps);
    out.push_str(&format!("\n{links}\n"));
    for (number, step) in numbered(trace).filter(|(number, _)| page_of(*number) == page) {
        out.push_str(&of_step(step, number, steps));
    }
    if page == pages && !about.verifier.trim().is_empty() {
        out.push_str(&format!("\n## verifier\n\n{}", fenced(&about.verifier, "text")));
    }
    if 1 < pages {
        out.push_str(&format!("\n---\n\n{links}\n"));
    }
    Page::markdown(out)
}

/// The program that ran.
fn agent(trace: &Trace) -> Option<String> {
    let agent = &trace.agent;
    let version = agent.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let model = agent.model.as_deref().map(|model| format!(" with {model}")).unwrap_or_default();
    (!agent.name.is_empty()).then(|| safe(&format!("{}{version}{model}", agent.name)))
}

/// Each step with the number of the agent's step that it belongs to: what is said before the agent acts belongs to its next step,
/// and what is said at the end to its last one.
fn numbered(trace: &Trace) -> impl Iterator<Item = (usize, &Step)> {
    let last = trace.steps.iter().rposition(|step| step.source == Source::Agent);
    let mut done = 0;
    trace.steps.iter().enumerate().map(move |(at, step)| {
        let is_behind = last.is_none_or(|last| last < at);
        let number = if is_behind { done.max(1) } else { done + 1 };
        done += usize::from(step.source == Source::Agent);
        (number, step)
    })
}

/// `steps 51–100 of 812 · previous · next`.
fn links(about: &TraceAbout, page: usize, pages: usize, steps: usize) -> String {
    if steps == 0 {
        return String::from("no step of the agent");
    }
    let first = (page - 1) * STEPS + 1;
    let last = (page * STEPS).min(steps);
    let mut parts = vec![format!("steps {first}–{last} of {steps}")];
    let (run, task, repeat) = (&about.run, &about.task, about.repeat);
    let mut link = |word: &str, page: usize| {
        let name = Name::Trace { run: run.clone(), task: task.clone(), repeat, page };
        parts.push(format!("[{word}]({})", name.address(&about.root)));
    };
    if 1 < page {
        link("previous", page - 1);
    }
    if page < pages {
        link("next", page + 1);
    }
    parts.join(" · ")
}

fn of_step(step: &Step, number: usize, steps: usize) -> String {
    let who = match (step.source, &step.rule, &step.state) {
        (Source::System, ..) => String::from("### system"),
        (Source::User, Some(rule), _) => format!("### rule {}", code(rule)),
        (Source::User, None, Some(state)) => format!("### state {}", code(state)),
        (Source::User, None, None) => String::from("### user"),
        (Source::Agent, ..) => format!("## step {number} of {steps}"),
    };
    let inside = match step.agent_path.as_slice() {
        [] => String::new(),
        path => format!(" in {}", path.iter().map(|name| code(name)).collect::<Vec<_>>().join(" › ")),
    };
    let mut out = format!("\n{who}{inside}\n");
    if let Some(reasoning) = step.reasoning.as_deref().filter(|text| !text.trim().is_empty()) {
        out.push_str(&format!("\nthinks\n\n{}", fenced(reasoning, "text")));
    }
    if !step.message.trim().is_empty() {
        out.push_str(&format!("\n{}", fenced(&step.message, "text")));
    }
    for call in &step.calls {
        out.push_str(&of_call(call));
    }
    out
}

fn of_call(call: &Call) -> String {
    let (given, language) = match &call.arguments {
        Arguments::Json(value) => {
            (serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()), "json")
        }
        Arguments::Raw(text) => (text.clone(), "text"),
    };
    let misfit = match (call.schema_ok, &call.arguments) {
        (_, Arguments::Raw(_)) => ", with what is no JSON",
        (Some(false), _) => ", with arguments that do not fit its schema",
        _ => "",
    };
    let mut out = format!("\ncalls {}{misfit}\n\n{}", code(&call.tool), fenced(&given, language));
    match &call.observation {
        Some(seen) => {
            out.push_str(&format!("\n{}\n", result(seen)));
            if !seen.text.trim().is_empty() {
                out.push_str(&format!("\n{}", fenced(seen.text.trim_end(), "text")));
            }
        }
        None => out.push_str("\nnothing came back\n"),
    }
    out
}

/// What came back, in half a line: `returns exit 1, cut`.
fn result(seen: &Observation) -> String {
    let mut facts: Vec<String> = Vec::new();
    facts.extend(seen.exit.map(|exit| format!("exit {exit}")));
    facts.extend(seen.failed.filter(|failed| *failed).map(|_| String::from("failed")));
    facts.extend(seen.timed_out.then(|| String::from("out of time")));
    facts.extend(seen.truncated.then(|| String::from("cut")));
    facts.extend(seen.shared.then(|| String::from("for all calls of this step")));
    match seen.text.lines().count() as u64 {
        0 => facts.push(String::from("no text")),
        lines => facts.push(plural(lines, "line", "lines")),
    }
    line(&format!("returns {}", facts.join(", ")))
}
