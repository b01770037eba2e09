//! YAML anchors and aliases: an anchored value that is used elsewhere cannot change alone.

use crate::syntax::data::{Kind, Value};

/// The names of all aliases in a value.
pub(super) fn collect_aliases<'s>(value: &Value, source: &'s str, out: &mut Vec<&'s str>) {
    match &value.kind {
        Kind::Alias => out.push(value.span.of(source).trim_start_matches('*').trim_end()),
        Kind::Table(table) => {
            table.entries.iter().for_each(|entry| collect_aliases(&entry.value, source, out));
        }
        Kind::List(list) => list.items.iter().for_each(|item| collect_aliases(item, source, out)),
        _ => {}
    }
}

/// The values inside that have an anchor.
pub(super) fn collect_anchored<'t>(value: &'t Value, out: &mut Vec<&'t Value>) {
    let mut visit = |inner: &'t Value| {
        if inner.anchored {
            out.push(inner);
        }
        collect_anchored(inner, out);
    };
    match &value.kind {
        Kind::Table(table) => table.entries.iter().for_each(|entry| visit(&entry.value)),
        Kind::List(list) => list.items.iter().for_each(visit),
        _ => {}
    }
}

/// The name of the anchor that stands before the value at `offset`.
pub(super) fn anchor_name(source: &str, offset: usize) -> Option<&str> {
    let before = source.get(..offset)?;
    let start = before.rfind('&')?;
    let name = before.get(start + 1..)?;
    let end = name.find(|character: char| character.is_whitespace() || ",[]{}".contains(character));
    let name = name.get(..end.unwrap_or(name.len()))?;
    (!name.is_empty()).then_some(name)
}
