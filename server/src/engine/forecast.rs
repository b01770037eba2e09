//! What a run is expected to take, before anybody agrees to it: trials and money of one round, as the value that half of such
//! rounds stay below and the one that nine of ten do (`method` 5.11). It promises nothing; the limits of the budget do.

use std::collections::BTreeMap;

use harness_schema::manifest::Gate;

use super::cycle::{Goal, Rules};

/// The 90 % quantile of the normal distribution.
const Z90: f64 = 1.281_552;

/// A candidate that is screened with early stops runs this share of its slots, and this much varies from one to the next
/// (`method` 5.11: .6; the spread is that of a share that is drawn evenly between a fifth and all).
const SCREENED: f64 = 0.6;
const SCREENED_SPREAD: f64 = 0.23;

/// The suite's mean weighs as much as so many trials of a task.
const WEIGHT: f64 = 2.0;

/// One in so many trials more, for those that are void and repeated.
const VOID: u64 = 10;

/// What a trial is guessed to read and write where nothing was measured: a short one, and a long one.
pub const GUESSED_TOKENS: [(u64, u64); 2] = [(30_000, 1_500), (150_000, 5_000)];

/// What a request for an edit is guessed to read and write.
pub const GUESSED_REQUEST: (u64, u64) = (8_000, 1_000);

/// Trials of something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Took {
    /// How many.
    pub trials: u32,
    /// What all of them cost, in US dollars.
    pub cost: f64,
    /// The sum of the squares of what each cost.
    pub squares: f64,
    /// How long all of them took, in seconds.
    pub seconds: f64,
}

impl Took {
    /// One more trial.
    pub fn add(&mut self, cost: f64, seconds: f64) {
        self.trials += 1;
        self.cost += cost;
        self.squares += cost * cost;
        self.seconds += seconds;
    }

    fn and(self, other: &Self) -> Self {
        Self {
            trials: self.trials + other.trials,
            cost: self.cost + other.cost,
            squares: self.squares + other.squares,
            seconds: self.seconds + other.seconds,
        }
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / f64::from(self.trials.max(1))
    }

    /// How far the cost of one is from the mean, usually.
    fn spread(&self) -> f64 {
        let mean = self.mean(self.cost);
        (self.mean(self.squares) - mean * mean).max(0.0).sqrt()
    }
}

/// What a trial costs if it is short, and if it is long: where nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// US dollars of a short trial.
    pub short: f64,
    /// US dollars of a long one.
    pub long: f64,
    /// US dollars of a request for an edit.
    pub request: f64,
}

/// A run that nobody has agreed to yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it is for.
    pub goal: Goal,
    /// How proposals are judged, if there are any.
    pub rules: Option<Rules>,
    /// The slots that it begins with.
    pub slots: u64,
    /// Of these, slots that no earlier trial fills.
    pub open: u64,
    /// Its tasks.
    pub tasks: Vec<String>,
    /// The proposals that are validated, if that is what it is for.
    pub candidates: u32,
}

/// What one round is expected to take, and what the whole run can take at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Trials: half of such rounds need no more, nine of ten need no more.
    pub trials: (u64, u64),
    /// US dollars alike; none if nothing is known of prices.
    pub cost: Option<(f64, f64)>,
    /// Whether the cost is a guess, because nothing was measured.
    pub is_guess: bool,
    /// Seconds of one trial, as far as that is known.
    pub seconds: Option<f64>,
    /// Trials that the whole run cannot go over.
    pub most: u64,
}

/// So many trials have to be known before a time is told (`editor` 3.2).
const TIMED: u32 = 5;

impl Forecast {
    /// Of a run, by what trials of its tasks took before. `guess` is what the price says where nothing was measured; none where
    /// there is no price.
    #[must_use]
    pub fn of(plan: &Plan, took: &BTreeMap<String, Took>, guess: Option<Guess>) -> Self {
        let trials = plan.round();
        let suite = took.values().fold(Took::default(), Took::and);
        let is_guess = suite.trials == 0;
        let (likely, high) = (trials.0 as f64, trials.1 as f64);
        let (asked, asked_most) = plan.requests();
        let cost = guess.map(|guess| {
            let (short, long) = match is_guess {
                true => (likely * guess.short, high * guess.long),
                false => {
                    let mean = plan.mean_cost(took, &suite);
                    (likely * mean, high * mean + Z90 * suite.spread() * high.sqrt())
                }
            };
            (short + asked * guess.request, long + asked_most * guess.request)
        });
        let seconds = (TIMED <= suite.trials).then(|| suite.mean(suite.seconds));
        Self { trials, cost, is_guess, seconds, most: plan.most() }
    }
}

impl Plan {
    /// What a trial is expected to cost, over its tasks: a task that was tried often speaks for itself, others for the suite.
    fn mean_cost(&self, took: &BTreeMap<String, Took>, suite: &Took) -> f64 {
        let mean = suite.mean(suite.cost);
        let nothing = Took::default();
        let of_tasks = self.tasks.iter().map(|task| {
            let own = took.get(task).unwrap_or(&nothing);
            (own.cost + WEIGHT * mean) / (f64::from(own.trials) + WEIGHT)
        });
        of_tasks.sum::<f64>() / self.tasks.len().max(1) as f64
    }

