//! Takes messages one by one, in the order of the wire, and gives them to the service. Reads and writes no stream.
//!
//! * A handler is polled once before the next message is looked at, so a notification that changes the workspace before
//!   its first `.await` does so in order, and a request that takes its snapshot first sees exactly what was sent before it.
//! * What is not done by then goes on in a task of its own; a panic becomes an answer.
//! * A request that does not come to its first `.await` within [`PATIENCE`], although none should work there, is left to
//!   itself: another thread takes the next message. A notification is never left: whatever follows sees its effect.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_lsp::jsonrpc::{Error, Id, Request, Response};
use tower_lsp::{ExitedError, LanguageServer, LspService};

use super::framing::{self, Frame};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::parent;

/// How long a message waits for the first poll of the request before it.
pub const PATIENCE: Duration = Duration::from_millis(5);

/// What reading, dispatching and answering share.
pub struct Connection<S> {
    inbox: Inbox,
    outbox: Arc<Outbox>,
    runtime: Handle,
    /// Handlers that go on.
    tasks: TaskTracker,
    is_shut_down: AtomicBool,
    /// Ends the process, with an exit code.
    give_up: fn(u8),
    /// Requests whose handler panicked; the service takes them for running.
    stuck: Mutex<Vec<Id>>,
    resting: Mutex<Option<Rest<S>>>,
    is_watched: AtomicBool,
}

/// The dispatch while its holder polls a request.
struct Rest<S> {
    dispatch: Box<Dispatch<S>>,
    number: u64,
    since: Instant,
}

/// What the one who dispatches has, and at no time anybody else.
pub struct Dispatch<S> {
    connection: Arc<Connection<S>>,
    service: LspService<S>,
    respond: Box<dyn FnMut(Response) + Send>,
    rests: u64,
    ended: oneshot::Sender<()>,
}

/// The answer to a request whose handler panicked. The panic's own message went to the log by the panic hook.
#[must_use]
pub fn bug() -> Error {
    let mut error = Error::internal_error();
    error.message = "the server has a bug here: the request failed, everything else goes on".into();
    error
}

impl<S: LanguageServer> Connection<S> {
    /// A connection on which nothing was said. `give_up` ends the process.
    #[must_use]
    pub fn new(outbox: Arc<Outbox>, runtime: Handle, give_up: fn(u8)) -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::default(),
            outbox,
            runtime,
            tasks: TaskTracker::new(),
            is_shut_down: AtomicBool::new(false),
            give_up,
            stuck: Mutex::default(),
            resting: Mutex::new(None),
            is_watched: AtomicBool::new(false),
        })
    }

    /// Handlers that go on.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The exit code: 0 once `shutdown` was answered, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_shut_down.load(Ordering::SeqCst))
    }

    /// Ends the process, whatever is going on.
    pub fn give_up(&self) {
        (self.give_up)(self.exit_code());
    }

    /// A frame of so many bytes was read.
    pub fn arrived(self: &Arc<Self>, frame: Frame, bytes: usize) {
        self.inbox.push(frame, bytes);
        if self.resting().is_some() {
            self.watch();
        }
    }

    /// The last frame was read.
    pub fn ended(&self) {
        self.inbox.close();
    }

    fn refuse(&self, id: &Value, code: i64, message: &str) {
        let error = json!({"code": code, "message": message});
        self.outbox.push(&json!({"jsonrpc": "2.0", "id": id, "error": error}), None);
    }

    /// What is done with the outcome of a handler.
    fn answer(self: &Arc<Self>, request: &Request) -> impl FnOnce(Outcome) + Send + 'static {
        let connection = Arc::clone(self);
        let id = request.id().cloned();
        let is_shutdown = request.method() == "shutdown";
        // Nobody pays for a name that nobody reads.
        let begun =
            tracing::enabled!(tracing::Level::DEBUG).then(|| (request.method().to_owned(), Instant::now()));
        move |outcome| {
            if let Some((method, at)) = begun {
                tracing::debug!(method, ms = at.elapsed().as_millis(), "answered");
            }
            match (outcome, id) {
                (Ok(Ok(Some(response))), _) => {
                    if is_shutdown && response.is_ok() {
                        connection.is_shut_down.store(true, Ordering::SeqCst);
                    }
                    connection.outbox.push(&response, None);
                }
                (Err(_), Some(id)) => {
                    connection.stuck().push(id.clone());
                    connection.outbox.push(&Response::from_error(id, bug()), None);
                }
                // The service has no answer to a request that starts with `$/`; the protocol wants one (LSP 3.17, "$
                // Notifications and Requests").
                (Ok(Ok(None)), Some(id)) => {
                    connection.outbox.push(&Response::from_error(id, Error::method_not_found()), None);
                }
                (Ok(_) | Err(_), _) => {}
            }
        }
    }

    /// Sees to it that somebody looks whether a poll takes too long, as long as messages wait.
    fn watch(self: &Arc<Self>) {
        if self.is_watched.swap(true, Ordering::SeqCst) {
            return;
        }
        let connection = Arc::clone(self);
        // On a thread of its own, because the runtime's may be what is blocked.
        thread::spawn(move || {
            loop {
                thread::sleep(PATIENCE);
                let mut resting = connection.resting();
                let is_young = resting.as_ref().map(|rest| rest.since.elapsed() < PATIENCE);
                if is_young == Some(true) {
                    continue;
                }
                // Under the lock: whoever rests next finds that nobody watches.
                connection.is_watched.store(false, Ordering::SeqCst);
                let late = resting.take();
                drop(resting);
                if let Some(rest) = late {
                    rest.dispatch.run();
                }
                break;
            }
        });
    }

    /// Ends the process soon after the client's.
    fn follow(self: &Arc<Self>, client: Option<u64>) {
        let Some(gone) = client.and_then(parent::gone) else { return };
        let connection = Arc::clone(self);
        self.runtime.spawn(async move {
            gone.await;
            connection.give_up();
        });
    }

    fn resting(&self) -> MutexGuard<'_, Option<Rest<S>>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stuck(&self) -> MutexGuard<'_, Vec<Id>> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Outcome = thread::Result<Result<Option<Response>, ExitedError>>;
