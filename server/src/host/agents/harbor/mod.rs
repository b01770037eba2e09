//! Harbor agents: whatever Harbor runs, in environments that Harbor makes, outside of our sandbox (`formats` 5.3). A job is one
//! task, one harness and one attempt, so every trial is asked for by itself. [`lay_out`] puts a harness where its path says what
//! is in it, [`Words`] says what a job asks for, and [`Program::run`] runs it. What comes of it is read elsewhere.

mod candidate;
mod words;
mod program;
mod process;

use std::path::PathBuf;

use harness_schema::harness::Harness;
use harness_schema::manifest::AgentKind;

pub use self::candidate::{keep_only, lay_out};
pub use self::process::{Ended, Running, end_noted};
pub use self::program::{Program, here};
pub use self::words::{Asked, Words};

use crate::host::machine::Machine;

/// Why a Harbor agent cannot be run as the manifest says.
#[derive(Debug, thiserror::Error)]
pub enum HarborError {
    /// Harbor is not there.
    #[error(
        "Harbor is not found: {reason}; install it (`uv tool install harbor`) or name its program in `[harbor]` of your configuration"
    )]
    NotFound {
        /// Where it was looked for.
        reason: String,
    },
    /// It is another version than the tasks are measured with.
    #[error(
        "`agent.version` in `harness.toml` is {wanted}, and Harbor here is {found}; install that version"
    )]
    Version {
        /// What the manifest says.
        wanted: String,
        /// What is here.
        found: String,
    },
    /// A placeholder that nobody fills.
    #[error(
        "`{key}` in `harness.toml` holds the placeholder `{{{name}}}`, which a Harbor agent has not; {remedy}"
    )]
    Placeholder {
        /// The key.
        key: &'static str,
        /// The placeholder.
        name: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A variable of this machine that Harbor may not see.
    #[error(
        "`agent.env` in `harness.toml` asks for the variable `{name}` of this machine; name it in `variables` of `[harbor]` in your configuration if Harbor may see it"
    )]
    Variable {
        /// Its name.
        name: String,
    },
    /// A file cannot be read or laid out.
    #[error("cannot {what} `{path}`: {source}; see whether it is there and can be read")]
    File {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Whether Harbor runs the agent of a harness.
#[must_use]
pub fn is_harbor(harness: &Harness) -> bool {
    harness.manifest().agent.value.kind.value == AgentKind::Harbor
}

/// Whether the agent can be run as the manifest says, before a trial is begun. Nothing of it concerns an agent of another kind.
///
/// # Errors
/// A [`HarborError`] that says what to change.
pub fn ready(harness: &Harness, machine: &Machine) -> Result<(), HarborError> {
    if !is_harbor(harness) {
        return Ok(());
    }
    let words = Words::of(harness, &machine.harbor.variables);
    words.asked(harness, &PathBuf::from("/harness"), "digest")?;
    let program = Program::of(&machine.harbor)?;
    match harness.manifest().agent.value.version.as_ref().map(|version| version.value.as_str()) {
        Some(wanted) => program.is(wanted),
        None => Ok(()),
    }
}
