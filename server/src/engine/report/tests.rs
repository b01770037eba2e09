//! A made-up run, and what is written of it.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_schema::manifest::Gate;

use super::html::html;
use super::json::json;
use super::markdown::markdown;
use super::*;
use crate::engine::budget::Budget;
use crate::engine::cycle::{Candidate, Cycle, Design, Event, Goal, Hold, Reason, Step as Todo};
use crate::engine::gate::stage::Loss;
use crate::engine::gate::statistics::Draws;
use crate::engine::plan::{self, Action, State};
use crate::engine::report::standing::{Mark, Standing, Turn};
use crate::engine::verdict::{Verdict, VoidCause};

const HELD_IN: [&str; 8] = [
    "invoice-total",
    "log-rotation",
    "csv-join",
    "fix-the-makefile",
    "unicode-names",
    "merge-conflict",
    "port-scan",
    "a-task-with-a-very-long-name-indeed",
];
const JUDGES: [&str; 4] = ["judge-alpha", "judge-beta", "judge-gamma", "judge-delta"];
const CHANCES: [f64; 12] = [0.1, 0.95, 0.3, 0.95, 0.5, 0.05, 0.95, 0.2, 0.3, 0.95, 0.4, 0.1];

/// What each proposal of each round does to every chance.
type Effects = Vec<Vec<f64>>;

fn design(gate: Gate, goal: Goal, effects: &Effects) -> Design {
    let held_in = HELD_IN.map(|task| (task.to_owned(), Split::HeldIn));
    let held_out = JUDGES.map(|task| (task.to_owned(), Split::HeldOut));
    let (baseline, screen, confirm) = match gate {
        Gate::Certified => (4, 1, 4),
        Gate::Exact => (4, 2, 2),
        Gate::Paper => (2, 2, 2),
    };
    Design {
        trials: plan::Design { slots: Vec::new(), budget: Budget::default(), parallel: 3, seed: 3 },
        goal,
        rules: Rules { gate, baseline, screen, confirm, proposals: 4, rounds: effects.len() as u32 },
        tasks: held_in.into_iter().chain(held_out).collect(),
        candidates: Vec::new(),
        is_confined: true,
    }
}

/// A run that is played until its end, or for so many steps.
fn play(design: Design, seed: u64, effects: &Effects, steps: usize) -> Chronicle {
    let mut told = Chronicle::new(design.clone(), 5);
    let mut cycle = Cycle::new(design);
    let mut now = Duration::ZERO;
    let mut running: Vec<(usize, u32)> = Vec::new();
    let members = |cycle: &Cycle, arm: usize| {
        let (mut all, mut at) = (Vec::new(), arm);
        while at != 0 {
            all.extend(cycle.arms()[at].members.iter().copied());
            at = cycle.arms()[at].parent;
        }
        all
    };
    for _ in 0..steps {
        let spent = Spent { trials: 1, tokens: 1_200, cost: Some(0.012), time: Duration::from_secs(20) };
        let events = match cycle.next(now) {
            Todo::Record(events) => events,
            Todo::Drop(slot) => {
                running.retain(|(other, _)| *other != slot);
                vec![Event::Trial(plan::Event::Dropped { slot, spent })]
            }
            // No candidate here has a trigger.
            Todo::Audit { .. } => unreachable!("there is nothing to audit"),
            Todo::Mine => vec![Event::Mined { actionable: 2 }],
            Todo::Propose => {
                let round = cycle.round();
                let asked =
                    Spent { trials: 0, tokens: 5_000, cost: Some(0.05), time: Duration::from_secs(9) };
                let candidates = (0..effects[round as usize].len() as u32)
                    .map(|at| Candidate { proposal: 10 * round + at + 1, active: None })
                    .collect();
                vec![
                    Event::Trial(plan::Event::Paid(asked)),
                    Event::Proposed { candidates, spent: Spent::nothing() },
                ]
            }
            Todo::Merge(gains) => {
                let (members, held) = gains.split_at(gains.len().min(2));
                let decision = Decision::Held(Hold::MergeCap);
                let held = held.iter().map(|(proposal, _)| Event::Decided { proposal: *proposal, decision });
                let members = members.iter().map(|(member, _)| *member).collect();
                held.chain([Event::Merged { members }]).collect()
            }
            Todo::Trial(Action::Start { slot, attempt }) => {
                running.push((slot, attempt));
                vec![Event::Trial(plan::Event::Started { slot, attempt })]
            }
            Todo::Trial(Action::Wait { until }) => {
                if running.is_empty() {
                    now = until.unwrap();
                    continue;
                }
                let (at, attempt) = running.remove(0);
                now += Duration::from_secs(7);
                let slot = cycle.trials().design().slots[at].clone();
                let task = cycle.design().tasks.iter().position(|(task, _)| *task == slot.task).unwrap();
                let mut draw = seed ^ task as u64 ^ u64::from(slot.repeat) << 8 ^ (slot.role as u64) << 16;
                let mut chance = CHANCES[task];
                for member in members(&cycle, slot.arm) {
                    draw = Draws::new(draw ^ u64::from(member) << 24).any();
                    chance += effects[(member / 10) as usize][(member % 10) as usize - 1];
                }
                let verdict = match () {
                    () if at % 41 == 7 && attempt == 0 => Verdict::Void(VoidCause::Provider),
                    () if Draws::new(draw).unit() < chance => Verdict::Pass,
                    () => Verdict::Fail,
                };
                vec![Event::Trial(plan::Event::Ended { slot: at, verdict, spent })]
            }
            Todo::Trial(Action::Finish) => {
                let finish = cycle.ending().cloned().unwrap();
                let event = Event::Trial(plan::Event::Finished(finish));
                told.tell(now, &event);
                return told;
            }
            Todo::Trial(Action::Stop | Action::Pause) => panic!("nobody stops it"),
        };
        for event in events {
            cycle.apply(now, &event);
            told.tell(now, &event);
        }
    }
    told
}

