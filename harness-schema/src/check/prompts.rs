//! Templates and prompts of the native agent: names (SH101, SH102), syntax (SH103), size (SH105, SH106).

use std::collections::BTreeSet;

use super::fixes::{did_you_mean, near, remove, replace_with};
use crate::harness::{Harness, HarnessText, MANIFEST, SymbolKind, TextRole};
pub use crate::manifest::DEFINED;
use crate::manifest::TOOL_PARTS;
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity, certain};
use crate::surface::approx_tokens;
use crate::syntax::data::{Kind, Value};
use crate::syntax::template::{ITEM, Name, Needs};
use crate::text::{Span, TextEdit};

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

/// What is defined only where a tool result is shown.
pub const OBSERVATION_ONLY: [&str; 2] = ["output", "tool"];

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let mut seen = Vec::new();
    for text in harness.texts_in(file) {
        // A file that the manifest names twice is still one text; only where results are shown more is defined.
        let is_whole = text.document(harness.files()).is_some();
        let kind = (text.role.is_template(), text.role == TextRole::Observation);
        if is_whole && seen.contains(&kind) {
            continue;
        }
        seen.extend(is_whole.then_some(kind));
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
    let tree = text.template(harness.files());
    for name in &tree.names {
        let Some(root) = name.path.first() else { continue };
        let is_observation = text.role == TextRole::Observation;
        let defined = DEFINED.iter().any(|(defined, _)| defined == root);
        let defined = defined && (is_observation || !OBSERVATION_ONLY.contains(&root.as_str()));
        if defined || harness.symbols().find(SymbolKind::Variable, root).is_some() {
            problems.extend(wrong_part(harness, text, name, file));
            continue;
        }
        // A name alone may be asked for, and have a default.
        match name.needs {
            Needs::Nothing => continue,
            Needs::Parents if name.path.len() == 1 => continue,
            Needs::Parents | Needs::All => {}
        }
        let near = near(root, candidates(harness, is_observation));
        let span = text.place(name.root_span);
        let message = format!("unknown variable `{root}`{}", did_you_mean(near));
        let problem =
            Problem::new(&UNDEFINED_VARIABLE, span, message).why(CANNOT_RENDER).about(root.as_str());
        // Where escapes come between, the place is the whole string.
        let near = near.filter(|_| text.is_exact());
        let fix = near.map(|near| replace_with(FixClass::Preview, &Location::new(file, span), near));
        problems.push(problem.fixes(fix).fixes(declare(harness, root)));
    }
    let roots_hold = |part: &&Name| DEFINED.iter().any(|(defined, _)| Some(*defined) == root_of(part));
    problems.extend(
        tree.parts.iter().filter(roots_hold).filter_map(|part| wrong_part(harness, text, part, file)),
    );
}

/// What has no parts.
const NO_PARTS: &[&str] = &[];

/// The parts of an item of `tools`.
const ITEM_PARTS: &[&str] = &TOOL_PARTS;

const CANNOT_RENDER: &str = "rendering would fail before the first step of every trial";

fn root_of(name: &Name) -> Option<&str> {
    name.path.first().map(String::as_str)
}

/// A part of a known name that is not there.
fn wrong_part(harness: &Harness, text: &HarnessText, name: &Name, file: &FilePath) -> Option<Problem> {
    let needed = match name.needs {
        Needs::Nothing => return None,
        Needs::Parents => name.path.len().saturating_sub(1),
        Needs::All => name.path.len(),
    };
    let (at, parts) = unknown_part(harness, &name.path).filter(|(at, _)| *at < needed)?;
    let span = text.place(name.span);
    let source = text.text(harness.files()).unwrap_or_default();
    let written = name.span.of(source);
    let place = Location::new(file, span);
    // A slip of the one part that there is is no question about the task.
    let part = name.path.get(at).map(String::as_str).unwrap_or_default();
    if root_of(name) == Some("task") && certain(part, parts.iter().copied()).is_none() {
        let problem = Problem::new(&UNDEFINED_VARIABLE, span, "a prompt may not know its task")
            .why("a harness that knows ids, splits or dates can pass by memory")
            .about(name.path.join("."));
        let fix = text.is_exact().then(|| replace_with(FixClass::Preview, &place, "task.instruction"));
        return Some(problem.fixes(fix));
    }
    if parts.contains(&part) {
        let message = format!("`{written}` is not set, so there is nothing to insert");
        let problem = Problem::new(&UNDEFINED_VARIABLE, span, message).why(CANNOT_RENDER).about(written);
        return Some(problem);
    }
    let only = match parts {
        [only] => Some(*only),
        _ => None,
    };
    // Where nothing follows the part, it is replaced as it is written; what has no parts stands alone.
    let before = written.strip_suffix(part).filter(|_| at + 1 == name.path.len());
    let near = match near(part, parts.iter().copied()).or(only) {
        Some(near) => before.map(|before| format!("{before}{near}")),
        None if parts.is_empty() => before.and_then(|before| before.strip_suffix('.')).map(str::to_owned),
        None => None,
    };
    let message = format!("unknown variable `{written}`{}", did_you_mean(near.as_deref()));
    let problem = Problem::new(&UNDEFINED_VARIABLE, span, message).why(CANNOT_RENDER).about(written);
    let near = near.filter(|_| text.is_exact());
    Some(problem.fixes(near.map(|near| replace_with(FixClass::Preview, &place, &near))))
}

