//! The one argument of a command: `{root, tasks?, clusters?, proposals?, run?, file?, rule?}` (`editor` 2.6).

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::failure::Failure;
use crate::lsp::from_proto;
use crate::lsp::shared::Shared;
use crate::workspace::Project;

/// What a command is about.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    /// The project.
    pub(super) project: Arc<Project>,
    /// Tasks, by id or pattern.
    pub(super) tasks: Vec<String>,
    /// Clusters: `C-7f3a`.
    pub(super) clusters: Vec<String>,
    /// Proposals, by number.
    pub(super) proposals: Vec<u32>,
    /// A run: `r-0142`.
    pub(super) run: Option<String>,
    /// A file, below the root.
    pub(super) file: Option<String>,
    /// A rule: `SH104`.
    pub(super) rule: Option<String>,
    /// Which repeat of a trial.
    pub(super) repeat: u32,
    /// How often each task is tried, if not as the manifest says.
    pub(super) repeats: Option<u32>,
    /// What it costs, as what was chosen said.
    pub(super) price: Option<String>,
    /// Whether the test view has asked.
    pub(super) is_test: bool,
    /// The SHA-256 of the manifest that the editor has read to the person.
    pub(super) manifest: Option<String>,
}

impl Argument {
    /// Reads it. A client that names no project means the only one.
    ///
    /// # Errors
    /// A [`Failure`] if there is none, or several.
    pub(super) fn read(shared: &Shared, argument: Option<&Value>) -> Result<Self, Failure> {
        let argument = argument.cloned().unwrap_or_default();
        let words = |key: &str| -> Vec<String> {
            let list = argument.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let number = |value: &Value| {
            let written = value.as_str().map(|name| name.trim_start_matches(['P', 'p']).parse().ok());
            written.unwrap_or_else(|| value.as_u64().and_then(|number| u32::try_from(number).ok()))
        };
        let list = argument.get("proposals").and_then(Value::as_array).cloned().unwrap_or_default();
        let word = |key: &str| argument.get(key).and_then(Value::as_str).map(str::to_owned);
        let whole =
            |key: &str| argument.get(key).and_then(Value::as_u64).and_then(|at| u32::try_from(at).ok());
        Ok(Self {
            project: project(shared, argument.get("root").and_then(Value::as_str))?,
            tasks: words("tasks"),
            clusters: words("clusters"),
            proposals: list.iter().filter_map(number).collect(),
            run: word("run"),
            file: word("file"),
            rule: word("rule"),
            repeat: whole("repeat").unwrap_or_default(),
            repeats: whole("repeats").filter(|repeats| (1..=100).contains(repeats)),
            price: word("price"),
            is_test: argument.get("test") == Some(&Value::Bool(true)),
            manifest: word("manifestSha256"),
        })
    }
}

/// The project that is named, by URI, by path, or by a document below it; else the only one.
///
/// # Errors
/// A [`Failure`] if there is none, or several.
pub fn project(shared: &Shared, named: Option<&str>) -> Result<Arc<Project>, Failure> {
    let snapshot = shared.snapshot();
    if let Some(named) = named {
        let path = from_proto::path(named).unwrap_or_else(|| PathBuf::from(named));
        // A document stands for its project; a directory only for itself.
        let mut candidates = path.ancestors().take(if path.is_dir() { 1 } else { usize::MAX });
        return candidates.find_map(|path| snapshot.project(path)).cloned().ok_or_else(|| none(named));
    }
    let mut projects = snapshot.projects();
    match (projects.next(), projects.next()) {
        (Some(only), None) => Ok(Arc::clone(only)),
        (None, _) => Err(Failure::user("no folder with a `harness.toml` is open", "open one")),
        (Some(_), Some(_)) => Err(Failure::user(
            "several projects are open",
            "name one: the argument `root` is the folder's URI",
        )),
    }
}

fn none(named: &str) -> Failure {
    Failure::user(format!("no project is open at `{named}`"), "open the folder that holds its `harness.toml`")
}
