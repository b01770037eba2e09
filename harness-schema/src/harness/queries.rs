//! What can be asked of a resolved harness.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ecow::EcoString;
use rustc_hash::FxHashMap;

use super::symbols::{Mention, SymbolKind, Symbols};
use super::texts::{HarnessText, TextRole};
use super::{
    ByName, Harness, MANIFEST, ManifestFile, NamedPath, Placed, Role, Suite, Tool, mentions, reader,
    word_runs,
};
use crate::digest::Digest;
use crate::files::Files;
use crate::manifest::Manifest;
use crate::path::FilePath;
use crate::problem::Problem;
use crate::selector::Selector;
use crate::surface::Origin;
use crate::syntax::data::{Kind, Tree, Value};
use crate::syntax::decode::BadSpans;
use crate::syntax::{Document, Syntax};
use crate::text::Span;

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
            Syntax::Data(tree) => tree.errors.iter().map(|error| error.region).collect(),
            Syntax::Markdown(_) if !self.reads_front_matter(file) => Vec::new(),
            Syntax::Markdown(tree) => tree
                .front_matter
                .iter()
                .flat_map(|front| front.data.errors.iter().map(|error| error.region))
                .collect(),
            Syntax::Python(tree) => tree.errors.iter().map(|error| error.region).collect(),
            Syntax::Plain => Vec::new(),
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
        let declared = self.surfaces.iter().filter(|placed| placed.surface.origin == Origin::Declared);
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
                Kind::Integer(seconds) => Some((seconds as f64, task.id.as_str())),
                Kind::Float(seconds) => Some((seconds, task.id.as_str())),
                _ => None,
            }
        });
        times.filter(|(seconds, _)| 0.0 < *seconds).min_by(|a, b| a.0.total_cmp(&b.0))
    }
}
