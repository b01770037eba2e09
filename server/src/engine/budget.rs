//! What a run may spend, and what it has spent. A limit is asked before each trial and is hard: a trial that could go over it is
//! not started.

use std::time::Duration;

/// What a run may spend; none where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Trials.
    pub trials: Option<u64>,
    /// Tokens, input and output.
    pub tokens: Option<u64>,
    /// Money, in US dollars.
    pub cost: Option<f64>,
    /// Time from its first start.
    pub time: Option<Duration>,
}

/// What was spent, or what a trial is expected to take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Trials; one that is found again costs nothing.
    pub trials: u64,
    /// Tokens, input and output.
    pub tokens: u64,
    /// Money, in US dollars; none once something was spent whose price is not known.
    pub cost: Option<f64>,
    /// Time.
    pub time: Duration,
}

/// Which limit stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Trials.
    Trials,
    /// Tokens.
    Tokens,
    /// Money.
    Cost,
    /// Time.
    Time,
    /// A limit of money is set, and what was spent is not known.
    UnknownCost,
}

impl Limit {
    /// In a sentence: `the budget of trials is used up`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Trials => "the budget of trials is used up",
            Self::Tokens => "the budget of tokens is used up",
            Self::Cost => "the budget of money is used up",
            Self::Time => "the budget of time is used up",
            Self::UnknownCost => "the price of the model is not known, so the budget of money cannot be kept",
        }
    }
}

impl Spent {
    /// Nothing, at a cost that is known.
    #[must_use]
    pub fn nothing() -> Self {
        Self { cost: Some(0.0), ..Self::default() }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            trials: self.trials.saturating_add(other.trials),
            tokens: self.tokens.saturating_add(other.tokens),
            cost: self.cost.zip(other.cost).map(|(one, other)| one + other),
            time: self.time.saturating_add(other.time),
        }
    }
}

impl Budget {
    /// Whether one more trial may start: `spent` is paid, `running` is what trials that run now may still take, and `next` what
    /// this one may. Nothing that may go over a limit is started.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn allows(&self, spent: Spent, running: Spent, next: Spent) -> Result<(), Limit> {
        let all = spent.and(running).and(next);
        if self.trials.is_some_and(|most| most < all.trials) {
            return Err(Limit::Trials);
        }
        if self.tokens.is_some_and(|most| most < all.tokens) {
            return Err(Limit::Tokens);
        }
        if let Some(most) = self.cost {
            match all.cost {
                None => return Err(Limit::UnknownCost),
                Some(cost) if most < cost => return Err(Limit::Cost),
                Some(_) => {}
            }
        }
        // Trials run side by side: only the clock counts, and the time that is left must be more than none.
        if self.time.is_some_and(|most| most <= spent.time) {
            return Err(Limit::Time);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trial(tokens: u64, cost: Option<f64>) -> Spent {
        Spent { trials: 1, tokens, cost, time: Duration::ZERO }
    }

    #[test]
    fn each_limit_forbids_what_may_go_over_it() {
        let spent = Spent { trials: 3, tokens: 100, cost: Some(1.0), time: Duration::from_secs(60) };
        let allows = |budget: Budget, running: Spent| budget.allows(spent, running, trial(50, Some(0.5)));
        let none = Spent::nothing();
        let of = Budget::default();
        assert_eq!(allows(of, none), Ok(()));
        assert_eq!(allows(Budget { trials: Some(4), ..of }, none), Ok(()));
        assert_eq!(allows(Budget { trials: Some(4), ..of }, trial(1, Some(0.1))), Err(Limit::Trials));
        assert_eq!(allows(Budget { tokens: Some(149), ..of }, none), Err(Limit::Tokens));
        assert_eq!(allows(Budget { cost: Some(1.49), ..of }, none), Err(Limit::Cost));
        assert_eq!(allows(Budget { cost: Some(9.0), ..of }, trial(0, None)), Err(Limit::UnknownCost));
        assert_eq!(allows(Budget { time: Some(Duration::from_secs(60)), ..of }, none), Err(Limit::Time));
    }

    proptest! {
        #[test]
        fn nothing_is_ever_overspent(
            most in 0_u64..30, tokens in 0_u64..400, trials in prop::collection::vec((1_u64..40, 0_u64..40), 0..60),
        ) {
            let budget = Budget { trials: Some(most), tokens: Some(tokens), ..Budget::default() };
            let mut spent = Spent::nothing();
            for (expected, taken) in trials {
                if budget.allows(spent, Spent::nothing(), trial(expected, Some(0.0))).is_ok() {
                    spent = spent.and(trial(taken.min(expected), Some(0.0)));
                }
            }
            prop_assert!(spent.trials <= most && spent.tokens <= tokens);
        }
    }
}
