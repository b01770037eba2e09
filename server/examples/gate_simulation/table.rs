//! What was played, as lines of a table, and the promises that it has to keep.

use std::thread;

use crate::lone;
use crate::model::{self, Kind, Pool, Proposer, TASKS};
use crate::play::{self, Fate, Game, Played, Policy};

/// A line of the table, and whether what it says keeps what is promised.
pub(crate) struct Promise {
    pub(crate) line: String,
    pub(crate) is_kept: bool,
}

/// Of all trials of a lone candidate, in percent.
const EXACT: f64 = 60.0;
/// Edits without effect that the certified mode adopts, in percent.
const WITHOUT_EFFECT: f64 = 5.0;
/// Harmful edits that it adopts, in percent.
const HARMFUL: f64 = 2.0;
/// What it gains, as a multiple of the published gate.
const GAIN: f64 = 1.25;
/// Edits without effect, alone, that it accepts, in percent.
const ALONE: f64 = 10.0;

/// An edit within so many points has no effect.
const NO_EFFECT: f64 = 0.3;
/// An edit of so many points is good.
const GOOD: f64 = 1.5;

/// Lone candidates, stopped early.
pub(crate) fn lone(cases: u32) -> Vec<Promise> {
    let line = |baseline: u32| {
        let seen = lone::exact(cases, baseline);
        let all = f64::from(seen.cases) * f64::from(lone::REPEATS) * TASKS as f64;
        let percent = |trials: u64| 100.0 * trials as f64 / all;
        let line = format!(
            "exact, baseline ×{baseline}: {:.1} % of all trials, an oracle {:.1} %; {} of {} decided otherwise, {} below the oracle; {:.1} % accepted\n",
            percent(seen.trials),
            percent(seen.oracle),
            seen.otherwise,
            seen.cases,
            seen.below,
            100.0 * f64::from(seen.accepted) / f64::from(seen.cases),
        );
        let is_kept =
            seen.otherwise == 0 && seen.below == 0 && (baseline != 4 || percent(seen.trials) <= EXACT);
        Promise { line, is_kept }
    };
    [4, 2].map(line).into()
}

