//! The loop as values, in the order of the loop. Reads no file, asks no clock, starts no process.
#![forbid(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod places;
pub mod unseen;
pub mod split;
pub mod contract;
pub mod consent;
pub mod dockerfile;
pub mod verdict;
pub mod reward;
pub mod budget;
pub mod breaker;
pub mod plan;
pub mod score;
pub mod trace;
pub mod transcript;
pub mod atif;
pub mod placeholder;
pub mod harbor;
pub mod imported;
pub mod action;
pub mod detector;
pub mod runtime;
pub mod gating;
pub mod gate;
pub mod cause;
pub mod signature;
pub mod cluster;
pub mod weakness;
pub mod proposal;
pub mod cycle;
pub mod forecast;
pub mod report;
pub mod board;
