//! Names inside of other values: ids of native surfaces (`state.plan.prompt`), steps of selectors, placeholders of
//! commands and of `requires`, what `[[lint.allow]]` is limited to.

use std::ops::Range;

use ecow::EcoString;

use super::reader::{Reader, is_native, items, joined};
use super::symbols::{Form, Mention, Symbol, SymbolKind};
use super::{Harness, PathKind};
use crate::path::FilePath;
use crate::problem::Location;
use crate::surface::Origin;
use crate::syntax::data::Value;
use crate::syntax::template;
use crate::text::Span;

/// What the id of a native surface is made from: `state.plan.prompt` from the state `plan`, and where in the id.
#[must_use]
pub fn owner_in(id: &str) -> Option<(SymbolKind, Range<usize>)> {
    let forms = [
        (SymbolKind::Tool, "tool.", ".description"),
        (SymbolKind::State, "state.", ".prompt"),
        (SymbolKind::Rule, "rule.", ""),
        (SymbolKind::Variable, "prompt.variables.", ""),
    ];
    forms.into_iter().find_map(|(kind, before, after)| {
        let name = id.strip_prefix(before)?.strip_suffix(after)?;
        (!name.is_empty()).then(|| (kind, before.len()..before.len() + name.len()))
    })
}

impl Harness {
    /// Surfaces as names: one for each entry of the manifest, and the native ones that have none.
    pub(super) fn name_surfaces(&mut self, root: &Value, at: Reader<'_>) {
        for entry in items(root.get("surface")) {
            let Some(value) = entry.get("id") else { continue };
            let Some(id) = value.as_text().filter(|id| !id.is_empty()) else { continue };
            let file = entry.get("file").and_then(Value::as_text);
            self.symbols.define(Symbol {
                kind: SymbolKind::Surface,
                name: id.into(),
                at: Location::new(at.file, at.inside(value)),
                extent: entry.span,
                detail: file.unwrap_or_default().into(),
            });
            self.mention_owner(id, value, root, at);
        }
        let native = self.surfaces.iter().filter(|placed| placed.surface.origin == Origin::Native);
        let symbols: Vec<Symbol> = native
            .map(|placed| Symbol {
                kind: SymbolKind::Surface,
                name: placed.surface.id.clone(),
                at: placed.surface.declaration.clone(),
                extent: placed.surface.declaration.span,
                detail: placed.file().map(FilePath::text).unwrap_or_default(),
            })
            .collect();
        for symbol in symbols {
            self.symbols.define_unspelled(symbol);
        }
    }

    /// Names inside of the entries of `[[surface]]` and `[[lint.allow]]`.
    pub(super) fn read_inner_names(&mut self, root: &Value, at: Reader<'_>) {
        for entry in items(root.get("surface")) {
            let mut is_template = false;
            for part in std::iter::once(entry).chain(items(entry.get("parts"))) {
                is_template |= self.is_of_template(part);
                if let Some([kind, pattern]) = part.get("select").and_then(Value::as_list)
                    && kind.as_text() == Some("new")
                {
                    self.add_loose_path(Some(pattern), "surface.select", at);
                }
                self.read_selector(root, part, at);
            }
            let required = items(entry.get("requires")).filter(|_| is_template);
            required.for_each(|value| self.read_required(value, at));
        }
        for allow in items(root.at(&["lint", "allow"])) {
            self.add_loose_path(allow.get("file"), "lint.allow.file", at);
            let Some(value) = allow.get("surface") else { continue };
            let Some(id) = value.as_text() else { continue };
            self.mention_owner(id, value, root, at);
            // What a pattern makes has the file behind its id.
            let Some((own, path)) = id.split_once('@') else {
                self.add_mention(SymbolKind::Surface, id, value, at);
                continue;
            };
            self.mention_part(SymbolKind::Surface, own, (value, 0..own.len()), Form::Value, at);
            if let Ok(target) = FilePath::parse(path) {
                let part = (value, own.len() + 1..id.len());
                self.mention_part(SymbolKind::File, target.as_str(), part, Form::Path, at);
            }
        }
    }

    /// Whether a part of a surface is in a file with a template of the native agent: only there are its variables meant.
    fn is_of_template(&self, part: &Value) -> bool {
        let file = part.get("file").and_then(Value::as_text).map(FilePath::parse);
        let mut texts = self.texts.iter().filter(|text| text.role.is_template());
        file.is_some_and(|file| file.is_ok_and(|file| texts.any(|text| *text.file() == file)))
    }

