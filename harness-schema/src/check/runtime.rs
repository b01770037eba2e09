//! Runtime rules (SH301, SH304–SH306), limits (SH303), budget, repeats and price (SH302, SH307–SH309).

use super::fixes::{did_you_mean, near, remove_all, replace_with};
use crate::detector::{self, On};
use crate::harness::{Harness, MANIFEST};
use crate::manifest::Duration;
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity, certain};
use crate::shape;
use crate::syntax::data::{Kind, Step, Value};
use crate::text::Span;

/// Not exactly one action, or `ask_verify` away from the finish.
pub static RULE_ACTION: Rule =
    Rule::new("SH301", "rule-action", Severity::Error, include_str!("rules/SH301-rule-action.md"));

/// No `[budget]`.
pub static NO_BUDGET: Rule =
    Rule::new("SH302", "no-budget", Severity::Information, include_str!("rules/SH302-no-budget.md"));

/// A tool's timeout is not below the shortest agent phase.
pub static LIMITS_CONTRADICT: Rule = Rule::new(
    "SH303",
    "limits-contradict",
    Severity::Warning,
    include_str!("rules/SH303-limits-contradict.md"),
);

/// A detector that does not exist.
pub static UNKNOWN_DETECTOR: Rule =
    Rule::new("SH304", "unknown-detector", Severity::Error, include_str!("rules/SH304-unknown-detector.md"));

/// A detector that cannot trigger a runtime rule there.
pub static NOT_A_TRIGGER: Rule =
    Rule::new("SH305", "not-a-trigger", Severity::Error, include_str!("rules/SH305-not-a-trigger.md"));

/// A runtime rule that waits for a step after the last.
pub static RULE_NEVER_FIRES: Rule = Rule::new(
    "SH306",
    "rule-never-fires",
    Severity::Warning,
    include_str!("rules/SH306-rule-never-fires.md"),
);

/// One repeat of a sampling model.
pub static ONE_REPEAT: Rule =
    Rule::new("SH307", "one-repeat", Severity::Warning, include_str!("rules/SH307-one-repeat.md"));

/// A model whose name can come to mean another model.
pub static FLOATING_MODEL: Rule =
    Rule::new("SH308", "floating-model", Severity::Warning, include_str!("rules/SH308-floating-model.md"));

/// A cap on money where no price is known.
pub static COST_WITHOUT_PRICE: Rule = Rule::new(
    "SH309",
    "cost-without-price",
    Severity::Warning,
    include_str!("rules/SH309-cost-without-price.md"),
);

/// The actions of a runtime rule.
const ACTIONS: [&str; 3] = ["inject", "limit", "ask_verify"];

/// `runtime.max_steps`, unless it is written.
const DEFAULT_MAX_STEPS: i64 = 40;

/// `agent.timeout`, unless it is written, in seconds.
const DEFAULT_AGENT_TIMEOUT: f64 = 900.0;

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    timeouts(harness, file, problems);
    if file.as_str() != MANIFEST {
        return;
    }
    let root = &harness.tree().root;
    if harness.is_native() {
        for rule in root.at(&["runtime", "rule"]).and_then(Value::as_list).unwrap_or_default() {
            action(harness, rule, problems);
            detector(harness, rule, problems);
            never_fires(root, rule, file, problems);
        }
    }
    budget(harness, problems);
    repeats(root, file, problems);
    model(root, problems);
}

fn text<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a str> {
    value.at(keys).and_then(Value::as_text)
}

/// A duration as the manifest writes it, in seconds.
fn duration_seconds(text: &str) -> Option<f64> {
    text.parse::<Duration>().ok().map(|duration| duration.get().as_secs_f64())
}

fn integer(value: &Value, keys: &[&str]) -> Option<i64> {
    match value.at(keys)?.kind {
        Kind::Integer(number) => Some(number),
        _ => None,
    }
}

