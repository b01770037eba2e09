//! Which slots weaknesses get.

use super::super::fixture::{harness, weakness};
use super::*;

fn slots(weaknesses: &[Weakness], k: u32) -> Vec<String> {
    let of = |slot: &Slot| {
        format!("{} {} {} {} {}", slot.number, slot.cluster, slot.surface, slot.kind.word(), slot.temperature)
    };
    assign(weaknesses, &harness(), k).iter().map(of).collect()
}

#[test]
fn slots_go_round_clusters_surfaces_and_kinds() {
    let checks = weakness(
        "c-1",
        "never-verified",
        &[("states.new", Role::State), ("rules.new", Role::Rule), ("working-rules", Role::Prompt)],
        &["a", "b"],
    );
    let limits = weakness(
        "c-2",
        "command-timeout",
        &[("runtime.tool_timeout", Role::Limit), ("tool.shell.description", Role::Tool)],
        &["c", "d"],
    );
    assert_eq!(
        slots(&[checks, limits], 4),
        [
            "1 c-1 states.new add-state 0.2",
            "2 c-2 tool.shell.description rewrite 0.6",
            "3 c-1 rules.new add-trigger 0.8",
            "4 c-2 runtime.tool_timeout change-limit 1",
            "5 c-1 working-rules add-rule 0.2",
            "6 c-2 tool.shell.description tighten-tool 0.6",
            "7 c-1 working-rules rewrite 0.8",
            // The second cluster has three cells; the first that is meant comes again, at another temperature.
            "8 c-2 runtime.tool_timeout change-limit 1",
        ]
    );
}

#[test]
fn cells_differ_as_long_as_there_are_others() {
    let only = weakness("c-1", "loop-consecutive", &[("working-rules", Role::Prompt)], &["a", "b"]);
    let slots = assign(std::slice::from_ref(&only), &harness(), 8);
    assert_eq!(slots.len(), 16);
    // A prompt's two kinds, and the trigger that its mechanism can be.
    let cells: BTreeSet<(String, &str)> =
        slots.iter().take(3).map(|slot| (slot.surface.clone(), slot.kind.word())).collect();
    assert_eq!(cells.len(), 3);
    assert!(cells.contains(&(String::from("rules.new"), "add-trigger")));
}

#[test]
fn lines_that_are_there_may_be_dropped_or_merged() {
    let with = |relation| {
        let mut weakness =
            weakness("c-1", "premature-finish", &[("working-rules", Role::Prompt)], &["a", "b"]);
        weakness.locations[0].line = String::from("- Be brief.");
        weakness.locations[0].relation = relation;
        let kinds = assign(&[weakness], &harness(), 8).into_iter().map(|slot| slot.kind);
        kinds.collect::<BTreeSet<_>>()
    };
    use EditKind::{AddRule, AddState, Merge, Remove, Rewrite};
    assert_eq!(with(Relation::Triggering), [AddRule, Rewrite, Remove, AddState].into());
    assert_eq!(with(Relation::Conflicting), [AddRule, Rewrite, Remove, Merge, AddState].into());
    assert_eq!(with(Relation::Violated), [AddRule, Rewrite, AddState].into());
}

#[test]
fn what_is_not_actionable_gets_none() {
    let mut one = weakness("c-1", "never-verified", &[("working-rules", Role::Prompt)], &["a"]);
    one.actionable = Actionable::LowSupport;
    assert!(assign(&[one], &harness(), 4).is_empty());
    assert!(assign(&[], &harness(), 4).is_empty());
    let nowhere = weakness("c-1", "touched-tests", &[("elsewhere", Role::Prompt)], &["a", "b"]);
    assert!(assign(&[nowhere], &harness(), 4).is_empty());
}
