#![doc = include_str!("../README.md")]
//!
//! The modules stand in reading order; a module uses only those above it.
#![forbid(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod text;
pub mod path;
pub mod glob;
pub mod problem;
pub mod digest;
pub mod syntax;
pub mod files;
pub mod split;
pub mod selector;
pub mod surface;
pub mod edit;
pub mod detector;
pub mod manifest;
pub mod task;
pub mod shape;
pub mod harness;
pub mod check;
