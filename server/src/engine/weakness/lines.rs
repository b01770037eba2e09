//! The lines of a harness's surfaces with their places in files, and the places where something new would stand.

use harness_schema::detector::Detector;
use harness_schema::harness::{Harness, Placed};
use harness_schema::path::FilePath;
use harness_schema::selector::{Form, Resolved, Selector};
use harness_schema::surface::Role;
use harness_schema::syntax::Document;
use harness_schema::syntax::data::{Kind, Step, Value};
use harness_schema::text::Span;

use super::{phrases, words};

/// The surface that adds a runtime rule (`formats` 1.3).
pub const NEW_RULE: &str = "rules.new";
/// The surface that adds a state (`formats` 1.4).
pub const NEW_STATE: &str = "states.new";
/// So many runtime rules a harness may have.
const MAX_RULES: usize = 12;

/// A line of a surface.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The surface's id.
    pub surface: String,
    /// What kind of surface it is.
    pub role: Role,
    /// The file.
    pub file: FilePath,
    /// The line in bytes of the file; all of the surface's place if the line cannot be told in it (an escaped or folded text).
    pub span: Span,
    /// The line as the surface's value has it, without blanks around.
    pub text: String,
    /// The terms of that text ([`words::terms`]).
    pub terms: Vec<String>,
}

/// A place where something new would stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The surface's id.
    pub surface: String,
    /// The file.
    pub file: FilePath,
    /// The empty span.
    pub span: Span,
}

/// The value of a surface's first place that resolves, with its file.
#[must_use]
pub fn value(placed: &Placed) -> Option<(&FilePath, &Resolved)> {
    placed.places.iter().find_map(|place| match place.resolved() {
        Some(Ok(resolved)) => Some((&place.target, resolved)),
        _ => None,
    })
}

/// The lines that say something of all surfaces of a kind, in the order of the surfaces and of their texts: without blank ones,
/// headings, fences and what is a template's alone.
#[must_use]
pub fn of(harness: &Harness, role: Role) -> Vec<Line> {
    let surfaces = harness.surfaces().iter().filter(|placed| placed.surface.role == Some(role));
    surfaces.flat_map(|placed| of_surface(placed, role)).collect()
}

fn of_surface(placed: &Placed, role: Role) -> Vec<Line> {
    let mut lines = Vec::new();
    for place in &placed.places {
        let (Some(Ok(resolved)), Some(document)) = (place.resolved(), place.document()) else { continue };
        // Code and data are no prose; a limit is no line.
        if matches!(resolved.form, Form::Code { .. } | Form::Append { .. } | Form::Value { .. }) {
            continue;
        }
        let spans = places(document, resolved);
        for (text, span) in resolved.value.lines().zip(spans) {
            if says_something(text) {
                lines.push(Line {
                    surface: placed.surface.id.to_string(),
                    role,
                    file: place.target.clone(),
                    span,
                    text: text.trim().to_owned(),
                    terms: words::terms(text),
                });
            }
        }
    }
    lines
}

/// Whether a line says something to a model.
fn says_something(line: &str) -> bool {
    let line = line.trim();
    let is_mark = line.starts_with('#') || line.starts_with("```") || line.starts_with("~~~");
    let is_template =
        line.starts_with("{%") && line.ends_with("%}") || line.starts_with("{#") && line.ends_with("#}");
    !is_mark && !is_template && line.chars().any(char::is_alphabetic)
}

/// Where each line of a value stands in its document, without blanks around. Lines are looked for in their order; once one is
/// not written as it reads (escaped, folded), it and all others stand for the whole place.
fn places(document: &Document, resolved: &Resolved) -> Vec<Span> {
    let source = resolved.span.of(document.source());
    let base = resolved.span.start as usize;
    let mut from = 0;
    let mut is_lost = false;
    let place = |line: &str| {
        let line = line.trim();
        if is_lost {
            return resolved.span;
        }
        match source.get(from..).and_then(|rest| rest.find(line)) {
            Some(at) => {
                let start = from + at;
                from = start + line.len();
                Span::new(base + start, base + from)
            }
            None => {
                is_lost = true;
                resolved.span
            }
        }
    };
    resolved.value.lines().map(place).collect()
}

/// The end of the text of a surface, in its file.
#[must_use]
pub fn end(placed: &Placed) -> Option<Place> {
    let (file, resolved) = value(placed)?;
    let place = placed.places.iter().find(|place| place.target == *file)?;
    let source = place.document()?.source();
    let text = resolved.span.of(source);
    // A string ends before its quotes, a text before its last line ends.
    let quotes = match resolved.form {
        Form::Scalar { .. } | Form::Literal { .. } => text.len() - text.trim_end_matches(['"', '\'']).len(),
        _ => 0,
    };
    let kept = text.get(..text.len() - quotes).unwrap_or(text).trim_end().len();
    let span = Span::at(resolved.span.start as usize + kept);
    Some(Place { surface: placed.surface.id.to_string(), file: file.clone(), span })
}

/// The surface of the tool whose calls show a mechanism, by its name; none if no tool is called like one that would.
#[must_use]
pub fn tool<'h>(harness: &'h Harness, detector: &Detector) -> Option<&'h Placed> {
    let tools = || harness.surfaces().iter().filter(|placed| placed.surface.role == Some(Role::Tool));
    phrases::tools(detector)
        .iter()
        .find_map(|part| tools().find(|placed| placed.surface.id.contains(part) && value(placed).is_some()))
}

