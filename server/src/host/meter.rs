//! What a trial has taken so far, seen from outside while it runs: a budget is kept by whoever watches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::trace::Usage;

/// Tokens and money of one trial. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    tokens: AtomicU64,
    /// In billionths of a dollar.
    cost: AtomicU64,
    /// Whether the price of any of it is unknown.
    is_unpriced: AtomicBool,
}

impl Meter {
    /// One more model call.
    pub fn add(&self, usage: &Usage) {
        self.0.tokens.fetch_add(usage.input.saturating_add(usage.output), Ordering::Relaxed);
        match usage.cost {
            Some(cost) => {
                self.0.cost.fetch_add((cost * 1e9).round().max(0.0) as u64, Ordering::Relaxed);
            }
            None => self.0.is_unpriced.store(true, Ordering::Relaxed),
        }
    }

    /// Tokens, input and output.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.0.tokens.load(Ordering::Relaxed)
    }

    /// US dollars; `None` if any of it has no price.
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        let is_priced = !self.0.is_unpriced.load(Ordering::Relaxed);
        is_priced.then(|| self.0.cost.load(Ordering::Relaxed) as f64 / 1e9)
    }
}
