//! What an agent of one kind does not use (SH008), and command agents: transcripts (SH012), surfaces (SH013),
//! placeholders (SH015).

use super::fixes::{did_you_mean, near, remove, replace_with};
use super::shape::NO_EFFECT;
use crate::harness::{Harness, MANIFEST};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::shape;
use crate::syntax::data::{Kind, Value};
use crate::text::Span;

/// A command agent that leaves no transcript.
pub static NO_TRANSCRIPT: Rule =
    Rule::new("SH012", "no-transcript", Severity::Warning, include_str!("rules/SH012-no-transcript.md"));

/// No surface at all.
pub static NOTHING_TO_CHANGE: Rule = Rule::new(
    "SH013",
    "nothing-to-change",
    Severity::Warning,
    include_str!("rules/SH013-nothing-to-change.md"),
);

/// A placeholder that nobody fills.
pub static UNKNOWN_PLACEHOLDER: Rule = Rule::new(
    "SH015",
    "unknown-placeholder",
    Severity::Error,
    include_str!("rules/SH015-unknown-placeholder.md"),
);

/// What a command agent is told (`formats` 5.2).
pub const PLACEHOLDERS: [&str; 9] = [
    "instruction_file",
    "instruction",
    "workdir",
    "harness_dir",
    "transcript",
    "model_endpoint",
    "model_key",
    "model_name",
    "model_protocol",
];

/// Tables that only the native agent reads.
const NATIVE_TABLES: [&str; 4] = ["prompt", "tool", "runtime", "orchestration"];

/// Keys of `[agent]`, with the kinds that read them.
const AGENT_KEYS: [(&str, &[&str]); 11] = [
    ("argv", &["command"]),
    ("env", &["command", "harbor"]),
    ("transcript", &["command"]),
    ("transcript_format", &["command"]),
    ("stdin", &["command"]),
    ("agent", &["harbor"]),
    ("model", &["harbor"]),
    ("environment", &["harbor"]),
    ("kwargs", &["harbor"]),
    ("environment_kwargs", &["harbor"]),
    ("python_path", &["harbor"]),
];

const HARBOR: &[&str] = &["harbor"];

/// Keys of `[tasks]` that only Harbor agents read: Harbor has the registry.
const TASK_KEYS: [&str; 2] = ["dataset", "preset"];

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() != MANIFEST
        || harness.tree().root.as_table().is_none_or(|table| table.entries.is_empty())
    {
        return;
    }
    let root = &harness.tree().root;
    let kind = root.at(&["agent", "kind"]).and_then(Value::as_text).unwrap_or("native");
    if !["native", "command", "harbor"].contains(&kind) {
        return;
    }
    no_effect(harness, root, kind, problems);
    if kind == "command" {
        no_transcript(harness, root, problems);
    }
    if kind != "native" {
        placeholders(harness, root, problems);
    }
    nothing_to_change(harness, root, problems);
}

fn no_effect(harness: &Harness, root: &Value, kind: &str, problems: &mut Vec<Problem>) {
    let document = &harness.manifest_file().document;
    let mut report = |shown: String, span: Span, at: Span| {
        problems.push(
            Problem::new(&NO_EFFECT, span, format!("`{shown}` has no effect: `agent.kind` is `{kind}`"))
                .why("nothing reads it, so a change of it could change no score")
                .about(shown.as_str())
                .fixes(remove(FixClass::Preview, format!("Remove `{shown}`"), document, at)),
        );
    };
    if !harness.is_native() {
        for entry in NATIVE_TABLES.iter().filter_map(|name| root.entry(name)) {
            let name = &entry.key.name;
            match &entry.value.kind {
                Kind::List(list) => {
                    for item in &list.items {
                        report(format!("[[{name}]]"), harness.header_of(item.span), item.span);
                    }
                }
                Kind::Table(table) => match table.headers.first() {
                    Some(header) => report(format!("[{name}]"), *header, entry.key.span),
                    None => report(format!("[{name}]"), entry.key.span, entry.key.span),
                },
                _ => report(name.to_string(), entry.key.span, entry.key.span),
            }
        }
    }
    let keys = AGENT_KEYS.into_iter().map(|(key, kinds)| ("agent", key, kinds));
    let of_tasks = TASK_KEYS.into_iter().map(|key| ("tasks", key, HARBOR));
    for (table, key, _) in keys.chain(of_tasks).filter(|(_, _, kinds)| !kinds.contains(&kind)) {
        let Some(entry) = root.get(table).and_then(|table| table.entry(key)) else { continue };
        report(format!("{table}.{key}"), entry.key.span, entry.key.span);
    }
}

