//! The words of trust and consent, which are the same in every client. Names are those of files and may hold anything: none breaks
//! a line or steers a terminal. What else a client cannot show it takes out itself.

use std::collections::BTreeMap;

use super::{Asked, KeySource};
use crate::engine::consent::{Change, How, ItemKind, Items, KeyPair, Reason};
use crate::engine::cycle::Goal;
use crate::engine::score;
use crate::host::agents::harbor::is_harbor;
use crate::host::model::Endpoint;
use crate::host::subject::Subject;

/// What a key is called that a command prints.
pub(super) const COMMAND: &str = "the command of this machine";

/// As many changes are named; the rest is counted.
const MOST_CHANGES: usize = 12;

/// A line: what it is about, and what there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// A word.
    pub what: &'static str,
    /// The rest.
    pub text: String,
}

/// The question.
#[must_use]
pub fn title(asked: &Asked<'_>) -> String {
    let manifest = asked.subject.harness.manifest();
    let name = manifest.name.as_ref().map_or("this harness", |name| name.value.as_str());
    plain(&format!("Start {} for {name}?", asked.verb))
}

/// The lines of the consent: what runs, where, what is sent to whom, and what it costs.
#[must_use]
pub fn lines(asked: &Asked<'_>) -> Vec<Line> {
    let model = &asked.subject.harness.manifest().model.value;
    let manifest = &asked.subject.harness.manifest().agent.value;
    let is_local = Endpoint::read(&model.endpoint.value).is_ok_and(|endpoint| endpoint.is_loopback());
    let here = if is_local { " (this machine)" } else { "" };
    let key = match asked.key {
        KeySource::Variable(variable) => format!(", key from {variable}"),
        KeySource::Command(_) => String::from(", key from the command that this machine names"),
        KeySource::None => String::from(", no key"),
    };
    let is_new = asked.is_new_key && !matches!(asked.key, KeySource::None);
    let new = if is_new { ", which this machine has not sent there before" } else { "" };
    let costs = match (&model.price, is_local) {
        (None, true) => String::from("free (local endpoint)"),
        (None, false) => String::from("price unknown, limited by trials and tokens"),
        (Some(_), _) => {
            let stops = asked.max_cost.map(|most| format!("stops at ${most:.2}"));
            let stops = stops.unwrap_or_else(|| String::from("no limit is set"));
            let round = if is_round(asked) { " for one round" } else { "" };
            match asked.expected.cost_words() {
                Some(about) => format!("{about}{round}; {stops}"),
                None => stops,
            }
        }
    };
    let mut lines = vec![
        Line { what: "Runs", text: runs(asked) },
        Line {
            what: "Executes",
            text: match asked.guarantees.lacking().is_empty() {
                _ if is_harbor(&asked.subject.harness) => {
                    format!(
                        "Harbor and the agent it loads (`{}`), OUTSIDE OF OUR SANDBOX, with your rights; each task's environment and verifier are made by Harbor's environment `{}`",
                        manifest.agent.as_ref().map_or("", |name| name.value.as_str()),
                        manifest.environment.value
                    )
                }
                true => format!(
                    "the agent's commands and each task's tests/test.sh, in the {} sandbox, {}",
                    asked.guarantees.backend,
                    asked.subject.network()
                ),
                false => String::from(
                    "the agent's commands and each task's tests/test.sh WITHOUT A SANDBOX, with your rights",
                ),
            },
        },
        Line {
            what: "Sends",
            text: format!(
                "prompts, tools, task texts and tool output to {}{here}{}",
                model.endpoint.value,
                match asked.subject.has_network() {
                    _ if is_harbor(&asked.subject.harness) =>
                        "; what Harbor and its agent send elsewhere is up to them",
                    true =>
                        ", and nowhere else; what runs in a sandbox may send what it sees to the hosts above",
                    false => ", and nowhere else",
                }
            ),
        },
        Line { what: "Model", text: format!("{}{key}{new}", model.name.value) },
        Line { what: "Costs", text: costs },
        Line { what: "Takes", text: takes(asked) },
        Line {
            what: "Writes",
            text: String::from(".self-harness/ in this folder; your files are not edited"),
        },
    ];
    lines.extend(images(asked.subject).map(|text| Line { what: "Images", text }));
    let left: Vec<String> = asked
        .subject
        .tasks
        .iter()
        .filter_map(|task| Some(format!("{} ({})", task.id, task.plan.as_ref().err()?)))
        .collect();
    let left = left.first().map(|first| match left.len() {
        1 => first.clone(),
        several => format!("{several} tasks that cannot be run here; the first: {first}"),
    });
    lines.extend(left.map(|text| Line { what: "Leaves out", text }));
    lines.iter_mut().for_each(|line| line.text = plain(&line.text));
    lines
}

