//! What an agent of one kind does not use (SH008), and command agents: transcripts (SH012), surfaces (SH013),
//! placeholders (SH015).

use super::fixes::{did_you_mean, near, remove, replace_with};
use crate::harness::{Harness, MANIFEST};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::syntax::data::{Kind, Value};
use crate::text::Span;

/// A key or table of another agent kind.
pub static NO_EFFECT: Rule =
    Rule::new("SH008", "no-effect", Severity::Warning, include_str!("rules/SH008-no-effect.md"))
        .unnecessary();

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
    if kind != "native" {
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
    for (key, kinds) in AGENT_KEYS {
        if let Some(entry) =
            root.get("agent").and_then(|agent| agent.entry(key)).filter(|_| !kinds.contains(&kind))
        {
            report(format!("agent.{key}"), entry.key.span, entry.key.span);
        }
    }
}

fn no_transcript(harness: &Harness, root: &Value, problems: &mut Vec<Problem>) {
    let Some(agent) = root.get("agent") else { return };
    let Some(argv) = agent.get("argv") else { return };
    let own = agent.get("transcript").and_then(Value::as_text).is_some_and(|path| path != "{transcript}");
    let mentions = |value: &Value| value.as_text().is_some_and(|text| text.contains("{transcript}"));
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
    let has_prompts = harness.is_native() && root.get("prompt").is_some();
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
            strings(value, &mut |value| in_string(harness, value, problems));
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

fn in_string(harness: &Harness, value: &Value, problems: &mut Vec<Problem>) {
    let document = &harness.manifest_file().document;
    let Some(text) = value.as_text() else { return };
    let start = value.verbatim(document.source());
    for (at, name) in found(text) {
        if PLACEHOLDERS.contains(&name) {
            continue;
        }
        let span =
            start.map_or(value.span, |start| Span::new(at, at + name.len() + 2).offset(start.start as usize));
        let near = near(name, PLACEHOLDERS);
        let message = if name.starts_with("task") {
            format!("unknown placeholder `{{{name}}}`: an agent may not know its task")
        } else {
            format!(
                "unknown placeholder `{{{name}}}`{}",
                did_you_mean(near.map(|near| format!("{{{near}}}")).as_deref())
            )
        };
        let mut problem = Problem::new(&UNKNOWN_PLACEHOLDER, span, message)
            .why("nobody fills it, so the program would get the braces")
            .about(name);
        if start.is_some() {
            let place = Location::new(document.path(), span);
            problem = problem
                .fixes(near.map(|near| replace_with(FixClass::Preview, &place, &format!("{{{near}}}"))));
            let literal = format!("{{{{{name}}}}}");
            problem = problem.fix(Fix::replace(FixClass::Preview, "Write literal braces", &place, literal));
        }
        problems.push(problem);
    }
}

/// The placeholders of a string with their offsets; `{{` and `}}` are braces, `${NAME}` is a variable of the machine.
fn found(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('{')).map(|open| at + open) {
        if text[open + 1..].starts_with('{') {
            at = open + 2;
            continue;
        }
        let inner = &text[open + 1..];
        let name = inner
            .split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
            .next()
            .unwrap_or_default();
        let is_variable = text[..open].ends_with('$');
        if !name.is_empty() && inner[name.len()..].starts_with('}') && !is_variable {
            found.push((open, name));
        }
        at = open + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn braces_and_variables_are_no_placeholders() {
        assert_eq!(found("{workdir}/a {{x}} ${KEY} {} {\"a\": 1} {b}"), [(0, "workdir"), (37, "b")]);
    }
}
