//! The state machine of a run: names of states and tools (SH401, SH404), and ways through it (SH402, SH403).

use std::collections::{BTreeMap, BTreeSet};

use super::fixes::{did_you_mean, near, remove, replace_with};
use crate::harness::{END, Form, GO_TO, Harness, MANIFEST, SymbolKind};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity, certain};
use crate::syntax::data::Value;
use crate::text::Span;

/// A name in `start`, `next`, `on_limit` or `when.state` that no state has.
pub static UNKNOWN_STATE: Rule =
    Rule::new("SH401", "unknown-state", Severity::Error, include_str!("rules/SH401-unknown-state.md"));

/// No path leads from `start` to a state.
pub static UNREACHABLE_STATE: Rule = Rule::new(
    "SH402",
    "unreachable-state",
    Severity::Warning,
    include_str!("rules/SH402-unreachable-state.md"),
)
.unnecessary();

/// A reachable state without a path to the end.
pub static NO_WAY_OUT: Rule =
    Rule::new("SH403", "no-way-out", Severity::Warning, include_str!("rules/SH403-no-way-out.md"));

/// A state or runtime rule names a tool that is not declared.
pub static UNKNOWN_STATE_TOOL: Rule = Rule::new(
    "SH404",
    "unknown-state-tool",
    Severity::Error,
    include_str!("rules/SH404-unknown-state-tool.md"),
);

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if file.as_str() != MANIFEST {
        return;
    }
    unknown_names(harness, file, problems);
    let states = states(harness);
    if states.is_empty() {
        return;
    }
    ways(harness, file, &states, problems);
}

fn unknown_names(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let symbols = harness.symbols();
    let start = harness.tree().root.at(&["orchestration", "start"]).map(|start| start.span);
    for mention in symbols.in_file(file).iter().filter(|mention| mention.form == Form::Value) {
        let (rule, why) = match mention.kind {
            SymbolKind::State => (&UNKNOWN_STATE, "the run would have nowhere to go"),
            SymbolKind::Tool => (&UNKNOWN_STATE_TOOL, "the model cannot be offered what is not declared"),
            _ => continue,
        };
        let is_go_to = mention.kind == SymbolKind::Tool && mention.name == GO_TO && harness.offers_go_to();
        let is_unread = mention.kind == SymbolKind::Tool && harness.has_unread_tools();
        if is_go_to || is_unread || symbols.find(mention.kind, &mention.name).is_some() {
            continue;
        }
        let mut names: Vec<&str> = symbols.names(mention.kind).collect();
        // The end is no state, and where a run may go, but not begin.
        let may_end =
            mention.kind == SymbolKind::State && !start.is_some_and(|start| start.contains(mention.span));
        names.extend(may_end.then_some(END));
        let near = near(&mention.name, names.iter().copied());
        let at = Location::new(file, mention.span);
        let kind = mention.kind.word();
        let message = format!("unknown {kind} `{}`{}", mention.name, did_you_mean(near));
        let mut problem = Problem::new(rule, mention.span, message).why(why).about(mention.name.as_str());
        problem = match (certain(&mention.name, names.iter().copied()), near) {
            (Some(only), _) => problem.fix(replace_with(FixClass::Safe, &at, only)),
            (None, Some(near)) => problem.fix(replace_with(FixClass::Preview, &at, near)),
            (None, None) => problem,
        };
        problems.push(problem);
    }
}

/// A state as the manifest writes it.
struct State<'a> {
    id: &'a str,
    id_span: Span,
    value: &'a Value,
    next: Vec<&'a str>,
}

fn states(harness: &Harness) -> Vec<State<'_>> {
    let list =
        harness.tree().root.at(&["orchestration", "state"]).and_then(Value::as_list).unwrap_or_default();
    let source = harness.manifest_file().document.source();
    let read = |value| -> Option<State<'_>> {
        let value: &Value = value;
        let id = value.get("id")?;
        let listed = value.get("next").and_then(Value::as_list);
        let mut next: Vec<&str> = match listed {
            // That there are none is a wrong value.
            Some(names) if !names.is_empty() => names.iter().filter_map(Value::as_text).collect(),
            _ => vec![END],
        };
        // A state that reaches its limit goes on as `on_limit` says; its default is the end, but a state must not
        // depend on a limit to end.
        next.extend(value.get("on_limit").and_then(Value::as_text).filter(|name| *name != END));
        let id_span = id.verbatim(source).unwrap_or(id.span);
        Some(State { id: id.as_text().filter(|id| !id.is_empty())?, id_span, value, next })
    };
    list.iter().filter_map(read).collect()
}

fn ways(harness: &Harness, file: &FilePath, states: &[State<'_>], problems: &mut Vec<Problem>) {
    let Some(start) = harness.tree().root.at(&["orchestration", "start"]).and_then(Value::as_text) else {
        return;
    };
    let by_id: BTreeMap<&str, &State<'_>> = states.iter().rev().map(|state| (state.id, state)).collect();
    // With an unknown name in the graph nothing certain can be said about it.
    let known = |name: &str| name == END || by_id.contains_key(name);
    if !known(start) || states.iter().any(|state| !state.next.iter().all(|name| known(name))) {
        return;
    }
    let reachable = reach(start, |id| by_id.get(id).map(|state| state.next.clone()).unwrap_or_default());
    let mut back: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for state in states {
        for next in &state.next {
            back.entry(next).or_default().push(state.id);
        }
    }
    let ending = reach(END, |id| back.get(id).cloned().unwrap_or_default());
    let document = &harness.manifest_file().document;
    for state in states {
        if !reachable.contains(state.id) {
            let message = format!("no state leads to `{}`", state.id);
            let mut problem = Problem::new(&UNREACHABLE_STATE, state.id_span, message)
                .why("the run never gets there")
                .about(state.id)
                .fixes(remove(FixClass::Preview, "Remove the state", document, state.value.span));
            let from = by_id.get(start).filter(|from| from.id != state.id);
            problem = problem.fixes(from.and_then(|from| add_next(from, state.id, file)));
            problems.push(problem);
        } else if !ending.contains(state.id) {
            let message =
                format!("from `{}` no `next` leads to `{END}`: only `max_visits` stops it", state.id);
            let problem = Problem::new(&NO_WAY_OUT, state.id_span, message)
                .why("each trial would run until a limit ends it")
                .about(state.id);
            problems.push(problem.fixes(add_next(state, END, file)));
        }
    }
}

fn reach<'a>(start: &'a str, next: impl Fn(&str) -> Vec<&'a str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        open.extend(next(id).into_iter().filter(|id| seen.insert(id)));
    }
    seen
}

fn add_next(state: &State<'_>, name: &str, file: &FilePath) -> Option<Fix> {
    let list = state.value.get("next")?;
    let last = list.as_list()?.last();
    let (at, text) = match last {
        Some(last) => (last.span.end as usize, format!(", \"{name}\"")),
        None => (list.span.start as usize + 1, format!("\"{name}\"")),
    };
    let title = format!("Add `{name}` to `next` of `{}`", state.id);
    Some(Fix::replace(FixClass::Preview, title, &Location::new(file, Span::at(at)), text))
}
