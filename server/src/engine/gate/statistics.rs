//! The few distributions that the gate needs, and a generator of draws that is the same on every machine.

/// The standard normal distribution function.
#[must_use]
pub fn normal(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// The half-width of a 95 % interval in standard errors.
pub const Z95: f64 = 1.959_964;

/// The probability of at most `k` heads in `n` throws of a fair coin.
#[must_use]
pub fn fair_at_most(k: u32, n: u32) -> f64 {
    let mut term = 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut sum = 0.0;
    for heads in 0..=k.min(n) {
        sum += term;
        term *= f64::from(n - heads) / f64::from(heads + 1);
    }
    sum.min(1.0)
}

/// Draws that depend on their seed alone: SplitMix64 (Steele, Lea and Flood 2014, figure 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws(u64);

impl Draws {
    /// Draws of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero to one, which is not among them.
    pub fn unit(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `most`; zero if there is none.
    pub fn below(&mut self, most: usize) -> usize {
        // The high half of a product: no number is more likely than another by more than `most` in 2^64.
        usize::try_from((u128::from(self.any()) * most as u128) >> 64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_the_one_of_the_tables() {
        for (z, expected) in [(0.0, 0.5), (1.0, 0.841_345), (-1.96, 0.024_998), (3.0, 0.998_650)] {
            assert!((normal(z) - expected).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn a_fair_coin_is_counted() {
        for (k, n, expected) in [(0, 0, 1.0), (0, 1, 0.5), (1, 4, 0.3125), (4, 4, 1.0), (9, 4, 1.0)] {
            assert!((fair_at_most(k, n) - expected).abs() < 1e-12, "{k} of {n}");
        }
    }

    #[test]
    fn draws_are_those_of_the_paper() {
        // The first outputs for the seed 1234567, as published with the reference implementation.
        let mut draws = Draws::new(1_234_567);
        let first = [draws.any(), draws.any(), draws.any()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        assert_eq!(Draws::new(1).below(0), 0);
        let mut draws = Draws::new(7);
        assert!((0..1000).all(|_| draws.below(3) < 3 && draws.unit() < 1.0));
    }
}