fn about(is_over: bool) -> About {
    About {
        run: "r-0012".into(),
        verb: "improve".into(),
        harness: "terminal-agent".into(),
        harness_digest: "9c1efa00".into(),
        contract: "4f2a91c077".into(),
        model: "example-model".into(),
        sandbox: "bubblewrap".into(),
        started_ms: 1_795_651_200_000,
        is_over,
        ending: "improve finished: 3 of 5 proposals accepted".into(),
        stop: if is_over { "rounds".into() } else { String::new() },
        remarks: Vec::new(),
        unmeasured: vec![("gpu-task".into(), "needs a device that this machine has not".into())],
        unmeasured_others: 1,
    }
}

fn told(summary: &str, author: &str) -> Told {
    Told {
        summary: summary.into(),
        why: "in 5 of 6 failed trials the last change was never checked".into(),
        author: author.into(),
        cluster: "C-7f3a".into(),
        surfaces: vec![("rules".into(), "prompts/system.md".into())],
        scope: "always".into(),
        cost: 42.0,
        is_dismissed: false,
    }
}

fn words(summaries: &[&str]) -> Words {
    let proposals = summaries.iter().zip(1..).map(|(summary, number)| (number, told(summary, "model")));
    let mut proposals: BTreeMap<u32, Told> = proposals.collect();
    proposals.insert(11, told("raise `max_steps` from 30 to 45", "raise-limit"));
    if let Some(last) = proposals.get_mut(&4) {
        last.is_dismissed = true;
    }
    let weakness = |cluster: &str, words: &str, support, actionable: &str| Weakness {
        cluster: cluster.into(),
        words: words.into(),
        support,
        failed: 6,
        actionable: actionable.into(),
        places: vec!["prompts/system.md:14".into()],
    };
    let refused = Refused {
        guard: "leak".into(),
        why: "it tells a number that only a verifier knows".into(),
        summary: "say that the total is 41".into(),
        author: "model".into(),
    };
    Words {
        proposals,
        weaknesses: vec![vec![
            weakness("C-7f3a", "stops-without-check, direct, check.failed", 5, "yes"),
            weakness("C-01b2", "no known mechanism, check.missing", 2, "no place in the harness"),
        ]],
        refused: vec![vec![refused]],
    }
}

/// Two rounds: of four proposals two help, one harms and one does nothing; the last does nothing again.
fn effects() -> Effects {
    vec![vec![0.45, 0.35, -0.8, 0.0], vec![0.0]]
}

fn sample() -> Report {
    let effects = effects();
    let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, 20_000);
    let summaries =
        ["re-read failing output first", "run the tests before the end", "answer at once", "be brief"];
    of(&chronicle, about(true), &words(&summaries), 200)
}

