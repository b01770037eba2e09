//! Where a proposal may write: the surfaces of a harness, the two that add something, `rules.new` and `states.new`, and files
//! that a surface lets it create (`formats` 1.3 to 1.5). What is kept from proposals is no place, whatever declares it.

use std::sync::LazyLock;

use harness_schema::harness::{Harness, Placed};
use harness_schema::path::FilePath;
use harness_schema::selector::{Resolved, Selector};
use harness_schema::surface::{Dialect, Keep, Role, approx_tokens, protection};
use harness_schema::syntax::data::{Kind, Value};
use regex::Regex;

/// The surface that adds a runtime rule.
pub const NEW_RULE: &str = "rules.new";
/// The surface that adds a state before the end.
pub const NEW_STATE: &str = "states.new";
/// How many runtime rules a harness may have.
pub const MAX_RULES: usize = 12;

/// What an id of a proposal names.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// A surface that is there.
    Surface(&'a Placed),
    /// A file that a surface lets a proposal create.
    NewFile {
        /// The surface.
        surface: &'a Placed,
        /// The pattern.
        glob: &'a str,
        /// The path, as the proposal writes it.
        path: &'a str,
    },
    /// A new runtime rule.
    NewRule,
    /// A new state.
    NewState,
}

/// Finds what an id names: a surface, `rules.new`, `states.new`, or `surface@path` for a new file.
///
/// # Errors
/// Why a proposal may not write there, in words.
pub fn find<'a>(harness: &'a Harness, id: &'a str) -> Result<Place<'a>, String> {
    if [NEW_RULE, NEW_STATE].contains(&id) {
        return match (is_open(harness, id), id) {
            (false, _) => Err(format!("`{id}` is no surface of this harness")),
            (true, NEW_RULE) => Ok(Place::NewRule),
            (true, _) => Ok(Place::NewState),
        };
    }
    if let Some(placed) = harness.surface(id) {
        return match kept(harness, placed) {
            Some(why) => Err(format!("`{id}` is kept from proposals: it {why}")),
            None => Ok(Place::Surface(placed)),
        };
    }
    let new = id.split_once('@').and_then(|(name, path)| {
        let surface = harness.surface(name)?;
        let glob = surface.surface.parts.iter().find_map(|part| match &*part.selector {
            Selector::New(glob) => Some(glob.as_str()),
            _ => None,
        })?;
        Some(Place::NewFile { surface, glob, path })
    });
    new.ok_or_else(|| format!("`{id}` is no surface of this harness"))
}

/// Whether a harness lets proposals add a rule or a state.
#[must_use]
pub fn is_open(harness: &Harness, id: &str) -> bool {
    let entries = harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default();
    let is_off = |entry: &Value| {
        entry.get("id").and_then(Value::as_text) == Some(id)
            && matches!(entry.get("enabled").map(|value| &value.kind), Some(Kind::Boolean(false)))
    };
    harness.is_native() && !entries.iter().any(is_off)
}

/// Why a surface is kept from proposals, in words after "it".
fn kept(harness: &Harness, placed: &Placed) -> Option<&'static str> {
    let manifest = harness.manifest_path();
    let keep = Keep { manifest: &manifest, tasks: harness.suite().directory.as_ref() };
    let places = placed.places.iter();
    let reason = places
        .flat_map(|place| [(&place.target, &place.selector), (&place.file, &place.written)])
        .find_map(|(file, selector)| protection(file, selector, keep));
    reason.map(|reason| reason.words())
}

/// A surface that a proposal may change, as it is shown.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The id.
    pub id: &'a str,
    /// What kind of surface it is, where that is known.
    pub role: Option<Role>,
    /// What its declaration says of it.
    pub description: &'a str,
    /// The text of each of its parts; empty for what is yet to be made.
    pub values: Vec<&'a str>,
}

impl Shown<'_> {
    /// How long it is, in tokens, approximately.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.values.iter().map(|value| approx_tokens(value)).sum()
    }
}

