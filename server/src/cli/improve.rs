//! `improve`, `propose` and `validate`: makes a harness better, or one step of that. No file of the project is changed: what was
//! accepted is offered.

use std::path::PathBuf;

use clap::ValueEnum;
use harness_schema::manifest::Gate;

use super::locate;
use super::start::{self, Terms};
use crate::failure::Failure;
use crate::host::starting::plans::{self, Improve};

const MORE_HELP: &str = "\
Examples:
  self-harness improve                        rounds of mining, proposals and validation, within the budget
  self-harness improve --rounds 1 --yes       one round without asking, for CI
  self-harness improve --gate exact           the paper's rule, with exact early stops
  self-harness status --resume                goes on with a run that was stopped; nothing is paid twice

No file is changed. `self-harness report` shows what was accepted, `report --diff P7` the edit.";

const MORE_HELP_VALIDATE: &str = "\
Examples:
  self-harness validate                       every proposal for this harness that has no decision yet
  self-harness validate P7 P9                 these
  self-harness validate --working-tree        your own edit, against the harness that was measured last";

/// The arguments of `improve`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP)]
pub struct Arguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// How many rounds at most; the manifest's `improve.rounds`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: Option<u32>,
    /// How many proposals are validated in a round; the manifest's `improve.proposals`
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub proposals: Option<u32>,
    /// How strictly proposals are judged; the manifest's `improve.gate`
    #[arg(long, value_enum)]
    pub gate: Option<WhichGate>,
    /// On what terms it is started
    #[command(flatten)]
    pub terms: Terms,
}

/// The arguments of `propose`.
#[derive(Debug, Default, clap::Args)]
pub struct ProposeArguments {
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How many proposals are kept; the manifest's `improve.proposals`
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=32))]
    proposals: Option<u32>,
    #[command(flatten)]
    terms: Terms,
}

/// The arguments of `validate`.
#[derive(Debug, Default, clap::Args)]
#[command(after_long_help = MORE_HELP_VALIDATE)]
pub struct ValidateArguments {
    /// The proposals, as `P7`; all for this harness that have no decision if none is named
    #[arg(value_name = "P")]
    proposals: Vec<String>,
    /// The project; this directory, or the nearest above with a `harness.toml`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Your own edit of the harness on disk, against the harness that was measured last
    #[arg(long, conflicts_with = "proposals")]
    working_tree: bool,
    /// How strictly they are judged; the manifest's `improve.gate`
    #[arg(long, value_enum)]
    gate: Option<WhichGate>,
    #[command(flatten)]
    terms: Terms,
}

/// A mode of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WhichGate {
    /// Screened with a margin, then confirmed with fresh trials
    Certified,
    /// The paper's rule with exact early stops
    Exact,
    /// The paper's rule, every slot run
    Paper,
}

impl WhichGate {
    fn gate(self) -> Gate {
        match self {
            Self::Certified => Gate::Certified,
            Self::Exact => Gate::Exact,
            Self::Paper => Gate::Paper,
        }
    }
}

/// Starts rounds of improvement and follows them.
///
/// # Errors
/// A [`Failure`] if they cannot be started.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    let Arguments { rounds, proposals, gate, .. } = *arguments;
    let wanted = Improve { rounds, proposals, gate: gate.map(WhichGate::gate) };
    start::run(&root, &arguments.terms, |asking| plans::improve(asking.subject, &wanted))
}

/// One round on the example of `demo`: whoever starts the demo has asked for exactly that.
///
/// # Errors
/// A [`Failure`] if it cannot be run.
pub fn demo(root: &std::path::Path, proposals: u32) -> Result<u8, Failure> {
    let terms = Terms { yes: true, ..Terms::default() };
    let directory = Some(root.to_path_buf());
    run(&Arguments { directory, rounds: Some(1), proposals: Some(proposals), gate: None, terms })
}

/// Makes proposals and tries none.
///
/// # Errors
/// A [`Failure`] if that cannot be started.
pub fn propose(arguments: &ProposeArguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.directory.as_deref())?;
    start::run(&root, &arguments.terms, |asking| plans::propose(asking.subject, arguments.proposals))
}

/// Decides on proposals that are there.
///
/// # Errors
/// A [`Failure`] if that cannot be started.
pub fn validate(arguments: &ValidateArguments) -> Result<u8, Failure> {
    let root = locate::root(arguments.root.as_deref())?;
    let gate = arguments.gate.map(WhichGate::gate);
    start::run(&root, &arguments.terms, |asking| match arguments.working_tree {
        true => plans::working_tree(asking, gate),
        false => plans::validate(asking, &arguments.proposals, gate),
    })
}
