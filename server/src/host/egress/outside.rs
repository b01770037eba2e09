//! The way out: how a name becomes addresses, and how an address is reached. It decides nothing; each address is checked between
//! the two.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

/// What looks names up and connects. Tests have another one; the rules are the same for each.
pub trait Outside: Send + Sync {
    /// The addresses of a full name. Asked once for each connection.
    ///
    /// # Errors
    /// The system's, if nobody knows the name.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// A connection to an address that was checked.
    ///
    /// # Errors
    /// The system's, if nobody answers there.
    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Internet;

impl Outside for Internet {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        // The dot says that the name is whole: it is tried below no domain of this machine.
        let host = format!("{host}.");
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    fn dial(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(to))
    }
}
