#![doc = include_str!("../README.md")]
//!
//! The modules stand in reading order; a module uses only those above it.

pub mod policy;
pub mod random;
pub mod spawn;
#[cfg(target_os = "linux")]
pub mod beneath;
#[cfg(target_os = "linux")]
pub mod procfs;
#[cfg(target_os = "linux")]
pub mod wire;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
pub mod self_test;
#[cfg(target_os = "linux")]
pub mod frames;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
pub mod stage;
