#![doc = include_str!("../README.md")]
//!
//! The modules stand in reading order; a module uses only those above it.

pub mod failure;
pub mod engine;
pub mod workspace;
pub mod ide;
pub mod host;
pub mod lsp;
pub mod cli;