type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl<S: LanguageServer> Dispatch<S> {
    /// Everything that is needed to dispatch. `respond` takes the client's answers to questions of ours; `ended` is told
    /// when the last message was dispatched.
    pub fn new(
        connection: Arc<Connection<S>>,
        service: LspService<S>,
        respond: impl FnMut(Response) + Send + 'static,
        ended: oneshot::Sender<()>,
    ) -> Box<Self> {
        Box::new(Self { connection, service, respond: Box::new(respond), rests: 0, ended })
    }

    /// Dispatches until the last message, or until another thread does.
    pub fn run(mut self: Box<Self>) {
        let connection = Arc::clone(&self.connection);
        let _entered = connection.runtime.enter();
        while let Some(frame) = connection.inbox.pop() {
            match self.take(frame) {
                Some(still_mine) => self = still_mine,
                None => return,
            }
        }
        // Nobody listens any more if the time was up.
        let _ = self.ended.send(());
    }

    /// Takes a frame; `None` if another thread goes on from here.
    fn take(mut self: Box<Self>, frame: Frame) -> Option<Box<Self>> {
        let message = match frame {
            Frame::Message(message) => message,
            Frame::Bad(refusal) => {
                self.connection.refuse(&refusal.id, refusal.code, refusal.message);
                return Some(self);
            }
        };
        if message.get("method").is_none() {
            if let Ok(response) = serde_json::from_value::<Response>(message) {
                (self.respond)(response);
            }
            return Some(self);
        }
        let id = message.get("id").filter(|id| framing::is_id(id)).cloned().unwrap_or_default();
        match serde_json::from_value::<Request>(message) {
            Ok(request) => self.call(request),
            Err(_) => {
                self.connection.refuse(&id, -32600, "the message is no request of JSON-RPC 2.0");
                Some(self)
            }
        }
    }

    /// Starts the handler of a request or notification.
    fn call(mut self: Box<Self>, request: Request) -> Option<Box<Self>> {
        let connection = Arc::clone(&self.connection);
        let is_request = request.id().is_some();
        if is_request {
            connection.outbox.room();
        }
        self.free_stuck();
        // Ready unless the service has exited, which only `exit` does, and that never comes here.
        let is_ready = self.service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready();
        debug_assert!(is_ready);
        let client = (request.method() == "initialize").then(|| client_process(&request));
        let answer = connection.answer(&request);
        let mut work: Work = match catch_unwind(AssertUnwindSafe(|| self.service.call(request))) {
            Ok(work) => Box::pin(AssertUnwindSafe(work).catch_unwind()),
            Err(panic) => {
                answer(Err(panic));
                return Some(self);
            }
        };
        if let Some(client) = client {
            // Nothing else may happen before `initialize` is answered.
            answer(connection.runtime.block_on(work));
            connection.follow(client);
            return Some(self);
        }
        let begin = move || {
            // Whoever polls next leaves a waker of its own.
            match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => answer(outcome),
                Poll::Pending => {
                    let runtime = connection.runtime.clone();
                    connection.tasks.spawn_on(async move { answer(work.await) }, &runtime);
                }
            }
        };
        if is_request {
            self.lend(begin)
        } else {
            begin();
            Some(self)
        }
    }

    /// Does what should take no time, and lets another thread go on with the next message if it does.
    fn lend(mut self: Box<Self>, work: impl FnOnce()) -> Option<Box<Self>> {
        self.rests += 1;
        let (connection, number) = (Arc::clone(&self.connection), self.rests);
        *connection.resting() = Some(Rest { dispatch: self, number, since: Instant::now() });
        // Whoever reads looks at the two in the other order, so one of us sees that somebody must watch.
        if !connection.inbox.is_empty() {
            connection.watch();
        }
        work();
        connection.resting().take_if(|rest| rest.number == number).map(|rest| rest.dispatch)
    }

    /// A request that panicked was never taken off the service's list; cancelling does that, so its id is free again.
    fn free_stuck(&mut self) {
        let stuck = std::mem::take(&mut *self.connection.stuck());
        for id in stuck {
            let cancel = Request::build("$/cancelRequest").params(json!({"id": id})).finish();
            let _ = self.service.call(cancel).now_or_never();
        }
    }
}

/// The client's process, by the parameters of `initialize`.
fn client_process(initialize: &Request) -> Option<u64> {
    initialize.params()?.get("processId")?.as_u64()
}
