//! Effects: everything that touches the machine. It knows the harness and the engine, never the editor or a protocol.

pub mod memory;
pub mod walk;
pub mod disk;
pub mod watch;
pub mod render;
pub mod write;
pub mod sandbox;
pub mod redact;
pub mod log;
pub mod state;
pub mod clock;
pub mod record;
pub mod store;
pub mod evidence;
pub mod following;
pub mod telling;
pub mod model;
pub mod machine;
pub mod scripted;
pub mod example;
pub mod editors;
pub mod meter;
mod connections;
pub mod relay;
pub mod egress;
pub mod agents;
#[cfg(target_os = "linux")]
pub mod suite;
#[cfg(target_os = "linux")]
pub mod subject;
#[cfg(target_os = "linux")]
pub mod measured;
#[cfg(target_os = "linux")]
pub mod consent;
#[cfg(target_os = "linux")]
pub mod starting;
#[cfg(target_os = "linux")]
pub mod trial;
#[cfg(target_os = "linux")]
pub mod importing;
#[cfg(target_os = "linux")]
pub mod jobs;
#[cfg(target_os = "linux")]
pub mod mining;
#[cfg(target_os = "linux")]
pub mod board;
#[cfg(target_os = "linux")]
pub mod proposer;
#[cfg(target_os = "linux")]
pub mod worker;

pub use self_harness_inner::{random, spawn};
