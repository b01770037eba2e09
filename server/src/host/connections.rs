//! Takes connections from a socket that listens in a sandbox's own network, and has each of them served: what the relay and the
//! proxy of a sandbox share.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

/// Connections at once; more wait in the kernel.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// After a connection that could not be taken; the machine may have no descriptors just now.
const REST: Duration = Duration::from_millis(20);

/// The socket, as a runtime waits for it.
///
/// # Errors
/// The system's.
pub(super) fn adopt(runtime: &Handle, listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    let _entered = runtime.enter();
    tokio::net::TcpListener::from_std(listener)
}

/// Has each connection served until `ended`, and ends those that go on then.
pub(super) async fn serve<F: Future<Output = ()> + Send + 'static>(
    listener: tokio::net::TcpListener,
    mut ended: oneshot::Receiver<()>,
    each: impl Fn(TcpStream) -> F,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            _ = &mut ended => break,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                // What is asked and answered is small.
                let _ = stream.set_nodelay(true);
                let served = each(stream);
                connections.spawn(async move {
                    let _slot = slot;
                    served.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection from a sandbox cannot be taken");
                tokio::time::sleep(REST).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    connections.shutdown().await;
}
