//! Values that carry the split they come from, so that what must not be seen cannot be handed on by mistake: mining takes
//! [`HeldIn`] alone, and nothing makes one of anything else.
//!
//! Mining what is held in is a matter of course:
//!
//! ```
//! use harness_schema::split::Split;
//! use self_harness::engine::{cluster, signature::Seen, split::Splits};
//!
//! fn mine(trials: Vec<Seen>) -> cluster::Mined {
//!     let apart = Splits::apart(trials, |_| Some(Split::HeldIn));
//!     cluster::group(&apart.held_in)
//! }
//! assert!(mine(Vec::new()).clusters.is_empty());
//! ```
//!
//! Mining what is held out does not compile:
//!
//! ```compile_fail,E0308
//! use harness_schema::split::Split;
//! use self_harness::engine::{cluster, signature::Seen, split::Splits};
//!
//! fn mine(trials: Vec<Seen>) -> cluster::Mined {
//!     let apart = Splits::apart(trials, |_| Some(Split::HeldIn));
//!     cluster::group(&apart.held_out)
//! }
//! assert!(mine(Vec::new()).clusters.is_empty());
//! ```
//!
//! Nor does mining what is sealed, or making something held-in of it by hand:
//!
//! ```compile_fail,E0308
//! # use harness_schema::split::Split;
//! # use self_harness::engine::{cluster, signature::Seen, split::Splits};
//! fn mine(trials: Vec<Seen>) -> cluster::Mined {
//!     let apart = Splits::apart(trials, |_| Some(Split::HeldIn));
//!     cluster::group(&apart.sealed)
//! }
//! ```
//!
//! ```compile_fail,E0423
//! use self_harness::engine::split::HeldIn;
//!
//! let claimed = HeldIn(1);
//! ```
//!
//! And what is held out is in no log, for it has no `Debug`:
//!
//! ```compile_fail,E0277
//! use harness_schema::split::Split;
//! use self_harness::engine::split::Splits;
//!
//! let apart = Splits::apart([1, 2], |_| Some(Split::HeldOut));
//! println!("{:?}", apart.held_out);
//! ```

use harness_schema::split::Split;

/// Something of a held-in task. It may teach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldIn<T>(T);

/// Something of a held-out task. It may judge, and nothing else: it has no `Debug`, so that it reaches no log either.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldOut<T>(T);

/// Something of a sealed task, which is read once, at the very end.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed<T>(T);

/// The same things of all tasks, apart.
#[derive(Clone)]
pub struct Splits<T> {
    /// Of those that teach.
    pub held_in: Vec<HeldIn<T>>,
    /// Of those that judge.
    pub held_out: Vec<HeldOut<T>>,
    /// Of those that are read once.
    pub sealed: Vec<Sealed<T>>,
}

impl<T> Splits<T> {
    /// Puts everything where its task is; what is in no split is dropped. Order is kept.
    pub fn apart(all: impl IntoIterator<Item = T>, split: impl Fn(&T) -> Option<Split>) -> Self {
        let mut splits = Self { held_in: Vec::new(), held_out: Vec::new(), sealed: Vec::new() };
        for each in all {
            match split(&each) {
                Some(Split::HeldIn) => splits.held_in.push(HeldIn(each)),
                Some(Split::HeldOut) => splits.held_out.push(HeldOut(each)),
                Some(Split::Sealed) => splits.sealed.push(Sealed(each)),
                None => {}
            }
        }
        splits
    }
}

impl<T> HeldIn<T> {
    /// The thing itself: whoever may see it may read it.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The same of something that is made of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> HeldIn<U> {
        HeldIn(make(self.0))
    }
}

impl<T> HeldOut<T> {
    /// A verdict or a number for the gate, which is all that may leave.
    pub fn judge<U: Copy>(&self, judge: impl FnOnce(&T) -> U) -> U {
        judge(&self.0)
    }
}

impl<T> Sealed<T> {
    /// The thing itself, for the one reading at the end.
    pub fn unseal(self) -> T {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_in_its_split() {
        let split = |number: &u32| match number % 4 {
            0 => Some(Split::HeldIn),
            1 => Some(Split::HeldOut),
            2 => Some(Split::Sealed),
            _ => None,
        };
        let splits = Splits::apart(0..10, split);
        assert_eq!(splits.held_in.iter().map(HeldIn::get).copied().collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(
            splits.held_out.iter().map(|each| each.judge(|number| *number)).collect::<Vec<_>>(),
            [1, 5, 9]
        );
        assert_eq!(splits.sealed.into_iter().map(Sealed::unseal).collect::<Vec<_>>(), [2, 6]);
    }
}
