//! Runs a tower-lsp service on a pair of streams. tower-lsp's own loop is not used, because it reads, answers and writes
//! in one task: what waits there makes everything wait.
//!
//! Here one thread reads and does nothing else, one dispatches, one writes, and handlers go on in tasks. So `exit` and the
//! end of the input are seen whatever the handlers do, and the process is gone within [`GRACE`]. Nothing grows without
//! limit: see [`Inbox`](super::inbox::Inbox) for what comes in and [`Outbox`] for what goes out.

use std::io::{BufReader, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tower_lsp::{ClientSocket, LanguageServer, LspService};

use super::dispatch::{Connection, Dispatch};
use super::framing::{Frame, Frames};
use super::outbox::{Outbox, replaces};

/// How long work in flight may go on after `exit` or the end of the input.
pub const GRACE: Duration = Duration::from_millis(500);

/// Serves until `exit` or the end of the input. The answer is the exit code: 0 after `shutdown`, else 1. If it does not
/// come in time, because a handler hangs, or if the client's process is gone, `give_up` is called with it on another
/// thread; it ends the process.
pub async fn serve<S: LanguageServer>(
    service: LspService<S>,
    socket: ClientSocket,
    outbox: Arc<Outbox>,
    input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
    give_up: fn(u8),
) -> u8 {
    let connection = Connection::new(Arc::clone(&outbox), Handle::current(), give_up);
    let (mut questions, mut answers) = socket.split();
    let for_questions = Arc::clone(&outbox);
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            for_questions.push(&question, replaces(question.method(), question.params()));
        }
    });
    let (ended, has_ended) = oneshot::channel();
    // An answer to a question that nobody asks any more is dropped.
    let respond = move |answer| {
        let _ = answers.send(answer).now_or_never();
    };
    let dispatch = Dispatch::new(Arc::clone(&connection), service, respond, ended);
    thread::spawn(move || dispatch.run());
    let for_writer = Arc::clone(&outbox);
    // A client that is gone is noticed at the end of the input.
    thread::spawn(move || drop(for_writer.write_to(&mut output)));
    let for_reader = Arc::clone(&connection);
    thread::spawn(move || {
        let mut frames = Frames::new(BufReader::with_capacity(64 * 1024, input));
        while let Ok(Some(frame)) = frames.read() {
            if matches!(&frame, Frame::Message(message) if message["method"] == "exit") {
                break;
            }
            for_reader.arrived(frame, frames.last_length());
        }
        for_reader.ended();
        thread::sleep(GRACE);
        for_reader.give_up();
    });
    let _ = has_ended.await;
    let deadline = Instant::now() + GRACE;
    connection.tasks().close();
    let _ = tokio::time::timeout_at(deadline.into(), connection.tasks().wait()).await;
    let _ = tokio::task::spawn_blocking(move || outbox.drain(deadline)).await;
    connection.exit_code()
}