fn action(harness: &Harness, rule: &Value, problems: &mut Vec<Problem>) {
    let document = &harness.manifest_file().document;
    let actions: Vec<_> = ACTIONS.iter().filter_map(|action| rule.entry(action)).collect();
    let event = text(rule, &["when", "event"]);
    match actions.as_slice() {
        [only] => {
            // A finish that the detector asks for, or that is misspelt, is a problem already.
            let is_said = is_no_event(rule) || wants_finish(rule);
            if &*only.key.name == "ask_verify" && event != Some("finish") && !is_said {
                let problem = Problem::new(
                    &RULE_ACTION,
                    only.key.span,
                    "`ask_verify` needs `event = \"finish\"` in `when`",
                )
                .why("only an agent that wants to finish can be asked to check first")
                .about("ask_verify");
                problems.push(problem.fixes(finish_event(rule, document.path(), document.source())));
            }
        }
        // What it does is perhaps behind a key that is no action.
        [] if has_unknown_action(rule) => {}
        [] => problems.push(
            Problem::new(
                &RULE_ACTION,
                harness.header_of(rule.span),
                "a runtime rule has one action, this one has none",
            )
            .why("add one of `inject`, `limit`, `ask_verify`")
            .about(text(rule, &["id"]).unwrap_or_default()),
        ),
        [first, .., last] => {
            let message = format!("a runtime rule has one action, this one has {}", actions.len());
            let problem = Problem::new(&RULE_ACTION, last.span(), message)
                .why("write two rules with the same `when`")
                .about(text(rule, &["id"]).unwrap_or_default())
                .related(Location::new(document.path(), first.key.span), "the first action");
            let keep = format!("Keep only `{}`", first.key.name);
            let others: Vec<Span> = actions.iter().skip(1).map(|entry| entry.key.span).collect();
            problems.push(problem.fixes(remove_all(FixClass::Preview, keep, document, &others)));
        }
    }
}

fn has_unknown_action(rule: &Value) -> bool {
    let form = shape::manifest().at(&["runtime", "rule"].map(|key| Step::Key(key.into())));
    let form = form.and_then(|rules| rules.list()?.item.table());
    let entries = rule.as_table().map(|table| table.entries.as_slice()).unwrap_or_default();
    form.is_some_and(|form| entries.iter().any(|entry| form.field(&entry.key.name).is_none()))
}

/// Whether the event is written and is none.
fn is_no_event(rule: &Value) -> bool {
    let events = shape::manifest().at(&["runtime", "rule"].map(|key| Step::Key(key.into())));
    let events = events.and_then(|rules| rules.list()?.item.entry("when")?.entry("event"));
    rule.at(&["when", "event"]).is_some_and(|event| {
        !events.is_some_and(|events| {
            events.choices().any(|choice| Some(choice.value.as_str()) == event.as_text())
        })
    })
}

/// Whether its detector waits for the finish, which is not said.
fn wants_finish(rule: &Value) -> bool {
    let known = text(rule, &["when", "detector"]).and_then(detector::named);
    known.is_some_and(|known| known.on == On::Finish)
}

/// Adds `event = "finish"` to a `when`.
fn finish_event(rule: &Value, file: &FilePath, source: &str) -> Option<Fix> {
    let when = rule.get("when")?;
    let title = "Add `event = \"finish\"`";
    if let Some(event) = when.get("event") {
        let span = event.verbatim(source).unwrap_or(event.span);
        return Some(Fix::replace(FixClass::Preview, title, &Location::new(file, span), "finish"));
    }
    let edit = super::shape::inserted(source, when, "event", "\"finish\"")?;
    let at = Location::new(file, edit.span);
    Some(Fix::replace(FixClass::Preview, title, &at, edit.new_text))
}

