//! The states of an orchestration as a call hierarchy: a state calls the states that may come next.

use harness_schema::harness::{Harness, MANIFEST, Symbol, SymbolKind};
use harness_schema::syntax::data::Value;
use harness_schema::text::Span;

use crate::workspace::Site;

/// The state at an offset of the manifest.
#[must_use]
pub fn state_at(site: &Site, offset: usize) -> Option<Symbol> {
    if site.file.as_str() != MANIFEST {
        return None;
    }
    let harness = site.project.harness();
    let named = harness.mention_at(&site.file, offset).filter(|mention| mention.kind == SymbolKind::State);
    let state = match named {
        Some(mention) => harness.symbols().find(SymbolKind::State, &mention.name),
        None => harness.symbols().of_kind(SymbolKind::State).find(|state| state.extent.touches(offset)),
    };
    state.cloned()
}

/// The states that may come after a state, with the places that say so.
#[must_use]
pub fn next(harness: &Harness, name: &str) -> Vec<(Symbol, Vec<Span>)> {
    let Some(value) = value(harness, name) else { return Vec::new() };
    let mut found: Vec<(Symbol, Vec<Span>)> = Vec::new();
    for (target, span) in targets(value) {
        let Some(symbol) = harness.symbols().find(SymbolKind::State, target) else { continue };
        match found.iter_mut().find(|(other, _)| other.name == symbol.name) {
            Some((_, spans)) => spans.push(span),
            None => found.push((symbol.clone(), vec![span])),
        }
    }
    found
}

/// The states that a state may come after, with the places that say so.
#[must_use]
pub fn previous(harness: &Harness, name: &str) -> Vec<(Symbol, Vec<Span>)> {
    let states = harness.symbols().of_kind(SymbolKind::State);
    let from = states.filter_map(|state| {
        let spans: Vec<Span> = targets(value(harness, &state.name)?)
            .into_iter()
            .filter(|(target, _)| *target == name)
            .map(|(_, span)| span)
            .collect();
        (!spans.is_empty()).then(|| (state.clone(), spans))
    });
    from.collect()
}

fn value<'a>(harness: &'a Harness, name: &str) -> Option<&'a Value> {
    let states = harness.tree().root.at(&["orchestration", "state"])?.as_list()?;
    states.iter().find(|state| state.get("id").and_then(Value::as_text) == Some(name))
}

fn targets(state: &Value) -> Vec<(&str, Span)> {
    let next = state.get("next").and_then(Value::as_list).unwrap_or_default().iter();
    next.chain(state.get("on_limit")).filter_map(|value| Some((value.as_text()?, value.span))).collect()
}
