//! The escape suite: numbered attempts to leave a sandbox, to use it up, or to outlive it, on the real backend. Where it
//! can, the host decides what happened. Without a sandbox every test fails; none is skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "an attacker says what it could do, and times are shown")]

mod lab;
mod attacker;
mod files;
mod first;
mod processes;
mod network;
mod egress;
mod kernel;
mod resources;
mod kill;
mod cancelled;
mod spare;
mod trees;
mod backends;
