//! The limits that a mechanism is about, and which way they are turned (`method` 4.7): by name, in the native runtime and in whatever
//! limits another harness declares. What a trial may cost is never among them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use harness_schema::detector::Detector;
use harness_schema::harness::{Harness, Placed};
use harness_schema::path::FilePath;
use harness_schema::selector::{Selector, ValueKind};
use harness_schema::surface::Role;
use harness_schema::syntax::data::Step;
use harness_schema::text::Span;
use regex::Regex;

use super::lines;

/// Which way a limit is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// Twice as much.
    Double,
    /// Half as much.
    Halve,
    /// A policy that is off is switched on.
    SwitchOn,
}

/// A limit that can be turned.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// The surface's id.
    pub surface: String,
    /// The file.
    pub file: FilePath,
    /// Where the number or word stands: as it stands in the file, or all of the surface's place.
    pub span: Span,
    /// The limit's name.
    pub name: String,
    /// What stands in the surface's value now, and stands there once.
    pub text: String,
    /// The number or word in it.
    pub setting: String,
    /// Which way it is turned.
    pub turn: Turn,
}

impl Knob {
    /// Whether it has the form that is turned: a number, or a policy that is off.
    fn can_be_turned(&self) -> bool {
        match self.turn {
            Turn::Double | Turn::Halve => self.setting.starts_with(|first: char| first.is_ascii_digit()),
            Turn::SwitchOn => OFF.contains(&self.setting.as_str()),
        }
    }
}

/// The words of a policy that is off.
const OFF: [&str; 3] = ["none", "false", "False"];

/// What the names of limits have in them, by the detector's id, and which way they are turned, the likeliest first.
const KNOBS: &[(&str, &[(&str, Turn)])] = &[
    ("M20", &[("timeout", Turn::Double)]),
    ("M26", &[("compact", Turn::SwitchOn), ("output", Turn::Halve), ("observation", Turn::Halve)]),
    ("M27", &[("output", Turn::Halve), ("observation", Turn::Halve)]),
    ("M28", &[("output", Turn::Double), ("observation", Turn::Double)]),
];

/// Names of limits that say what a trial may cost: a change of them is no improvement (`method` 4.5, budget knobs).
const BUDGET: &[&str] =
    &["step", "turn", "iteration", "recursion", "cost", "token", "budget", "agent", "trial", "retries"];

static ENTRIES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"["']?([A-Za-z_][A-Za-z0-9_-]*)["']?\s*[:=]\s*(["']?([0-9]+(?:\.[0-9]+)?(?:ms|s|m|h)?)["']?)"#,
    )
    .ok()
});

/// The first budget among the entries of a value that would go up, come or go; none if all stay or go down. A value of a single
/// number has no entries, and prose that names a budget has none either.
#[must_use]
pub fn raised(before: &str, after: &str) -> Option<String> {
    let (old, new) = (budgets(before), budgets(after));
    let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
    let may_stay = |name: &&String| match (old.get(*name), new.get(*name)) {
        (Some(one), Some(other)) => {
            one == other || matches!((number(one), number(other)), (Some(one), Some(other)) if other <= one)
        }
        _ => false,
    };
    old.keys().chain(new.keys()).find(|name| !may_stay(name)).cloned()
}

/// What stands behind the names of budgets, up to the end of the entry.
fn budgets(text: &str) -> BTreeMap<String, String> {
    let Some(entry) = &*BUDGET_ENTRIES else { return BTreeMap::new() };
    let found = entry.captures_iter(text).filter_map(|found| {
        let name = found.get(1)?.as_str().to_lowercase();
        let value = found.get(2)?.as_str().trim().trim_matches(['"', '\'']);
        // An entry is a number, or is made of numbers; everything else is no budget.
        let has_number = value.starts_with(|first: char| first.is_ascii_digit());
        (is_budget(&name) && has_number).then(|| (name, value.to_owned()))
    });
    found.collect()
}