#[test]
fn markdown_says_it_all() {
    insta::assert_snapshot!(markdown(&sample()));
}

#[test]
fn json_says_it_all() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&json(&sample())).unwrap());
}

#[test]
fn one_page_says_it_all() {
    let page = html(&sample());
    for wants in ["<svg role=\"img\"", "id=\"lineage-title\"", "id=\"grid-title\"", "id=\"cost-title\""] {
        assert!(page.contains(wants), "{wants}");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn a_decision_rests_on_what_was_known_when_it_fell() {
    let effects = effects();
    let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, 20_000);
    let report = of(&chronicle, about(true), &words(&[]), 0);
    let rejected: Vec<&Proposal> = report
        .proposals()
        .filter(|proposal| matches!(proposal.decision, Some(Decision::Rejected(Reason::Screen(_)))))
        .collect();
    assert!(!rejected.is_empty());
    for proposal in rejected {
        let measured = proposal.measured.as_ref().unwrap();
        // It was stopped early: bounds, no point, no flips.
        if measured.is_whole {
            continue;
        }
        assert!(measured.comparison.is_none() && measured.trials < measured.slots);
        for side in &measured.sides {
            assert!(0.0 <= side.bounds.0 && side.bounds.0 <= side.bounds.1, "{side:?}");
            assert!(side.bounds.1 <= f64::from(side.tasks), "{side:?}");
        }
        let text = words::outcome(proposal);
        assert!(!text.contains('→') && text.contains("bounds only"), "{text}");
        if let Some(Decision::Rejected(Reason::Screen(loss @ (Loss::HeldIn | Loss::HeldOut)))) =
            proposal.decision
        {
            let split = if loss == Loss::HeldIn { Split::HeldIn } else { Split::HeldOut };
            let side = measured.sides.iter().find(|side| side.split == split).unwrap();
            assert!(side.bounds.1 < side.baseline, "{side:?}");
            assert!(text.starts_with(&format!("{} at most", split.word())), "{text}");
        }
    }
    let looks: Vec<u32> = report.proposals().filter_map(|proposal| proposal.look).collect();
    assert!(looks.iter().all(|look| 5 < *look && *look <= report.looks), "{looks:?} of {}", report.looks);
    assert!(report.steps.len() == 3 && report.steps[1].strength == "strong");
}

#[test]
fn what_was_paid_is_what_the_run_paid() {
    for gate in [Gate::Certified, Gate::Exact, Gate::Paper] {
        let effects = effects();
        let chronicle = play(design(gate, Goal::Improve, &effects), 9, &effects, 20_000);
        let report = of(&chronicle, about(true), &Words::default(), 0);
        let paid = report.spending.iter().fold(Spent::nothing(), |all, (_, spent)| all.and(*spent));
        assert_eq!((paid.trials, paid.tokens), (report.spent.trials, report.spent.tokens), "{gate:?}");
        assert!((paid.cost.unwrap() - report.spent.cost.unwrap()).abs() < 1e-9);
        let savings = report.savings;
        assert_eq!(savings.stopped == 0, gate == Gate::Paper, "{gate:?} {savings:?}");
        assert!(report.spent.cost <= savings.cost_of_all);
    }
}

#[test]
fn held_out_tasks_are_counted_and_never_named() {
    let effects = effects();
    for steps in [60, 150, 300, 20_000] {
        let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, steps);
        let is_over = chronicle.cycle().trials().finished().is_some();
        let report = of(&chronicle, about(is_over), &words(&["one", "two", "three", "four"]), 0);
        for page in [markdown(&report), html(&report), json(&report).to_string(), format!("{report:?}")] {
            assert!(!page.contains("judge-"), "{page}");
        }
    }
}

