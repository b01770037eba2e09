//! `demo`: everything at work, with no key and no network: an example harness, a model that follows a script, and 24 tasks in
//! real sandboxes.

use std::path::{Path, PathBuf};

use super::{evaluate, improve, locate, run_report, terminal};
use crate::engine::cycle::Decision;
use crate::failure::Failure;
use crate::host::editors::{self, Clients, Editor, Place};
use crate::host::example;
use crate::host::machine::Machine;
use crate::host::record::ProposalRecord;
use crate::host::scripted::{Persona, Server};
use crate::host::{starting, state};

/// The port that the scripted model prefers: with the same address the manifest is the same each time.
const PORT: u16 = 8427;

/// Proposals that the demo tries: one round of four ends within minutes on two cores.
const PROPOSALS: u32 = 4;

/// The arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the example is written; a directory of its own in your state directory if none is named
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How often each task is tried at first
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    repeats: u32,
    /// Only evaluates, and improves nothing
    #[arg(long)]
    only_evaluate: bool,
    /// Opens the example in an editor afterwards, where the accepted edit waits; the model answers until the editor is left
    #[arg(long, value_name = "EDITOR", conflicts_with = "only_evaluate")]
    open: Option<Choice>,
}

/// An editor, by the name of its program.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Choice {
    /// VS Code
    Code,
    /// Neovim
    Nvim,
}

impl From<Choice> for Editor {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Code => Self::Code,
            Choice::Nvim => Self::Neovim,
        }
    }
}

/// Evaluates the example, and makes it better.
///
/// # Errors
/// A [`Failure`] if the example cannot be written, or nothing can be run here.
pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    // Before anything is written: without a sandbox there is nothing to show.
    starting::proven(&Machine::read()?, false)?;
    let clients = Clients::of_this_executable();
    let editor = arguments.open.map(Editor::from);
    if let Some(editor) = editor {
        check_editor(editor, &clients)?;
    }
    let directory = match &arguments.directory {
        Some(directory) => std::path::absolute(directory).map_err(|error| not_written(directory, &error))?,
        None => state::directory().join("demo"),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(
            |error| Failure::host(format!("cannot start the scripted model: {error}"), "see `ulimit -u`"),
        )?;
    let model = runtime.block_on(model())?;
    example::write(&directory, &model.endpoint()).map_err(|error| not_written(&directory, &error))?;
    terminal::print_aside(&format!(
        "The example is in {}.\nIts model follows a script: what is measured here says how the loop works, and nothing about models.\n\n",
        directory.display()
    ));
    let code = evaluate::demo(&directory, arguments.repeats)?;
    if code != 0 || arguments.only_evaluate {
        return Ok(code);
    }
    terminal::print_aside("\nNow it is made better: one round of mining, proposals and validation.\n\n");
    let code = improve::demo(&directory, PROPOSALS)?;
    if code == 0 {
        let place = show(&directory)?;
        open(&directory, place.as_ref(), editor, &clients)?;
    }
    drop(model);
    Ok(code)
}

/// Whether an editor can be opened is known before minutes have passed.
fn check_editor(editor: Editor, clients: &Clients) -> Result<(), Failure> {
    let program = editor.program();
    if !editors::is_on_path(program) {
        let message = format!("there is no `{program}` on the PATH");
        return Err(Failure::user(message, "install it, or leave out `--open`"));
    }
    let anywhere = Place { root: Path::new("."), file: Path::new("."), line: 1 };
    let Some((directory, words)) = editor.opening(clients, &anywhere).first else { return Ok(()) };
    let message = format!("the extension in `{}` is not packaged", directory.display());
    Err(Failure::user(message, format!("package it there with `npm ci && {}`", words.join(" "))))
}

/// Says how to open the example where an edit waits, and opens it if that was asked for.
fn open(
    directory: &Path,
    place: Option<&(PathBuf, usize)>,
    editor: Option<Editor>,
    clients: &Clients,
) -> Result<(), Failure> {
    let Some((file, line)) = place else { return Ok(()) };
    let place = Place { root: directory, file, line: *line };
    let lines = [Editor::Code, Editor::Neovim]
        .map(|editor| format!("  {}\n", editor.opening(clients, &place).line()));
    terminal::print(&format!("\nSee the edit wait in VS Code or Neovim with\n{}", lines.concat()))?;
    let Some(editor) = editor else { return Ok(()) };
    let opening = editor.opening(clients, &place);
    terminal::print_aside("\nThe example's model answers until the editor is left.\n");
    let cannot = |why: String| Failure::host(format!("`{}` {why}", editor.program()), opening.line());
    let ended = opening.perform().map_err(|error| cannot(format!("cannot be started: {error}")))?;
    if ended.success() { Ok(()) } else { Err(cannot(format!("ended with {ended}"))) }
}

/// The file that a proposal changes, and the first line of it that is another one afterwards, from 1.
fn place_of(directory: &Path, proposal: &ProposalRecord) -> Option<(PathBuf, usize)> {
    let (path, after) = proposal.files.first_key_value()?;
    let path = directory.join(path);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let same = before.lines().zip(after.lines()).take_while(|(before, after)| before == after).count();
    // Lines that come after the last one are shown behind it.
    Some((path, (same + 1).min(before.lines().count().max(1))))
}

/// What came out of it: the edit that was accepted, the page, and what to look at next. Says where the first edit waits.
fn show(directory: &Path) -> Result<Option<(PathBuf, usize)>, Failure> {
    let failed = |error: crate::host::store::StoreError| error.to_failure();
    let store = locate::store(directory)?;
    let decisions = store.decisions().map_err(failed)?;
    let accepted: Vec<u32> = decisions
        .iter()
        .filter(|(_, decision)| **decision == Decision::Accepted)
        .map(|(number, _)| *number)
        .collect();
    for number in &accepted {
        terminal::print(&format!("\n{}", run_report::edit_of(&store, *number)?))?;
    }
    let Some(stored) = store.latest_run().map_err(failed)? else { return Ok(None) };
    let page = directory.join("report.html");
    std::fs::write(&page, run_report::page(&store, &stored)?).map_err(|error| not_written(&page, &error))?;
    let root = directory.display();
    let mut out = format!("\nThe report is {}\n\nLook further with\n", page.display());
    out.push_str(&format!("  self-harness trace latest invoice-total --root {root}\n"));
    out.push_str(&format!("  self-harness report --lineage --root {root}\n"));
    for number in accepted.iter().take(1) {
        out.push_str(&format!("  self-harness report --diff P{number} --root {root}\n"));
    }
    terminal::print(&out)?;
    let proposals = store.proposals().map_err(failed)?;
    let first = proposals.iter().find(|stored| accepted.first() == Some(&stored.number));
    Ok(first.and_then(|stored| place_of(directory, &stored.record)))
}

async fn model() -> Result<Server, Failure> {
    let persona = || {
        Persona::read("the demo's persona", example::PERSONA).map_err(|error| Failure {
            kind: crate::failure::FailureKind::Bug,
            message: error.to_string(),
            hint: String::new(),
        })
    };
    if let Ok(server) = Server::start(persona()?, PORT).await {
        return Ok(server);
    }
    Server::start(persona()?, 0).await.map_err(|error| {
        Failure::host(
            format!("cannot listen on this machine: {error}"),
            "see whether it has a loopback network",
        )
    })
}

fn not_written(directory: &std::path::Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write the example to `{}`: {error}", directory.display());
    Failure::host(message, "name another directory with `--directory`")
}
