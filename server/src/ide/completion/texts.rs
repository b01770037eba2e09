//! In the texts of the native agent: variables in tags, names in inline code.

use harness_schema::check::prompts;
use harness_schema::harness::{MANIFEST, SymbolKind, TextRole};
use harness_schema::shape::{self, Shape};

use super::{Item, ItemKind, item};
use crate::ide::context;
use crate::workspace::Site;

/// What could stand at an offset of a text; `None` where there is no text of the agent.
pub(super) fn items(site: &Site, source: &str, offset: usize) -> Option<Vec<Item>> {
    let harness = site.project.harness();
    let mut texts = harness.texts_in(&site.file);
    let role = texts.find(|text| text.span(harness.files()).touches(offset))?.role;
    if let Some(word) = context::in_tag(source, offset).filter(|_| role.is_template()) {
        let own = harness.symbols().of_kind(SymbolKind::Variable);
        let own = own.map(|variable| item(word, &variable.name, ItemKind::Variable, &variable.detail));
        let names = defined(role).into_iter().map(|name| item(word, &name, ItemKind::Variable, ""));
        return Some(names.chain(own).collect());
    }
    if let Some(word) = context::in_code(source, offset) {
        let kinds = [(SymbolKind::Tool, ItemKind::Tool), (SymbolKind::State, ItemKind::State)];
        let names = kinds.into_iter().flat_map(|(symbol, kind)| {
            let all = harness.symbols().of_kind(symbol);
            all.map(move |symbol| item(word, &symbol.name, kind, &symbol.detail))
        });
        return Some(names.collect());
    }
    (site.file.as_str() != MANIFEST).then(Vec::new)
}

/// What the agent itself defines, with the parts of each.
fn defined(role: TextRole) -> Vec<String> {
    let is_shown = |name: &&str| role == TextRole::Observation || !prompts::OBSERVATION_ONLY.contains(name);
    let names = prompts::DEFINED.iter().filter(|(name, _)| is_shown(name));
    let names = names.flat_map(|(name, parts)| match (*name, *parts) {
        ("runtime", _) => {
            let fields = shape::manifest().entry("runtime").into_iter().flat_map(Shape::fields);
            let scalars =
                fields.filter(|field| field.shape.list().is_none() && field.shape.table().is_none());
            scalars.map(|field| format!("runtime.{}", field.name)).collect()
        }
        (name, []) => vec![name.to_owned()],
        (name, parts) => parts.iter().map(|part| format!("{name}.{part}")).collect(),
    });
    names.collect()
}
