//! The language server protocol at the edge: the only module that names a protocol type.
//!
//! What starts, follows and shows runs is there where runs are: on Linux. Elsewhere documents are checked all the same.
//!
//! Protocol columns become byte offsets in `from_proto`, once, and byte offsets become columns in `to_proto`, once.

pub mod framing;
pub mod inbox;
pub mod outbox;
pub mod parent;
pub mod dispatch;
pub mod transport;
pub mod from_proto;
pub mod session;
pub mod settings;
pub mod to_proto;
pub mod loads;
pub mod shared;
pub mod asking;
pub mod at;
pub mod reports;
pub mod handlers;
pub mod refresh;
pub mod health;
pub mod diagnostics;
pub mod disk;
#[cfg(target_os = "linux")]
pub mod testing;
#[cfg(target_os = "linux")]
pub mod news;
#[cfg(target_os = "linux")]
pub mod boards;
#[cfg(target_os = "linux")]
pub mod showing;
#[cfg(target_os = "linux")]
pub mod commands;
pub mod server;
#[cfg(target_os = "linux")]
pub mod ext;
pub mod probe;

use std::fs::File;
use std::io;
use std::sync::Arc;

use tower_lsp::{ClientSocket, LanguageServer, LspService};

use outbox::Outbox;

/// Serves the protocol on standard input and output until the client ends it. The answer is the exit code. With `probe`
/// tests can look inside.
///
/// # Errors
/// If the runtime cannot be started.
pub fn run_stdio(probe: bool) -> io::Result<u8> {
    run(|outbox| {
        let builder = LspService::build(|client| server::Server::new(client, outbox));
        #[cfg(target_os = "linux")]
        let builder = ext::register(builder);
        let builder = if probe { probe::register(builder) } else { builder };
        builder.finish()
    })
}

/// Serves any service on standard input and output, as [`run_stdio`] serves ours.
///
/// # Errors
/// If the runtime cannot be started.
pub fn run<S: LanguageServer>(
    make: impl FnOnce(Arc<Outbox>) -> (LspService<S>, ClientSocket),
) -> io::Result<u8> {
    let output = standard_output()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let code = runtime.block_on(async {
        let outbox = Arc::new(Outbox::default());
        let (service, socket) = make(Arc::clone(&outbox));
        let give_up = |code: u8| std::process::exit(i32::from(code));
        transport::serve(service, socket, outbox, io::stdin(), output, give_up).await
    });
    // What still computes is of no use to anybody.
    runtime.shutdown_background();
    Ok(code)
}

/// Standard output without the buffer that looks for line breaks: a message is one system call.
#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Standard output without the buffer that looks for line breaks: a message is one system call.
#[cfg(windows)]
fn standard_output() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}
