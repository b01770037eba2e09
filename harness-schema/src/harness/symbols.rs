//! The names of a harness: where each is defined and where it is mentioned, across documents.
//!
//! A mention is a key, a template or inline code, never prose.

use std::collections::BTreeMap;

use ecow::EcoString;
use rustc_hash::FxHashMap;

use crate::path::FilePath;
use crate::problem::Location;
use crate::text::Span;

/// What can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SymbolKind {
    /// A tool.
    Tool,
    /// A parameter of a tool; its name is `tool.parameter`.
    Parameter,
    /// A variable of `[prompt.variables]`.
    Variable,
    /// A state of the orchestration.
    State,
    /// A runtime rule with an id.
    Rule,
    /// A surface, declared or native.
    Surface,
    /// A task.
    Task,
    /// A file that the harness names; its name is its path.
    File,
}

impl SymbolKind {
    /// The word in messages and lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Parameter => "parameter",
            Self::Variable => "variable",
            Self::State => "state",
            Self::Rule => "runtime rule",
            Self::Surface => "surface",
            Self::Task => "task",
            Self::File => "file",
        }
    }
}

/// A definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// What it is.
    pub kind: SymbolKind,
    /// Its name.
    pub name: EcoString,
    /// The name itself, without quotes; the start of the file for a task or a file, the value for a native surface.
    pub at: Location,
    /// All that defines it.
    pub extent: Span,
    /// One line about it: a description's first line, a path, a split.
    pub detail: EcoString,
}

/// How a name is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Where it is defined.
    Definition,
    /// As a value, or an item of a list, in a data document.
    Value,
    /// In a template's expression.
    Template,
    /// As inline code in Markdown.
    Code,
    /// As a path.
    Path,
}

/// A place that names something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What it would be.
    pub kind: SymbolKind,
    /// The name.
    pub name: EcoString,
    /// The name's own characters.
    pub span: Span,
    /// How it is written.
    pub form: Form,
}

/// All names of a harness.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    definitions: Vec<Symbol>,
    /// By kind, then by name.
    by_name: [FxHashMap<EcoString, usize>; 8],
    mentions: BTreeMap<FilePath, Vec<Mention>>,
    /// The file that was mentioned from last, with what was added since: mostly it is the next one too.
    open: Option<(FilePath, Vec<Mention>)>,
    /// So many mentions the first file that is opened has room for.
    room: usize,
}

impl Symbols {
    /// None yet, with room for as many as an earlier harness has.
    pub(super) fn with_room_for(earlier: &Self) -> Self {
        let definitions = Vec::with_capacity(earlier.definitions.len());
        // The first is the manifest, and mostly it mentions more than any other file.
        let room = earlier.mentions.values().map(Vec::len).max().unwrap_or_default();
        let mut symbols = Self { definitions, room, ..Self::default() };
        for (names, before) in symbols.by_name.iter_mut().zip(&earlier.by_name) {
            names.reserve(before.len());
        }
        symbols
    }

    /// Adds a definition whose place spells no name: of a task or a file, which are defined by being there, or of a part
    /// of the native agent.
    pub(super) fn define_unspelled(&mut self, symbol: Symbol) {
        let at = self.definitions.len();
        if let Some(names) = self.by_name.get_mut(symbol.kind as usize) {
            names.entry(symbol.name.clone()).or_insert(at);
        }
        self.definitions.push(symbol);
    }

    /// Adds a definition, which is a mention too; of several with one name the first is found by name.
    pub(super) fn define(&mut self, symbol: Symbol) {
        let mention = Mention {
            kind: symbol.kind,
            name: symbol.name.clone(),
            span: symbol.at.span,
            form: Form::Definition,
        };
        self.mention(&symbol.at.file, mention);
        self.define_unspelled(symbol);
    }

    /// Adds a mention.
    pub(super) fn mention(&mut self, file: &FilePath, mention: Mention) {
        match &mut self.open {
            Some((open, mentions)) if open == file => mentions.push(mention),
            _ => {
                self.close();
                let mut mentions = Vec::with_capacity(std::mem::take(&mut self.room));
                mentions.push(mention);
                self.open = Some((file.clone(), mentions));
            }
        }
    }

    /// Puts what was added last where it belongs.
    fn close(&mut self) {
        if let Some((file, mut mentions)) = self.open.take() {
            self.mentions
                .entry(file)
                .and_modify(|all| all.append(&mut mentions))
                .or_insert_with(|| std::mem::take(&mut mentions));
        }
    }

    /// Puts all mentions in the order of their texts.
    pub(super) fn finish(&mut self) {
        self.close();
        for mentions in self.mentions.values_mut() {
            mentions.sort_by_key(|mention| (mention.span, mention.form));
            mentions.dedup();
        }
    }

    /// All definitions, in the order of the manifest.
    #[must_use]
    pub fn definitions(&self) -> &[Symbol] {
        &self.definitions
    }

    /// All definitions of a kind.
    pub fn of_kind(&self, kind: SymbolKind) -> impl Iterator<Item = &Symbol> {
        self.definitions.iter().filter(move |symbol| symbol.kind == kind)
    }

    /// The names of all definitions of a kind.
    pub fn names(&self, kind: SymbolKind) -> impl Iterator<Item = &str> {
        self.of_kind(kind).map(|symbol| symbol.name.as_str())
    }

    /// The definition of a name.
    #[must_use]
    pub fn find(&self, kind: SymbolKind, name: &str) -> Option<&Symbol> {
        let at = self.by_name.get(kind as usize)?.get(name)?;
        self.definitions.get(*at)
    }

    /// What a file mentions, in the order of its text.
    #[must_use]
    pub fn in_file(&self, file: &FilePath) -> &[Mention] {
        self.mentions.get(file).map_or(&[], Vec::as_slice)
    }

    /// The innermost mention at an offset of a file.
    #[must_use]
    pub fn at(&self, file: &FilePath, offset: usize) -> Option<&Mention> {
        let touching = self.in_file(file).iter().filter(|mention| mention.span.touches(offset));
        touching.min_by_key(|mention| mention.span.len())
    }

    /// Every mention of a name, definition included, file by file.
    pub fn mentions_of<'a>(
        &'a self,
        kind: SymbolKind,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a FilePath, &'a Mention)> {
        let all =
            self.mentions.iter().flat_map(|(file, mentions)| mentions.iter().map(move |each| (file, each)));
        all.filter(move |(_, mention)| mention.kind == kind && mention.name == name)
    }
}
