//! Turns a draft into texts: first the new value of each place, then the files that hold them. A place is written by the writers
//! of `harness_schema::edit`, which prove that nothing else changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use harness_schema::detector::{self, On};
use harness_schema::edit::{self, Refusal};
use harness_schema::harness::{Harness, Placed};
use harness_schema::path::FilePath;
use harness_schema::selector::{DataFormat, Form, Resolved, Selector};
use harness_schema::surface::{Breach, Dialect, Keep, Limits};
use harness_schema::syntax::Document;
use harness_schema::syntax::data::{Kind, Step, Style, Value};
use harness_schema::text::{Span, TextEdit, apply_all};

use super::place::{self, MAX_RULES, NEW_RULE, Place};
use super::refused::{Guard, Refused};
use super::reply::{Draft, DraftEdit, Edge, Scope};

/// The new value of one place.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The surface's id.
    pub(super) surface: String,
    /// The value before; of a new file what it starts from.
    pub(super) before: String,
    /// The value afterwards.
    pub(super) after: String,
    /// Where it is written.
    pub(super) spot: Spot,
}

/// Where a value is written.
#[derive(Clone, Debug)]
pub(super) enum Spot {
    /// A place of a surface.
    Part {
        /// The file.
        file: FilePath,
        /// The place in it.
        selector: Arc<Selector>,
        /// What the value must keep to.
        limits: Limits,
        /// The template language of the value.
        dialect: Option<Dialect>,
    },
    /// A file of its own.
    File(FilePath),
    /// A runtime rule with this trigger.
    Rule(serde_json::Map<String, serde_json::Value>),
    /// A state before the end.
    State,
}

impl Change {
    /// The file that is written.
    pub(super) fn file(&self, harness: &Harness) -> FilePath {
        match &self.spot {
            Spot::Part { file, .. } | Spot::File(file) => file.clone(),
            Spot::Rule(_) | Spot::State => harness.manifest_path(),
        }
    }
}

/// The trigger of a draft, with what follows from its detector: one that is decided at the end is asked there.
pub(super) fn scope(draft: &Draft) -> Scope {
    let Scope::When(when) = &draft.scope else { return Scope::Always };
    let mut when = when.clone();
    let named = when.get("detector").and_then(serde_json::Value::as_str).and_then(detector::named);
    if named.is_some_and(|detector| detector.on == On::Finish) && !when.contains_key("event") {
        when.insert(String::from("event"), serde_json::Value::from("finish"));
    }
    Scope::When(when)
}

/// The values that a draft asks for, those of one place together.
pub(super) fn plan(draft: &Draft, harness: &Harness) -> Result<Vec<Change>, Refused> {
    let when = match scope(draft) {
        Scope::Always => None,
        Scope::When(when)
            if draft.edits.iter().all(|edit| edit.surface == NEW_RULE) && draft.edits.len() == 1 =>
        {
            Some(when)
        }
        Scope::When(_) => {
            let why = format!("an edit with a trigger is one edit of `{NEW_RULE}`");
            return Err(Refused::new(Guard::Schema, why));
        }
    };
    let mut changes: Vec<Change> = Vec::new();
    let mut made = 0;
    for written in &draft.edits {
        let edit = DraftEdit {
            find: written.find.replace("\r\n", "\n"),
            replace: written.replace.replace("\r\n", "\n"),
            ..written.clone()
        };
        let found =
            place::find(harness, &written.surface).map_err(|why| Refused::new(Guard::Surface, why))?;
        // Of what is new only a skeleton is there.
        let new = |skeleton: &str, spot| {
            let after = match (edit.at, count(skeleton, &edit.find)) {
                (Some(edge), _) => joined(skeleton, edge, edit.replace.trim_matches('\n'), true),
                (None, 1) => skeleton.replacen(&edit.find, &edit.replace, 1),
                (None, _) => {
                    let why = format!("`{}` is new, and does not hold once what `find` says", edit.surface);
                    return Err(Refused::new(Guard::Surface, why));
                }
            };
            Ok(Change { surface: edit.surface.clone(), before: skeleton.to_owned(), after, spot })
        };
        match found {
            Place::Surface(placed) => in_surface(harness, placed, &edit, &mut changes)?,
            Place::NewRule => match &when {
                Some(when) if !when.is_empty() => changes.push(new("", Spot::Rule(when.clone()))?),
                _ => {
                    let why = format!("`{NEW_RULE}` needs a trigger: `scope` is {{\"when\": {{…}}}}");
                    return Err(Refused::new(Guard::Schema, why));
                }
            },
            Place::NewState => changes.push(new("", Spot::State)?),
            Place::NewFile { surface, glob, path } => {
                let file = new_file(harness, surface, glob, path, made)?;
                if changes.iter().any(|change| matches!(&change.spot, Spot::File(other) if *other == file)) {
                    return Err(Refused::new(Guard::Surface, format!("`{file}` is made twice")));
                }
                made += 1;
                let skeleton = surface.surface.new_files.as_ref().map_or("", |new| new.skeleton.as_str());
                changes.push(new(skeleton, Spot::File(file))?);
            }
        }
    }
    Ok(changes)
}

