//! Pages to read, and how a client is brought to show one: as a document of ours where it opens those, else as a file in the state
//! directory, which is written when it is asked for.

use std::path::Path;
use std::sync::Arc;

use harness_schema::path::FilePath;
use serde_json::{Value, json};
use tower_lsp::gen_lsp_types as lsp;
use tower_lsp::jsonrpc;

use super::shared::Shared;
use super::to_proto;
use crate::engine::report;
use crate::failure::Failure;
use crate::host::agents::harbor;
use crate::host::machine::Machine;
use crate::host::store::{Store, StoreError, StoredRun, run_number};
use crate::host::{following, render, state, telling};
use crate::ide::evidence::rules;
use crate::ide::pages::name::{Name, root_id};
use crate::ide::pages::trace::TraceAbout;
use crate::ide::pages::{self, Page};
use crate::ide::standing;
use crate::workspace::{Project, Snapshot};

/// The project and the page of an address; `None` if it is none of ours, or of a folder that is not open.
#[must_use]
pub fn find(snapshot: &Snapshot, address: &str) -> Option<(Arc<Project>, Name)> {
    let rest = address.strip_prefix(pages::name::SCHEME)?.strip_prefix("://")?;
    let (root, name) = rest.split_once('/')?;
    // An editor may write the name of a host in lower case, which ours is already.
    let project = snapshot.projects().find(|project| root_id(project.root()) == root.to_ascii_lowercase())?;
    Some((Arc::clone(project), Name::parse(name)?))
}

/// A page; it may read the store.
///
/// # Errors
/// A [`Failure`] if there is no such thing.
pub fn page(shared: &Shared, project: &Project, name: &Name) -> Result<Page, Failure> {
    let root = project.root();
    if matches!(name, Name::Trace { .. } | Name::Report(_)) && !standing::shows(project.board()) {
        return Err(Failure::user(pages::HIDDEN, "trust the folder first"));
    }
    match name {
        Name::Trace { run, task, repeat, page } => {
            let (store, stored) = read_run(root, run)?;
            let traced = telling::trace(&store, &stored, task, *repeat)?;
            let about = TraceAbout {
                root: root_id(root),
                run: run.clone(),
                task: task.clone(),
                repeat: *repeat,
                verdict: traced.trial.verdict.clone(),
                detail: traced.trial.detail.clone(),
                verifier: store.read_of_trial(&traced.trial.id, "verifier.txt").unwrap_or_default(),
            };
            Ok(pages::trace::trace(&traced.trace()?, &about, *page))
        }
        Name::Report(run) => {
            let (store, stored) = read_run(root, run)?;
            let seen = following::look_at(&store, &stored)?;
            let report = telling::report(&store, &stored, &seen, report::DEALS)?;
            Ok(Page::markdown(report::markdown::markdown(&report)))
        }
        Name::Rendered(file) => rendered(project, file),
        // Who reads a page starts nothing: the command tries the sandbox.
        Name::Doctor => shared
            .doctor()
            .map(Page::markdown)
            .ok_or_else(|| Failure::user("the sandbox was not tried yet", "the command `Doctor` does that")),
        name => pages::page(project, name, &rules::rule)
            .ok_or_else(|| Failure::user(format!("there is no `{name}`"), "the tree lists what there is")),
    }
}

/// The run that is named, else the newest.
///
/// # Errors
/// A [`Failure`] if there is none.
pub fn run_of(root: &Path, named: Option<&str>) -> Result<(Store, StoredRun), Failure> {
    run_in(Store::open_existing(root), named)
}

/// The run that is named, to be read and not to be changed.
fn read_run(root: &Path, named: &str) -> Result<(Store, StoredRun), Failure> {
    run_in(Store::look_into(root), Some(named))
}

fn run_in(
    store: Result<Option<Store>, StoreError>,
    named: Option<&str>,
) -> Result<(Store, StoredRun), Failure> {
    let failed = |error: StoreError| error.to_failure();
    let none = || {
        let message = named
            .map_or_else(|| String::from("nothing was run yet"), |name| format!("there is no run `{name}`"));
        Failure::user(message, "start one with `Evaluate`")
    };
    let store = store.map_err(failed)?.ok_or_else(none)?;
    let stored = match named {
        Some(name) => run_number(name).map(|number| store.run(number)).transpose().map_err(failed)?.flatten(),
        None => store.latest_run().map_err(failed)?,
    };
    Ok((store, stored.ok_or_else(none)?))
}

