//! Effects: everything that touches the machine. It knows the harness and the engine, never the editor or a protocol.

pub mod memory;
pub mod random;
pub mod walk;
pub mod disk;
pub mod watch;
pub mod render;
pub mod write;
pub mod spawn;
pub mod sandbox;
pub mod redact;
pub mod state;
pub mod clock;
pub mod record;
pub mod store;
pub mod model;
pub mod machine;
pub mod scripted;
pub mod example;
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
pub mod consent;
#[cfg(target_os = "linux")]
pub mod trial;
#[cfg(target_os = "linux")]
pub mod worker;