/// The path of a file that a proposal may create.
fn new_file(
    harness: &Harness,
    surface: &Placed,
    glob: &str,
    path: &str,
    made: usize,
) -> Result<FilePath, Refused> {
    let refused = |why: String| Refused::new(Guard::Surface, why);
    let Some(allowed) = &surface.surface.new_files else {
        return Err(refused(format!("`{}` creates no files", surface.surface.id)));
    };
    let manifest = harness.manifest_path();
    let keep = Keep { manifest: &manifest, tasks: harness.suite().directory.as_ref() };
    let exists = |file: &FilePath| harness.files().is_file(file);
    edit::new_file(glob, path, allowed, made, keep, exists).map_err(|refusal| refused(refusal.to_string()))
}

/// An edit of a surface that is there; several edits of one place add up.
fn in_surface(
    harness: &Harness,
    placed: &Placed,
    edit: &DraftEdit,
    changes: &mut Vec<Change>,
) -> Result<(), Refused> {
    let refused = |why: &str| Refused::new(Guard::Surface, format!("`{}` {why}", edit.surface));
    let parts = placed.places.iter().filter_map(|place| Some((place, place.resolved()?.as_ref().ok()?)));
    let parts: Vec<_> = parts.collect();
    if parts.len() < placed.places.len() || parts.is_empty() {
        return Err(refused("is not found in the files of this harness"));
    }
    let value = |file: &FilePath, selector: &Selector, resolved: &Resolved| {
        let earlier = changes.iter().find(|change| {
            matches!(&change.spot, Spot::Part { file: other, selector: same, .. } if other == file && **same == *selector)
        });
        earlier.map_or_else(|| resolved.value.clone(), |change| change.after.clone())
    };
    let mut found = Vec::new();
    for (place, resolved) in &parts {
        let now = value(&place.target, &place.selector, resolved);
        let is_append = matches!(resolved.form, Form::Append { .. });
        let after = match edit.at {
            None => match count(&now, &edit.find) {
                0 => continue,
                1 => now.replacen(&edit.find, &edit.replace, 1),
                _ => return Err(refused("holds what `find` says more than once")),
            },
            Some(_) if is_append => edit.replace.clone(),
            Some(edge) => {
                let has_lines = matches!(resolved.form, Form::Text | Form::Code { .. }) || now.contains('\n');
                joined(&now, edge, &edit.replace, has_lines)
            }
        };
        found.push((place, resolved, is_append, now, after));
    }
    // Of a surface with several parts a new entry goes where entries are added, and a text to the first part.
    let chosen = match (edit.at, found.len()) {
        (_, 0) => return Err(refused("does not hold what `find` says")),
        (None, 2..) => return Err(refused("holds what `find` says more than once")),
        (None, _) => 0,
        (Some(_), _) => found.iter().position(|(_, _, is_append, ..)| *is_append).unwrap_or_default(),
    };
    let Some((place, resolved, _, now, after)) = found.into_iter().nth(chosen) else { return Ok(()) };
    let same = |change: &&mut Change| matches!(&change.spot, Spot::Part { file, selector, .. } if *file == place.target && *selector == place.selector);
    if let Some(earlier) = changes.iter_mut().find(same) {
        earlier.after = after;
        return Ok(());
    }
    // A new entry replaces nothing.
    let before = if matches!(resolved.form, Form::Append { .. }) { String::new() } else { now };
    changes.push(Change {
        surface: edit.surface.clone(),
        before,
        after,
        spot: Spot::Part {
            file: place.target.clone(),
            selector: Arc::clone(&place.selector),
            limits: Limits {
                only_tighten: placed.surface.limits.only_tighten
                    || is_schema(harness, &place.target, &place.selector, resolved),
                ..placed.surface.limits.clone()
            },
            dialect: place::dialect(harness, placed, &place.target),
        },
    });
    Ok(())
}