/// What it costs, for a button: `about $1.10–2.40`; `None` where that is not known. A guess is no price that somebody could agree to
/// by pressing one.
#[must_use]
pub fn price(asked: &Asked<'_>) -> Option<String> {
    asked.expected.cost_words().filter(|_| !asked.expected.is_guess)
}

/// How many seconds it takes, where trials were timed.
#[must_use]
pub fn seconds(asked: &Asked<'_>) -> Option<u64> {
    let trials = asked.expected.trials.0 as f64 / asked.parallel.max(1) as f64;
    asked.expected.seconds.map(|seconds| (seconds * trials).ceil() as u64)
}

/// Whether it goes on round after round, or may: what is expected is said of one.
fn is_round(asked: &Asked<'_>) -> bool {
    asked.rules.is_some_and(|rules| asked.verb == Goal::Improve.word() && 1 < rules.rounds)
}

/// How many trials there are, of what. Where early stops decide how many, it is said what is expected and what is the most.
fn runs(asked: &Asked<'_>) -> String {
    let repeats = match asked.repeats {
        1 => String::from("1 repeat"),
        repeats => format!("{repeats} repeats"),
    };
    let Asked { trials, held_in, held_out, parallel, .. } = asked;
    if 0 < asked.look {
        let again = match asked.look {
            1 => String::from("for the first time"),
            2 => String::from("for the second time: this is no unbiased estimate any more"),
            look => format!("for the {look}. time: this is no unbiased estimate any more"),
        };
        return format!(
            "{trials} trials: {} sealed tasks, {repeats} each of the first and of the last harness, {parallel} at a time; these tasks are read {again}",
            asked.sealed
        );
    }
    let tasks = format!("{held_in} held-in and {held_out} held-out tasks");
    let expected = asked.expected.trials_words();
    match (asked.rules, Goal::named(asked.verb)) {
        (Some(rules), Some(Goal::Improve)) => {
            let rounds = match rules.rounds {
                1 => String::from("1 round"),
                rounds => format!("{rounds} rounds"),
            };
            format!(
                "about {expected} trials in the first round: {tasks}, up to {} proposals, {parallel} at a time; at most {rounds} and {trials} trials",
                rules.proposals
            )
        }
        (Some(_), Some(Goal::Validate)) => {
            format!("about {expected} trials: {tasks}, {parallel} at a time; at most {trials} trials")
        }
        (Some(rules), Some(Goal::Propose)) => format!(
            "{expected} trials: {tasks}, {repeats} each, {parallel} at a time; then up to {} proposals are asked for, and none is tried",
            rules.proposals
        ),
        _ => format!("{trials} trials: {tasks}, {repeats} each, {parallel} at a time"),
    }
}

/// How long it takes, where trials were timed.
fn takes(asked: &Asked<'_>) -> String {
    let time = match seconds(asked) {
        None => String::from("time not known yet"),
        Some(seconds) => {
            let round = if is_round(asked) { " for one round" } else { "" };
            format!("about {}{round}", score::time(seconds))
        }
    };
    format!("{time}, and goes on when you close this window")
}

/// The images that tasks run on, where there are containers.
fn images(subject: &Subject) -> Option<String> {
    let mut tasks: BTreeMap<String, usize> = BTreeMap::new();
    for image in subject.tasks.iter().filter_map(|task| task.plan.as_ref().ok()?.image.as_ref()) {
        *tasks.entry(format!("`{}` ({})", image.name, image.id.short(12))).or_default() += 1;
    }
    let each = tasks.iter().map(|(image, tasks)| match tasks {
        1 => format!("{image} for 1 task"),
        several => format!("{image} for {several} tasks"),
    });
    let all = each.collect::<Vec<_>>().join(", ");
    (!all.is_empty()).then_some(all)
}

