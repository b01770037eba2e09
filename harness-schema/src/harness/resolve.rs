//! Resolves a harness: from the manifest's tree to texts, tools, states, tasks, paths and names.
//!
//! It reads the tree, not the typed manifest, because every name needs its place, also where something else is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use ecow::{EcoString, eco_format};

use super::earlier::Earlier;
use super::reader::{Reader, entries, is_native, items, joined, matching};
use super::symbols::{Form, Mention, Symbol, SymbolKind, Symbols};
use super::texts::{Bare, HarnessText, TextRole, TextSource};
use super::{
    END, Harness, KNOWN, MANIFEST, ManifestFile, NamedPath, PathKind, Role, Tool, ToolTable, surfaces,
};
use crate::files::Files;
use crate::path::{FilePath, PathRefusal};
use crate::problem::Location;
use crate::syntax::Document;
use crate::syntax::data::{Kind, Value};
use crate::text::{Span, Text};

impl Harness {
    /// The harness of a project. What did not change since `previous` is taken from it.
    #[must_use]
    pub fn resolve(files: &Files, previous: Option<&Self>) -> Self {
        if let Some(kept) = previous.and_then(|before| before.with_edited_texts(files)) {
            return kept;
        }
        let path = FilePath::parse(MANIFEST).unwrap_or_else(|_| FilePath::root());
        let document = files.document(&path).cloned();
        let document = document.unwrap_or_else(|| match previous.map(|before| &before.manifest.document) {
            // No manifest then either.
            Some(before) if before.source().is_empty() => Arc::clone(before),
            _ => Document::new(path.clone(), Text::default()),
        });
        let manifest = match previous {
            Some(before) if Arc::ptr_eq(&before.manifest.document, &document) => Arc::clone(&before.manifest),
            _ => Arc::new(ManifestFile::read(document)),
        };
        let mut harness = Self {
            files: files.clone(),
            manifest,
            texts: Vec::with_capacity(previous.map_or(0, |before| before.texts.len())),
            tools: Vec::with_capacity(previous.map_or(0, |before| before.tools.len())),
            surfaces: Vec::new(),
            suite: Arc::default(),
            symbols: previous.map(|before| Symbols::with_room_for(&before.symbols)).unwrap_or_default(),
            named: BTreeMap::new(),
            mixed: BTreeSet::new(),
            paths: Vec::with_capacity(previous.map_or(0, |before| before.paths.len())),
            unread: BTreeSet::new(),
            known: BTreeSet::new(),
            followed: BTreeSet::new(),
            lazy_mentions: BTreeMap::new(),
            tools_by_name: OnceLock::new(),
            found: BTreeMap::new(),
            found_in_tasks: OnceLock::new(),
        };
        harness.name(&path, Role::Manifest);
        harness.read_manifest(&path);
        harness.suite = harness.read_suite(previous);
        harness.name_tasks(&path);
        harness.surfaces = surfaces::place(&mut harness, previous);
        harness.read_surface_names();
        harness.known = harness.read_known();
        harness.reuse_texts(previous);
        harness.symbols.finish();
        let texts = harness.texts.iter().map(HarnessText::file);
        let lazy = texts.chain(harness.tools.iter().map(|tool| &tool.file)).chain(&harness.followed);
        for file in lazy {
            // A manifest has many texts and tools.
            if !harness.lazy_mentions.contains_key(file) {
                harness.lazy_mentions.insert(file.clone(), OnceLock::new());
            }
        }
        harness.found = harness.named.keys().map(|path| (path.clone(), OnceLock::new())).collect();
        harness
    }

    /// A file belongs to the harness, and its text is wanted.
    pub(super) fn name(&mut self, path: &FilePath, role: Role) {
        let entry = self.named.entry(path.clone()).or_insert(role);
        let is_other = *entry != role;
        *entry = (*entry).min(role);
        if is_other && *entry == Role::Text {
            self.mixed.insert(path.clone());
        }
        self.wants(path);
    }

    fn read_manifest(&mut self, path: &FilePath) {
        let document = Arc::clone(&self.manifest.document);
        let Some(tree) = document.data() else { return };
        let root = &tree.root;
        let at = Reader { file: path, source: document.source() };
        if is_native(root) {
            self.read_prompts(root, at);
            self.read_tools(root, at);
            self.read_rules(root, at);
            self.read_states(root, at);
        }
        self.read_agent(root, at);
        self.read_task_names(root, at);
    }

