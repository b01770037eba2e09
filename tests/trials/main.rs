//! Whole runs with the real binary: the worker, the store, real sandboxes and the scripted model, and everything that goes
//! wrong on the way. Without a sandbox every test fails; none is skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod lab;
mod runs;
mod faults;
mod secrets;
mod sinks;
mod hidden;
mod demo;
mod unsandboxed;
mod network;
mod consent;
mod imported;
mod evidence;
