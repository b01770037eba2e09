//! The container backend on a real engine: podman as root, with an image that is made from this machine. Where no container
//! can be run at all, each test says so and is skipped; `tests/run container` does not skip.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what is skipped is said, and times are shown")]

mod lab;
mod walls;
mod ends;
#[path = "../trials/lab.rs"]
#[expect(dead_code, reason = "whole runs need the project that `tests/trials` makes, and less of it")]
mod project;
mod runs;
