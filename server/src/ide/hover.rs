//! What stands under the cursor, in a few lines: what it is, where it is from, how large it is.

use harness_schema::check;
use harness_schema::detector;
use harness_schema::harness::{Form, Harness, PathKind, Placed, Role, SymbolKind};
use harness_schema::shape::{self, Field, Shape};
use harness_schema::split::Split;
use harness_schema::surface::{Origin, approx_tokens};
use harness_schema::syntax::data::{Kind, Value};
use harness_schema::text::Span;

use super::headers::Headers;
use super::told;
use crate::workspace::Site;

/// A hover is at most so many lines long.
pub const MAX_LINES: usize = 25;

/// A hover: Markdown of our own making, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// Where.
    pub span: Span,
    /// Markdown; text of documents stands in fences only.
    pub text: String,
}

/// The hover at an offset.
#[must_use]
pub fn hover(site: &Site, offset: usize) -> Option<Hover> {
    let known = known(site, offset);
    let told = told::told(site, offset);
    let hover = match (told, known) {
        (Some(told), Some(known)) => {
            Hover { span: known.span, text: format!("{}\n\n---\n\n{}", told.text, known.text) }
        }
        (Some(told), None) => Hover { span: told.span, text: told.text },
        (None, known) => known?,
    };
    let text: Vec<&str> = hover.text.lines().take(MAX_LINES).collect();
    Some(Hover { text: text.join("\n"), ..hover })
}

/// What a document and the schemas say about an offset.
fn known(site: &Site, offset: usize) -> Option<Hover> {
    name(site, offset)
        .or_else(|| detector_name(site, offset))
        .or_else(|| rule_name(site, offset))
        .or_else(|| key(site, offset))
        .or_else(|| header(site, offset))
        .or_else(|| selector_kind(site, offset))
        .or_else(|| choice(site, offset))
        .or_else(|| directory(site, offset))
        .or_else(|| variable(site, offset))
        .or_else(|| surface(site, offset))
}

fn name(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    let mention = harness.mention_at(&site.file, offset)?;
    let symbol = harness.symbols().find(mention.kind, &mention.name)?;
    let mut lines = vec![format!("**{}** `{}`", mention.kind.word(), plain(&mention.name))];
    match mention.kind {
        SymbolKind::Tool => {
            if !symbol.detail.is_empty() {
                lines.push(fenced(&symbol.detail, "text"));
            }
            lines.extend(parameters(harness, &mention.name));
        }
        SymbolKind::State => lines.push(format!("next: {}", plain(symbol.detail.trim_start_matches("→ ")))),
        SymbolKind::Task => lines.push(plain(&symbol.detail)),
        SymbolKind::Surface => lines.extend(placed(harness, &mention.name)),
        SymbolKind::Variable | SymbolKind::Parameter if !symbol.detail.is_empty() => {
            lines.push(fenced(&symbol.detail, "text"));
        }
        _ => {}
    }
    let mentions = harness.mentions_of(mention.kind, &mention.name);
    let uses = mentions.iter().filter(|(_, mention)| mention.form != Form::Definition).count();
    let place = harness.document(&symbol.at.file).map(|document| {
        let line = document.text().line_of(symbol.at.span.start as usize) + 1;
        format!("defined in `{}`, line {line}; {} mentioned", symbol.at.file, times(uses))
    });
    if !matches!(mention.kind, SymbolKind::File | SymbolKind::Task) {
        lines.extend(place);
    }
    Some(Hover { span: mention.span, text: lines.join("\n\n") })
}

/// What a proposal may change by a surface.
fn placed(harness: &Harness, id: &str) -> Option<String> {
    if let Some(placed) = harness.surface(id) {
        return Some(origin(placed).to_owned());
    }
    // A pattern makes one surface of each file.
    let of_pattern =
        |placed: &&Placed| placed.surface.id.strip_prefix(id).is_some_and(|rest| rest.starts_with('@'));
    let count = harness.surfaces().iter().filter(of_pattern).count();
    (0 < count).then(|| format!("declared in `harness.toml` by a pattern: {count} files"))
}

fn times(count: usize) -> String {
    match count {
        0 => String::from("never"),
        1 => String::from("once"),
        count => format!("{count} times"),
    }
}

