//! Tasks on the real sandbox: the demo suite is admitted, solutions pass, nothing and wrong solutions fail, and whoever
//! tampers with a verdict never passes. Without a sandbox every test fails; none is skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "times are shown")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod lab;
mod demo;
mod environment;
mod cheats;
mod open;
mod rewards;
mod admission;
mod steps;
mod cancelled;
mod network;