/// All surfaces that a proposal may change, in the order of the harness; `rules.new` and `states.new` last.
#[must_use]
pub fn all(harness: &Harness) -> Vec<Shown<'_>> {
    let placed = harness.surfaces().iter().filter(|placed| kept(harness, placed).is_none());
    let mut all: Vec<Shown<'_>> = placed
        .map(|placed| Shown {
            id: placed.surface.id.as_str(),
            role: placed.surface.role,
            description: &placed.surface.description,
            values: values(placed).map(|resolved| resolved.value.as_str()).collect(),
        })
        .collect();
    let added = [
        (NEW_RULE, Role::Rule, "adds a runtime rule: a trigger, and a text that the agent is told then"),
        (NEW_STATE, Role::State, "adds a state before the end: a text that the agent is told then"),
    ];
    all.extend(
        added.into_iter().filter(|(id, ..)| is_open(harness, id)).map(|(id, role, description)| Shown {
            id,
            role: Some(role),
            description,
            values: Vec::new(),
        }),
    );
    all
}

/// What stands in the places of a surface.
pub(super) fn values(placed: &Placed) -> impl Iterator<Item = &Resolved> {
    placed.places.iter().filter_map(|place| place.resolved()?.as_ref().ok())
}

/// The template language of the text that a surface has in a file.
pub(super) fn dialect(harness: &Harness, placed: &Placed, file: &FilePath) -> Option<Dialect> {
    let is_native = || {
        harness.texts_in(file).any(|text| {
            let is_all = matches!(text.source, harness_schema::harness::TextSource::File(_));
            text.role.is_template() && (is_all || text.id == placed.surface.id)
        })
    };
    placed.surface.limits.template.or_else(|| is_native().then_some(Dialect::Native))
}

static DEAD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?s)\{#.*?#\}|\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{%-?\s*if\s+(?:false|False|0)\s*-?%\}.*?\{%-?\s*endif\s*-?%\}").ok()
});

/// The placeholders of a text, without blanks; what stands between doubled braces of `str.format` is none.
pub(super) fn placeholders(text: &str, dialect: Dialect) -> std::collections::BTreeSet<String> {
    let pairs: &[(&str, &str)] = match dialect {
        Dialect::Native | Dialect::Jinja => &[("{{", "}}"), ("{%", "%}")],
        Dialect::Mustache => &[("{{", "}}")],
        Dialect::StrFormat | Dialect::FString => &[("{", "}")],
    };
    // What is commented out, or taken as it stands, says nothing to anybody.
    let alive = match (dialect, &*DEAD) {
        (Dialect::Native | Dialect::Jinja, Some(dead)) => dead.replace_all(text, " "),
        _ => std::borrow::Cow::Borrowed(text),
    };
    let text = alive.as_ref();
    let plain;
    let text = if pairs.first().is_some_and(|(open, _)| *open == "{") {
        plain = text.replace("{{", " ").replace("}}", " ");
        plain.as_str()
    } else {
        text
    };
    let mut found = std::collections::BTreeSet::new();
    for (open, close) in pairs {
        for (at, _) in text.match_indices(open) {
            let rest = text.get(at..).unwrap_or_default();
            if let Some(end) = rest.get(open.len()..).and_then(|inner| inner.find(close)) {
                let tag = rest.get(..open.len() + end + close.len()).unwrap_or_default();
                found.insert(tag.split_whitespace().collect());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_in_each_language() {
        let of = |text: &str, dialect| placeholders(text, dialect).into_iter().collect::<Vec<_>>();
        assert_eq!(
            of("{{ a }} {% if b %}{{a}}{% endif %}", Dialect::Native),
            ["{%endif%}", "{%ifb%}", "{{a}}"]
        );
        assert_eq!(of("{a} {{literal}} {b.c!r}", Dialect::StrFormat), ["{a}", "{b.c!r}"]);
        assert_eq!(of("{{ unclosed", Dialect::Jinja), Vec::<String>::new());
    }
}