fn rendered(project: &Project, file: &FilePath) -> Result<Page, Failure> {
    let harness = project.harness();
    let document = harness.document(file).ok_or_else(|| {
        Failure::user(format!("`{file}` is no text of this harness"), "name a prompt of the harness")
    })?;
    let text = render::with_samples(harness, document.source()).map_err(|error| {
        Failure::user(format!("`{file}` cannot be rendered: {error}"), "its problems say what is wrong")
    })?;
    Ok(Page::file(file, text))
}

/// What the sandbox of this machine keeps, tried now. Somebody has to have asked for it: it starts processes.
///
/// # Errors
/// A [`Failure`] if there is none.
pub fn doctor() -> Result<String, Failure> {
    let machine = Machine::read()?;
    let guarantees = machine
        .backend()
        .probe()
        .map_err(|missing| Failure::host(format!("no sandbox: {}", missing.reason), missing.remedy))?;
    let rows =
        guarantees.each().map(|(name, promise, guarantee)| format!("| {name} | {guarantee} | {promise} |\n"));
    let ready = match guarantees.lacking().as_slice() {
        [] => String::from("Trials can run on this machine."),
        lacking => format!("Trials cannot run: the sandbox does not hold {}.", lacking.join(", ")),
    };
    let table = rows.concat();
    Ok(format!(
        "# Doctor\n\nsandbox: {}\n\n| guarantee | | what it promises |\n|---|---|---|\n{table}\n{ready}\n\nHarbor: {}\n",
        guarantees.backend,
        harbor::here(&machine.harbor)
    ))
}

/// Has the client show a page. What it cannot show is the answer to the command.
///
/// # Errors
/// A [`Failure`] if there is no such page, or it cannot be written.
pub async fn show(shared: &Arc<Shared>, project: Arc<Project>, name: Name) -> Result<Value, Failure> {
    let page = read(shared, &project, &name).await?;
    if !shared.session().can("/window/showDocument/support") {
        return Ok(json!({"text": page.text, "language": page.language}));
    }
    let address = match shared.session().opens_ours() {
        true => name.address(&root_id(project.root())),
        false => written(&project, &name, &page)?,
    };
    let params = json!({"uri": address, "takeFocus": true});
    let params = to_proto::typed::<lsp::ShowDocumentParams>(params).map_err(|_| bug())?;
    let client = Arc::clone(shared);
    // Nobody waits for an editor that opens something.
    tokio::spawn(async move { drop(client.client.show_document(params).await) });
    Ok(json!({"uri": address}))
}

/// A page, read on a thread of its own: a report or a long trace must not take a turn from what belongs to typing.
///
/// # Errors
/// A [`Failure`] if there is no such thing.
pub async fn read(shared: &Arc<Shared>, project: &Arc<Project>, name: &Name) -> Result<Page, Failure> {
    let (shared, project, name) = (Arc::clone(shared), Arc::clone(project), name.clone());
    tokio::task::spawn_blocking(move || page(&shared, &project, &name)).await.map_err(|_| bug())?
}

/// A document of ours, as LSP 3.18 asks for it.
///
/// # Errors
/// Of the protocol, in words for the user.
pub async fn content(shared: &Arc<Shared>, uri: &str) -> jsonrpc::Result<lsp::TextDocumentContentResult> {
    let none = || jsonrpc::Error::invalid_params(format!("`{uri}` is no document of an open project"));
    let (project, name) = find(&shared.snapshot(), uri).ok_or_else(none)?;
    let page = read(shared, &project, &name).await;
    let page = page.map_err(|failure| jsonrpc::Error::invalid_params(failure.message))?;
    to_proto::typed(json!({"text": page.text}))
}

/// The same failure that any handler with a bug has.
#[must_use]
pub fn bug() -> Failure {
    Failure {
        kind: crate::failure::FailureKind::Bug,
        message: String::from("the server has a bug here: the command failed, everything else goes on"),
        hint: String::from("the log of the server says more"),
    }
}

/// Writes a page into the state directory; its address.
fn written(project: &Project, name: &Name, page: &Page) -> Result<String, Failure> {
    let ending = if page.language == "markdown" { ".md" } else { "" };
    // A name of a page is encoded: it has no `..`, and nothing that a file system minds.
    let file: String = name.to_string().replace(['/', '?'], "_");
    let directory = state::directory().join("pages").join(root_id(project.root()));
    let path = directory.join(format!("{file}{ending}"));
    let write = || {
        state::make_private(&directory)?;
        std::fs::write(&path, &page.text)
    };
    write().map_err(|error| {
        Failure::host(format!("cannot write `{}`: {error}", path.display()), "see whether the disk is full")
    })?;
    Ok(to_proto::uri(&path))
}