#[test]
fn half_of_what_judges_is_no_result() {
    let effects = effects();
    let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, 60);
    let report = of(&chronicle, about(false), &Words::default(), 200);
    let held_out = report.splits.iter().find(|split| split.split == Split::HeldOut).unwrap();
    assert_eq!((held_out.first, held_out.last, report.against_itself), (None, None, None));
    assert!(report.grid.held_out.is_empty() && report.steps[0].best_held_out.is_none());
    assert!(report.steps[0].points.iter().all(|point| point.split == Split::HeldIn));
    assert!(markdown(&report).contains("held-out not complete"));
    assert!(!html(&report).contains("held-out 1"));
    // Nor is what was decided in the rounds before.
    let mut decided = 0;
    for steps in (100..1200).step_by(60) {
        let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, steps);
        if chronicle.cycle().trials().finished().is_some() {
            break;
        }
        decided += chronicle.cycle().decisions().len();
        let report = of(&chronicle, about(false), &words(&["one", "two", "three", "four"]), 0);
        assert!(report.proposals().all(|proposal| proposal.measured.is_none()));
        for page in [markdown(&report), html(&report)] {
            for after in page.split("held-out ").skip(1) {
                assert!(!after.starts_with(|first: char| first.is_ascii_digit()), "{after:.40}");
                assert!(!after.starts_with("at most"), "{after:.40}");
            }
        }
    }
    assert!(0 < decided);
}

#[test]
fn rows_without_a_name_are_in_the_order_of_their_outcomes() {
    let grid = sample().grid;
    let keys: Vec<_> =
        grid.held_out.iter().map(|row| (row.turn, row.first.0.clone(), row.last.0.clone())).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    for row in &grid.held_out {
        assert!(row.first.0.is_sorted() && row.last.0.is_sorted());
    }
    assert!(grid.held_in.iter().any(|row| row.turn == Turn::Fixed));
}

#[test]
fn what_a_model_wrote_is_read_as_text() {
    let hostile = [
        "</script></style><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>' & <b>",
        "![x](http://evil.example/?q) **bold** | cell | `code` @somebody <!-- --> www.evil.example",
        "turned \u{202e}around\u{2066} \u{1b}[31mred\u{0} zero\u{200b}width\n# heading\n- item",
    ];
    let effects = effects();
    let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, 20_000);
    let mut words = words(&hostile);
    for told in words.proposals.values_mut() {
        told.why = hostile[0].into();
        told.author = hostile[1].into();
        told.scope = hostile[2].into();
        told.cluster = hostile[3].into();
        told.surfaces = hostile.iter().map(|text| ((*text).to_owned(), (*text).to_owned())).collect();
    }
    for weakness in words.weaknesses.iter_mut().flatten() {
        weakness.words = hostile[1].into();
        weakness.places = hostile.map(String::from).to_vec();
    }
    words.refused[0][0].why = hostile.concat();
    let mut about = about(true);
    about.harness = hostile[1].into();
    about.remarks = vec![hostile[0].into()];
    about.unmeasured = vec![(hostile[2].into(), hostile[3].into())];
    let report = of(&chronicle, about, &words, 0);
    let page = html(&report);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>\n"), "{page}");
    let rest = page.replace(include_str!("html/style.css"), "");
    assert!(!rest.contains("alert(1)>") && !rest.contains("http://evil.example/?q\""));
    let text = markdown(&report);
    assert!(!text.contains("<script") && !text.contains("<img") && !text.contains("![x]"), "{text}");
    assert!(!text.contains("@somebody") && !text.contains("**bold**") && !text.contains("\n# heading"));
    for page in [&page, &text] {
        assert!(page.chars().all(|char| char == '\n' || !char.is_control()));
        assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{200b}']));
    }
    // Each tag that is opened is closed: nothing that was written opens one.
    for tag in [
        "article", "section", "figure", "details", "dl", "ul", "li", "svg", "g", "text", "title", "h4",
        "span",
    ] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    let page = html(&sample());
    let bad = [
        "http://", "https://", "url(", "@import", "<script", "<link", "<img", "<iframe", "onload", "onclick",
        "href",
    ];
    for bad in bad {
        assert!(!page.contains(bad), "{bad}");
    }
}

#[test]
fn a_run_that_only_measures_has_a_report_too() {
    let effects = vec![Vec::new()];
    let mut design = design(Gate::Certified, Goal::Evaluate, &effects);
    for (task, split) in design.tasks.clone() {
        for repeat in 0..2 {
            let role = crate::engine::contract::Role::Baseline;
            let (arm, task) = (0, task.clone());
            design.trials.slots.push(plan::Slot { arm, task, split, role, repeat });
        }
    }
    let chronicle = play(design, 2, &effects, 20_000);
    let mut about = about(true);
    about.verb = "evaluate".into();
    let report = of(&chronicle, about, &Words::default(), 200);
    assert!(report.rules.is_none() && report.rounds.is_empty() && report.against_itself.is_none());
    assert_eq!(report.splits.len(), 2);
    let page = html(&report);
    assert!(page.contains("held-in") && !page.contains("gate") && page.contains("<svg"), "{page}");
    assert!(markdown(&report).contains("held-out"));
}

