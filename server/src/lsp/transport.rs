//! Runs a tower-lsp service on a pair of streams. tower-lsp's own loop is not used, because it reads, answers and writes
//! in one task: what waits there makes everything wait.
//!
//! * A message's handler is polled once before the next message is looked at, in the order of the wire, so a handler that
//!   changes the workspace before its first `.await` does so in order, and one that takes its snapshot first sees exactly
//!   what was sent before it.
//! * What is not done by then goes on in a task of its own; a panic becomes an answer.
//! * After `exit`, or at the end of the input, the process is gone within [`GRACE`].

use std::future::Future;
use std::io::{BufReader, Read, Write};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tower::Service;
use tower_lsp::jsonrpc::{Id, Request, Response};
use tower_lsp::{ClientSocket, LanguageServer, LspService};

use super::framing::{self, Frame};
use super::outbox::{Outbox, replaces};

/// How long work in flight may go on after `exit` or the end of the input.
pub const GRACE: Duration = Duration::from_millis(500);

/// Messages that were read and not yet looked at.
const QUEUE: usize = 256;

/// How often it is asked whether the client's process still lives.
const PARENT_INTERVAL: Duration = Duration::from_secs(2);

/// Serves until `exit` or the end of the input. The answer is the exit code: 0 after `shutdown`, else 1.
pub async fn serve<S: LanguageServer>(
    service: LspService<S>,
    socket: ClientSocket,
    outbox: Arc<Outbox>,
    input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
) -> u8 {
    let (frames, received) = tokio::sync::mpsc::channel(QUEUE);
    thread::spawn(move || {
        let mut input = BufReader::with_capacity(64 * 1024, input);
        while let Ok(Some(frame)) = framing::read(&mut input) {
            let is_exit =
                matches!(&frame, Frame::Message(message) if message.get("method") == Some(&json!("exit")));
            if frames.blocking_send(frame).is_err() || is_exit {
                break;
            }
        }
    });
    let writer = Arc::clone(&outbox);
    thread::spawn(move || {
        // A client that is gone is noticed at the end of the input.
        let _ = writer.write_to(&mut output);
    });
    let is_shut_down = dispatch(service, socket, received, &outbox).await;
    let drained = Arc::clone(&outbox);
    let _ = tokio::task::spawn_blocking(move || drained.drain(GRACE)).await;
    u8::from(!is_shut_down)
}

async fn dispatch<S: LanguageServer>(
    mut service: LspService<S>,
    socket: ClientSocket,
    mut frames: tokio::sync::mpsc::Receiver<Frame>,
    outbox: &Arc<Outbox>,
) -> bool {
    let (mut requests, mut responses) = socket.split();
    let to_client = Arc::clone(outbox);
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let params = request.params().and_then(|params| serde_json::to_value(params).ok());
            let key = replaces(request.method(), params.as_ref());
            to_client.push(&request, key);
        }
    });
    let tasks = tokio_util::task::TaskTracker::new();
    let mut is_shut_down = false;
    while let Some(frame) = frames.recv().await {
        let message = match frame {
            Frame::Message(message) => message,
            Frame::Bad(refusal) => {
                let error = json!({"code": refusal.code, "message": refusal.message});
                outbox.push(&json!({"jsonrpc": "2.0", "id": null, "error": error}), None);
                continue;
            }
        };
        if message.get("method").is_none() {
            if let Ok(response) = serde_json::from_value::<Response>(message) {
                // An answer to a question that nobody asks any more is dropped.
                let _ = responses.send(response).await;
            }
            continue;
        }
        let (request, id) = match read_request(message) {
            Ok(read) => read,
            Err(answer) => {
                outbox.push(&answer, None);
                continue;
            }
        };
        match request.method() {
            "exit" => break,
            "shutdown" => is_shut_down = true,
            "initialize" => watch_parent(&request),
            _ => {}
        }
        // Until `initialize` is answered everything else waits for it.
        if std::future::poll_fn(|context| service.poll_ready(context)).await.is_err() {
            break;
        }
        let work = AssertUnwindSafe(service.call(request)).catch_unwind();
        let mut work = Box::pin(work);
        let first = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match first {
            Poll::Ready(outcome) => answer(outbox, id, outcome),
            Poll::Pending => {
                let outbox = Arc::clone(outbox);
                tasks.spawn(async move { answer(&outbox, id, work.await) });
            }
        }
    }
    tasks.close();
    let _ = tokio::time::timeout(GRACE, tasks.wait()).await;
    is_shut_down
}

fn answer<E>(outbox: &Outbox, id: Option<Id>, outcome: thread::Result<Result<Option<Response>, E>>) {
    match (outcome, id) {
        (Ok(Ok(Some(response))), _) => outbox.push(&response, None),
        (Ok(_), _) => {}
        // The panic's own message went to the log by the panic hook.
        (Err(_), Some(id)) => {
            let mut error = tower_lsp::jsonrpc::Error::internal_error();
            error.message = "the server has a bug here: the request failed, everything else goes on".into();
            outbox.push(&Response::from_error(id, error), None);
        }
        (Err(_), None) => {}
    }
}

/// A request as tower-lsp reads it, or the answer to one that it cannot read.
fn read_request(message: Value) -> Result<(Request, Option<Id>), Value> {
    let id = message.get("id").cloned();
    match serde_json::from_value::<Request>(message) {
        Ok(request) => {
            let id = request.id().cloned();
            Ok((request, id))
        }
        Err(_) => {
            let error = json!({"code": -32600, "message": "the message is no request of JSON-RPC 2.0"});
            let id = id.filter(|id| id.is_string() || id.is_i64() || id.is_u64()).unwrap_or(Value::Null);
            Err(json!({"jsonrpc": "2.0", "id": id, "error": error}))
        }
    }
}

/// Ends the process when the client's process is gone without a word.
fn watch_parent(initialize: &Request) {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    let params = initialize.params().and_then(|params| serde_json::to_value(params).ok());
    let Some(parent) = params.as_ref().and_then(|params| params.get("processId")).and_then(Value::as_u64)
    else {
        return;
    };
    let directory = std::path::PathBuf::from(format!("/proc/{parent}"));
    // Where there is no `/proc`, or another namespace's, the end of the input is the only sign.
    if !directory.is_dir() || WATCHED.swap(true, Ordering::Relaxed) {
        return;
    }
    tokio::spawn(async move {
        while directory.is_dir() {
            tokio::time::sleep(PARENT_INTERVAL).await;
        }
        std::process::exit(1);
    });
}