fn parameters(harness: &Harness, tool: &str) -> Option<String> {
    let tool = harness.tools().iter().find(|other| other.name == tool)?;
    let schema = tool.value().get("parameters").or_else(|| tool.value().get("inputSchema"))?;
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_text)
        .collect();
    let lines = schema.get("properties")?.as_table()?.entries.iter().map(|entry| {
        let kind = entry.value.get("type").and_then(Value::as_text).unwrap_or("any");
        let mark = if required.contains(&&*entry.key.name) { ", required" } else { "" };
        format!("* `{}`: {}{mark}", plain(&entry.key.name), plain(kind))
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// What the schema says about a key, while the cursor is on the key itself.
fn key(site: &Site, offset: usize) -> Option<Hover> {
    let tree = site.project.harness().document(&site.file)?.data()?;
    let (span, field) = field_at(&tree.root, shape_of(site)?, offset)?;
    Some(about(span, field))
}

fn about(span: Span, field: &Field) -> Hover {
    let mut lines = vec![format!("`{}`: {}", plain(&field.name), field.shape.in_words())];
    if !field.shape.description.is_empty() {
        lines.push(field.shape.description.clone());
    }
    if let Some(default) = &field.default {
        lines.push(format!("default: `{}`", plain(&default.to_string())));
    }
    Hover { span, text: lines.join("\n\n") }
}

/// The shape of a document by its role.
fn shape_of(site: &Site) -> Option<&'static Shape> {
    match site.project.harness().role(&site.file)? {
        Role::Manifest => Some(shape::manifest()),
        Role::Tool => Some(shape::tool()),
        Role::TaskManifest => Some(shape::task()),
        _ => None,
    }
}

/// What the schema says about a key in a header; the tree knows the place of the first one only.
fn header(site: &Site, offset: usize) -> Option<Hover> {
    let document = site.project.harness().document(&site.file)?;
    let headers = Headers::of(document);
    let (span, keys) = headers.keys_at(document.source(), offset)?;
    let (last, above) = keys.split_last()?;
    let table = above.iter().try_fold(shape_of(site)?, |shape, key| {
        let inner = shape.entry(key)?;
        // The items of a list are its tables.
        Some(inner.list().map_or(inner, |list| &*list.item))
    })?;
    Some(about(span, table.table()?.field(last)?))
}

/// What the schema says about a value that is one of several, or a number, a switch or a time.
fn choice(site: &Site, offset: usize) -> Option<Hover> {
    let tree = site.project.harness().document(&site.file)?.data()?;
    let (value, field, shape) = value_at(&tree.root, shape_of(site)?, None, offset)?;
    let is_explained = match &value.kind {
        Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) => !field.is.surface,
        Kind::Text(_) => shape.text().is_some_and(|text| text.format.is_some()) && !field.is.surface,
        _ => false,
    };
    let chosen = value.as_text().and_then(|text| shape.choices().find(|choice| choice.value == text));
    let Some(choice) = chosen else { return is_explained.then(|| about(value.span, field)) };
    let mut lines = vec![format!("`{}` of `{}`", plain(&choice.value), plain(&field.name))];
    let words = if choice.description.is_empty() { &field.shape.description } else { &choice.description };
    lines.extend((!words.is_empty()).then(|| words.clone()));
    Some(Hover { span: value.span, text: lines.join("\n\n") })
}

/// The value at an offset that holds no other, with its key and its shape.
fn value_at<'v, 's>(
    value: &'v Value,
    shape: &'s Shape,
    field: Option<&'s Field>,
    offset: usize,
) -> Option<(&'v Value, &'s Field, &'s Shape)> {
    if let Some(items) = value.as_list() {
        let item = items.iter().find(|item| item.span.touches(offset))?;
        return value_at(item, &shape.list()?.item, field, offset);
    }
    if let Some(table) = value.as_table() {
        let found = table.entries.iter().find(|entry| is_scalar_or_holds(&entry.value, offset))?;
        let field = shape.table()?.field(&found.key.name);
        return value_at(&found.value, shape.entry(&found.key.name)?, field, offset);
    }
    value.span.touches(offset).then_some((value, field?, shape))
}

/// Whether an offset is in a value; of a table whose parts stand apart, in one of them.
fn is_scalar_or_holds(value: &Value, offset: usize) -> bool {
    value.span.touches(offset)
        && match &value.kind {
            Kind::Table(table) => table.entries.iter().any(|entry| is_scalar_or_holds(&entry.value, offset)),
            Kind::List(list) => list.items.iter().any(|item| is_scalar_or_holds(item, offset)),
            _ => true,
        }
}

/// What a selector of a kind selects.
fn selector_kind(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    if harness.role(&site.file)? != Role::Manifest {
        return None;
    }
    let surfaces = harness.tree().root.get("surface")?.as_list()?;
    let surface = surfaces.iter().find(|surface| surface.span.touches(offset))?;
    let parts = surface.get("parts").and_then(Value::as_list).unwrap_or_default();
    let selectors = std::iter::once(surface).chain(parts).filter_map(|part| part.get("select")?.as_list());
    let value = selectors.filter_map(<[Value]>::first).find(|value| value.span.touches(offset))?;
    let kind = value.as_text()?;
    let (_, meaning) = SELECTORS.iter().find(|(known, _)| *known == kind)?;
    Some(Hover { span: value.span, text: format!("**selector** `{kind}`\n\n{meaning}") })
}