    fn read_prompts(&mut self, root: &Value, at: Reader<'_>) {
        let Some(prompt) = root.get("prompt") else { return };
        let roles = [
            ("system", "prompt.system", TextRole::System),
            ("task", "prompt.task", TextRole::Task),
            ("observation", "prompt.observation", TextRole::Observation),
        ];
        for (key, id, role) in roles {
            if let Some(value) = prompt.get(key) {
                let text = HarnessText::read(
                    id.into(),
                    role,
                    EcoString::new(),
                    value,
                    Bare::Path,
                    at.file,
                    at.source,
                );
                self.add_text(text, value, id, at);
            }
        }
        for entry in entries(prompt.get("variables")) {
            let name = entry.key.name.clone();
            let value = &entry.value;
            let id = joined(&["prompt.variables.", &name]);
            let text = HarnessText::read(
                id,
                TextRole::Variable,
                name.clone(),
                value,
                Bare::Text,
                at.file,
                at.source,
            );
            let detail = text.shared(&self.files).map(|text| first_line(&text)).unwrap_or_default();
            self.add_text(text, value, "prompt.variables", at);
            self.symbols.define(Symbol {
                kind: SymbolKind::Variable,
                name,
                at: Location::new(at.file, at.key(entry)),
                extent: entry.span(),
                detail,
            });
        }
    }

    /// Adds a text, names its file and notes the path as written.
    fn add_text(&mut self, text: HarnessText, value: &Value, key: &'static str, at: Reader<'_>) {
        match (&text.source, &value.kind) {
            (TextSource::Inline { .. }, _) => {}
            (_, Kind::Table(_)) => {
                self.add_path(value.get("file"), PathKind::File, key, at);
            }
            _ => {
                self.add_path(Some(value), PathKind::File, key, at);
            }
        }
        if let TextSource::File(path) = &text.source {
            self.name(&path.clone(), Role::Text);
        }
        self.texts.push(text);
    }

    /// Notes a path as some document writes it; what it names, if it is one.
    pub(super) fn add_path(
        &mut self,
        value: Option<&Value>,
        kind: PathKind,
        key: &'static str,
        at: Reader<'_>,
    ) -> Option<FilePath> {
        let (value, written) = value.and_then(|value| Some((value, value.as_shared()?)))?;
        let location = Location::new(at.file, at.inside(value));
        let target = FilePath::parse(&written);
        let is_pattern = || written.contains(['*', '?', '[', '{']);
        let names_one = match kind {
            PathKind::File | PathKind::Program => true,
            PathKind::MayBeMissing | PathKind::Glob => !is_pattern(),
            PathKind::Directory => false,
        };
        if let Some(path) = target.as_ref().ok().filter(|_| names_one) {
            let mention =
                Mention { kind: SymbolKind::File, name: path.text(), span: location.span, form: Form::Path };
            self.symbols.mention(at.file, mention);
            self.define_file(path);
        }
        let named = target.as_ref().ok().cloned();
        self.paths.push(NamedPath { at: location, written, target, kind, key });
        named
    }

    pub(super) fn define_file(&mut self, path: &FilePath) {
        if self.symbols.find(SymbolKind::File, path.as_str()).is_none() && self.files.is_file(path) {
            self.symbols.define_unspelled(Symbol {
                kind: SymbolKind::File,
                name: path.text(),
                at: Location::new(path, Span::at(0)),
                extent: Span::at(0),
                detail: EcoString::new(),
            });
        }
    }

    fn read_tools(&mut self, root: &Value, at: Reader<'_>) {
        for (index, value) in items(root.get("tool")).enumerate() {
            let Some(file) = value.get("file") else {
                let table = ToolTable::Entry { manifest: Arc::clone(&self.manifest.document), index };
                self.add_tool(table, value, value, at);
                continue;
            };
            let Some(path) = self.add_path(Some(file), PathKind::File, "tool.file", at) else { continue };
            self.name(&path, Role::Tool);
            let Some(document) = self.files.document(&path).cloned() else { continue };
            if let Some(tree) = document.data() {
                let table = ToolTable::File(Arc::clone(&document));
                self.add_tool(table, &tree.root, value, Reader { file: &path, source: document.source() });
            }
        }
    }

