//! What came from the client and was not looked at yet, in order. Whoever reads waits when it is full, so a client that
//! writes faster than anybody can follow waits with it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::framing::Frame;

/// Frames may have so many bytes together; a longer one comes alone.
const LIMIT: usize = 16 * 1024 * 1024;

/// Each frame counts for so many bytes at least.
const LEAST: usize = 64;

/// Frames that wait.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<(Frame, usize)>,
    bytes: usize,
    closed: bool,
}

impl Inbox {
    /// Adds a frame of so many bytes, when there is room for it.
    pub fn push(&self, frame: Frame, bytes: usize) {
        let bytes = bytes.max(LEAST);
        let is_full = |waiting: &mut Waiting| 0 < waiting.bytes && LIMIT < waiting.bytes + bytes;
        let waiting = self.changed.wait_while(self.lock(), is_full);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += bytes;
        waiting.frames.push_back((frame, bytes));
        drop(waiting);
        self.changed.notify_all();
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The next frame, when there is one; `None` after the last.
    pub fn pop(&self) -> Option<Frame> {
        let is_idle = |waiting: &mut Waiting| waiting.frames.is_empty() && !waiting.closed;
        let waiting = self.changed.wait_while(self.lock(), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let (frame, bytes) = waiting.frames.pop_front()?;
        waiting.bytes -= bytes;
        drop(waiting);
        self.changed.notify_all();
        Some(frame)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().frames.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_reads_waits_while_it_is_full_and_order_is_kept() {
        let (inbox, pushed) = (Arc::new(Inbox::default()), Arc::new(AtomicUsize::new(0)));
        let (for_reader, count) = (Arc::clone(&inbox), Arc::clone(&pushed));
        let reader = thread::spawn(move || {
            // One longer than all that fits, then halves.
            for (number, bytes) in [2 * LIMIT, LIMIT / 2, LIMIT / 2, LIMIT / 2].into_iter().enumerate() {
                for_reader.push(Frame::Message(json!(number)), bytes);
                count.store(number + 1, Ordering::SeqCst);
            }
            for_reader.close();
        });
        thread::sleep(Duration::from_millis(50));
        assert_eq!(pushed.load(Ordering::SeqCst), 1);
        let next = || match inbox.pop() {
            Some(Frame::Message(number)) => number,
            other => panic!("{other:?}"),
        };
        assert_eq!(next(), 0);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(pushed.load(Ordering::SeqCst), 3);
        assert_eq!([next(), next(), next()], [1, 2, 3]);
        assert!(inbox.pop().is_none());
        reader.join().unwrap();
    }
}
