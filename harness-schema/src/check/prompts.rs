//! Templates and prompts of the native agent: names (SH101, SH102), syntax (SH103), size (SH105, SH106).

use super::fixes::{did_you_mean, near, remove, replace_with};
use crate::harness::{Harness, HarnessText, MANIFEST, SymbolKind, TextRole};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity};
use crate::surface::approx_tokens;
use crate::syntax::data::{Kind, Value};
use crate::text::Span;

/// A template uses a name that nothing defines.
pub static UNDEFINED_VARIABLE: Rule = Rule::new(
    "SH101",
    "undefined-variable",
    Severity::Error,
    include_str!("rules/SH101-undefined-variable.md"),
);

/// A variable that no text uses.
pub static UNUSED_VARIABLE: Rule =
    Rule::new("SH102", "unused-variable", Severity::Hint, include_str!("rules/SH102-unused-variable.md"))
        .unnecessary();

/// A template that does not compile.
pub static TEMPLATE_SYNTAX: Rule =
    Rule::new("SH103", "template-syntax", Severity::Error, include_str!("rules/SH103-template-syntax.md"));

/// Prompts and tools of one state take more than half of the context window.
pub static PROMPT_TOO_LONG: Rule =
    Rule::new("SH105", "prompt-too-long", Severity::Warning, include_str!("rules/SH105-prompt-too-long.md"));

/// A prompt that renders to white space.
pub static EMPTY_PROMPT: Rule =
    Rule::new("SH106", "empty-prompt", Severity::Error, include_str!("rules/SH106-empty-prompt.md"));

/// What the native agent defines for templates, with the parts of each; no parts: any, or none.
pub const DEFINED: [(&str, &[&str]); 9] = [
    ("task", &["instruction"]),
    ("workdir", &[]),
    ("tools", &[]),
    ("runtime", &[]),
    ("state", &["id"]),
    ("step", &[]),
    ("steps_left", &[]),
    ("output", &["text", "exit", "timed_out", "cut_bytes"]),
    ("tool", &["name"]),
];

/// What is defined only where a tool result is shown.
pub const OBSERVATION_ONLY: [&str; 2] = ["output", "tool"];

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    for text in harness.texts_in(file) {
        if text.role.is_template() {
            names(harness, text, file, problems);
            syntax(harness, text, problems);
        }
        problems.extend(empty(harness, text));
    }
    if file.as_str() == MANIFEST {
        unused(harness, problems);
        too_long(harness, problems);
    }
}