/// What decides what is executed, by kind: what somebody trusts who trusts a project.
#[must_use]
pub fn items(items: &Items) -> Vec<Line> {
    let names = |wanted: ItemKind| {
        items.keys().filter(move |(kind, _)| *kind == wanted).map(|(_, name)| name.as_str())
    };
    let mut tables: Vec<String> = names(ItemKind::Key)
        .map(|key| match key.split_once('.') {
            Some((table, _)) => format!("[{table}]"),
            None if key == "surface" => String::from("[[surface]]"),
            None => key.to_owned(),
        })
        .collect();
    tables.dedup();
    let mut lines = Vec::new();
    let mut add = |what, text: String| {
        if !text.is_empty() {
            lines.push(Line { what, text: plain(&text) });
        }
    };
    if !tables.is_empty() {
        add("Manifest", format!("harness.toml {}", tables.join(" ")));
    }
    let all = |what: &str, names: Vec<&str>| match names.len() {
        0 => String::new(),
        1 => format!("the {what} {}", names.concat()),
        _ => format!("the {what}s {}", names.join(", ")),
    };
    add("Tools", all("tool", names(ItemKind::Tool).collect()));
    add("Programs", all("file", names(ItemKind::Program).collect()));
    let tasks = names(ItemKind::Task).count();
    add(
        "Tasks",
        match tasks {
            0 => String::new(),
            1 => String::from("1 task with its tests"),
            tasks => format!("{tasks} tasks with their tests"),
        },
    );
    lines
}

/// Why somebody is asked who has agreed before, a sentence each; nothing for the first time.
#[must_use]
pub fn reasons(reasons: &[Reason]) -> Vec<String> {
    let mut sentences = Vec::new();
    for reason in reasons {
        match reason {
            Reason::NeverTrusted => {}
            Reason::Changed(changes) => {
                sentences.extend(changes.iter().take(MOST_CHANGES).map(change));
                let more = changes.len().saturating_sub(MOST_CHANGES);
                if 0 < more {
                    sentences.push(format!("and {more} more that decide what is executed"));
                }
            }
            Reason::FirstOfVerb => sentences.push(String::from("it was not started here before")),
            Reason::Endpoint { was, now } => {
                sentences.push(format!("the model answers at {now}, not at {was}"))
            }
            Reason::Key(KeyPair { source, origin }) => {
                sentences.push(format!("the key from {source} was not sent to {origin} from here before"));
            }
            Reason::Trials { was, now } => sentences.push(format!("{now} trials, not {was}")),
            Reason::Money { was, now } => sentences.push(match (was, now) {
                (Some(was), Some(now)) => format!("it may cost ${now:.2}, not ${was:.2}"),
                (Some(was), None) => format!("nothing limits what it costs; the limit was ${was:.2}"),
                (None, _) => String::from("it may cost something else"),
            }),
            Reason::Backend { was, now } => sentences.push(format!("the sandbox is `{now}`, not `{was}`")),
            Reason::Weaker { guarantee, was, now } => sentences.push(format!(
                "the sandbox keeps less: `{guarantee}` is {}, and was {}",
                now.word(),
                was.word()
            )),
            Reason::Unsandboxed => {
                sentences.push(String::from("there is no sandbox, which is asked for each run"))
            }
        }
    }
    sentences.iter().map(|sentence| plain(sentence)).collect()
}

/// The question with everything that there is to read before an answer, line after line, without colours.
#[must_use]
pub fn text(asked: &Asked<'_>, executed: &Items, why: &[Reason]) -> String {
    let mut out = format!("{}\n", title(asked));
    let because = reasons(why);
    if why.contains(&Reason::NeverTrusted) {
        let decides: Vec<String> = items(executed).into_iter().map(|line| line.text).collect();
        out.push_str(&format!("{:<10} {}\n", "Trusts", decides.join(", ")));
    } else if !because.is_empty() {
        // Whoever has not agreed to anything like it has not seen it change.
        let is_new =
            |reason: &Reason| matches!(reason, Reason::FirstOfVerb | Reason::Key(_) | Reason::Unsandboxed);
        let title =
            if why.iter().all(is_new) { "Not agreed to so far:" } else { "Changed since you agreed:" };
        out.push_str(&format!("{title}\n"));
        because.iter().for_each(|sentence| out.push_str(&format!("  {sentence}\n")));
    }
    for Line { what, text } in lines(asked) {
        out.push_str(&format!("{what:<10} {text}\n"));
    }
    out
}

/// A text that is one line, whatever is in it: a name must not look like a line of ours.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\u{2028}' | '\u{2029}' => out.extend(char.escape_unicode()),
            char if char.is_control() => out.extend(char.escape_unicode()),
            char => out.push(char),
        }
    }
    out
}

