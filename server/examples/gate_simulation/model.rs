//! Agents and edits whose chances are known: the model of `method` 6.1, fitted to public records of agents.

use self_harness::engine::gate::statistics::Draws;

/// Held-in tasks: the setting of the paper.
pub(crate) const HELD_IN: usize = 43;
/// Held-out tasks.
pub(crate) const HELD_OUT: usize = 21;
/// Both.
pub(crate) const TASKS: usize = HELD_IN + HELD_OUT;
/// Tasks that no run ever sees: they say what an edit is worth.
pub(crate) const FRESH: usize = 400;

/// Chances of the tasks of agents, as Beta distributions.
pub(crate) type Pool = &'static [(f64, f64)];

/// Six agents of middling strength.
pub(crate) const MIDDLING: Pool = &[
    (0.1213, 0.1674),
    (0.1325, 0.1648),
    (0.1096, 0.1596),
    (0.2893, 0.5245),
    (0.2234, 0.3408),
    (0.1997, 0.2085),
];
/// Two weak ones.
pub(crate) const WEAK: Pool = &[(0.2117, 0.8848), (0.1373, 0.3980)];

/// What somebody who proposes edits comes up with. What is left is fitted to a few held-in tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proposer {
    /// The share of good edits.
    pub(crate) good: f64,
    /// The share of edits without effect.
    pub(crate) neutral: f64,
    /// The share of harmful edits.
    pub(crate) harmful: f64,
}

/// The usual one.
pub(crate) const USUAL: Proposer = Proposer { good: 0.25, neutral: 0.35, harmful: 0.25 };
/// A poor one.
pub(crate) const POOR: Proposer = Proposer { good: 0.08, neutral: 0.42, harmful: 0.35 };
/// One that changes nothing.
pub(crate) const IDLE: Proposer = Proposer { good: 0.0, neutral: 1.0, harmful: 0.0 };

/// Each good edit that was adopted leaves so much of the chance to find another.
const STILL_GOOD: f64 = 0.9;

impl Proposer {
    /// The same after so many good edits were adopted: what was good before has no effect now.
    pub(crate) fn after(self, adopted: u32) -> Self {
        let good = self.good * STILL_GOOD.powf(f64::from(adopted));
        Self { good, neutral: self.neutral + self.good - good, ..self }
    }
}

/// What an edit is made to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Better on a share of tasks.
    Good,
    /// The same everywhere.
    Neutral,
    /// Worse on a share of tasks.
    Harmful,
    /// Better on a few held-in tasks, worse on some others.
    Overfit,
}

/// An edit: of each task, what it does to the chance.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) kind: Kind,
    /// Above zero the share of what is missing to 0.95 that it adds, below zero the share that it takes.
    effects: Vec<f64>,
}

impl Edit {
    /// The chances under the edit.
    pub(crate) fn applied(&self, chances: &[f64]) -> Vec<f64> {
        let changed = chances.iter().zip(&self.effects).map(|(chance, effect)| {
            let changed = match *effect {
                effect if effect < 0.0 => chance * (1.0 + effect),
                effect => chance + effect * (0.95 - chance).max(0.0),
            };
            changed.clamp(0.0, 1.0)
        });
        changed.collect()
    }

    /// By how many points the rate on held-out and fresh tasks changes.
    pub(crate) fn worth(&self, chances: &[f64]) -> f64 {
        let unseen = |chances: &[f64]| mean(chances.get(HELD_IN..).unwrap_or_default());
        100.0 * (unseen(&self.applied(chances)) - unseen(chances))
    }
}

/// The mean; zero of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The chances of an agent of the pool on so many tasks.
pub(crate) fn agent(draws: &mut Draws, pool: Pool, tasks: usize) -> Vec<f64> {
    let (a, b) = pool.get(draws.below(pool.len())).copied().unwrap_or((1.0, 1.0));
    (0..tasks).map(|_| beta(draws, a, b)).collect()
}

/// A draw from a Beta distribution (Jöhnk 1964).
fn beta(draws: &mut Draws, a: f64, b: f64) -> f64 {
    loop {
        let (x, y) = (draws.unit().powf(1.0 / a), draws.unit().powf(1.0 / b));
        if 0.0 < x + y && x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

fn between(draws: &mut Draws, least: f64, most: f64) -> f64 {
    least + (most - least) * draws.unit()
}

/// An edit that a proposer comes up with, before an agent of such chances; the first tasks are held-in.
pub(crate) fn edit(draws: &mut Draws, proposer: Proposer, chances: &[f64]) -> Edit {
    let Proposer { good, neutral, harmful } = proposer;
    let mut effects = vec![0.0; chances.len()];
    let kind = match draws.unit() {
        kind if kind < good => {
            let share = between(draws, 0.05, 0.20);
            for effect in &mut effects {
                if draws.unit() < share {
                    *effect = between(draws, 0.15, 0.70);
                }
            }
            Kind::Good
        }
        kind if kind < good + neutral => Kind::Neutral,
        kind if kind < good + neutral + harmful => {
            let share = between(draws, 0.05, 0.25);
            for effect in &mut effects {
                if draws.unit() < share {
                    *effect = -between(draws, 0.15, 0.70);
                }
            }
            Kind::Harmful
        }
        _ => {
            let held_in = chances.iter().take(HELD_IN).enumerate();
            let mut weak: Vec<usize> =
                held_in.filter(|(_, chance)| **chance < 0.5).map(|(at, _)| at).collect();
            let mut chosen = Vec::new();
            for _ in 0..=draws.below(4) {
                if !weak.is_empty() {
                    chosen.push(weak.swap_remove(draws.below(weak.len())));
                }
            }
            let share = between(draws, 0.0, 0.10);
            for (at, effect) in effects.iter_mut().enumerate() {
                if chosen.contains(&at) {
                    *effect = between(draws, 0.4, 0.9);
                } else if draws.unit() < share {
                    *effect = -between(draws, 0.1, 0.4);
                }
            }
            Kind::Overfit
        }
    };
    Edit { kind, effects }
}