/// Whether a place holds what a tool accepts, or a part of it. What a schema says beside that may be said in other words.
fn is_schema(harness: &Harness, file: &FilePath, selector: &Selector, resolved: &Resolved) -> bool {
    let steps = selector.steps();
    let is_prose =
        matches!(steps.last(), Some(Step::Key(key)) if ["description", "title"].contains(&key.as_str()));
    let schemas =
        harness.tools().iter().filter(|tool| tool.file == *file).flat_map(|tool| {
            ["parameters", "inputSchema"].into_iter().filter_map(|key| tool.value().get(key))
        });
    !is_prose && schemas.into_iter().any(|schema| schema.span.contains(resolved.span))
}

/// How often a text holds another, overlapping ones counted.
fn count(text: &str, part: &str) -> usize {
    if part.is_empty() {
        return 0;
    }
    let starts = text.char_indices().map(|(at, _)| at);
    starts.filter(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(part))).take(2).count()
}

/// A value with a text at one of its ends: on lines of their own where the value has lines.
fn joined(value: &str, edge: Edge, text: &str, has_lines: bool) -> String {
    if value.trim().is_empty() {
        return text.to_owned();
    }
    let between = if has_lines { "\n" } else { " " };
    let gap = |before: &str, after: &str| {
        let is_apart = before.ends_with(char::is_whitespace) || after.starts_with(char::is_whitespace);
        if is_apart { "" } else { between }
    };
    match edge {
        Edge::Start => format!("{text}{}{value}", gap(text, value)),
        Edge::End => {
            let end = if value.ends_with('\n') && !text.ends_with('\n') { "\n" } else { "" };
            format!("{value}{}{text}{end}", gap(value, text))
        }
    }
}

/// Every file that changes, whole, as it is afterwards.
pub(super) fn write(
    changes: &[Change],
    harness: &Harness,
    mechanism: &str,
) -> Result<BTreeMap<FilePath, String>, Refused> {
    let mut documents: BTreeMap<FilePath, Arc<Document>> = BTreeMap::new();
    for change in changes {
        let file = change.file(harness);
        if let Spot::File(file) = &change.spot {
            let text = format!("{}\n", change.after.trim_end_matches('\n'));
            let document = Document::new(file.clone(), text.as_str().into());
            if let Some(found) = harness_schema::surface::inside(&document, &Selector::File) {
                let why = format!("`{file}` would hold `{}`: it {}", found.key, found.reason.words());
                return Err(Refused::new(Guard::Outside, why));
            }
            documents.insert(file.clone(), document);
            continue;
        }
        let now = documents.get(&file).or_else(|| harness.document(&file));
        let Some(now) = now else {
            return Err(Refused::new(Guard::Surface, format!("`{file}` is not there")));
        };
        let edits = match &change.spot {
            Spot::Part { selector, limits, .. } => {
                let resolved = selector.resolve_or_first(now);
                let resolved =
                    resolved.map_err(|why| Refused::new(Guard::Outside, why.message(file.as_str())))?;
                let is_append = matches!(resolved.form, Form::Append { .. });
                if !is_append && resolved.value != change.before {
                    let why = format!("`{}` shares text with another surface of the edit", change.surface);
                    return Err(Refused::new(Guard::Outside, why));
                }
                vec![edit::write(now, &resolved, limits, &change.after).map_err(|refusal| of(&refusal))?]
            }
            Spot::Rule(when) => vec![new_rule(now, harness, mechanism, when, &change.after)?],
            Spot::State => new_state(now, mechanism, &change.after)?,
            Spot::File(_) => Vec::new(),
        };
        let text = apply_all(now.source(), &edits)
            .ok_or_else(|| Refused::new(Guard::Outside, format!("edits of `{file}` overlap")))?;
        documents.insert(file.clone(), Document::new(file, text.as_str().into()));
    }
    Ok(documents.into_iter().map(|(file, document)| (file, document.source().to_owned())).collect())
}