    /// Trials of one round: half of the rounds need no more, nine of ten need no more.
    fn round(&self) -> (u64, u64) {
        let Some(rules) = self.rules.filter(|_| self.screens()) else { return (self.open, self.open) };
        let all = self.tasks.len() as f64;
        let candidates = f64::from(self.proposals(&rules));
        let screen = all * f64::from(rules.screen);
        let (mean, spread) = match rules.gate {
            Gate::Paper => (candidates * screen, 0.0),
            Gate::Certified | Gate::Exact => {
                (candidates * SCREENED * screen, candidates.sqrt() * SCREENED_SPREAD * screen)
            }
        };
        let high = (mean + Z90 * spread).min(candidates * screen);
        let (confirm, confirm_most) = self.confirmation(&rules);
        let open = self.open as f64;
        ((open + mean + confirm).ceil() as u64, (open + high + confirm_most).ceil() as u64)
    }

    /// Trials of a confirmation: of one that succeeds at once, and of one that falls back to its best member.
    fn confirmation(&self, rules: &Rules) -> (f64, f64) {
        let all = self.tasks.len() as f64;
        let once = all * f64::from(rules.confirm);
        let top_up = all * f64::from(rules.topped_up() - rules.baseline.min(rules.topped_up()));
        let several = 1 < self.proposals(rules);
        match rules.gate {
            Gate::Certified if several => (once + top_up, 2.0 * once + top_up),
            Gate::Certified => (once + top_up, once + top_up),
            Gate::Exact if several => (SCREENED * once, once),
            Gate::Paper if several => (once, once),
            Gate::Exact | Gate::Paper => (0.0, 0.0),
        }
    }

    /// Trials that the whole run cannot go over: no candidate stops early, every round confirms twice, and one in ten trials is
    /// void and repeated.
    #[must_use]
    pub fn most(&self) -> u64 {
        let Some(rules) = self.rules.filter(|_| self.screens()) else { return self.slots };
        let all = self.tasks.len() as u64;
        let times = |count: u32| all.saturating_mul(u64::from(count));
        let candidates = u64::from(self.proposals(&rules));
        // Two first looks each; a confirmation where a trigger leaves most tasks as they are is twice as long.
        let screens = candidates.saturating_mul(times(rules.screen).saturating_add(2));
        let confirms = times(rules.confirm).saturating_mul(4).saturating_add(times(rules.topped_up()));
        // What is run to see whether the world or a trigger has moved: 8 sentinels a confirmation, and a few audits.
        let watched = times(1).saturating_add(16);
        let round = screens.saturating_add(confirms).saturating_add(times(rules.baseline));
        let round = round.saturating_add(watched);
        let rounds = if self.goal == Goal::Improve { u64::from(rules.rounds) } else { 1 };
        let sum = self.slots.saturating_add(round.saturating_mul(rounds));
        sum.saturating_add(sum / VOID)
    }

    /// Requests for edits in one round: at least, and at most.
    fn requests(&self) -> (f64, f64) {
        match (self.goal, self.rules) {
            (Goal::Propose | Goal::Improve, Some(rules)) => {
                let asked = f64::from(rules.proposals);
                (asked, 2.0 * asked)
            }
            _ => (0.0, 0.0),
        }
    }

    fn screens(&self) -> bool {
        matches!(self.goal, Goal::Validate | Goal::Improve)
    }

    fn proposals(&self, rules: &Rules) -> u32 {
        if self.goal == Goal::Validate { self.candidates } else { rules.proposals }
    }
}

impl Forecast {
    /// Trials in words: `72`, `250–340`.
    #[must_use]
    pub fn trials_words(&self) -> String {
        match self.trials {
            (likely, high) if likely == high => likely.to_string(),
            (likely, high) => format!("{likely}–{high}"),
        }
    }

