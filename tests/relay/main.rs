//! The relay and command agents, in real sandboxes and against models that follow a script: programs reach the model and
//! nothing else, and the key stays outside. Without a sandbox every test fails; none is skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod lab;
mod upstream;
mod route;
mod door;
mod secrets;
mod agents;
