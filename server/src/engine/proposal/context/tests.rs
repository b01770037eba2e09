//! Requests to a proposer.

use harness_schema::surface::Role;
use proptest::prelude::*;

use super::super::Author;
use super::super::fixture::{HELD_OUT, baseline, draft, facts, harness, held_in, reply_with, weakness};
use super::super::guard::{self, Against};
use super::super::reply::Reply;
use super::*;

fn example(alias: &str, excerpt: &str) -> Example {
    Example {
        alias: alias.to_owned(),
        signature: String::from("value.mismatch, direct, never-verified"),
        messages: vec![String::from("AssertionError: <N> is not <N>")],
        excerpt: excerpt.to_owned(),
    }
}

fn slot(surface: &str, kind: EditKind) -> Slot {
    Slot {
        number: 3,
        cluster: String::from("c-1"),
        surface: surface.to_owned(),
        role: Role::Prompt,
        kind,
        temperature: 0.8,
    }
}

fn asked(surface: &str, kind: EditKind, excerpt: &str, window: Option<u64>, history: &[Judged]) -> Prompt {
    let harness = harness();
    let weakness = weakness(
        "c-1",
        "never-verified",
        &[("working-rules", Role::Prompt)],
        &["invoice-total", "join-orders"],
    );
    let examples = held_in((1..=5).map(|at| example(&format!("T{at}"), excerpt)));
    let protected = [Protected { mechanism: "context-flood", line: None }];
    prompt(&Ask {
        slot: &slot(surface, kind),
        weakness: &weakness,
        harness: &harness,
        examples: &examples,
        protected: &protected,
        history,
        window,
    })
}

#[test]
fn the_parts_stand_in_order() {
    let proposal = {
        let (harness, facts, author) = (harness(), facts(), Author::Model);
        let against = Against {
            harness: &harness,
            baseline: baseline(),
            history: &[],
            protected: &[],
            tasks: &facts,
            slot: None,
            author: &author,
        };
        guard::check(&draft(&reply_with("working-rules", None, "- Read it again.")), &against).unwrap()
    };
    let history = [Judged::of(&proposal, baseline(), true, false)];
    let prompt = asked("working-rules", EditKind::AddRule, "step 4, agent: I am done\n", None, &history);
    let parts = [
        "# The request",
        "slot: 3",
        "cluster: c-1",
        "mechanism: never-verified",
        "surface: working-rules",
        "edit: add-rule",
        "# The surface",
        "How the agent goes about a task.",
        "{{workdir}}",
        "<<<data ",
        "- Be brief.",
        "<<<end ",
        "# Other surfaces",
        "`prompt.task` (task, ≈6 tokens)",
        "`rules.new`",
        "`states.new`",
        "# The weakness",
        "failed with: value.mismatch",
        "seen in 2 tasks",
        "in the surface: absent",
        "task T1: value.mismatch",
        "check: AssertionError",
        "step 4, agent: I am done",
        "task T3:",
        "# What works",
        "no context-flood",
        "# Earlier proposals",
        "accepted: cluster c-1, working-rules: an edit",
        "# The reply",
        "\"maxItems\":2",
        "\"mechanism\":\"never-verified\"",
        "decline",
    ];
    let mut rest = prompt.user.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} in\n{}", prompt.user));
        rest = &rest[at + part.len()..];
    }
    assert!(!prompt.user.contains("task T4"));
    assert_eq!(prompt.tokens, approx_tokens(&prompt.system) + approx_tokens(&prompt.user));
}

#[test]
fn tasks_and_what_judges_them_are_not_in_it() {
    let prompt = asked("working-rules", EditKind::AddRule, "x\n", None, &[]);
    let all = format!("{}{}", prompt.system, prompt.user);
    for hidden in [
        "invoice-total",
        "join-orders",
        "pick-fix",
        "tests/",
        "test.sh",
        "check.py",
        "127.0.0.1",
        HELD_OUT,
        "held",
    ] {
        assert!(!all.contains(hidden), "{hidden}");
    }
}

#[test]
fn the_example_of_a_reply_can_be_read() {
    for kind in EditKind::ALL {
        let surface = match kind {
            EditKind::AddTrigger => NEW_RULE,
            EditKind::AddState => NEW_STATE,
            _ => "working-rules",
        };
        let prompt = asked(surface, kind, "x\n", None, &[]);
        let example = prompt.user.lines().find(|line| line.starts_with("{\"action\":\"edit\"")).unwrap();
        assert!(matches!(reply::read(example), Ok(Reply::Edit(_))), "{example}");
    }
}

#[test]
fn a_repair_says_what_is_wrong() {
    let reply = format!("I think {}<<<end of it>>>", "é".repeat(9_000));
    let prompt = repair(&reply, "the reply holds no JSON object with an `action`");
    assert!(prompt.user.contains("no JSON object") && prompt.user.contains("\"maxItems\":2"));
    assert!(prompt.tokens < 8_000, "{}", prompt.tokens);
    assert_eq!(prompt.system, SYSTEM);
}

#[test]
fn a_cut_leaves_no_quotation_open() {
    let text = format!("before\n{}after\n", quoted("x", &"line of a trace\n".repeat(100)));
    for tokens in 0..450 {
        let cut = cut(&text, tokens);
        assert!(approx_tokens(&cut) <= tokens.max(1), "{tokens}");
        assert_eq!(cut.matches("<<<data").count(), cut.matches("<<<end").count(), "{cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn it_is_as_long_as_it_may_be(excerpt in "(\\PC{0,80}\n){0,200}", window in 16_000_u64..200_000) {
        let prompt = asked("working-rules", EditKind::AddRule, &excerpt, Some(window), &[]);
        prop_assert!(prompt.tokens <= 12_000.min(usize::try_from(window / 4).unwrap()), "{} of {}", prompt.tokens, window);
    }

    #[test]
    fn no_quotation_is_closed_from_inside(text in "(<<<end |<<<data |[0-9a-f]{16}|>>>|\n|\\PC){0,40}") {
        let quoted = quoted("x", &text);
        let border = &quoted["<<<data ".len()..][..16];
        prop_assert_eq!(quoted.matches(border).count(), 2);
        let end = format!("<<<end {border}>>>\n");
        prop_assert!(quoted.ends_with(&end));
    }
}
