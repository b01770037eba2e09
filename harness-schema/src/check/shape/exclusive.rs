//! Keys that exclude each other: two that say the same thing in two ways (SH003), and one that another stands in for (SH008).

use super::{Checker, NO_EFFECT, Subject, WRONG_VALUE};
use crate::problem::{Fix, Problem};
use crate::shape;
use crate::syntax::data::{Entry, Value};

/// What may not stand beside each other in one table, and why.
struct Pair {
    /// The table: its keys, without items of lists.
    table: &'static [&'static str],
    /// Of these groups only one may be there.
    groups: [&'static [&'static str]; 2],
    why: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair { table: &["tool"], groups: [&["builtin"], &["run"]], why: "what a tool does is said once" },
    Pair {
        table: &["tool"],
        groups: [&["parameters"], &["inputSchema"]],
        why: "they are two names of one thing",
    },
    Pair {
        table: &["tool", "description"],
        groups: [&["text"], &["file"]],
        why: "a text is in the manifest or in a file",
    },
    Pair {
        table: &["runtime", "rule", "limit"],
        groups: [&["steps"], &["tool", "calls"]],
        why: "a limit is of steps, or of calls of one tool; write two rules for both",
    },
];

/// No table of [`PAIRS`] has more keys.
const DEEPEST: usize = {
    let (mut deepest, mut at) = (0, 0);
    while at < PAIRS.len() {
        if deepest < PAIRS[at].table.len() {
            deepest = PAIRS[at].table.len();
        }
        at += 1;
    }
    deepest
};

/// Reports keys of one table that exclude each other.
pub(super) fn keys(checker: &mut Checker<'_>, value: &Value) {
    // What stands in the file of a tool stands below `tool` in the manifest.
    let above = (checker.subject == Subject::Tool).then_some("tool");
    let mut place = [""; DEEPEST];
    let mut depth = 0;
    for key in above.into_iter().chain(checker.place.keys()) {
        let Some(here) = place.get_mut(depth) else { return };
        *here = key;
        depth += 1;
    }
    let here = place.get(..depth).unwrap_or_default();
    if checker.subject == Subject::Manifest && here == ["tool"] && value.get("file").is_some() {
        return beside_file(checker, value);
    }
    for pair in PAIRS.iter().filter(|pair| pair.table == here) {
        let [one, other] = pair.groups.map(|group| group.iter().find_map(|key| value.entry(key)));
        if let (Some(one), Some(other)) = (one, other) {
            report(checker, pair, one, other);
        }
    }
}

fn report(checker: &mut Checker<'_>, pair: &Pair, one: &Entry, other: &Entry) {
    let later = if one.key.span < other.key.span { other } else { one };
    let earlier = if one.key.span < other.key.span { one } else { other };
    let message = format!("give `{}` or `{}`, not both", one.key.name, other.key.name);
    // Of a group of several keys the rest would stay.
    let alone = |entry: &&Entry| pair.groups.iter().any(|group| *group == [&*entry.key.name]);
    let fixes: Vec<Fix> =
        [later, earlier].into_iter().filter(alone).filter_map(|entry| checker.remove(entry)).collect();
    let problem = Problem::new(&WRONG_VALUE, later.key.span, message)
        .why(pair.why)
        .about(checker.place.path())
        .related(checker.at(earlier.key.span), "the other one")
        .fixes(fixes);
    checker.report(problem);
}

/// A tool in a file of its own has all its keys there; `enabled` may switch it off here too.
fn beside_file(checker: &mut Checker<'_>, value: &Value) {
    let is_dead = |entry: &&Entry| {
        let name = &*entry.key.name;
        name != "enabled" && shape::tool().fields().any(|field| field.name == name)
    };
    let entries = value.as_table().map(|table| table.entries.as_slice()).unwrap_or_default();
    let dead: Vec<&Entry> = entries.iter().filter(is_dead).collect();
    let Some(first) = dead.first() else { return };
    let names: Vec<String> = dead.iter().map(|entry| format!("`{}`", entry.key.name)).collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    let message = format!("{} {verb} no effect: the file of the tool has all its keys", names.join(", "));
    let fixes: Vec<Fix> = dead.iter().filter_map(|entry| checker.remove(entry)).collect();
    let problem = Problem::new(&NO_EFFECT, first.key.span, message)
        .why("nothing reads it, so a change of it could change no score")
        .about(checker.place.path())
        .fixes(fixes);
    checker.report(problem);
}
