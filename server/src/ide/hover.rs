//! What stands under the cursor, in a few lines: what it is, where it is from, how large it is.

use harness_schema::check;
use harness_schema::detector;
use harness_schema::harness::{Harness, Placed, Role, SymbolKind};
use harness_schema::shape::{self, Field, Shape};
use harness_schema::surface::{Origin, approx_tokens};
use harness_schema::syntax::data::Value;
use harness_schema::text::Span;

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
    let hover = name(site, offset)
        .or_else(|| detector_name(site, offset))
        .or_else(|| rule_name(site, offset))
        .or_else(|| key(site, offset))
        .or_else(|| variable(site, offset))
        .or_else(|| surface(site, offset))?;
    let text: Vec<&str> = hover.text.lines().take(MAX_LINES).collect();
    Some(Hover { text: text.join("\n"), ..hover })
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
        SymbolKind::Variable | SymbolKind::Parameter if !symbol.detail.is_empty() => {
            lines.push(fenced(&symbol.detail, "text"));
        }
        _ => {}
    }
    let uses = harness.mentions_of(mention.kind, &mention.name).len();
    let place = harness.document(&symbol.at.file).map(|document| {
        let line = document.text().line_of(symbol.at.span.start as usize) + 1;
        format!("defined in `{}`, line {line}; {} mentioned", symbol.at.file, times(uses.saturating_sub(1)))
    });
    if !matches!(mention.kind, SymbolKind::File | SymbolKind::Task) {
        lines.extend(place);
    }
    Some(Hover { span: mention.span, text: lines.join("\n\n") })
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
    let schema = tool.value.get("parameters").or_else(|| tool.value.get("inputSchema"))?;
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
    let harness = site.project.harness();
    let root = match harness.role(&site.file)? {
        Role::Manifest => shape::manifest(),
        Role::Tool => shape::tool(),
        Role::TaskManifest => shape::task(),
        _ => return None,
    };
    let tree = harness.document(&site.file)?.data()?;
    let (span, field) = field_at(&tree.root, root, offset)?;
    let mut lines = vec![format!("`{}`: {}", plain(&field.name), field.shape.in_words())];
    if !field.shape.description.is_empty() {
        lines.push(field.shape.description.clone());
    }
    if let Some(default) = &field.default {
        lines.push(format!("default: `{}`", plain(&default.to_string())));
    }
    Some(Hover { span, text: lines.join("\n\n") })
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
