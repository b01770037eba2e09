//! Effects: everything that touches the machine. It knows the harness and the engine, never the editor or a protocol.

pub mod memory;
pub mod walk;
pub mod disk;
pub mod watch;
pub mod render;
pub mod write;
pub mod spawn;
pub mod sandbox;
pub mod redact;
pub mod model;
pub mod scripted;
pub mod relay;
pub mod agents;
