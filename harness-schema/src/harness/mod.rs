//! A harness: the manifest and the documents that it names, resolved together.
//!
//! Resolving cannot fail and reads no file. What is missing stays missing here and becomes a problem in `check`; what
//! nobody read yet is listed in [`Harness::unread`].

mod earlier;
pub mod symbols;
pub mod suite;
pub mod word_runs;
pub mod texts;
mod mentions;
mod reader;
mod surfaces;
mod names;
mod written;
mod queries;
mod kept;
mod tasks;
mod resolve;
mod identity;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ecow::EcoString;
use rustc_hash::FxHashMap;

use crate::digest::Digest;
use crate::files::Files;
use crate::manifest::Manifest;
use crate::path::{FilePath, PathRefusal};
use crate::problem::{Location, Problem};
use crate::selector::{Resolved, Selector, Unresolved};
use crate::surface::{Astray, Surface};
use crate::syntax::Document;
use crate::syntax::data::Value;
use crate::text::Span;

pub(crate) use reader::is_native as is_run_natively;

pub use identity::Executed;
pub use names::owner_in as owner_in_surface_id;
pub use suite::Task;
pub use surfaces::selector as written_selector;
pub use symbols::{Form, Mention, Symbol, SymbolKind, Symbols};
pub use texts::{HarnessText, TextRole, TextSource};

/// The name of the manifest.
pub const MANIFEST: &str = "harness.toml";

/// The name of the file that lists known problems, beside the manifest.
pub const KNOWN: &str = "harness.known.toml";

/// The word that ends an orchestration; no state may have it as its id.
pub const END: &str = "end";

/// The tool of the built-in agent that chooses among several next states.
pub const GO_TO: &str = "go_to";

/// A harness.
#[derive(Debug)]
pub struct Harness {
    files: Files,
    manifest: Arc<ManifestFile>,
    texts: Vec<HarnessText>,
    tools: Vec<Tool>,
    surfaces: Vec<Placed>,
    suite: Arc<Suite>,
    symbols: Symbols,
    named: BTreeMap<FilePath, Role>,
    /// Texts of the native agent that are something else too.
    mixed: BTreeSet<FilePath>,
    paths: Vec<NamedPath>,
    unread: BTreeSet<FilePath>,
    known: BTreeSet<Digest>,
    /// Markdown files whose imports lead to surfaces.
    followed: BTreeSet<FilePath>,
    lazy_mentions: BTreeMap<FilePath, OnceLock<Vec<Mention>>>,
    found: BTreeMap<FilePath, OnceLock<Vec<Problem>>>,
    /// The same for files of tasks, made when the first of them is looked at.
    found_in_tasks: OnceLock<BTreeMap<FilePath, OnceLock<Vec<Problem>>>>,
    tools_by_name: OnceLock<FxHashMap<EcoString, ByName>>,
}

/// Where a tool and its description are, among all tools and all texts.
#[derive(Clone, Copy, Debug, Default)]
struct ByName {
    tool: Option<usize>,
    description: Option<usize>,
}

/// The manifest as parsed.
#[derive(Debug)]
pub struct ManifestFile {
    /// The document; an empty one if there is none.
    pub document: Arc<Document>,
    typed: OnceLock<Manifest>,
}

/// Why a file belongs to a harness. A file with several roles has the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `harness.toml`.
    Manifest,
    /// A text that reaches the model of the native agent.
    Text,
    /// A tool in a file of its own.
    Tool,
    /// A file that holds a surface.
    Surface,
    /// `task.toml`.
    TaskManifest,
    /// An instruction.
    Instruction,
    /// What builds a task's environment.
    Environment,
    /// What judges or solves a task.
    Verifier,
    /// A program, or another file that the agent reads.
    Program,
}

/// A tool, inline or in a file.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name; empty if it has none.
    pub name: EcoString,
    /// Where its name is, without quotes; the declaration if it has none.
    pub at: Location,
    /// The document that has its keys.
    pub file: FilePath,
    table: ToolTable,
    /// Its entry in the manifest.
    pub declared: Span,
    /// `enabled`.
    pub enabled: bool,
}

/// Where the keys of a tool are. A manifest may have thousands of tools, so no table is copied.
#[derive(Clone, Debug)]
enum ToolTable {
    /// An entry of `[[tool]]`.
    Entry { manifest: Arc<Document>, index: usize },
    /// All of a file.
    File(Arc<Document>),
}