    /// A path or pattern of what need not be there; it may hold marks that no path has.
    fn add_loose_path(&mut self, value: Option<&Value>, key: &'static str, at: Reader<'_>) {
        let is_path = value.and_then(Value::as_text).is_some_and(|written| FilePath::parse(written).is_ok());
        self.add_path(value.filter(|_| is_path), PathKind::MayBeMissing, key, at);
    }

    /// What the id of a native surface is made from.
    fn mention_owner(&mut self, id: &str, value: &Value, root: &Value, at: Reader<'_>) {
        let Some((kind, range)) = owner_in(id).filter(|_| is_native(root)) else { return };
        let name = id.get(range.clone()).unwrap_or_default();
        self.mention_part(kind, name, (value, range), Form::Value, at);
    }

    /// The steps of a selector that are names of parameters and variables.
    fn read_selector(&mut self, root: &Value, part: &Value, at: Reader<'_>) {
        if !is_native(root) {
            return;
        }
        let Some(Ok(file)) = part.get("file").and_then(Value::as_text).map(FilePath::parse) else { return };
        let steps: Vec<&Value> = items(part.get("select")).skip(1).collect();
        let text = |index: usize| steps.get(index).and_then(|step| step.as_text());
        let is_schema = |from: usize| {
            matches!(text(from), Some("parameters" | "inputSchema")) && text(from + 1) == Some("properties")
        };
        let is_manifest = file == *at.file;
        let named = match text(0) {
            Some("prompt") if is_manifest && text(1) == Some("variables") => {
                text(2).map(|name| (SymbolKind::Variable, name.to_owned(), 2))
            }
            Some("tool") if is_manifest && is_schema(2) => {
                let declared = steps.get(1).and_then(|step| nth(root.get("tool"), step));
                let tool = self.tools.iter().find(|tool| Some(tool.declared) == declared);
                tool.zip(text(4))
                    .map(|(tool, name)| (SymbolKind::Parameter, format!("{}.{name}", tool.name), 4))
            }
            _ if !is_manifest && is_schema(0) => {
                let tool = self.tools.iter().find(|tool| tool.file == file);
                tool.zip(text(2))
                    .map(|(tool, name)| (SymbolKind::Parameter, format!("{}.{name}", tool.name), 2))
            }
            _ => None,
        };
        if let Some((kind, name, step)) = named
            && let Some(value) = steps.get(step)
        {
            self.add_mention(kind, name, value, at);
        }
    }

    /// The variables in a placeholder that must stay: `{{ style }}`.
    fn read_required(&mut self, value: &Value, at: Reader<'_>) {
        let Some(text) = value.as_text() else { return };
        for name in template::Tree::parse(text).names {
            let Some(root) = name.path.first() else { continue };
            if self.symbols.find(SymbolKind::Variable, root).is_some() {
                let part = (value, name.root_span.range());
                self.mention_part(SymbolKind::Variable, root, part, Form::Template, at);
            }
        }
    }

    /// The parameters in a tool's command: `{pattern}`.
    pub(super) fn read_placeholders(&mut self, tool: &str, value: &Value, at: Reader<'_>) {
        let Some(text) = value.as_text() else { return };
        let mut from = 0;
        while let Some(brace) = text.get(from..).and_then(|rest| rest.find('{')).map(|at| from + at) {
            let open = brace + 1;
            // Two braces are one that is meant.
            if text.get(open..).is_some_and(|rest| rest.starts_with('{')) {
                from = open + 1;
                continue;
            }
            let Some(length) = text.get(open..).and_then(|rest| rest.find(['{', '}'])) else { return };
            let close = open + length;
            let full = joined(&[tool, ".", text.get(open..close).unwrap_or_default()]);
            if text.get(close..).is_some_and(|rest| rest.starts_with('}'))
                && self.symbols.find(SymbolKind::Parameter, &full).is_some()
            {
                self.mention_part(SymbolKind::Parameter, full, (value, open..close), Form::Value, at);
            }
            from = close;
        }
    }

    /// A name that is a part of a string.
    fn mention_part(
        &mut self,
        kind: SymbolKind,
        name: impl Into<EcoString>,
        (value, part): (&Value, Range<usize>),
        form: Form,
        at: Reader<'_>,
    ) {
        if let Some(span) = at.part(value, part) {
            self.symbols.mention(at.file, Mention { kind, name: name.into(), span, form });
        }
    }
}

/// The span of the item of a list that a step of a selector means.
fn nth(list: Option<&Value>, step: &Value) -> Option<Span> {
    let list = list?.as_list()?;
    let index = step.as_integer()?;
    let index = if index < 0 { i64::try_from(list.len()).ok()? + index } else { index };
    list.get(usize::try_from(index).ok()?).map(|item| item.span)
}
