//! What the worker and the inner stage agree on without a word. Values only.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The version of everything that decides what a sandbox allows. Results under different versions are not compared.
pub const POLICY: u32 = 4;

/// Where programs in a sandbox reach the model: on their own loopback, never on that of the host.
pub const MODEL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3129);

/// Where programs in a sandbox reach the proxy, on their own loopback too.
pub const EGRESS_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3128);