impl Tool {
    /// The table with its keys, in its document.
    #[must_use]
    pub fn value(&self) -> &Value {
        static EMPTY: OnceLock<Value> = OnceLock::new();
        let found = match &self.table {
            ToolTable::Entry { manifest, index } => {
                manifest.data().and_then(|tree| tree.root.get("tool")?.as_list()?.get(*index))
            }
            ToolTable::File(document) => document.data().map(|tree| &tree.root),
        };
        found.unwrap_or_else(|| EMPTY.get_or_init(Value::default))
    }
}

/// A surface and where it is.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The declaration.
    pub surface: Surface,
    /// Where its id is written, without quotes; its declaration, if it has none.
    pub id: Span,
    /// Where each of its parts is, or why it is nowhere; in the order of the parts.
    pub places: Vec<Place>,
}

/// Where a part of a surface is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file that the part names.
    pub file: FilePath,
    /// The file that holds its text, once imports and links were followed.
    pub target: FilePath,
    /// The place in it.
    pub selector: Arc<Selector>,
    /// The place in `file` as the manifest writes it: another one if what stands there only points to a file.
    pub written: Arc<Selector>,
    /// Why imports, pointers or links lead to no text; then there is no document.
    pub astray: Option<Astray>,
    document: Option<Arc<Document>>,
    resolved: OnceLock<Arc<Result<Resolved, Unresolved>>>,
}

impl Place {
    /// Its span, or why there is none; `None` if the file is not there or was not read. Found when first asked for.
    #[must_use]
    pub fn resolved(&self) -> Option<&Result<Resolved, Unresolved>> {
        let document = self.document.as_ref()?;
        Some(self.resolved.get_or_init(|| Arc::new(self.selector.resolve(document))))
    }

    /// Its document.
    #[must_use]
    pub fn document(&self) -> Option<&Arc<Document>> {
        self.document.as_ref()
    }
}

/// A path as some document writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// Where, without quotes.
    pub at: Location,
    /// As written.
    pub written: EcoString,
    /// What it names in this project.
    pub target: Result<FilePath, PathRefusal>,
    /// What should be there.
    pub kind: PathKind,
    /// The key that names it: `prompt.system`, `surface.file`.
    pub key: &'static str,
}

/// What a path should lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// At least one file that matches.
    Glob,
    /// A program in the project: a file that may be executed.
    Program,
    /// A pattern for files that need not be there.
    MayBeMissing,
}

/// The tasks and their splits.
#[derive(Debug, Default)]
pub struct Suite {
    /// The directory of the tasks; `None` if the manifest has no `[tasks]`, or they come from elsewhere.
    pub directory: Option<FilePath>,
    /// The tasks, by directory.
    pub tasks: Vec<Task>,
    word_runs: OnceLock<word_runs::WordRuns>,
    /// The files of tasks that belong to the harness. There may be tens of thousands, so they are found once for a suite and
    /// not at each keystroke.
    named: OnceLock<BTreeMap<FilePath, Role>>,
    /// Set once every text that is wanted of the tasks was read.
    is_read: OnceLock<()>,
}

impl ManifestFile {
    /// Reads a manifest.
    #[must_use]
    pub fn read(document: Arc<Document>) -> Self {
        Self { document, typed: OnceLock::new() }
    }
}

impl Suite {
    /// The task with an id.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The task that a file belongs to.
    #[must_use]
    pub fn task_of(&self, file: &FilePath) -> Option<&Task> {
        let directory = self.directory.as_ref().filter(|directory| file.is_below(directory))?;
        let mut above = file.parent();
        while above.is_below(directory) && above != *directory {
            if let Ok(at) = self.tasks.binary_search_by(|task| task.directory.cmp(&above)) {
                return self.tasks.get(at);
            }
            above = above.parent();
        }
        None
    }
}

impl Placed {
    /// The file of its first part's text.
    #[must_use]
    pub fn file(&self) -> Option<&FilePath> {
        self.places.first().map(|place| &place.target)
    }

    /// Its places that resolve, with their files.
    pub fn spans(&self) -> impl Iterator<Item = (&FilePath, Span)> {
        self.places.iter().filter_map(|place| match place.resolved() {
            Some(Ok(resolved)) => Some((&place.target, resolved.span)),
            _ => None,
        })
    }

    /// Whether a place in a file belongs to it: a part of its text, or its declaration.
    #[must_use]
    pub fn holds(&self, file: &FilePath, span: Span) -> bool {
        let declared = &self.surface.declaration;
        (declared.file == *file && declared.span.contains(span))
            || self.spans().any(|(other, text)| other == file && text.contains(span))
    }
}
