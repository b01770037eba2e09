//! `trace RUN TASK`: what the agent did in a trial, step after step. Held-in tasks only: who reads how held-out tasks fail
//! teaches with what must judge.

use std::fs;
use std::path::PathBuf;

use super::report::excerpt::visible;
use super::{locate, terminal};
use crate::engine::trace::{Arguments as Given, Source, Trace};
use crate::failure::Failure;
use crate::host::egress::Seen;
use crate::host::store::IMPORTED;
use crate::host::telling;
use crate::host::trial::NETWORK;

/// How much of one text is shown, in characters, unless all of it is asked for.
const SHOWN: usize = 1200;

/// The arguments of `trace`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run, as `r-0012`; `latest` for the newest
    #[arg(value_name = "RUN")]
    run: String,
    /// The task
    #[arg(value_name = "TASK")]
    task: String,
    /// Which repeat, from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    repeat: u32,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The transcript itself, as ATIF v1.8
    #[arg(long)]
    json: bool,
    /// Every text whole
    #[arg(long)]
    full: bool,
}

/// Prints the transcript of a trial.
///
/// # Errors
/// A [`Failure`] if there is no such trial.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let name = Some(arguments.run.as_str()).filter(|name| *name != "latest");
    let (store, stored) = locate::found(&root, name)?;
    if store.is_foreign() {
        terminal::print_aside(&format!("{IMPORTED}\n"));
    }
    let traced = telling::trace(&store, &stored, &arguments.task, arguments.repeat)?;
    if arguments.json {
        terminal::print_exactly(&traced.text)?;
        return Ok(0);
    }
    let (trace, trial) = (traced.trace()?, &traced.trial);
    let mut out = format!("{} · {} #{} · {}", trial.id, trial.task, trial.repeat, trial.verdict);
    if !trial.detail.is_empty() {
        out.push_str(&format!(" · {}", trial.detail));
    }
    out.push('\n');
    out.push_str(&steps(&trace, if arguments.full { usize::MAX } else { SHOWN }));
    if let Ok(verifier) = store.read_of_trial(&trial.id, "verifier.txt") {
        out.push_str(&format!("\nverifier\n{}\n", indented(&verifier, SHOWN * 4)));
    }
    let network = fs::read_to_string(store.trial_directory(&trial.id).join(NETWORK)).ok();
    if let Some(seen) = network.and_then(|text| serde_json::from_str::<Seen>(&text).ok()) {
        let most = if arguments.full { usize::MAX } else { SHOWN * 4 };
        out.push_str(&format!("\nnetwork\n{}\n", indented(&seen.lines().join("\n"), most)));
    }
    terminal::print(&visible(&out))?;
    Ok(0)
}

fn steps(trace: &Trace, most: usize) -> String {
    let mut out = String::new();
    let agent_steps = trace.steps.iter().filter(|step| step.source == Source::Agent).count();
    let mut number = 0;
    for step in &trace.steps {
        let who = match (step.source, &step.rule, &step.state) {
            (Source::System, ..) => String::from("system"),
            (Source::User, Some(rule), _) => format!("rule {rule}"),
            (Source::User, None, Some(state)) => format!("state {state}"),
            (Source::User, None, None) => String::from("user"),
            (Source::Agent, ..) => {
                number += 1;
                format!("step {number} of {agent_steps}")
            }
        };
        out.push_str(&format!("\n{who}\n"));
        if !step.message.trim().is_empty() {
            out.push_str(&indented(&step.message, most));
        }
        for call in &step.calls {
            let arguments = match &call.arguments {
                Given::Json(value) => value.to_string(),
                Given::Raw(text) => text.clone(),
            };
            out.push_str(&indented(&format!("→ {} {arguments}", call.tool), most));
            if let Some(seen) = &call.observation {
                let exit = seen.exit.map(|exit| format!(" (exit {exit})")).unwrap_or_default();
                out.push_str(&indented(&format!("←{exit} {}", seen.text.trim_end()), most));
            }
        }
    }
    out
}

fn indented(text: &str, most: usize) -> String {
    let shown: String = text.chars().take(most).collect();
    let cut = text.chars().count() - shown.chars().count();
    let mut out: String = shown.trim_end().lines().map(|line| format!("    {line}\n")).collect();
    if 0 < cut {
        out.push_str(&format!("    … {cut} more characters\n"));
    }
    out
}
