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
mod kept;
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
use crate::syntax::data::{Tree, Value};
use crate::syntax::decode::BadSpans;
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

impl Harness {
    /// The files it was resolved from.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The typed manifest, decoded when first asked for: where something is wrong, the default stands.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.manifest.typed.get_or_init(|| Manifest::decode(self.tree(), &BadSpans::default()))
    }

    /// The manifest with its document.
    #[must_use]
    pub fn manifest_file(&self) -> &Arc<ManifestFile> {
        &self.manifest
    }

    /// The path of the manifest.
    #[must_use]
    pub fn manifest_path(&self) -> FilePath {
        self.manifest.document.path().clone()
    }

    /// The manifest's tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        static EMPTY: OnceLock<Tree> = OnceLock::new();
        self.manifest.document.data().unwrap_or_else(|| EMPTY.get_or_init(Tree::default))
    }

    /// The texts that reach the model of the native agent, in the order of the manifest.
    #[must_use]
    pub fn texts(&self) -> &[HarnessText] {
        &self.texts
    }

    /// The texts that one file holds.
    pub fn texts_in<'a>(&'a self, file: &'a FilePath) -> impl Iterator<Item = &'a HarnessText> {
        self.texts.iter().filter(move |text| text.file() == file)
    }

    /// The tools, in the order of the manifest.
    #[must_use]
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Whether tools are declared in files that are not there or cannot be read: what they are called is not known.
    #[must_use]
    pub fn has_unread_tools(&self) -> bool {
        let declared = self.tree().root.get("tool").and_then(Value::as_list).map_or(0, <[Value]>::len);
        self.is_native() && self.tools.iter().filter(|tool| !tool.name.is_empty()).count() < declared
    }

    /// Whether anything of this harness reads the front matter of a Markdown file; the front matter of other products is not
    /// ours to judge, and that of a native text is payload.
    #[must_use]
    pub fn reads_front_matter(&self, file: &FilePath) -> bool {
        self.surfaces
            .iter()
            .flat_map(|placed| &placed.places)
            .any(|place| place.target == *file && matches!(*place.selector, Selector::FrontMatter { .. }))
    }

    /// The first tool with a name, and its description if it has one as a text; both in constant time, because a manifest
    /// may have thousands.
    #[must_use]
    pub fn tool(&self, name: &str) -> (Option<&Tool>, Option<&HarnessText>) {
        let found = self.tools_by_name.get_or_init(|| {
            let mut by_name: FxHashMap<EcoString, ByName> = FxHashMap::default();
            by_name.reserve(self.tools.len());
            for (at, tool) in self.tools.iter().enumerate() {
                by_name.entry(tool.name.clone()).or_default().tool.get_or_insert(at);
            }
            for (at, text) in self.texts.iter().enumerate() {
                if text.role == TextRole::ToolDescription {
                    by_name.entry(text.owner.clone()).or_default().description.get_or_insert(at);
                }
            }
            by_name
        });
        let found = found.get(name).copied().unwrap_or_default();
        (found.tool.and_then(|at| self.tools.get(at)), found.description.and_then(|at| self.texts.get(at)))
    }

    /// The surfaces: declared ones, then the native agent's.
    #[must_use]
    pub fn surfaces(&self) -> &[Placed] {
        &self.surfaces
    }

    /// The surface with an id.
    #[must_use]
    pub fn surface(&self, id: &str) -> Option<&Placed> {
        self.surfaces.iter().find(|placed| placed.surface.id == id)
    }

    /// Tasks and splits.
    #[must_use]
    pub fn suite(&self) -> &Arc<Suite> {
        &self.suite
    }

    /// Names and where they are mentioned in data documents; [`Harness::mentions_in`] has texts too.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Paths as documents write them.
    #[must_use]
    pub fn paths(&self) -> &[NamedPath] {
        &self.paths
    }

    /// Whether a file belongs to the harness.
    #[must_use]
    pub fn names(&self, file: &FilePath) -> bool {
        self.named.contains_key(file) || self.task_files().contains_key(file)
    }

    fn task_files(&self) -> &BTreeMap<FilePath, Role> {
        static NONE: BTreeMap<FilePath, Role> = BTreeMap::new();
        self.suite.named.get().unwrap_or(&NONE)
    }

    /// All paths that belong to the harness, in order.
    fn all_named(&self) -> Vec<&FilePath> {
        let of_tasks = self.task_files().keys().filter(|path| !self.named.contains_key(*path));
        let mut all: Vec<&FilePath> = self.named.keys().chain(of_tasks).collect();
        all.sort_unstable();
        all
    }

    /// The role of a file.
    #[must_use]
    pub fn role(&self, file: &FilePath) -> Option<Role> {
        // Of several roles the first holds.
        let roles = [self.named.get(file), self.task_files().get(file)];
        roles.into_iter().flatten().copied().min()
    }

    /// All files that belong to the harness and are there, by path.
    pub fn named_files(&self) -> impl Iterator<Item = &FilePath> {
        let is_there = |path: &&FilePath| self.files.is_file(path) || path.as_str() == MANIFEST;
        self.all_named().into_iter().filter(is_there)
    }

    /// The files whose texts are wanted and were not read yet.
    #[must_use]
    pub fn unread(&self) -> &BTreeSet<FilePath> {
        &self.unread
    }

    /// The digests of known problems.
    #[must_use]
    pub fn known(&self) -> &BTreeSet<Digest> {
        &self.known
    }

    /// A document of the harness.
    #[must_use]
    pub fn document(&self, file: &FilePath) -> Option<&Arc<Document>> {
        if *file == *self.manifest.document.path() {
            return Some(&self.manifest.document);
        }
        self.files.document(file)
    }

    /// The regions of a file that do not parse.
    #[must_use]
    pub fn broken_regions(&self, file: &FilePath) -> Vec<Span> {
        let Some(document) = self.document(file) else { return Vec::new() };
        match document.syntax() {
            crate::syntax::Syntax::Data(tree) => tree.errors.iter().map(|error| error.region).collect(),
            crate::syntax::Syntax::Markdown(_) if !self.reads_front_matter(file) => Vec::new(),
            crate::syntax::Syntax::Markdown(tree) => tree
                .front_matter
                .iter()
                .flat_map(|front| front.data.errors.iter().map(|error| error.region))
                .collect(),
            crate::syntax::Syntax::Python(tree) => tree.errors.iter().map(|error| error.region).collect(),
            crate::syntax::Syntax::Plain => Vec::new(),
        }
    }

    /// Everything a file mentions, in the order of its text: what its data says, its templates' names and, in Markdown,
    /// the inline code that is a name of this harness.
    #[must_use]
    pub fn mentions_in(&self, file: &FilePath) -> &[Mention] {
        match self.lazy_mentions.get(file) {
            Some(lazy) => lazy.get_or_init(|| mentions::in_texts(self, file)),
            None => self.symbols.in_file(file),
        }
    }

    /// The innermost mention at an offset.
    #[must_use]
    pub fn mention_at(&self, file: &FilePath, offset: usize) -> Option<&Mention> {
        let touching = self.mentions_in(file).iter().filter(|mention| mention.span.touches(offset));
        touching.min_by_key(|mention| mention.span.len())
    }

    /// Every mention of a name in every file, definition included.
    #[must_use]
    pub fn mentions_of(&self, kind: SymbolKind, name: &str) -> Vec<(&FilePath, &Mention)> {
        let files = self.all_named().into_iter();
        files
            .flat_map(|file| self.mentions_in(file).iter().map(move |mention| (file, mention)))
            .filter(|(_, mention)| mention.kind == kind && mention.name == name)
            .collect()
    }

    /// Every mention of a kind in every file.
    pub fn mentions_of_kind(&self, kind: SymbolKind) -> impl Iterator<Item = (&FilePath, &Mention)> {
        let all = self
            .all_named()
            .into_iter()
            .flat_map(|file| self.mentions_in(file).iter().map(move |mention| (file, mention)));
        all.filter(move |(_, mention)| mention.kind == kind)
    }

    /// Whether what a file mentions as paths are imports, written as that file sees them.
    #[must_use]
    pub fn is_import(&self, file: &FilePath) -> bool {
        self.followed.contains(file)
    }

    /// The header (`[[lint.allow]]`) of a table of the manifest, or its first line if it has none.
    #[must_use]
    pub fn header_of(&self, table: Span) -> Span {
        let text = self.manifest.document.text();
        let line = text.line_span(text.line_of(table.start as usize));
        Span { start: table.start, end: line.end.min(table.end).max(table.start) }
    }

    /// The problems that `find` finds in a file, found once: several reports of one harness ask for them. None in a file that
    /// does not belong to it.
    pub(crate) fn found_once(&self, file: &FilePath, find: impl FnOnce() -> Vec<Problem>) -> &[Problem] {
        let own = self.found.get(file);
        let found = own.or_else(|| {
            let empty = || self.task_files().keys().map(|path| (path.clone(), OnceLock::new())).collect();
            self.found_in_tasks.get_or_init(empty).get(file)
        });
        found.map_or(&[], |found| found.get_or_init(find))
    }

    /// Whether the built-in agent runs it.
    #[must_use]
    pub fn is_native(&self) -> bool {
        reader::is_native(&self.tree().root)
    }

    /// Whether Harbor runs it.
    #[must_use]
    pub fn is_harbor(&self) -> bool {
        self.tree().root.at(&["agent", "kind"]).and_then(Value::as_text) == Some("harbor")
    }

    /// Whether the built-in agent offers `go_to`, by which the model chooses among several next states.
    #[must_use]
    pub fn offers_go_to(&self) -> bool {
        let states = self.tree().root.at(&["orchestration", "state"]).and_then(Value::as_list);
        let next = |state: &Value| state.get("next").and_then(Value::as_list).map_or(0, <[Value]>::len);
        states.unwrap_or_default().iter().any(|state| 1 < next(state))
    }

    /// Whether a path or pattern as written matches a file.
    #[must_use]
    pub fn matches_any(&self, written: &str) -> bool {
        !reader::matching(&self.files, written).is_empty()
    }

    /// Digests of what only held-out and sealed tasks say.
    #[must_use]
    pub fn word_runs(&self) -> &word_runs::WordRuns {
        self.suite.word_runs.get_or_init(|| word_runs::WordRuns::of(&self.suite.tasks, &self.files))
    }

    /// What proposals may change in a file: its surfaces and its native texts.
    #[must_use]
    pub fn surface_spans(&self, file: &FilePath) -> Vec<Span> {
        let texts = self.texts_in(file).map(|text| text.span(&self.files));
        let declared =
            self.surfaces.iter().filter(|placed| placed.surface.origin == crate::surface::Origin::Declared);
        let placed = declared.flat_map(Placed::spans).filter(|(other, _)| *other == file);
        texts.chain(placed.map(|(_, span)| span)).collect()
    }

    /// The shortest agent phase that a task asks for, in seconds, and the task.
    #[must_use]
    pub fn shortest_task(&self) -> Option<(f64, &str)> {
        let scheduled = self.suite.tasks.iter().filter(|task| task.split.is_some() && !task.excluded);
        let times = scheduled.filter_map(|task| {
            let tree = task.manifest.as_ref()?.data()?;
            match tree.root.at(&["agent", "timeout_sec"])?.kind {
                crate::syntax::data::Kind::Integer(seconds) => Some((seconds as f64, task.id.as_str())),
                crate::syntax::data::Kind::Float(seconds) => Some((seconds, task.id.as_str())),
                _ => None,
            }
        });
        times.filter(|(seconds, _)| 0.0 < *seconds).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn wants(&mut self, path: &FilePath) {
        if self.files.is_unread(path) {
            self.unread.insert(path.clone());
        }
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