fn detector(harness: &Harness, rule: &Value, problems: &mut Vec<Problem>) {
    let Some(value) = rule.at(&["when", "detector"]) else { return };
    let Some(name) = value.as_text() else { return };
    let document = &harness.manifest_file().document;
    let span = value.verbatim(document.source()).unwrap_or(value.span);
    let at = Location::new(document.path(), span);
    let Some(known) = detector::named(name) else {
        let names: Vec<&str> = detector::DETECTORS.iter().map(|detector| detector.name).collect();
        let near = near(name, names.iter().copied());
        let message = format!("unknown detector `{name}`{}", did_you_mean(near));
        let problem = Problem::new(&UNKNOWN_DETECTOR, span, message)
            .why("a rule with an unknown trigger could never fire")
            .about(name);
        problems.push(match (certain(name, names.iter().copied()), near) {
            (Some(only), _) => problem.fix(replace_with(FixClass::Safe, &at, only)),
            (None, Some(near)) => problem.fix(replace_with(FixClass::Preview, &at, near)),
            (None, None) => problem,
        });
        return;
    };
    let at_finish = text(rule, &["when", "event"]) == Some("finish");
    let (message, fix) = match known.on {
        On::Prefix => return,
        On::Finish if at_finish || is_no_event(rule) => return,
        On::Finish => (
            format!(
                "`{name}` is known only when the agent wants to finish, so it needs `event = \"finish\"`"
            ),
            finish_event(rule, document.path(), document.source()),
        ),
        On::End => (format!("`{name}` is known only after a trial, so it cannot trigger a rule"), None),
    };
    let problem =
        Problem::new(&NOT_A_TRIGGER, span, message).why("a rule sees only the trace so far").about(name);
    problems.push(problem.fixes(fix));
}

fn never_fires(root: &Value, rule: &Value, file: &FilePath, problems: &mut Vec<Problem>) {
    // A value of another kind, or a key that is perhaps meant to be this one, says that the default is not meant.
    let limit = match root.at(&["runtime", "max_steps"]) {
        Some(_) => integer(root, &["runtime", "max_steps"]),
        None => Some(DEFAULT_MAX_STEPS).filter(|_| !has_unknown_key(root, "runtime")),
    };
    let Some(limit) = limit else { return };
    let Some((value, step)) = rule.at(&["when", "step"]).zip(integer(rule, &["when", "step"])) else {
        return;
    };
    if step <= limit {
        return;
    }
    let message = format!("this needs step {step}, `max_steps` is {limit}");
    let problem = Problem::new(&RULE_NEVER_FIRES, value.span, message)
        .why("the trial ends before the rule could fire")
        .about(step.to_string());
    let at = Location::new(file, value.span);
    problems.push(problem.fix(Fix::replace(
        FixClass::Preview,
        format!("Lower it to {limit}"),
        &at,
        limit.to_string(),
    )));
}

/// Whether a table has a key that the format does not have: it may be a misspelt one.
pub(super) fn has_unknown_key(root: &Value, table: &str) -> bool {
    let form = shape::manifest().entry(table).and_then(shape::Shape::table);
    let entries = root.get(table).and_then(Value::as_table).map(|table| table.entries.as_slice());
    form.is_some_and(|form| {
        entries.unwrap_or_default().iter().any(|entry| form.field(&entry.key.name).is_none())
    })
}

/// SH303: in the manifest for `runtime.tool_timeout`, in its own file for a tool's `timeout`.
fn timeouts(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    if !harness.is_native() {
        return;
    }
    let root = &harness.tree().root;
    let of_all = root.at(&["runtime", "tool_timeout"]).filter(|_| file.as_str() == MANIFEST);
    let of_tools = harness.tools().iter().filter(|tool| tool.file == *file);
    let of_tools = of_tools.filter_map(|tool| tool.value().get("timeout"));
    let written: Vec<(&str, &Value)> = of_all
        .map(|value| ("tool_timeout", value))
        .into_iter()
        .chain(of_tools.map(|value| ("timeout", value)))
        .collect();
    // All tasks are asked below, and few files have a timeout.
    if written.is_empty() {
        return;
    }
    let agent = match root.at(&["agent", "timeout"]) {
        Some(timeout) => timeout.as_text().and_then(duration_seconds),
        None => Some(DEFAULT_AGENT_TIMEOUT).filter(|_| !has_unknown_key(root, "agent")),
    };
    let Some(agent) = agent else { return };
    let (shortest, of_task) = harness
        .shortest_task()
        .filter(|(time, _)| *time < agent)
        .map_or((agent, None), |(time, id)| (time, Some(id)));
    let mut report = |key: &str, value: &Value| {
        let Some(seconds) = value.as_text().and_then(duration_seconds).filter(|seconds| shortest <= *seconds)
        else {
            return;
        };
        let allows = match of_task {
            Some(_) => format!("the shortest task allows {} s", shortest),
            None => format!("the agent phase has {} s", shortest),
        };
        let message = format!("`{key}` is {seconds} s, {allows}");
        let problem = Problem::new(&LIMITS_CONTRADICT, value.span, message)
            .why("one call could take the whole trial, and its end would never be seen")
            .about(key);
        let half = (shortest / 2.0).floor().max(1.0);
        problems.push(problem.fixes((half < shortest).then(|| {
            let lower = format!("\"{half}s\"");
            let at = Location::new(file, value.span);
            Fix::replace(FixClass::Preview, format!("Lower it to {lower}"), &at, lower)
        })));
    };
    for (key, value) in written {
        report(key, value);
    }
}

