//! How each run ends, in its sentence, and what is said while it goes on.

use std::time::Duration;

use super::*;
use crate::engine::budget::{Limit, Spent};
use crate::engine::cycle::{Candidate, Event, Open};
use crate::engine::gate::stage::{Doubt, Loss};
use crate::engine::plan::Event as Trial;
use crate::engine::verdict::VoidCause;
use crate::host::record::{BudgetRecord, RulesRecord, RunRecord, SlotRecord};
use crate::host::store::RunState;
use harness_schema::manifest::Gate;

const AT: Duration = Duration::from_secs(780);

/// A run of a verb over two held-in tasks and a held-out one, twice each.
struct Told {
    stored: StoredRun,
    cycle: Cycle,
}

impl Told {
    fn new(verb: &str) -> Self {
        let tasks = [("t-01", "held-in"), ("t-02", "held-in"), ("x-01", "held-out")];
        let slot = |(task, split): (&str, &str), repeat| SlotRecord {
            arm: 0,
            task: task.into(),
            split: split.into(),
            role: "baseline".into(),
            repeat,
        };
        let rules = RulesRecord {
            gate: Gate::Certified,
            baseline: 2,
            screen: 1,
            confirm: 2,
            proposals: 4,
            rounds: 10,
        };
        let record = RunRecord {
            verb: verb.into(),
            name: "lab".into(),
            harness: String::new(),
            contract: String::new(),
            execution: String::new(),
            files: [].into(),
            slots: (0..2).flat_map(|repeat| tasks.map(|task| slot(task, repeat))).collect(),
            budget: BudgetRecord { cost: Some(5.0), ..BudgetRecord::default() },
            parallel: 1,
            seed: 1,
            sandbox: "bubblewrap".into(),
            started_by: "Neovim".into(),
            model: "m".into(),
            repeats: 2,
            key_variable: None,
            rules: (verb != "evaluate").then_some(rules),
            candidates: Vec::new(),
            seal: None,
        };
        let cycle = Cycle::new(record.design());
        Self { stored: StoredRun { number: 142, created_ms: 0, state: RunState::Running, record }, cycle }
    }

    fn hears(mut self, event: Event) -> Self {
        self.cycle.apply(AT, &event);
        self
    }

    /// Trials of the first slots, as they were judged.
    fn trials(mut self, verdicts: &[Verdict]) -> Self {
        let spent = Spent { trials: 1, tokens: 500, cost: Some(0.27), time: Duration::from_secs(130) };
        for (slot, verdict) in verdicts.iter().enumerate() {
            // What was void is tried again.
            let again = matches!(verdict, Verdict::Void(_)).then_some(Verdict::Pass);
            for (attempt, verdict) in (0..).zip([*verdict].into_iter().chain(again)) {
                self = self.hears(Event::Trial(Trial::Started { slot, attempt }));
                self = self.hears(Event::Trial(Trial::Ended { slot, verdict, spent }));
            }
        }
        self
    }

    /// All trials: all pass but one, and one was void at first.
    fn measured(self) -> Self {
        let void = Verdict::Void(VoidCause::Provider);
        self.trials(&[Verdict::Pass, Verdict::Fail, void, Verdict::Pass, Verdict::Pass, Verdict::Pass])
    }

    fn proposed(self, proposals: &[u32]) -> Self {
        let candidates = proposals.iter().map(|proposal| Candidate { proposal: *proposal, active: None });
        let event = Event::Proposed { candidates: candidates.collect(), spent: Spent::nothing() };
        self.hears(Event::Mined { actionable: 1 }).hears(event)
    }

    fn decided(self, proposal: u32, decision: Decision) -> Self {
        self.hears(Event::Decided { proposal, decision })
    }

    fn finished(self, finish: Finish) -> Self {
        self.hears(Event::Trial(Trial::Finished(finish)))
    }

    fn seen(&self) -> Seen {
        Seen::of(self.cycle.clone(), self.stored.state, Vec::new())
    }