fn no_transcript(harness: &Harness, root: &Value, problems: &mut Vec<Problem>) {
    let Some(agent) = root.get("agent") else { return };
    let Some(argv) = agent.get("argv").filter(|argv| argv.as_list().is_some()) else { return };
    let own = agent.get("transcript").and_then(Value::as_text).is_some_and(|path| path != "{transcript}");
    // A misspelt one is a problem already.
    let mentions = |value: &Value| {
        value.as_text().is_some_and(|text| {
            placeholders_of(text, false).any(|found| near_placeholder(found.name) == Some("transcript"))
        })
    };
    let in_argv = argv.as_list().unwrap_or_default().iter().any(mentions);
    let in_env = agent.get("env").and_then(Value::as_table);
    let in_env = in_env.is_some_and(|env| env.entries.iter().any(|entry| mentions(&entry.value)));
    if own || in_argv || in_env {
        return;
    }
    let document = &harness.manifest_file().document;
    let problem = Problem::new(
        &NO_TRANSCRIPT,
        argv.span,
        "nothing writes {transcript}: only the model calls will be recorded",
    )
    .why("failures are explained from what the agent did, not only from what it asked the model")
    .about("agent.transcript");
    let fix = argv.as_list().and_then(|items| items.last()).map(|last| {
        let at = Location::new(document.path(), Span::at(last.span.end as usize));
        Fix::replace(FixClass::Preview, "Pass `{transcript}` to the program", &at, ", \"{transcript}\"")
    });
    problems.push(problem.fixes(fix));
}

fn nothing_to_change(harness: &Harness, root: &Value, problems: &mut Vec<Problem>) {
    // Prompts of the native agent are surfaces, also while their paths are wrong.
    let form = shape::manifest();
    let is_misspelt = root
        .as_table()
        .is_some_and(|root| root.entries.iter().any(|entry| form.entry(&entry.key.name).is_none()));
    let has_prompts = (harness.is_native() && root.get("prompt").is_some()) || is_misspelt;
    if has_prompts || !harness.surfaces().is_empty() || root.get("surface").is_some() {
        return;
    }
    let document = &harness.manifest_file().document;
    let span = root.entry("agent").map_or(Span::at(0), |agent| match agent.value.as_table() {
        Some(table) => table.headers.first().copied().unwrap_or(agent.key.span),
        None => agent.key.span,
    });
    let problem =
        Problem::new(&NOTHING_TO_CHANGE, span, "no surface is declared, so nothing can be proposed")
            .why("a surface says which part of which file a proposal may change")
            .about("surface");
    let gap = if document.source().ends_with('\n') { "\n" } else { "\n\n" };
    let stub =
        format!("{gap}[[surface]]\nid = \"system-prompt\"\nfile = \"AGENTS.md\"\nselect = [\"file\"]\n");
    let at = Location::new(document.path(), Span::at(document.source().len()));
    problems.push(problem.fix(Fix::replace(FixClass::Preview, "Declare a surface", &at, stub)));
}

fn placeholders(harness: &Harness, root: &Value, problems: &mut Vec<Problem>) {
    let Some(agent) = root.get("agent") else { return };
    for key in ["argv", "env", "transcript", "kwargs"] {
        if let Some(value) = agent.get(key) {
            // What a variable of the environment stands for is told where it is a key.
            let has_variables = harness.is_harbor() || key == "env";
            strings(value, &mut |value| in_string(harness, value, has_variables, problems));
        }
    }
}

fn strings<'a>(value: &'a Value, each: &mut impl FnMut(&'a Value)) {
    match &value.kind {
        Kind::Text(_) => each(value),
        Kind::List(list) => list.items.iter().for_each(|item| strings(item, each)),
        Kind::Table(table) => table.entries.iter().for_each(|entry| strings(&entry.value, each)),
        _ => {}
    }
}