fn budget(harness: &Harness, problems: &mut Vec<Problem>) {
    let root = &harness.tree().root;
    let document = &harness.manifest_file().document;
    let Some(budget) = root.get("budget") else {
        // A harness may be there to be checked only: without tasks nothing can be spent.
        let Some(name) = root.entry("tasks") else { return };
        let problem = Problem::new(&NO_BUDGET, name.key.span, "only this machine's own limit stops a run")
            .why("a budget belongs to the project, so that it holds on every machine")
            .about("budget");
        let end = document.source().len();
        let at = Location::new(document.path(), Span::at(end));
        let gap = if document.source().ends_with('\n') { "\n" } else { "\n\n" };
        let insert = format!("{gap}[budget]\nmax_trials = 600\n");
        problems.push(problem.fix(Fix::replace(FixClass::Preview, "Add a `[budget]`", &at, insert)));
        return;
    };
    let Some(cost) = budget.entry("max_cost_usd") else { return };
    let is_priced = root.at(&["model", "price"]).is_some() || budget.get("max_tokens").is_some();
    if is_priced || text(root, &["model", "endpoint"]).is_none_or(super::secrets::is_loopback) {
        return;
    }
    let problem =
        Problem::new(&COST_WITHOUT_PRICE, cost.span(), "`max_cost_usd` cannot hold: no price is known")
            .why("give `model.price`, or limit tokens")
            .about("max_cost_usd");
    let edit = super::shape::inserted(document.source(), budget, "max_tokens", "3000000");
    problems.push(problem.fixes(edit.map(|edit| {
        let at = Location::new(document.path(), edit.span);
        Fix::replace(FixClass::Preview, "Add `max_tokens`", &at, edit.new_text)
    })));
}

fn repeats(root: &Value, file: &FilePath, problems: &mut Vec<Problem>) {
    let is_greedy = root.at(&["model", "temperature"]).is_some_and(|value| match value.kind {
        Kind::Integer(temperature) => temperature == 0,
        Kind::Float(temperature) => temperature == 0.0,
        _ => false,
    });
    if is_greedy {
        return;
    }
    for key in ["baseline", "confirm"] {
        let Some(value) = root.at(&["improve", "repeats", key]) else { continue };
        if !matches!(value.kind, Kind::Integer(1)) {
            continue;
        }
        let problem = Problem::new(
            &ONE_REPEAT,
            value.span,
            "1 repeat of a sampling model: the gate would follow chance",
        )
        .why("the same harness passes and fails the same task from one repeat to the next")
        .about(key);
        let at = Location::new(file, value.span);
        problems.push(problem.fix(Fix::replace(FixClass::Preview, "Raise it to 4", &at, "4")));
    }
}

fn model(root: &Value, problems: &mut Vec<Problem>) {
    let Some((value, name)) = root.at(&["model", "name"]).and_then(|value| Some((value, value.as_text()?)))
    else {
        return;
    };
    let last = name.rsplit(['-', ':', '/', '@']).next().unwrap_or_default();
    if !last.eq_ignore_ascii_case("latest") || last.len() == name.len() {
        return;
    }
    let message = format!("the model behind `{name}` can change: results would not be comparable");
    let problem =
        Problem::new(&FLOATING_MODEL, value.span, message).why("name the version that you mean").about(name);
    problems.push(problem);
}