/// Which part of a path is not there, and those that are; the part itself among them if it has no value in this harness.
fn unknown_part(harness: &Harness, path: &[String]) -> Option<(usize, &'static [&'static str])> {
    let root = path.first()?;
    let part = |at: usize| path.get(at).map(String::as_str);
    if root == "tools" {
        return match (part(1), part(2), part(3)) {
            (None, ..) | (Some(ITEM), None, _) => None,
            (Some(ITEM), Some(name), below) if ITEM_PARTS.contains(&name) => {
                below.filter(|below| *below != ITEM).map(|_| (3, NO_PARTS))
            }
            (Some(ITEM), Some(_), _) => Some((2, ITEM_PARTS)),
            (Some(_), ..) => Some((1, NO_PARTS)),
        };
    }
    // What stands between brackets is known only in a run.
    if path.iter().any(|part| part == ITEM) {
        return None;
    }
    let own = DEFINED.iter().find(|(defined, _)| defined == root);
    let parts = own.map_or(NO_PARTS, |(_, parts)| *parts);
    match (part(1), part(2)) {
        (None, _) => None,
        (Some(name), _) if !parts.contains(&name) => Some((1, parts)),
        (Some("max_tokens"), _)
            if !harness.tree().root.at(&["runtime", "max_tokens"]).is_some_and(is_set) =>
        {
            Some((1, parts))
        }
        (Some(_), Some(_)) => Some((2, NO_PARTS)),
        (Some(_), None) => None,
    }
}

fn is_set(value: &Value) -> bool {
    !matches!(value.kind, Kind::Null | Kind::Broken)
}

fn candidates(harness: &Harness, is_observation: bool) -> impl Iterator<Item = &str> {
    let defined = DEFINED.iter().map(|(name, _)| *name);
    defined
        .filter(move |name| is_observation || !OBSERVATION_ONLY.contains(name))
        .chain(harness.symbols().names(SymbolKind::Variable))
}

fn declare(harness: &Harness, name: &str) -> Option<Fix> {
    let document = &harness.manifest_file().document;
    let source = document.source();
    let edit = match harness.tree().root.at(&["prompt", "variables"]) {
        Some(table) => super::shape::inserted(source, table, name, "\"\"")?,
        None => {
            let gap = if source.is_empty() || source.ends_with('\n') { "\n" } else { "\n\n" };
            let new_text = format!("{gap}[prompt.variables]\n{name} = \"\"\n");
            TextEdit { span: Span::at(source.len()), new_text }
        }
    };
    let at = Location::new(document.path(), edit.span);
    Some(Fix::replace(FixClass::Preview, format!("Declare variable `{name}`"), &at, edit.new_text))
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
    // Each name once, however often the texts use it.
    let mentioned: BTreeSet<&str> = templates
        .iter()
        .flat_map(|text| text.template(harness.files()).names.iter().filter_map(root_of))
        .collect();
    for variable in harness.symbols().of_kind(SymbolKind::Variable) {
        // What has a name that cannot be used is a problem already.
        let is_wrong = DEFINED.iter().any(|(name, _)| *name == variable.name) || variable.name.contains('-');
        if is_wrong || mentioned.contains(variable.name.as_str()) {
            continue;
        }
        let message = format!("variable `{}` is never used", variable.name);
        let problem = Problem::new(&UNUSED_VARIABLE, variable.at.span, message).about(variable.name.as_str());
        let fix = remove(FixClass::Safe, "Remove the variable", document, variable.at.span);
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
        let (tool, description) = harness.tool(name);
        let Some(tool) = tool.filter(|tool| tool.enabled) else { return 0 };
        let parameters = tool.value().get("parameters").or_else(|| tool.value().get("inputSchema"));
        let source = harness.document(&tool.file).map_or("", |document| document.source());
        let schema = parameters.map_or(0, |schema| approx_tokens(schema.span.of(source)));
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