fn names(harness: &Harness, text: &HarnessText, file: &FilePath, problems: &mut Vec<Problem>) {
    for name in &text.template(harness.files()).names {
        let Some(root) = name.path.first() else { continue };
        let part = name.path.get(1).map(String::as_str);
        let is_observation = text.role == TextRole::Observation;
        let defined = DEFINED.iter().find(|(defined, _)| defined == root);
        let defined = defined.filter(|(name, _)| is_observation || !OBSERVATION_ONLY.contains(name));
        let is_variable = harness.symbols().find(SymbolKind::Variable, root).is_some();
        let parts_hold = match (defined, part) {
            (Some((_, parts)), Some(part)) => parts.is_empty() || parts.contains(&part),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_variable || parts_hold {
            continue;
        }
        let written = name.path.join(".");
        if root == "task" && part.is_some() {
            let problem =
                Problem::new(&UNDEFINED_VARIABLE, text.place(name.span), "a prompt may not know its task")
                    .why("a harness that knows ids, splits or dates can pass by memory")
                    .about(written);
            problems.push(problem.fix(replace_with(
                FixClass::Preview,
                &Location::new(file, text.place(name.span)),
                "task.instruction",
            )));
            continue;
        }
        // Of a known name with an unknown part, the part is what is wrong.
        let near = match defined {
            Some((root, parts)) => near(part.unwrap_or_default(), parts.iter().copied())
                .or(parts.first().copied())
                .map(|part| format!("{root}.{part}")),
            None => near(root, candidates(harness, is_observation)).map(str::to_owned),
        };
        let span = text.place(if defined.is_some() { name.span } else { name.root_span });
        let shown = if defined.is_some() { written.as_str() } else { root.as_str() };
        let message = format!("unknown variable `{shown}`{}", did_you_mean(near.as_deref()));
        let at = Location::new(file, span);
        let mut problem = Problem::new(&UNDEFINED_VARIABLE, span, message)
            .why("rendering would fail before the first step of every trial")
            .about(shown);
        problem = problem.fixes(near.map(|near| replace_with(FixClass::Preview, &at, &near)));
        if defined.is_none() {
            problem = problem.fix(declare(harness, root));
        }
        problems.push(problem);
    }
}

fn candidates(harness: &Harness, is_observation: bool) -> impl Iterator<Item = &str> {
    let defined = DEFINED.iter().map(|(name, _)| *name);
    defined
        .filter(move |name| is_observation || !OBSERVATION_ONLY.contains(name))
        .chain(harness.symbols().names(SymbolKind::Variable))
}

fn declare(harness: &Harness, name: &str) -> Fix {
    let document = &harness.manifest_file().document;
    let source = document.source();
    let table = harness.tree().root.at(&["prompt", "variables"]);
    let header = table.and_then(Value::as_table).and_then(|table| table.headers.first());
    let (at, text) = match (table, header) {
        (Some(table), Some(_)) => {
            let line = document.text().line_of(table.span.end as usize);
            (document.text().line_start(line + 1), format!("{name} = \"\"\n"))
        }
        _ => (source.len(), format!("\n[prompt.variables]\n{name} = \"\"\n")),
    };
    let break_first = at == source.len() && !source.is_empty() && !source.ends_with('\n');
    let text = if break_first { format!("\n{text}") } else { text };
    let at = Location::new(document.path(), Span::at(at));
    Fix::replace(FixClass::Preview, format!("Declare variable `{name}`"), &at, text)
}

fn syntax(harness: &Harness, text: &HarnessText, problems: &mut Vec<Problem>) {
    for error in &text.template(harness.files()).errors {
        let problem = Problem::new(&TEMPLATE_SYNTAX, text.place(error.span), error.message.as_str())
            .why("rendering would fail before the first step of every trial")
            .about(text.id.as_str());
        let fix = close_fix(harness, text, error.span);
        problems.push(problem.fixes(fix));
    }
}

/// Closes a tag that is never closed, at the end of its line.
fn close_fix(harness: &Harness, text: &HarnessText, span: Span) -> Option<Fix> {
    let source = text.text(harness.files()).filter(|_| text.is_exact())?;
    let open = source.get(span.start as usize..)?;
    let close =
        ["{{", "{%", "{#"].into_iter().zip(["}}", "%}", "#}"]).find(|(tag, _)| open.starts_with(tag))?.1;
    let line = open.lines().next().unwrap_or_default();
    if line.contains(close) {
        return None;
    }
    let end = span.start as usize + line.trim_end().len();
    let at = Location::new(text.file(), text.place(Span::at(end)));
    Some(Fix::replace(FixClass::Preview, format!("Close it with `{close}`"), &at, format!(" {close}")))
}

fn empty(harness: &Harness, text: &HarnessText) -> Option<Problem> {
    if !matches!(text.role, TextRole::System | TextRole::Task | TextRole::State | TextRole::Rule) {
        return None;
    }
    let source = text.text(harness.files())?;
    if !renders_to_nothing(harness, text, source) {
        return None;
    }
    let owner = if text.owner.is_empty() { String::new() } else { format!(" `{}`", text.owner) };
    let message = format!("{}{owner} is empty", text.role.words());
    let problem = Problem::new(&EMPTY_PROMPT, text.span(harness.files()), message);
    Some(problem.why("the model would be asked nothing").about(text.id.as_str()))
}

fn renders_to_nothing(harness: &Harness, text: &HarnessText, source: &str) -> bool {
    if !source.contains(['{']) {
        return source.trim().is_empty();
    }
    let tree = text.template(harness.files());
    if !tree.errors.is_empty() || tree.tags.is_empty() {
        return false;
    }
    // Only what is certain: nothing but comments and variables that are themselves blank.
    let mut rest = 0;
    let mut blank = true;
    for tag in &tree.tags {
        blank &= source.get(rest..tag.span.start as usize).is_some_and(|between| between.trim().is_empty());
        rest = tag.span.end as usize;
        blank &= match tag.kind {
            crate::syntax::template::TagKind::Comment => true,
            crate::syntax::template::TagKind::Expression => {
                let inner = tag.span.of(source).trim_matches(['{', '}', '-', '+']).trim();
                let mut variables = harness.texts().iter().filter(|text| text.role == TextRole::Variable);
                let variable = variables.find(|variable| variable.owner == inner);
                variable
                    .and_then(|text| text.text(harness.files()))
                    .is_some_and(|text| text.trim().is_empty())
            }
            _ => false,
        };
    }
    blank && source.get(rest..).is_some_and(|after| after.trim().is_empty())
}

fn unused(harness: &Harness, problems: &mut Vec<Problem>) {
    let templates: Vec<&HarnessText> =
        harness.texts().iter().filter(|text| text.role.is_template()).collect();
    // A text that is not there or does not compile might use anything.
    let certain = templates
        .iter()
        .all(|text| text.text(harness.files()).is_some() && text.template(harness.files()).errors.is_empty());
    if !certain {
        return;
    }
    let document = &harness.manifest_file().document;
    for variable in harness.symbols().of_kind(SymbolKind::Variable) {
        let uses = |text: &&HarnessText| {
            text.template(harness.files()).names.iter().any(|name| name.path.first() == Some(&variable.name))
        };
        if templates.iter().any(uses) {
            continue;
        }
        let message = format!("variable `{}` is never used", variable.name);
        let problem = Problem::new(&UNUSED_VARIABLE, variable.at.span, message).about(variable.name.as_str());
        let entry =
            harness.tree().root.at(&["prompt", "variables"]).and_then(|all| all.entry(&variable.name));
        let fix =
            entry.and_then(|entry| remove(FixClass::Safe, "Remove the variable", document, entry.key.span));
        problems.push(problem.fixes(fix));
    }
}

fn too_long(harness: &Harness, problems: &mut Vec<Problem>) {
    let root = &harness.tree().root;
    let window = match root.at(&["model", "context_window"]).map(|value| &value.kind) {
        Some(Kind::Integer(window)) => usize::try_from(*window).unwrap_or(0),
        _ => return,
    };
    let tokens = |text: &HarnessText| text.text(harness.files()).map_or(0, approx_tokens);
    let always: usize = harness
        .texts()
        .iter()
        .filter(|text| matches!(text.role, TextRole::System | TextRole::Task))
        .map(tokens)
        .sum();
    let of_tool = |name: &str| -> usize {
        let tool = harness.tools().iter().find(|tool| tool.name == name && tool.enabled);
        let Some(tool) = tool else { return 0 };
        let parameters = tool.value.get("parameters").or_else(|| tool.value.get("inputSchema"));
        let source = harness.document(&tool.file).map_or("", |document| document.source());
        let schema = parameters.map_or(0, |schema| approx_tokens(schema.span.of(source)));
        let description =
            harness.texts().iter().find(|text| text.role == TextRole::ToolDescription && text.owner == name);
        schema + description.map_or(0, tokens)
    };
    let states = root.at(&["orchestration", "state"]).and_then(Value::as_list).unwrap_or_default();
    let all_tools = || harness.tools().iter().map(|tool| of_tool(&tool.name)).sum::<usize>();
    let mut report = |taken: usize, of: &str, span: Span| {
        if taken * 2 <= window {
            return;
        }
        let message = format!("prompt and tools{of} take ≈{} of {} tokens", spaced(taken), spaced(window));
        let why = "less than half of the window is left for the work itself";
        let problem = Problem::new(&PROMPT_TOO_LONG, span, message).why(why).about(of.trim());
        problems.push(problem.fix(Fix::command("Show the rendered prompt")));
    };
    if states.is_empty() {
        if let Some(system) = root.at(&["prompt", "system"]) {
            report(always + all_tools(), "", system.span);
        }
        return;
    }
    for state in states {
        let Some(id) = state.get("id") else { continue };
        let name = id.as_text().unwrap_or_default();
        let own: usize = harness
            .texts()
            .iter()
            .filter(|text| text.role == TextRole::State && text.owner == name)
            .map(tokens)
            .sum();
        let tools = match state.get("tools").and_then(Value::as_list) {
            Some(names) => names.iter().filter_map(Value::as_text).map(of_tool).sum(),
            None => all_tools(),
        };
        report(always + own + tools, &format!(" of state `{name}`"), id.span);
    }
}

/// `131 072`.
fn spaced(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && at % 3 == first {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
