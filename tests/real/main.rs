//! Agents that people have, really installed: each goes the whole way from failures to an accepted edit of its own file, in real
//! sandboxes, with a scripted model behind the relay.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../trials/lab.rs"]
#[expect(dead_code, reason = "the project that `tests/trials` makes, and less of it")]
mod lab;
mod persona;
mod installed;
mod python;
mod families;
mod atif;
mod harbor;
