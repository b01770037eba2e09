//! The language server protocol at the edge: the only module that names a protocol type.
//!
//! Protocol columns become byte offsets in `from_proto`, once, and byte offsets become columns in `to_proto`, once.

pub mod framing;
pub mod outbox;
pub mod transport;
pub mod from_proto;
pub mod session;
pub mod to_proto;
pub mod shared;
pub mod diagnostics;
pub mod disk;
pub mod server;
pub mod probe;

use std::io;
use std::sync::Arc;

use tower_lsp::LspService;

/// Serves the protocol on standard input and output until the client ends it. The answer is the exit code. With `probe`
/// tests can look inside.
///
/// # Errors
/// If the runtime cannot be started.
pub fn run_stdio(probe: bool) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let code = runtime.block_on(async {
        let outbox = Arc::new(outbox::Outbox::default());
        let for_server = Arc::clone(&outbox);
        let builder = LspService::build(|client| server::Server::new(client, for_server));
        let builder = if probe { probe::register(builder) } else { builder };
        let (service, socket) = builder.finish();
        transport::serve(service, socket, outbox, io::stdin(), io::stdout()).await
    });
    // What still computes is of no use to anybody.
    runtime.shutdown_background();
    Ok(code)
}