    fn add_tool(&mut self, table: ToolTable, value: &Value, declared: &Value, at: Reader<'_>) {
        let name = value.get("name").and_then(Value::as_shared).unwrap_or_default();
        let place = value.get("name").map_or(value.span, |name| at.inside(name));
        // The manifest may switch off a tool that has a file of its own.
        let is_off = |value: &Value| {
            matches!(value.get("enabled").map(|value| &value.kind), Some(Kind::Boolean(false)))
        };
        let mut detail = EcoString::new();
        if let Some(description) = value.get("description") {
            let id = joined(&["tool.", &name, ".description"]);
            let role = TextRole::ToolDescription;
            let text = HarnessText::read(id, role, name.clone(), description, Bare::Text, at.file, at.source);
            detail = text.shared(&self.files).map(|text| first_line(&text)).unwrap_or_default();
            self.add_text(text, description, "tool.description", at);
        }
        if !name.is_empty() {
            self.symbols.define(Symbol {
                kind: SymbolKind::Tool,
                name: name.clone(),
                at: Location::new(at.file, place),
                extent: value.span,
                detail,
            });
            self.read_parameters(&name, value, at);
        }
        for (index, part) in items(value.get("run")).enumerate() {
            let Some(written) = part.as_text() else { continue };
            self.read_placeholders(&name, part, at);
            let is_first = index == 0;
            // What a parameter names is known only in a call.
            let is_named = || !written.contains('{') && written.contains('/') && !written.starts_with('/');
            if is_first
                && is_named()
                && !is_off(value)
                && !is_off(declared)
                && let Some(path) = self.add_path(Some(part), PathKind::Program, "tool.run", at)
            {
                self.name(&path, Role::Program);
            }
        }
        let enabled = !is_off(value) && !is_off(declared);
        let declared = declared.span;
        let at = Location::new(at.file, place);
        self.tools.push(Tool { name, file: at.file.clone(), at, table, declared, enabled });
    }

    fn read_parameters(&mut self, tool: &str, value: &Value, at: Reader<'_>) {
        let schema = value.get("parameters").or_else(|| value.get("inputSchema"));
        let first = self.symbols.definitions().len();
        for entry in entries(schema.and_then(|schema| schema.get("properties"))) {
            let detail = entry.value.get("description").and_then(Value::as_shared);
            self.symbols.define(Symbol {
                kind: SymbolKind::Parameter,
                name: joined(&[tool, ".", &entry.key.name]),
                at: Location::new(at.file, at.key(entry)),
                extent: entry.span(),
                detail: detail.map(|text| first_line(&text)).unwrap_or_default(),
            });
        }
        for required in items(schema.and_then(|schema| schema.get("required"))) {
            if let Some(name) = required.as_text() {
                // Mostly it is one of those that were just defined.
                let mut properties = entries(schema.and_then(|schema| schema.get("properties")));
                let own = properties.position(|entry| entry.key.name == name);
                let own = own.and_then(|own| self.symbols.definitions().get(first + own));
                let full = own.map_or_else(|| joined(&[tool, ".", name]), |symbol| symbol.name.clone());
                self.add_mention(SymbolKind::Parameter, full, required, at);
            }
        }
    }

    fn read_rules(&mut self, root: &Value, at: Reader<'_>) {
        for (index, rule) in items(root.at(&["runtime", "rule"])).enumerate() {
            let id = rule.get("id").and_then(Value::as_text);
            let owner = id.map_or_else(|| eco_format!("{}", index + 1), EcoString::from);
            if let (Some(id), Some(value)) = (id, rule.get("id")) {
                self.symbols.define(Symbol {
                    kind: SymbolKind::Rule,
                    name: id.into(),
                    at: Location::new(at.file, at.inside(value)),
                    extent: rule.span,
                    detail: EcoString::new(),
                });
            }
            for key in ["inject", "ask_verify"] {
                if let Some(value) = rule.get(key) {
                    let id = joined(&["rule.", &owner]);
                    let text = HarnessText::read(
                        id,
                        TextRole::Rule,
                        owner.clone(),
                        value,
                        Bare::Path,
                        at.file,
                        at.source,
                    );
                    self.add_text(text, value, "runtime.rule", at);
                }
            }
            for (keys, kind) in [
                (["when", "tool"], SymbolKind::Tool),
                (["limit", "tool"], SymbolKind::Tool),
                (["when", "state"], SymbolKind::State),
            ] {
                if let Some((value, name)) = rule.at(&keys).and_then(|value| Some((value, value.as_text()?)))
                {
                    self.add_mention(kind, name, value, at);
                }
            }
        }
    }

