//! What calls cost, in USD. No built-in table: prices grow old.

use std::fmt;

use harness_schema::manifest::{Model, Price};

use super::conversation::Usage;
use super::endpoint::Endpoint;

/// How calls of a model are priced.
#[derive(Clone, Debug, PartialEq)]
pub enum Pricing {
    /// As the manifest says.
    Priced(Price),
    /// A model on this machine without a price.
    Free,
    /// Nobody said; then `budget.max_cost_usd` cannot hold.
    Unknown,
}

/// What something cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cost {
    /// So many USD.
    Usd(f64),
    /// Nobody knows.
    Unknown,
}

impl Pricing {
    /// The pricing of a model that is spoken to at `endpoint`.
    #[must_use]
    pub fn of(model: &Model, endpoint: &Endpoint) -> Self {
        match &model.price {
            Some(price) => Self::Priced(price.value.clone()),
            None if endpoint.is_loopback() => Self::Free,
            None => Self::Unknown,
        }
    }

    /// What a call cost. Cached input without its own price costs as input.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let price = match self {
            Self::Priced(price) => price,
            Self::Free => return Cost::Usd(0.0),
            Self::Unknown => return Cost::Unknown,
        };
        let own = |price: Option<f64>, input: f64| price.unwrap_or(input);
        let input = price.input.value;
        let fresh = usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_written);
        let cached = own(price.cached_input.as_ref().map(|price| price.value), input);
        let cache_write = own(price.cache_write.as_ref().map(|price| price.value), input);
        let per_million = fresh as f64 * input
            + usage.cached as f64 * cached
            + usage.cache_written as f64 * cache_write
            + usage.output as f64 * price.output.value;
        Cost::Usd(per_million / 1e6)
    }
}

impl Cost {
    /// Both together; what is unknown makes it unknown.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Usd(a), Self::Usd(b)) => Self::Usd(a + b),
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usd(usd) => write!(f, "${usd:.4}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::read(url).unwrap()
    }

    const USAGE: Usage = Usage {
        input: 1_000_000,
        cached: 500_000,
        cache_written: 100_000,
        output: 10_000,
        is_estimated: false,
    };

    #[test]
    fn prices_come_from_the_manifest() {
        let mut model = Model::default();
        let price = Price { input: 2.0.into(), output: 10.0.into(), ..Price::default() };
        model.price = Some(price.clone().into());
        let far = endpoint("https://models.acme.dev/v1");
        assert_eq!(Pricing::of(&model, &far).cost(&USAGE), Cost::Usd(2.1));
        let price = Price { cached_input: Some(0.2.into()), cache_write: Some(2.5.into()), ..price };
        model.price = Some(price.into());
        let Cost::Usd(usd) = Pricing::of(&model, &far).cost(&USAGE) else { panic!("it has a price") };
        assert!((usd - (0.8 + 0.1 + 0.25 + 0.1)).abs() < 1e-12, "{usd}");
    }

    #[test]
    fn loopback_is_free_and_the_rest_is_unknown() {
        let model = Model::default();
        assert_eq!(Pricing::of(&model, &endpoint("http://127.0.0.1:1/v1")).cost(&USAGE), Cost::Usd(0.0));
        let far = Pricing::of(&model, &endpoint("https://models.acme.dev/v1"));
        assert_eq!(far.cost(&USAGE).plus(Cost::Usd(1.0)), Cost::Unknown);
        assert_eq!(Cost::Usd(1.0).plus(Cost::Usd(0.5)).to_string(), "$1.5000");
    }
}