/// The guard that a refusal of the writers belongs to.
fn of(refusal: &Refusal) -> Refused {
    let guard = match refusal {
        Refusal::Stale | Refusal::Unresolved { .. } => Guard::Surface,
        Refusal::NoChange => Guard::NoOp,
        Refusal::Limits(breaches) => {
            let is_of_text = |breach: &Breach| matches!(breach, Breach::Lost(_) | Breach::Template(_));
            if breaches.iter().any(is_of_text) { Guard::Placeholder } else { Guard::Caps }
        }
        Refusal::Breaks(_) | Refusal::Unwritable(_) | Refusal::Loosens(_) => Guard::Parse,
        Refusal::Lost { .. } | Refusal::Heading(_) | Refusal::Outside(_) | Refusal::Rights(_) => {
            Guard::Outside
        }
    };
    Refused::new(guard, refusal.to_string())
}

/// A runtime rule at the end of the list of rules.
fn new_rule(
    manifest: &Document,
    harness: &Harness,
    mechanism: &str,
    when: &serde_json::Map<String, serde_json::Value>,
    text: &str,
) -> Result<TextEdit, Refused> {
    let ids = ids(manifest, &["runtime", "rule"]);
    if MAX_RULES <= ids.len() {
        let why = format!("the harness has {} runtime rules, and {MAX_RULES} are allowed", ids.len());
        return Err(Refused::new(Guard::Caps, why));
    }
    let selector = Selector::Data {
        format: DataFormat::Toml,
        steps: ["runtime", "rule"].map(|step| Step::Key(step.into())).to_vec(),
        append: true,
    };
    let file = harness.manifest_path();
    let resolved = selector
        .resolve_or_first(manifest)
        .map_err(|why| Refused::new(Guard::Parse, why.message(file.as_str())))?;
    let is_finish = when.get("event").and_then(serde_json::Value::as_str) == Some("finish");
    let action = if is_finish { "ask_verify" } else { "inject" };
    let when = toml_value(&serde_json::Value::Object(when.clone()))
        .ok_or_else(|| Refused::new(Guard::Schema, "`when` holds a value that no manifest can hold"))?;
    let id = toml_string(&unique(mechanism, &ids));
    let (when, text) = (format!("when = {when}"), format!("{action} = {{ text = {} }}", toml_string(text)));
    let entry = match resolved.form {
        // A list between brackets holds inline tables.
        Form::Append { list: harness_schema::selector::ListEnd::Header { .. }, .. } => {
            format!("id = {id}\n{when}\n{text}\n")
        }
        _ => format!("{{ id = {id}, {when}, {text} }}"),
    };
    edit::write(manifest, &resolved, &Limits::default(), &entry).map_err(|refusal| of(&refusal))
}

/// A state before the end: what named the end names it then (`formats` 1.4).
fn new_state(manifest: &Document, mechanism: &str, text: &str) -> Result<Vec<TextEdit>, Refused> {
    let refused = |why: &str| Refused::new(Guard::Parse, why);
    let source = manifest.source();
    let tree = manifest.data().ok_or_else(|| refused("the manifest cannot be read"))?;
    let mut taken = ids(manifest, &["orchestration", "state"]);
    // The state in which everything happens as long as there is no other has this name.
    taken.push(String::from("work"));
    let id = unique(&format!("before-end-{mechanism}"), &taken);
    let mut edits = Vec::new();
    let mut added = String::new();
    // Where every state names its tools, the new one has those, and no others.
    let mut tools: Option<BTreeSet<&str>> = None;
    match tree.root.get("orchestration") {
        None => {
            let head = "[orchestration]\nstart = \"work\"\n\n[[orchestration.state]]\nid = \"work\"\n";
            added.push_str(&format!("\n{head}next = [{}]\n", toml_string(&id)));
        }
        Some(orchestration) => {
            let list = match orchestration.get("state").map(|states| &states.kind) {
                Some(Kind::List(list)) if list.style == Style::Header => list,
                _ => {
                    return Err(refused(
                        "a state can be added only where states are written as `[[orchestration.state]]`",
                    ));
                }
            };
            tools = list
                .items
                .iter()
                .map(named_tools)
                .collect::<Option<Vec<_>>>()
                .map(|all| all.concat().into_iter().collect());
            for state in &list.items {
                edits.extend(led_to(state, &id, source)?);
            }
        }
    }
    let prompt = toml_string(text);
    added.push_str(&format!(
        "\n[[orchestration.state]]\nid = {}\nprompt = {{ text = {prompt} }}\nmax_visits = 2\n",
        toml_string(&id)
    ));
    if let Some(tools) = tools {
        let tools: Vec<String> = tools.into_iter().map(toml_string).collect();
        added.push_str(&format!("tools = [{}]\n", tools.join(", ")));
    }
    let end = if source.is_empty() || source.ends_with('\n') { "" } else { "\n" };
    let added = format!("{end}{added}").replace('\n', manifest.text().line_ending());
    edits.push(TextEdit { span: Span::at(source.len()), new_text: added });
    Ok(edits)
}

