//! The one argument of a command: `{root, tasks?, clusters?, proposals?, run?, file?, rule?}` (`editor` 2.6).

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::failure::Failure;
use crate::lsp::from_proto;
use crate::lsp::shared::Shared;
use crate::workspace::Project;

/// What a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Argument {
    /// The project.
    pub(super) root: PathBuf,
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
    /// Whether what was chosen said what it costs.
    pub(super) is_priced: bool,
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
        let is_set = |key: &str| argument.get(key) == Some(&Value::Bool(true));
        Ok(Self {
            root: root(shared, argument.get("root").and_then(Value::as_str))?,
            tasks: words("tasks"),
            clusters: words("clusters"),
            proposals: list.iter().filter_map(number).collect(),
            run: word("run"),
            file: word("file"),
            rule: word("rule"),
            repeat: whole("repeat").unwrap_or_default(),
            repeats: whole("repeats").filter(|repeats| (1..=100).contains(repeats)),
            is_priced: is_set("priced"),
            is_test: is_set("test"),
            manifest: word("manifestSha256"),
        })
    }

    /// The project as it is now.
    ///
    /// # Errors
    /// A [`Failure`] if it was closed.
    pub(super) fn project(&self, shared: &Shared) -> Result<Arc<Project>, Failure> {
        shared.snapshot().project(&self.root).cloned().ok_or_else(|| none(&self.root.display().to_string()))
    }
}

/// The root that is named, by URI, path, or a document below it.
fn root(shared: &Shared, named: Option<&str>) -> Result<PathBuf, Failure> {
    let snapshot = shared.snapshot();
    if let Some(named) = named {
        let path = from_proto::path(named).unwrap_or_else(|| PathBuf::from(named));
        // A document stands for its project; a directory only for itself.
        let mut candidates = path.ancestors().take(if path.is_dir() { 1 } else { usize::MAX });
        let found = candidates.find(|path| snapshot.project(path).is_some());
        return found.map(std::path::Path::to_path_buf).ok_or_else(|| none(named));
    }
    let mut roots = snapshot.projects().map(|project| project.root().to_path_buf());
    match (roots.next(), roots.next()) {
        (Some(only), None) => Ok(only),
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
