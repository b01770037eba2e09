//! The whole loop with the real binary, real sandboxes and a scripted model: evaluate, mine, propose, validate. What comes out is
//! caused by the harness, survives a worker that dies, and says nothing of what judges.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../trials/lab.rs"]
#[expect(dead_code, reason = "the project that `tests/trials` makes, and less of it")]
mod lab;
mod persona;
mod improving;
mod hidden;
mod demo;
mod sealed;
mod own;
mod forecast;
mod triggered;