/// The ids of the surfaces of runtime rules that a detector triggers.
#[must_use]
pub fn rules_on(harness: &Harness, detector: &str) -> Vec<String> {
    let rules = harness.tree().root.at(&["runtime", "rule"]).and_then(Value::as_list).unwrap_or_default();
    let on = |rule: &&Value| rule.at(&["when", "detector"]).and_then(Value::as_text) == Some(detector);
    rules.iter().filter(on).filter_map(|rule| Some(format!("rule.{}", rule.get("id")?.as_text()?))).collect()
}

/// The place of a new runtime rule: none if another agent runs, if it is switched off, or if there are as many as there may be.
#[must_use]
pub fn new_rule(harness: &Harness) -> Option<Place> {
    let rules =
        harness.tree().root.at(&["runtime", "rule"]).and_then(Value::as_list).map_or(0, <[Value]>::len);
    if MAX_RULES <= rules {
        return None;
    }
    appended(harness, NEW_RULE, &["runtime", "rule"])
}

/// The place of a new state: none if another agent runs, or if it is switched off. Where no state is written there is one with all
/// tools (`formats` 1.4), and the new one follows it.
#[must_use]
pub fn new_state(harness: &Harness) -> Option<Place> {
    if harness.tree().root.get("orchestration").is_some() {
        return appended(harness, NEW_STATE, &["orchestration", "state"]);
    }
    let end = harness.manifest_file().document.source().trim_end().len();
    let place = Place { surface: NEW_STATE.to_owned(), file: harness.manifest_path(), span: Span::at(end) };
    (harness.is_native() && !is_off(harness, NEW_STATE)).then_some(place)
}

fn appended(harness: &Harness, surface: &str, keys: &[&str]) -> Option<Place> {
    if !harness.is_native() || is_off(harness, surface) {
        return None;
    }
    let steps = ["toml"].iter().chain(keys).chain(&["+"]).map(|step| Step::Key((*step).into()));
    let selector = Selector::parse(&steps.collect::<Vec<_>>()).ok()?;
    let document = &harness.manifest_file().document;
    let span = selector.resolve_or_first(document).ok()?.span;
    Some(Place { surface: surface.to_owned(), file: harness.manifest_path(), span })
}

/// Whether the manifest switches a native surface off.
fn is_off(harness: &Harness, surface: &str) -> bool {
    let entries = harness.tree().root.get("surface").and_then(Value::as_list).unwrap_or_default();
    entries.iter().any(|entry| {
        entry.get("id").and_then(Value::as_text) == Some(surface)
            && matches!(entry.get("enabled").map(|enabled| &enabled.kind), Some(Kind::Boolean(false)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_schema::files::Files;

    #[test]
    fn lines_have_their_places_in_every_notation() {
        let manifest = "[prompt]\nsystem = \"s.md\"\ntask = { text = \"\"\"\nLook first.\n  Then work.\"\"\" }\n\
            [[surface]]\nid = \"a\"\nfile = \"a.yaml\"\nselect = [\"yaml\", \"p\"]\nkind = \"prompt\"\n\
            [[surface]]\nid = \"b\"\nfile = \"b.json\"\nselect = [\"json\", \"p\"]\nkind = \"prompt\"\n\
            [[surface]]\nid = \"c\"\nfile = \"c.py\"\nselect = [\"py.const\", \"P\"]\nkind = \"prompt\"\n";
        let files = Files::from_texts([
            ("harness.toml", manifest),
            ("s.md", "# Rules\r\n\r\n- Look.\r\n- Look twice.\r\n"),
            ("a.yaml", "p: |\n  First.\n\n  Second.\nq: 1\n"),
            ("b.json", "{\"p\": \"One.\\nTwo \\\"three\\\".\\nFour.\"}"),
            ("c.py", "P = \"\"\"Alpha.\nBeta.\"\"\"\n"),
        ]);
        let harness = Harness::resolve(&files, None);
        let lines = [of(&harness, Role::Prompt), of(&harness, Role::Task)].concat();
        let read: Vec<(&str, &str)> = lines
            .iter()
            .map(|line| (line.text.as_str(), line.span.of(harness.document(&line.file).unwrap().source())))
            .collect();
        let escaped = "\"One.\\nTwo \\\"three\\\".\\nFour.\"";
        assert_eq!(
            read,
            [
                ("First.", "First."),
                ("Second.", "Second."),
                ("One.", "One."),
                ("Two \"three\".", escaped),
                ("Four.", escaped),
                ("Alpha.", "Alpha."),
                ("Beta.", "Beta."),
                ("- Look.", "- Look."),
                ("- Look twice.", "- Look twice."),
                ("Look first.", "Look first."),
                ("Then work.", "Then work."),
            ]
        );
    }

    #[test]
    fn what_is_new_has_a_place_or_none() {
        let place = |manifest: &str| {
            let harness = Harness::resolve(&Files::from_texts([("harness.toml", manifest)]), None);
            (new_rule(&harness).is_some(), new_state(&harness).is_some())
        };
        assert_eq!(place("[runtime]\nmax_steps = 3\n"), (true, true));
        assert_eq!(
            place("[orchestration]\nstart = \"a\"\n[[orchestration.state]]\nid = \"a\"\n"),
            (true, true)
        );
        assert_eq!(place("[[surface]]\nid = \"rules.new\"\nenabled = false\n"), (false, true));
        assert_eq!(place("[agent]\nkind = \"command\"\nargv = [\"x\"]\n"), (false, false));
        let twelve = "[[runtime.rule]]\nid = \"a\"\n".repeat(12);
        assert_eq!(place(&twelve), (false, true));
    }
}