    fn ending(&self) -> String {
        ending(&self.seen(), &self.stored)
    }
}

#[test]
fn there_is_something_to_learn_until_every_held_in_trial_is_a_pass() {
    let nothing_left =
        |verdicts: &[Verdict]| nothing_left(Told::new("evaluate").trials(verdicts).seen().run());
    let (pass, fail) = (Verdict::Pass, Verdict::Fail);
    assert!(nothing_left(&[pass; 6]));
    // Held-out tasks teach nothing.
    assert!(nothing_left(&[pass, pass, fail, pass, pass, fail]));
    assert!(!nothing_left(&[pass, pass, pass, fail, pass, pass]));
    // What has not been tried may fail.
    assert!(!nothing_left(&[pass; 3]));
}

#[test]
fn ux_40_every_end_has_its_sentence() {
    let rejected = Decision::Rejected(crate::engine::cycle::Reason::Screen(Loss::HeldOut));
    let open = Decision::Undecided(Open::Doubt(Doubt::VoidCells));
    let pass = [Verdict::Pass; 4];
    let mined = |told: &Told| Seen { is_mined: true, ..told.seen() };
    let refused = Told::new("propose").measured().proposed(&[]).finished(Finish::Complete);
    let mut lines = vec![
        Told::new("evaluate").measured().finished(Finish::Complete).ending(),
        Told::new("evaluate").trials(&[Verdict::Pass; 6]).finished(Finish::Complete).ending(),
        Told::new("propose").measured().finished(Finish::NoWeakness).ending(),
        ending(&mined(&refused), &refused.stored),
        Told::new("propose").measured().proposed(&[1, 2]).finished(Finish::Complete).ending(),
        Told::new("improve").measured().finished(Finish::NoWeakness).ending(),
        Told::new("improve").measured().proposed(&[1]).decided(1, rejected).finished(Finish::Rounds).ending(),
        Told::new("improve")
            .measured()
            .proposed(&[1])
            .decided(1, rejected)
            .finished(Finish::Stalled)
            .ending(),
        Told::new("improve")
            .measured()
            .proposed(&[1, 2])
            .decided(1, rejected)
            .decided(2, Decision::Accepted)
            .finished(Finish::Rounds)
            .ending(),
        Told::new("validate").measured().proposed(&[3]).decided(3, open).finished(Finish::Complete).ending(),
        Told::new("evaluate").trials(&pass).finished(Finish::Cancelled).ending(),
        Told::new("evaluate").trials(&pass).finished(Finish::Infrastructure).ending(),
        Told::new("evaluate").trials(&pass).finished(Finish::ContractBroken).ending(),
    ];
    let limits = [Limit::Trials, Limit::Tokens, Limit::Cost, Limit::Time, Limit::UnknownCost];
    lines.extend(
        limits.map(|limit| Told::new("evaluate").trials(&pass).finished(Finish::Budget(limit)).ending()),
    );
    let paused = Told::new("evaluate").trials(&pass);
    let paused = paused.hears(Event::Trial(Trial::Paused(String::from("provider answered 503 since 14:02"))));
    let stopped = Told::new("evaluate").trials(&pass);
    lines.extend([
        paused.ending(),
        ending(&Seen { is_interrupted: true, ..stopped.seen() }, &stopped.stored),
        going_on(&stopped.seen(), &stopped.stored),
    ]);
    // While it goes on.
    let line = |told: &Told| line(&told.seen(), &told.stored);
    lines.extend([
        line(&Told::new("evaluate")),
        line(&Told::new("evaluate").trials(&[Verdict::Pass, Verdict::Void(VoidCause::Provider)])),
        line(&Told::new("evaluate").trials(&[Verdict::Pass; 5])),
        line(&Told::new("improve").measured().proposed(&[1, 2])),
    ]);
    insta::assert_snapshot!(lines.join("\n"));
    for line in &lines {
        let is_text = |char: char| char.is_ascii_graphic() || " ·→×".contains(char);
        assert!(line.chars().all(is_text), "{line}");
    }
}
