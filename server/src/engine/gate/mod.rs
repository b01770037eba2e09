//! Decides whether an edit may be offered. Pure: records of trials go in, a decision comes out, and a decision is a function of
//! the trials that it read.
//!
//! A candidate is accepted if it passes no less than the baseline on the held-in tasks, no less on the held-out ones, and more
//! on both together. It is stopped as soon as no completion of what is left could change that (`method` 5.2).

pub mod statistics;
pub mod ledger;
pub mod stage;
pub mod order;
pub mod comparison;