/// The kinds of selectors, with what each selects.
const SELECTORS: [(&str, &str); 14] = [
    ("file", "the whole text"),
    (
        "md.section",
        "what is below the heading, to the next one of its level or higher; the steps are the end of the \
      heading path, a last number says which of several",
    ),
    ("md.frontmatter", "a value in the YAML front matter, by its keys and indices"),
    ("md.body", "all after the front matter"),
    ("yaml", "a value, by its keys and indices; `+` is the place after the last entry of a list"),
    ("toml", "a value, by its keys and indices; `+` is the place after the last entry of a list"),
    ("json", "a value, by its keys and indices; `+` is the place after the last entry of a list"),
    ("py.function", "a function or class, from its decorators to the end of its body"),
    ("py.body", "the body of a function or class without its docstring"),
    ("py.doc", "the docstring of a function or class"),
    ("py.return", "the expression of the only `return` of a function"),
    ("py.const", "the right side of an assignment"),
    ("region", "the lines between the comments `self-harness:begin name` and `self-harness:end name`"),
    ("new", "a file to be made, below the fixed directory of the pattern"),
];

/// What a named directory holds.
fn directory(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    let mut paths = harness.paths().iter().filter(|path| path.at.file == site.file);
    let path = paths.find(|path| path.kind == PathKind::Directory && path.at.span.touches(offset))?;
    let suite = harness.suite();
    let target = path.target.as_ref().ok().filter(|target| suite.directory.as_ref() == Some(target))?;
    let count = |split| suite.tasks.iter().filter(|task| task.split == Some(split)).count();
    let splits = Split::ALL.map(|split| format!("{} {}", count(split), split.word())).join(", ");
    let text = format!("**directory** `{}`\n\n{} tasks: {splits}", plain(target.as_str()), suite.tasks.len());
    Some(Hover { span: path.at.span, text })
}

fn field_at<'s>(value: &Value, shape: &'s Shape, offset: usize) -> Option<(Span, &'s Field)> {
    if let Some(items) = value.as_list() {
        let item = items.iter().find(|item| item.span.touches(offset))?;
        return field_at(item, &shape.list()?.item, offset);
    }
    for entry in &value.as_table()?.entries {
        let field = shape.table()?.field(&entry.key.name);
        if entry.key.span.touches(offset) {
            return field.map(|field| (entry.key.span, field));
        }
        if let Some(found) = field.and_then(|field| field_at(&entry.value, &field.shape, offset)) {
            return Some(found);
        }
    }
    None
}

fn detector_name(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    let rules = harness.tree().root.at(&["runtime", "rule"])?.as_list()?;
    let value = rules
        .iter()
        .filter_map(|rule| rule.at(&["when", "detector"]))
        .find(|value| value.span.touches(offset))?;
    let detector = detector::named(value.as_text()?)?;
    let known = match detector.on {
        detector::On::Prefix => "known after any step",
        detector::On::Finish => "known when the agent wants to finish: needs `event = \"finish\"`",
        detector::On::End => "known only after a trial: cannot trigger a rule",
    };
    let text = format!("**detector** `{}` ({})\n\n{}\n\n{known}", detector.name, detector.id, detector.rule);
    Some(Hover { span: value.span, text })
}

fn rule_name(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    let entries = harness.tree().root.at(&["lint", "allow"])?.as_list()?;
    let value =
        entries.iter().filter_map(|entry| entry.get("rule")).find(|value| value.span.touches(offset))?;
    let rule = check::rule(value.as_text()?)?;
    Some(Hover { span: value.span, text: rule.page.split("\n## Bad").next()?.to_owned() })
}

/// What the agent itself defines for templates.
fn variable(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    for text in harness.texts_in(&site.file).filter(|text| text.role.is_template() && text.is_exact()) {
        let tree = text.template(harness.files());
        let Some(name) = tree.names.iter().find(|name| text.place(name.span).touches(offset)) else {
            continue;
        };
        let meaning = match name.path.first().map(String::as_str)? {
            "task" => "the instruction of the task, as the agent sees it",
            "workdir" => "the directory that the agent works in",
            "tools" => "the tools of the state, each with `name` and `description`",
            "runtime" => "the values of `[runtime]`",
            "state" => "the state of the orchestration",
            "step" => "the number of the step, from 1",
            "steps_left" => "how many steps are left before `max_steps`",
            "output" => "the tool's result: `text`, `exit`, `timed_out`, `cut_bytes`",
            "tool" => "the tool that was called",
            _ => return None,
        };
        let text_of = format!("**variable** `{}`\n\n{meaning}", plain(&name.path.join(".")));
        return Some(Hover { span: text.place(name.span), text: text_of });
    }
    None
}