/// A setting, and what is known of it from elsewhere.
struct Setting {
    name: &'static str,
    pool: Pool,
    proposer: Proposer,
    proposals: u32,
    /// What `method` 6.2 has for each policy: without effect, harmful, gain, all in percent or points.
    references: [(Policy, &'static str); 3],
    is_promised: bool,
}

const SETTINGS: [Setting; 4] = [
    Setting {
        name: "K = 8",
        pool: model::MIDDLING,
        proposer: model::USUAL,
        proposals: 8,
        references: [
            (Policy::Paper, "21.8, 8.8, 10.5 ± .4"),
            (Policy::Apart, "22.4, 8.3, 13.2 ± .4"),
            (Policy::Certified, "4.1, .8, 14.8 ± .3"),
        ],
        is_promised: true,
    },
    Setting {
        name: "K = 4",
        pool: model::MIDDLING,
        proposer: model::USUAL,
        proposals: 4,
        references: [
            (Policy::Paper, "20.7, 8.5, 7.6"),
            (Policy::Apart, "21.2, 7.5, 10.5"),
            (Policy::Certified, "4.2, .9, 10.1 ± .3"),
        ],
        is_promised: true,
    },
    Setting {
        name: "poor proposer, K = 8",
        pool: model::MIDDLING,
        proposer: model::POOR,
        proposals: 8,
        references: [
            (Policy::Paper, "gain 1.2, 41 % worse"),
            (Policy::Apart, "gain 1.9, 38 % worse"),
            (Policy::Certified, "gain 7.6, 3 % worse"),
        ],
        is_promised: false,
    },
    Setting {
        name: "weak pool, K = 8",
        pool: model::WEAK,
        proposer: model::USUAL,
        proposals: 8,
        references: [
            (Policy::Paper, "22.4, 12.1, 18.3"),
            (Policy::Apart, ""),
            (Policy::Certified, "4.4, 1.5, 22.6 ± .6"),
        ],
        is_promised: false,
    },
];

/// Rounds of the published gate.
const ROUNDS: u32 = 10;

/// What stands over the columns: adoption in percent of what was decided on, gain in points, runs that end worse in percent,
/// trials, those of screening and confirmation in percent, rounds, and in percent the runs in which nothing survived three rounds
/// in a row.
const HEAD: &str = "                                            no effect  harmful   good  overfit       gain  worse  trials  scr. + conf.  rounds   barren   reference: no effect, harmful, gain\n";

/// Whole runs: what is promised, and with `all` everything.
pub(crate) fn runs(runs: u64, all: bool, mut say: impl FnMut(Promise)) {
    say(Promise { line: HEAD.to_owned(), is_kept: true });
    for setting in SETTINGS.iter().filter(|setting| all || setting.is_promised) {
        let game = |policy, rounds, budget, is_patient| {
            let Setting { pool, proposer, proposals, .. } = *setting;
            Seen::of(&played(&Game { policy, pool, proposer, proposals, rounds, budget, is_patient }, runs))
        };
        let reference = |policy| {
            let known = setting.references.iter().find(|(of, _)| *of == policy);
            known.map_or("", |(_, known)| *known)
        };
        let paper = game(Policy::Paper, ROUNDS, None, true);
        let budget = paper.trials.round() as u64;
        let mut tell = |seen: &Seen, policy: Policy, is_kept| {
            say(seen.line(setting, policy.word(), reference(policy), is_kept));
        };
        tell(&paper, Policy::Paper, true);
        let others = if all { [Policy::Apart, Policy::Exact].as_slice() } else { &[] };
        for policy in others {
            tell(&game(*policy, u32::MAX, Some(budget), true), *policy, true);
        }
        let certified = game(Policy::Certified, u32::MAX, Some(budget), true);
        let is_kept = certified.without_effect.percent() <= WITHOUT_EFFECT
            && certified.harmful.percent() <= HARMFUL
            && GAIN * paper.gain <= certified.gain;
        tell(&certified, Policy::Certified, is_kept || !setting.is_promised);
        if all {
            let ended = game(Policy::Certified, u32::MAX, Some(budget), false);
            say(ended.line(setting, "certified, may stall", "", true));
        }
    }
    let alone = |policy| in_parts(10 * runs, move |case| play::is_accepted_alone(policy, case));
    let policies: &[Policy] = if all { &[Policy::Paper, Policy::Certified] } else { &[Policy::Certified] };
    for policy in policies {
        let accepted = alone(*policy);
        let percent = 100.0 * accepted.iter().filter(|accepted| **accepted).count() as f64
            / accepted.len().max(1) as f64;
        let reference = if *policy == Policy::Paper { 31.4 } else { 7.8 };
        let line = format!(
            "one edit without effect, alone, {}: {percent:.1} % of {} accepted (reference {reference})\n",
            policy.word(),
            accepted.len(),
        );
        say(Promise { line, is_kept: *policy == Policy::Paper || percent <= ALONE });
    }
}

fn played(game: &Game, runs: u64) -> Vec<Played> {
    let game = *game;
    in_parts(runs, move |run| play::play(&game, play::seed_of(run)))
}

/// Something of each number up to so many, in their order, on all processors.
fn in_parts<T: Send>(count: u64, of: impl Fn(u64) -> T + Copy + Send) -> Vec<T> {
    let parts = thread::available_parallelism().map_or(1, |parts| parts.get() as u64);
    let mut done: Vec<(u64, T)> = thread::scope(|scope| {
        let part = |first: u64| {
            scope.spawn(move || {
                (first..count).step_by(parts as usize).map(|at| (at, of(at))).collect::<Vec<_>>()
            })
        };
        let parts: Vec<_> = (0..parts).map(part).collect();
        // A part that panicked is missed by whoever counts.
        parts.into_iter().filter_map(|part| part.join().ok()).flatten().collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, value)| value).collect()
}

/// How many of how many.
#[derive(Clone, Copy, Default)]
struct Share {
    some: u32,
    all: u32,
}

impl Share {
    fn of<'a>(fates: impl Iterator<Item = &'a Fate>) -> Self {
        fates.fold(Self::default(), |share, fate| Self {
            some: share.some + u32::from(fate.is_accepted()),
            all: share.all + 1,
        })
    }

    fn percent(self) -> f64 {
        100.0 * f64::from(self.some) / f64::from(self.all.max(1))
    }
}

/// What is to be said of runs.
struct Seen {
    trials: f64,
    screening: f64,
    confirming: f64,
    rounds: f64,
    gain: f64,
    error: f64,
    worse: f64,
    stalled: f64,
    without_effect: Share,
    harmful: Share,
    good: Share,
    overfit: Share,
}

impl Seen {
    fn of(played: &[Played]) -> Self {
        let mean =
            |value: &dyn Fn(&Played) -> f64| model::mean(&played.iter().map(value).collect::<Vec<_>>());
        let gain = mean(&|run| run.gain);
        let square = mean(&|run| (run.gain - gain).powi(2));
        let fates = || played.iter().flat_map(|run| &run.fates).filter(|fate| fate.is_decided());
        let apart = || fates().filter(|fate| fate.kind != Kind::Overfit);
        Self {
            trials: mean(&|run| run.trials as f64),
            screening: mean(&|run| run.screening as f64),
            confirming: mean(&|run| run.confirming as f64),
            rounds: mean(&|run| f64::from(run.rounds)),
            gain,
            error: (square / played.len().saturating_sub(1).max(1) as f64).sqrt(),
            worse: 100.0 * mean(&|run| f64::from(u8::from(run.gain < 0.0))),
            stalled: 100.0 * mean(&|run| f64::from(u8::from(run.is_stalled))),
            without_effect: Share::of(apart().filter(|fate| fate.worth.abs() <= NO_EFFECT)),
            harmful: Share::of(apart().filter(|fate| fate.worth < -NO_EFFECT)),
            good: Share::of(apart().filter(|fate| GOOD <= fate.worth)),
            overfit: Share::of(fates().filter(|fate| fate.kind == Kind::Overfit)),
        }
    }

    fn line(&self, setting: &Setting, policy: &str, reference: &str, is_kept: bool) -> Promise {
        let share = |trials: f64| 100.0 * trials / self.trials.max(1.0);
        let line = format!(
            "{:<21} {policy:<21} {:>9.1} {:>8.1} {:>6.1} {:>8.1} {:>6.1} ± {:.1} {:>6.0} {:>7.0} {:>4.0} + {:>2.0} % {:>7.1} {:>8.0}   {reference}{}\n",
            setting.name,
            self.without_effect.percent(),
            self.harmful.percent(),
            self.good.percent(),
            self.overfit.percent(),
            self.gain,
            self.error,
            self.worse,
            self.trials,
            share(self.screening),
            share(self.confirming),
            self.rounds,
            self.stalled,
            if is_kept { "" } else { " NOT KEPT" },
        );
        Promise { line, is_kept }
    }
}