fn in_string(harness: &Harness, value: &Value, has_variables: bool, problems: &mut Vec<Problem>) {
    let document = &harness.manifest_file().document;
    let Some(text) = value.as_text() else { return };
    let start = value.verbatim(document.source());
    for Found { at, name, is_closed } in placeholders_of(text, has_variables) {
        if is_closed && PLACEHOLDERS.contains(&name) {
            continue;
        }
        let end = at + 1 + name.len() + usize::from(is_closed);
        let span = start.map_or(value.span, |start| Span::new(at, end).offset(start.start as usize));
        let near = near(name, PLACEHOLDERS).filter(|_| is_closed);
        let message = match name {
            _ if !is_closed => format!("`{{{name}` is never closed"),
            _ if name.starts_with("task") => {
                format!("unknown placeholder `{{{name}}}`: an agent may not know its task")
            }
            _ => {
                let near = near.map(|near| format!("{{{near}}}"));
                format!("unknown placeholder `{{{name}}}`{}", did_you_mean(near.as_deref()))
            }
        };
        let mut problem = Problem::new(&UNKNOWN_PLACEHOLDER, span, message)
            .why("nobody fills it, so the program would get the braces")
            .about(name);
        if start.is_some() {
            let place = Location::new(document.path(), span);
            let meant = if is_closed { near } else { Some(name) };
            problem = problem
                .fixes(meant.map(|meant| replace_with(FixClass::Preview, &place, &format!("{{{meant}}}"))));
            let literal = if is_closed { format!("{{{{{name}}}}}") } else { format!("{{{{{name}") };
            problem = problem.fix(Fix::replace(FixClass::Preview, "Write literal braces", &place, literal));
        }
        problems.push(problem);
    }
}

/// A placeholder of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found<'t> {
    /// The offset of its brace.
    at: usize,
    /// The name, which may have dots.
    name: &'t str,
    is_closed: bool,
}

/// The placeholders of a string: a name between braces, or a known one behind a brace. `{{` and `}}` are braces, and what is
/// no name (`{}`, `{3}`, JSON, programs) is text. `${NAME}` may be a variable: for Harbor, which has such
/// templates, and in `env`.
fn placeholders_of(text: &str, has_variables: bool) -> impl Iterator<Item = Found<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(open) = text.get(at..).and_then(|rest| rest.find('{')).map(|open| at + open) {
            let inner = text.get(open + 1..).unwrap_or_default();
            if inner.starts_with('{') {
                at = open + 2;
                continue;
            }
            at = open + 1;
            let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
            let name = inner.split(|char| !is_part(char)).next().unwrap_or_default();
            let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
            let is_closed = inner.get(name.len()..).is_some_and(|rest| rest.starts_with('}'));
            let is_variable = has_variables && text.get(..open).is_some_and(|before| before.ends_with('$'));
            if is_name && !is_variable && (is_closed || PLACEHOLDERS.contains(&name)) {
                return Some(Found { at: open, name, is_closed });
            }
        }
        None
    })
}

fn near_placeholder(name: &str) -> Option<&'static str> {
    PLACEHOLDERS.into_iter().find(|placeholder| *placeholder == name).or_else(|| near(name, PLACEHOLDERS))
}

#[cfg(test)]
mod tests {
    use super::placeholders_of;

    fn found(text: &str, has_variables: bool) -> Vec<(usize, &str, bool)> {
        placeholders_of(text, has_variables).map(|found| (found.at, found.name, found.is_closed)).collect()
    }

    #[test]
    fn braces_are_no_placeholders() {
        let text = "{workdir}/a {{x}} ${KEY} {} {\"a\": 1} {b} {3} {print $1} {c.d}";
        assert_eq!(
            found(text, false),
            [(0, "workdir", true), (19, "KEY", true), (37, "b", true), (56, "c.d", true)]
        );
        assert_eq!(found(text, true), [(0, "workdir", true), (37, "b", true), (56, "c.d", true)]);
    }

    #[test]
    fn a_known_placeholder_may_lack_its_end() {
        assert_eq!(found("{instruction", false), [(0, "instruction", false)]);
        assert_eq!(found("{workdir/x} {print", false), [(0, "workdir", false)]);
    }
}
