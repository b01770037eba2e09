//! Asks before anything is executed or spent: what runs, where, what it sends to whom, and what it costs.

use std::io::{self, BufRead, IsTerminal, Write};

use super::report::excerpt::visible;
use super::terminal;
use crate::failure::Failure;
use crate::host::model::KeySource;
use crate::host::sandbox::Guarantees;
use crate::host::subject::Subject;

/// What is to be started.
pub struct Asked<'a> {
    /// The verb.
    pub verb: &'a str,
    /// What it is about.
    pub subject: &'a Subject,
    /// The sandbox.
    pub guarantees: &'a Guarantees,
    /// Trials.
    pub trials: usize,
    /// Of these many held-in tasks.
    pub held_in: usize,
    /// And held-out ones.
    pub held_out: usize,
    /// Repeats of each.
    pub repeats: u32,
    /// Side by side.
    pub parallel: usize,
    /// Where the model's key comes from.
    pub key: &'a KeySource,
    /// The cap on money, in US dollars.
    pub max_cost: Option<f64>,
}

/// The lines of the consent, which are the same in every client.
#[must_use]
pub fn lines(asked: &Asked<'_>) -> String {
    let manifest = asked.subject.harness.manifest();
    let model = &manifest.model.value;
    let name = manifest.name.as_ref().map_or("this harness", |name| name.value.as_str());
    let is_local = is_local(&model.endpoint.value);
    let here = if is_local { " (this machine)" } else { "" };
    let key = match asked.key {
        KeySource::Variable(variable) => format!(", key from {variable}"),
        KeySource::Command(_) => String::from(", key from the command that this machine names"),
        KeySource::None => String::from(", no key"),
    };
    let costs = match (&model.price, is_local) {
        (None, true) => String::from("free (local endpoint)"),
        (None, false) => String::from("price unknown, limited by trials and tokens"),
        (Some(_), _) => {
            asked.max_cost.map_or(String::from("no limit is set"), |most| format!("stops at ${most:.2}"))
        }
    };
    let rows = [
        (
            "Runs",
            format!(
                "{} trials: {} held-in and {} held-out tasks, {} each, {} at a time",
                asked.trials,
                asked.held_in,
                asked.held_out,
                if asked.repeats == 1 {
                    String::from("1 repeat")
                } else {
                    format!("{} repeats", asked.repeats)
                },
                asked.parallel
            ),
        ),
        (
            "Executes",
            match asked.guarantees.lacking().is_empty() {
                true => format!(
                    "the agent's commands and each task's tests/test.sh, in the {} sandbox, {}",
                    asked.guarantees.backend,
                    asked.subject.network()
                ),
                false => String::from(
                    "the agent's commands and each task's tests/test.sh WITHOUT A SANDBOX, with your rights",
                ),
            },
        ),
        (
            "Sends",
            format!(
                "prompts, tools, task texts and tool output to {}{here}, and nowhere else{}",
                model.endpoint.value,
                match asked.subject.has_network() {
                    true => "; what runs in a sandbox may send what it sees to the hosts above",
                    false => "",
                }
            ),
        ),
        ("Model", format!("{}{key}", model.name.value)),
        ("Costs", costs),
        ("Writes", String::from(".self-harness/ in this folder; your files are not edited")),
    ];
    let left: Vec<String> = asked
        .subject
        .tasks
        .iter()
        .filter_map(|task| Some(format!("{} ({})", task.id, task.plan.as_ref().err()?)))
        .collect();
    let left = left.first().map(|first| match left.len() {
        1 => first.clone(),
        several => format!("{several} tasks that cannot be run here; the first: {first}"),
    });
    let mut out = format!("Start {} for {name}?\n", asked.verb);
    for (what, text) in rows.into_iter().chain(left.map(|left| ("Leaves out", left))) {
        out.push_str(&format!("{what:<10} {text}\n"));
    }
    visible(&out).into_owned()
}

fn is_local(endpoint: &str) -> bool {
    crate::host::model::Endpoint::read(endpoint).is_ok_and(|endpoint| endpoint.is_loopback())
}

/// Asks; whether it may start. Where nobody can be asked, `yes` has to have been given.
///
/// # Errors
/// A [`Failure`] if nobody can be asked.
pub fn given(asked: &Asked<'_>, yes: bool) -> Result<bool, Failure> {
    terminal::print_aside(&lines(asked));
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let hint = "read the lines above, and add `--yes` to agree to them";
        return Err(Failure::user("nobody can be asked here whether this may start", hint));
    }
    terminal::print_aside("Start? [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Failure::host(format!("the answer cannot be read: {error}"), "add `--yes` to agree")
    })?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