    /// Money in words (`editor` 3.2): `about $0.80`, `about $1.10–2.40 (guess: nothing measured yet)`; none if nothing is known.
    #[must_use]
    pub fn cost_words(&self) -> Option<String> {
        let (likely, high) = self.cost?;
        if high <= 0.0 {
            return Some(String::from("free"));
        }
        let digits = if high < 0.1 { 4 } else { 2 };
        let (short, long) = (format!("{likely:.digits$}"), format!("{high:.digits$}"));
        let guess = if self.is_guess { " (guess: nothing measured yet)" } else { "" };
        Some(match short == long {
            true => format!("about ${short}{guess}"),
            false => format!("about ${short}–{long}{guess}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(gate: Gate, proposals: u32, rounds: u32) -> Rules {
        let (baseline, screen, confirm) = if gate == Gate::Certified { (4, 1, 4) } else { (4, 2, 2) };
        Rules { gate, baseline, screen, confirm, proposals, rounds }
    }

    fn plan(goal: Goal, rules: Option<Rules>, candidates: u32) -> Plan {
        let tasks: Vec<String> = (0..36).map(|number| format!("t-{number}")).collect();
        Plan { goal, rules, slots: 144, open: 100, tasks, candidates }
    }

    fn took(all: &[(&str, &[f64])]) -> BTreeMap<String, Took> {
        let took = all.iter().map(|(task, costs)| {
            let mut took = Took::default();
            costs.iter().for_each(|cost| took.add(*cost, 60.0));
            ((*task).to_owned(), took)
        });
        took.collect()
    }

    const GUESS: Guess = Guess { short: 0.015, long: 0.033, request: 0.01 };

    #[test]
    fn what_is_only_measured_is_counted_exactly() {
        for goal in [Goal::Evaluate, Goal::Seal] {
            let forecast = Forecast::of(&plan(goal, None, 0), &BTreeMap::new(), Some(GUESS));
            assert_eq!((forecast.trials, forecast.most, forecast.seconds), ((100, 100), 144, None));
            let words = forecast.cost_words().unwrap();
            assert_eq!(words, "about $1.50–3.30 (guess: nothing measured yet)");
        }
        let none = Forecast::of(&plan(Goal::Evaluate, None, 0), &BTreeMap::new(), None);
        assert_eq!(none.cost_words(), None);
    }

    #[test]
    fn a_task_that_was_tried_often_speaks_for_itself() {
        // The suite's mean is .1. A task of 8 trials at .04: (.32 + .2) / 10; one of none: .1.
        let before = took(&[("t-0", &[0.04; 8]), ("t-1", &[0.34, 0.34])]);
        let suite = before.values().fold(Took::default(), Took::and);
        let mut plan = plan(Goal::Evaluate, None, 0);
        plan.tasks = vec![String::from("t-0")];
        assert!((plan.mean_cost(&before, &suite) - 0.052).abs() < 1e-12);
        plan.tasks.push(String::from("t-9"));
        assert!((plan.mean_cost(&before, &suite) - 0.076).abs() < 1e-12);
        let forecast = Forecast::of(&plan, &before, Some(GUESS));
        let (likely, high) = forecast.cost.unwrap();
        // 100 trials at .076; the spread of one is .12, of a hundred 1.2.
        assert!((likely - 7.6).abs() < 1e-9 && (high - 7.6 - Z90 * 1.2).abs() < 1e-9, "{likely} {high}");
        assert_eq!((forecast.is_guess, forecast.seconds), (false, Some(60.0)));
        assert!(forecast.cost_words().unwrap().starts_with("about $7.60–9.14"));
    }

    #[test]
    fn a_round_is_between_what_it_needs_and_what_it_can_take() {
        for gate in [Gate::Paper, Gate::Exact, Gate::Certified] {
            for (goal, candidates) in [(Goal::Validate, 1), (Goal::Validate, 5), (Goal::Improve, 0)] {
                let plan = plan(goal, Some(rules(gate, 8, 10)), candidates);
                let (likely, high) = plan.round();
                assert!(100 < likely && likely <= high && high <= plan.most(), "{plan:?} {likely} {high}");
                let more =
                    Plan { rules: Some(rules(gate, 9, 10)), candidates: candidates + 1, ..plan.clone() };
                assert!(likely < more.round().0 && plan.most() < more.most());
            }
        }
        let paper = plan(Goal::Validate, Some(rules(Gate::Paper, 8, 10)), 5);
        // Every slot is run: 5 candidates twice, and the union.
        assert_eq!(paper.round(), (100 + 5 * 72 + 72, 100 + 5 * 72 + 72));
        let certified = plan(Goal::Improve, Some(rules(Gate::Certified, 8, 10)), 0);
        // 8 screens of 36 at .6, and one confirmation with its top-up.
        assert_eq!(certified.round().0, 100 + 173 + 288);
        let proposes = plan(Goal::Propose, Some(rules(Gate::Certified, 8, 10)), 0);
        assert_eq!((proposes.round(), proposes.most()), ((100, 100), 144));
        // Its money is more than that of its trials: the model is asked for edits.
        let asked = Forecast::of(&proposes, &BTreeMap::new(), Some(GUESS)).cost.unwrap();
        assert!((asked.0 - 1.58).abs() < 1e-9 && (asked.1 - 3.46).abs() < 1e-9, "{asked:?}");
    }

    #[test]
    fn more_rounds_make_a_higher_limit_and_no_other_round() {
        let one = plan(Goal::Improve, Some(rules(Gate::Certified, 8, 1)), 0);
        let ten = plan(Goal::Improve, Some(rules(Gate::Certified, 8, 10)), 0);
        assert_eq!(one.round(), ten.round());
        assert!(9 * one.most() / 2 < ten.most());
        let forecast = Forecast::of(&one, &BTreeMap::new(), None);
        assert!(forecast.trials_words().contains('–'), "{}", forecast.trials_words());
    }
}