/// The innermost surface around an offset: its size and limits.
fn surface(site: &Site, offset: usize) -> Option<Hover> {
    let harness = site.project.harness();
    let document = harness.document(&site.file)?;
    let around = harness.surfaces().iter().filter_map(|placed| {
        let (_, span) = placed.spans().find(|(file, span)| **file == site.file && span.touches(offset))?;
        Some((placed, span))
    });
    let (placed, span) = around.min_by_key(|(_, span)| span.len())?;
    // The first line of it only: elsewhere people read, and want no box.
    let line = document.text().line_span(document.text().line_of(span.start as usize));
    if !line.touches(offset) {
        return None;
    }
    let text = span.of(document.source());
    let size = match placed.surface.limits.max_tokens {
        Some(limit) => format!("≈{} tokens, limit {limit}", approx_tokens(text)),
        None => format!("≈{} tokens", approx_tokens(text)),
    };
    let lines = [format!("**surface** `{}` · {size}", plain(&placed.surface.id)), origin(placed).to_owned()];
    Some(Hover {
        span: Span { start: span.start, end: line.end.min(span.end).max(span.start) },
        text: lines.join("\n\n"),
    })
}

fn origin(placed: &Placed) -> &'static str {
    match placed.surface.origin {
        Origin::Declared => "declared in `harness.toml`: a proposal may change this text",
        Origin::Native => "a part of the native agent: a proposal may change this text",
    }
}

/// Text of documents, in a fence longer than any inside it.
fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

/// A name between backticks must not end them, nor hold what nobody sees.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() && *char != '`').take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use harness_schema::files::Files;

    use super::*;
    use crate::workspace::Workspace;

    const TEXT: &str = "schema = 1\n[model]\nprotocol = \"openai\"\nstream = true\n[prompt]\nsystem = { text = \"s\" }\n\
        [[runtime.rule]]\nid = \"a\"\nwhen = { event = \"finish\" }\nask_verify = { text = \"v\" }\n\
        [improve]\ngate = \"certified\"\n\
        [[runtime.rule]]\nid = \"b\"\nwhen = { step = 3 }\ninject = { text = \"i\" }\n\
        [[surface]]\nid = \"s\"\nfile = \"a.md\"\nselect = [\"md.section\", \"A\"]\n\
        [tasks]\ndir = \"tasks\"\nheld_in = [\"t\"]\n\
        [[lint.allow]]\nrule = \"SH105\"\nsurface = \"prompt.system\"\nreason = \"r\"\n";

    /// The hover in the middle of the last `needle` of a file.
    #[track_caller]
    fn shows(file: &str, needle: &str, expected: &str) {
        let task = "version = \"1.0\"\n[environment]\nnetwork_mode = \"no-network\"\n";
        let files = [("harness.toml", TEXT), ("a.md", "# A\n\nx\n"), ("tasks/t/task.toml", task)];
        let mut workspace = Workspace::default();
        workspace.set_project(Path::new("/p"), Files::from_texts(files));
        let site = workspace.snapshot().site(&Path::new("/p").join(file)).unwrap();
        let source = site.project.harness().document(&site.file).unwrap().source();
        let at = source.rfind(needle).unwrap() + needle.len() / 2;
        let hover = hover(&site, at).unwrap_or_else(|| panic!("no hover on {needle}"));
        assert!(hover.text.contains(expected), "{needle}: {}", hover.text);
        assert!(hover.span.touches(at));
    }

    #[test]
    fn values_kinds_directories_and_later_headers_are_explained() {
        shows("harness.toml", "certified", "`certified` of `gate`");
        shows("harness.toml", "openai", "`openai` of `protocol`");
        shows("harness.toml", "finish", "`finish` of `event`");
        shows("harness.toml", "true", "`stream`: ");
        shows("harness.toml", "md.section", "**selector** `md.section`");
        shows("harness.toml", "\"tasks\"", "1 tasks: 1 held-in, 0 held-out, 0 sealed");
        shows("harness.toml", "rule]]", "`rule`: ");
        shows("harness.toml", "[[runtime", "`runtime`: ");
        shows("harness.toml", "prompt.system", "**surface** `prompt.system`");
        shows("tasks/t/task.toml", "no-network", "`no-network` of `network_mode`");
    }

    #[test]
    fn every_kind_of_selector_is_explained() {
        let explained: Vec<&str> = SELECTORS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(explained, harness_schema::selector::KINDS);
    }
}
