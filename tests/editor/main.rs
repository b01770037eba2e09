//! The loop in the editor: the real binary over its pipes, real sandboxes and a scripted model, and a client that does what a person
//! does. Tests named `ux_…` hold the numbered statements of the design.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "../e2e/client.rs"]
#[expect(dead_code, reason = "the client of `tests/e2e`, and less of it")]
mod client;
#[path = "../trials/lab.rs"]
mod lab;
#[path = "../cycle/persona.rs"]
mod persona;
mod desk;
mod record;
mod quiet;
mod columns;
mod testing;
mod consenting;
mod following;
mod ends;
mod session;
mod bare;
mod plain;
mod whole;
mod load;