#[test]
fn the_shown_held_out_value_climbs_a_ladder() {
    for seed in 0..12 {
        let effects = vec![vec![0.3], vec![0.1], vec![0.15]];
        let chronicle = play(design(Gate::Paper, Goal::Improve, &effects), seed, &effects, 20_000);
        let report = of(&chronicle, about(true), &Words::default(), 0);
        for (pair, arm) in report.steps.windows(2).zip(chronicle.adopted()) {
            let (before, after) = (&pair[0], &pair[1]);
            assert_eq!(after.has_moved, before.best_held_out != after.best_held_out);
            if after.has_moved {
                let point = Standing::of(chronicle.cycle(), *arm).point(Split::HeldOut).unwrap();
                assert_eq!(after.best_held_out.as_ref(), Some(&point));
                let value = |step: &Step| step.best_held_out.as_ref().map(|point| point.value);
                assert!(value(before) < value(after));
            }
        }
    }
}

#[test]
fn a_slot_is_marked_by_how_it_ended() {
    let effects = effects();
    let chronicle = play(design(Gate::Certified, Goal::Improve, &effects), 4, &effects, 20_000);
    let standing = Standing::of(chronicle.cycle(), 0);
    let states = chronicle.cycle().trials().design().slots.iter().zip(chronicle.cycle().trials().states());
    let passes =
        states.filter(|(slot, state)| slot.arm == 0 && **state == State::Filled(Verdict::Pass)).count();
    let marks = standing.tasks.values().flat_map(|(_, marks)| &marks.0);
    assert_eq!(marks.filter(|mark| **mark == Mark::Pass).count(), passes);
}

#[test]
fn ux_22_a_candidate_that_was_stopped_early_has_bounds_and_nowhere_a_value() {
    // The exact gate accepts it before every task was run.
    let effects = vec![vec![0.9]];
    let told = play(design(Gate::Exact, Goal::Improve, &effects), 3, &effects, 20_000);
    let cycle = told.cycle();
    assert_eq!(cycle.decisions().get(&1), Some(&Decision::Accepted));
    let standing = Standing::of(cycle, cycle.working());
    assert!(!standing.unrun.is_empty(), "everything was run: {standing:?}");
    let point = standing.point(Split::HeldIn).unwrap();
    let (least, most) = point.bounds().unwrap();
    assert_eq!((point.tasks, point.interval), (8, None));
    assert!((most - least - f64::from(point.unrun)).abs() < 1e-9 && most <= 8.0);
    let report = of(&told, about(true), &Words::default(), 0);
    let json = json(&report);
    let last = &json["splits"][0]["last"];
    assert!(last["value"].is_null() && last["bounds"].is_array(), "{last}");
    let said = super::words::split(&report.splits[0]);
    assert!(said.contains('–') && said.contains("bounds only") && !said.contains('→'), "{said}");
    let (markdown, html) = (markdown(&report), html(&report));
    assert!(markdown.contains(&said) && html.contains("bounds only"), "{markdown}");
    assert!(!markdown.lines().any(|line| line.starts_with("| P1 ") && !line.contains('–')), "{markdown}");
}

#[test]
fn ux_23_a_report_names_gate_reason_strength_and_look_of_every_decision() {
    let report = sample();
    let text = markdown(&report);
    assert!(text.contains(" accepted by the certified gate\n"), "{text}");
    let sections: Vec<&str> = text.split("\n### ").skip(1).collect();
    let rejected = report.proposals().filter(|of| matches!(of.decision, Some(Decision::Rejected(_)))).count();
    assert!(0 < rejected && rejected < sections.len(), "{text}");
    for section in sections {
        let section = section.split("\n## ").next().unwrap();
        let head = section.lines().next().unwrap();
        assert!(head.contains("accepted") || head.ends_with(')'), "{head}");
        for line in section.lines().filter(|line| line.contains(" · ") && line.contains("held-out ")) {
            assert!(line.contains(" · look "), "{line}");
            let strengths = ["strong", "moderate", "weak", "indistinct"];
            let is_strong = strengths.iter().any(|word| line.ends_with(word));
            assert!(is_strong || !head.contains("accepted"), "{head}: {line}");
        }
    }
}