    fn read_states(&mut self, root: &Value, at: Reader<'_>) {
        let Some(orchestration) = root.get("orchestration") else { return };
        if let Some((value, name)) =
            orchestration.get("start").and_then(|value| Some((value, value.as_text()?)))
        {
            self.add_mention(SymbolKind::State, name, value, at);
        }
        for state in items(orchestration.get("state")) {
            let id = state.get("id").and_then(Value::as_text).unwrap_or_default();
            if let Some(value) = state.get("id").filter(|_| !id.is_empty()) {
                self.symbols.define(Symbol {
                    kind: SymbolKind::State,
                    name: id.into(),
                    at: Location::new(at.file, at.inside(value)),
                    extent: state.span,
                    detail: targets(state),
                });
            }
            if let Some(value) = state.get("prompt") {
                let surface = joined(&["state.", id, ".prompt"]);
                let text = HarnessText::read(
                    surface,
                    TextRole::State,
                    id.into(),
                    value,
                    Bare::Path,
                    at.file,
                    at.source,
                );
                self.add_text(text, value, "orchestration.state.prompt", at);
            }
            for tool in items(state.get("tools")) {
                if let Some(name) = tool.as_text() {
                    self.add_mention(SymbolKind::Tool, name, tool, at);
                }
            }
            for next in items(state.get("next")).chain(state.get("on_limit")) {
                if let Some(name) = next.as_text().filter(|name| *name != END) {
                    self.add_mention(SymbolKind::State, name, next, at);
                }
            }
        }
    }

    /// What the agent reads beside its surfaces.
    fn read_agent(&mut self, root: &Value, at: Reader<'_>) {
        for pattern in items(root.at(&["agent", "files"])) {
            self.add_path(Some(pattern), PathKind::Glob, "agent.files", at);
            let Some(written) = pattern.as_text() else { continue };
            for path in matching(&self.files, written) {
                // A program of the agent belongs to the harness; its text is nobody's business until it is a surface.
                self.named.entry(path).or_insert(Role::Program);
            }
        }
        match root.at(&["agent", "kind"]).and_then(Value::as_text) {
            Some("harbor") => {
                for directory in items(root.at(&["agent", "python_path"])) {
                    self.add_path(Some(directory), PathKind::Directory, "agent.python_path", at);
                }
            }
            // Where the program leaves its transcript lies in the sandbox; it may only not lead out of the workdir.
            Some("command") => {
                let transcript = root.at(&["agent", "transcript"]);
                let target = transcript.and_then(Value::as_text).map(FilePath::parse);
                if let (Some(value), Some(Err(PathRefusal::Outside))) = (transcript, target) {
                    self.add_path(Some(value), PathKind::MayBeMissing, "agent.transcript", at);
                }
            }
            _ => {}
        }
    }

    /// What needs tools and surfaces to be known.
    fn read_surface_names(&mut self) {
        let document = Arc::clone(&self.manifest.document);
        let Some(tree) = document.data() else { return };
        let at = Reader { file: document.path(), source: document.source() };
        self.name_surfaces(&tree.root, at);
        self.read_inner_names(&tree.root, at);
    }

    pub(super) fn add_mention(
        &mut self,
        kind: SymbolKind,
        name: impl Into<EcoString>,
        value: &Value,
        at: Reader<'_>,
    ) {
        let mention = Mention { kind, name: name.into(), span: at.inside(value), form: Form::Value };
        self.symbols.mention(at.file, mention);
    }

    fn wants(&mut self, path: &FilePath) {
        if self.files.is_unread(path) {
            self.unread.insert(path.clone());
        }
    }

    fn read_known(&mut self) -> BTreeSet<crate::digest::Digest> {
        let Ok(path) = FilePath::parse(KNOWN) else { return BTreeSet::new() };
        self.wants(&path);
        let Some(tree) = self.files.document(&path).and_then(|document| document.data()) else {
            return BTreeSet::new();
        };
        items(tree.root.get("known")).filter_map(|value| value.as_text()?.parse().ok()).collect()
    }

    fn reuse_texts(&mut self, previous: Option<&Self>) {
        let Some(before) = previous else { return };
        let mut old = Earlier::new(&before.texts, |text| &text.id);
        let is_same_suite = Arc::ptr_eq(&self.suite, &before.suite);
        for text in &mut self.texts {
            if let Some(before_text) = old.find(&text.id) {
                text.reuse(before_text, &self.files, &before.files, is_same_suite);
            }
        }
    }
}

/// The first line of a text that says something; a text of one line is shared.
fn first_line(text: &EcoString) -> EcoString {
    let start = text.trim_start();
    let end = memchr::memchr(b'\n', start.as_bytes()).unwrap_or(start.len());
    let line = start.get(..end).unwrap_or_default().trim_end();
    if line.len() == text.len() { text.clone() } else { line.into() }
}

fn targets(state: &Value) -> EcoString {
    let next: Vec<&str> = items(state.get("next")).filter_map(Value::as_text).collect();
    eco_format!("→ {}", if next.is_empty() { END.to_owned() } else { next.join(", ") })
}
