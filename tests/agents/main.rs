//! The native agent in a real sandbox, with a scripted model, on a task of the demo. Without a sandbox every test fails; none is
//! skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod lab;
mod native;
mod records;