/// The tools that a state names; `None` if it names none and so has all of them.
fn named_tools(state: &Value) -> Option<Vec<&str>> {
    Some(state.get("tools")?.as_list()?.iter().filter_map(Value::as_text).collect())
}

/// The edits after which a state leads to `id` where it led to the end.
fn led_to(state: &Value, id: &str, source: &str) -> Result<Vec<TextEdit>, Refused> {
    let new_text = toml_string(id);
    let is_end = |value: &&Value| value.as_text() == Some(harness_schema::harness::END);
    let replaced = |value: &Value| TextEdit { span: value.span, new_text: new_text.clone() };
    let mut edits: Vec<TextEdit> =
        state.get("on_limit").iter().copied().filter(is_end).map(replaced).collect();
    match state.get("next") {
        Some(next) => edits.extend(next.as_list().unwrap_or_default().iter().filter(is_end).map(replaced)),
        None => {
            // Where nothing is said, a state leads to the end.
            let Some(at) = state.get("id") else {
                return Err(Refused::new(Guard::Parse, "a state of the manifest has no `id`"));
            };
            let end = source.get(at.span.end as usize..).and_then(|rest| rest.find('\n'));
            let at = end.map_or(source.len(), |end| at.span.end as usize + end);
            let break_before =
                if source.get(..at).is_some_and(|before| before.ends_with('\r')) { at - 1 } else { at };
            let line = if break_before < at { "\r\n" } else { "\n" };
            edits.push(TextEdit {
                span: Span::at(break_before),
                new_text: format!("{line}next = [{new_text}]"),
            });
        }
    }
    Ok(edits)
}

/// The ids of the entries of a list in the manifest.
fn ids(manifest: &Document, keys: &[&str]) -> Vec<String> {
    let list = manifest.data().and_then(|tree| tree.root.at(keys)?.as_list()).unwrap_or_default();
    list.iter().map(|entry| entry.get("id").and_then(Value::as_text).unwrap_or_default().to_owned()).collect()
}

/// A name that none of the others is: of letters, digits and dashes, with a number where it must be.
fn unique(name: &str, taken: &[String]) -> String {
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|each| if each.is_ascii_alphanumeric() { each } else { '-' })
        .take(48)
        .collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() { "added" } else { name };
    let is_free = |name: &String| !taken.contains(name);
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

/// A value as a manifest writes it in one line; none for what TOML cannot say.
fn toml_value(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value as Json;
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => toml_string(text),
        Json::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(toml_value).collect();
            format!("[{}]", items?.join(", "))
        }
        Json::Object(fields) => {
            let is_bare = |key: &str| {
                !key.is_empty()
                    && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
            };
            let fields: BTreeMap<&String, &Json> = fields.iter().collect();
            let entries: Option<Vec<String>> = fields
                .into_iter()
                .map(|(key, value)| {
                    let key = if is_bare(key) { key.to_owned() } else { toml_string(key) };
                    Some(format!("{key} = {}", toml_value(value)?))
                })
                .collect();
            format!("{{ {} }}", entries?.join(", "))
        }
    })
}

/// A text as a basic string of TOML in one line.
fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for each in text.chars() {
        match each {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