fn change(Change { kind, name, how }: &Change) -> String {
    let what = match kind {
        ItemKind::Key => format!("`{name}` in harness.toml"),
        ItemKind::Tool => format!("the tool `{name}`"),
        ItemKind::Program => format!("the file `{name}`"),
        ItemKind::Task => format!("the task `{name}`"),
        ItemKind::Sandbox => String::from("the sandbox"),
    };
    let how = match how {
        How::Added => "is new",
        How::Changed => "changed",
        How::Removed => "is gone",
    };
    format!("{what} {how}")
}

#[cfg(test)]
mod tests {
    use harness_schema::digest::Digest;

    use super::*;
    use crate::engine::consent::Strength;

    #[test]
    fn every_reason_but_the_first_time_has_its_sentence() {
        let change = |kind, name: &str, how| Change { kind, name: name.into(), how };
        let many = (0..14).map(|number| change(ItemKind::Task, &format!("t-{number:02}"), How::Changed));
        let mut changes = vec![
            change(ItemKind::Key, "model.endpoint", How::Changed),
            change(ItemKind::Tool, "shell", How::Added),
            change(ItemKind::Program, "bin/t", How::Removed),
        ];
        changes.extend(many);
        let said = reasons(&[
            Reason::NeverTrusted,
            Reason::Changed(changes),
            Reason::FirstOfVerb,
            Reason::Endpoint { was: "https://a.example".into(), now: "https://b.example".into() },
            Reason::Key(KeyPair { source: "A_KEY".into(), origin: "https://b.example".into() }),
            Reason::Trials { was: 8, now: 72 },
            Reason::Money { was: Some(1.0), now: Some(5.0) },
            Reason::Money { was: Some(1.0), now: None },
            Reason::Backend { was: "bubblewrap".into(), now: "none".into() },
            Reason::Weaker { guarantee: "network".into(), was: Strength::Held, now: Strength::Missing },
            Reason::Unsandboxed,
        ]);
        let mut expected: Vec<String> = vec![
            "`model.endpoint` in harness.toml changed".into(),
            "the tool `shell` is new".into(),
            "the file `bin/t` is gone".into(),
        ];
        expected.extend((0..9).map(|number| format!("the task `t-{number:02}` changed")));
        let rest = [
            "and 5 more that decide what is executed",
            "it was not started here before",
            "the model answers at https://b.example, not at https://a.example",
            "the key from A_KEY was not sent to https://b.example from here before",
            "72 trials, not 8",
            "it may cost $5.00, not $1.00",
            "nothing limits what it costs; the limit was $1.00",
            "the sandbox is `none`, not `bubblewrap`",
            "the sandbox keeps less: `network` is missing, and was held",
            "there is no sandbox, which is asked for each run",
        ];
        expected.extend(rest.map(String::from));
        assert_eq!(said, expected);
    }

    #[test]
    fn a_name_cannot_look_like_a_line_of_ours() {
        let name = "a\nCosts      free\r\u{1b}[2K\u{2028}b";
        let changed = Change { kind: ItemKind::Task, name: name.into(), how: How::Added };
        let said = reasons(&[Reason::Changed(vec![changed])]);
        assert_eq!(said, ["the task `a\\u{a}Costs      free\\u{d}\\u{1b}[2K\\u{2028}b` is new"]);
        let tool: Items = [((ItemKind::Tool, name.into()), Digest::of(b"1"))].into();
        assert!(items(&tool).iter().all(|line| !line.text.contains(char::is_control)));
    }

    #[test]
    fn what_is_trusted_is_told_by_kind() {
        let all = [
            (ItemKind::Key, "agent.kind"),
            (ItemKind::Key, "model.endpoint"),
            (ItemKind::Key, "model.name"),
            (ItemKind::Key, "schema"),
            (ItemKind::Key, "surface"),
            (ItemKind::Tool, "look"),
            (ItemKind::Tool, "shell"),
            (ItemKind::Program, "bin/look"),
            (ItemKind::Task, "a"),
            (ItemKind::Task, "b"),
            (ItemKind::Sandbox, "guarantees"),
        ];
        let all: Items =
            all.into_iter().map(|(kind, name)| ((kind, name.into()), Digest::of(b"1"))).collect();
        let said: Vec<String> =
            items(&all).iter().map(|line| format!("{}: {}", line.what, line.text)).collect();
        let expected = [
            "Manifest: harness.toml [agent] [model] schema [[surface]]",
            "Tools: the tools look, shell",
            "Programs: the file bin/look",
            "Tasks: 2 tasks with their tests",
        ];
        assert_eq!(said, expected);
    }
}