static BUDGET_ENTRIES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"["']?\b([A-Za-z_][A-Za-z0-9_-]*)["']?\s*[:=]\s*([^,}\n#]+)"#).ok());

/// The limits of a harness that a mechanism is about, the likeliest first.
#[must_use]
pub fn of(harness: &Harness, detector: &Detector) -> Vec<Knob> {
    let Some((_, names)) = KNOBS.iter().find(|(id, _)| *id == detector.id) else { return Vec::new() };
    let limits = || harness.surfaces().iter().filter(|placed| placed.surface.role == Some(Role::Limit));
    let named = |(name, turn): &(&'static str, Turn)| {
        let (name, turn) = (*name, *turn);
        limits().flat_map(move |placed| in_surface(placed, name, turn)).filter(Knob::can_be_turned)
    };
    names.iter().flat_map(named).collect()
}

fn in_surface(placed: &Placed, part: &str, turn: Turn) -> Vec<Knob> {
    let Some((file, resolved)) = lines::value(placed) else { return Vec::new() };
    let knob = |name: &str, text: &str, setting: &str, span: Span| Knob {
        surface: placed.surface.id.to_string(),
        file: file.clone(),
        span,
        name: name.to_owned(),
        text: text.to_owned(),
        setting: setting.to_owned(),
        turn,
    };
    let own = own_name(placed);
    let is_single = match resolved.kind {
        ValueKind::Integer | ValueKind::Number | ValueKind::Boolean => true,
        ValueKind::String => !resolved.value.trim().contains(char::is_whitespace),
        _ => false,
    };
    if is_single {
        let is_meant = own.contains(part) && !is_budget(&own);
        let setting = resolved.value.trim();
        return is_meant.then(|| knob(&own, setting, setting, resolved.span)).into_iter().collect();
    }
    let Some(entries) = ENTRIES.as_ref() else { return Vec::new() };
    let source = placed.places.iter().find(|place| place.target == *file).and_then(|place| place.document());
    let mut found = Vec::new();
    for entry in entries.captures_iter(&resolved.value) {
        let [Some(all), Some(name), Some(setting)] = [entry.get(0), entry.get(1), entry.get(3)] else {
            continue;
        };
        let lower = name.as_str().to_lowercase();
        if !lower.contains(part) || is_budget(&lower) || resolved.value.matches(all.as_str()).count() != 1 {
            continue;
        }
        let at = source.and_then(|document| resolved.span.of(document.source()).find(all.as_str()));
        let span = at.map_or(resolved.span, |at| {
            let start = resolved.span.start as usize + at + (setting.start() - all.start());
            Span::new(start, start + setting.len())
        });
        found.push(knob(name.as_str(), all.as_str(), setting.as_str(), span));
    }
    found
}

/// What a limit is called: the key at which it stands, else its surface's id; in lower case.
fn own_name(placed: &Placed) -> String {
    let key = placed.places.first().and_then(|place| match &*place.selector {
        Selector::Data { steps, .. } => steps.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str().to_lowercase()),
            Step::Index(_) => None,
        }),
        Selector::Python { path, .. } => path.last().map(|name| name.to_lowercase()),
        _ => None,
    });
    key.unwrap_or_else(|| placed.surface.id.as_str().to_lowercase())
}

fn is_budget(name: &str) -> bool {
    BUDGET.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_inside_of_a_value_only_go_down() {
        let table = "{\n    \"recursion_limit\": 120,\n    'retries': 2,  # once more\n    \"reminder\": \"stop\",\n}";
        let with = |from: &str, to: &str| raised(table, &table.replace(from, to));
        for (from, to) in
            [("120", "1200"), ("120", "120 * 9"), ("    'retries': 2,  # once more\n", ""), ("2,", "\"9\",")]
        {
            assert!(with(from, to).is_some(), "{from} -> {to}");
        }
        for (from, to) in [("120", "60"), ("120", "12_0"), ("stop", "go on"), ("once more", "twice")] {
            assert_eq!(with(from, to), None, "{from} -> {to}");
        }
        assert_eq!(raised("Take one step at a time: look first.", "Take two steps."), None);
    }
    use harness_schema::detector;
    use harness_schema::files::Files;

    fn knobs(manifest: &str, python: &str, name: &str) -> Vec<(String, String, String)> {
        let files = Files::from_texts([("harness.toml", manifest), ("h.py", python)]);
        let harness = Harness::resolve(&files, None);
        let found = of(&harness, detector::named(name).unwrap());
        let read = |knob: Knob| {
            let source = harness.document(&knob.file).unwrap().source();
            (knob.name, knob.setting, knob.span.of(source).to_owned())
        };
        found.into_iter().map(read).collect()
    }

    #[test]
    fn the_native_runtime_has_knobs() {
        let manifest = "[runtime]\nmax_steps = 40\ntool_timeout = \"60s\"\nmax_output_bytes = 16384\ncompaction = \"none\"\n";
        let own = |name: &str| knobs(manifest, "", name);
        let strings =
            |name: &str, setting: &str, span: &str| (name.to_owned(), setting.to_owned(), span.to_owned());
        assert_eq!(own("command-timeout"), [strings("tool_timeout", "60s", "\"60s\"")]);
        assert_eq!(own("truncated-read"), [strings("max_output_bytes", "16384", "16384")]);
        assert_eq!(
            own("context-overflow"),
            [strings("compaction", "none", "\"none\""), strings("max_output_bytes", "16384", "16384")]
        );
        assert_eq!(own("no-write"), []);
        let on = knobs("[runtime]\ncompaction = \"elide-output\"\n", "", "context-overflow");
        assert_eq!(on, []);
    }

    #[test]
    fn a_table_of_another_harness_has_them_too() {
        let manifest = "[agent]\nkind = \"command\"\nargv = [\"x\"]\n[[surface]]\nid = \"policy\"\nfile = \"h.py\"\n\
            select = [\"py.return\", \"policy\"]\nkind = \"limit\"\ntype = \"table\"\n";
        let python =
            "def policy() -> dict:\n    return {\"recursion_limit\": 120, \"command_timeout\": 60}\n";
        let strings = (String::from("command_timeout"), String::from("60"), String::from("60"));
        assert_eq!(knobs(manifest, python, "command-timeout"), [strings]);
        assert_eq!(
            knobs(manifest, "def policy() -> dict:\n    return {\"agent_timeout\": 60}\n", "command-timeout"),
            []
        );
    }
}
