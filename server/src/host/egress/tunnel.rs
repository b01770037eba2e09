//! Carries bytes between the two ends of a connection. Each end may close its half and go on reading; a connection on which
//! nothing moves, or that takes more than the sandbox may carry, is cut.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::log::Counts;

/// How long nothing may move.
pub(super) const IDLE: Duration = Duration::from_secs(300);
/// What a sandbox may carry in all, in both directions together.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// How much is carried at a time.
const PIECE_BYTES: usize = 32 * 1024;

/// What bounds a tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) idle: Duration,
    pub(super) bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { idle: IDLE, bytes: MAX_BYTES }
    }
}

/// One connection and what it shares with the others of its sandbox.
pub(super) struct Tunnel<'a> {
    pub(super) bounds: Bounds,
    pub(super) counts: &'a Counts,
    /// What the whole sandbox has carried.
    pub(super) spent: &'a AtomicU64,
    /// When something moved last, in milliseconds since `began`.
    moved: AtomicU64,
    began: Instant,
}

impl<'a> Tunnel<'a> {
    pub(super) fn new(bounds: Bounds, counts: &'a Counts, spent: &'a AtomicU64) -> Self {
        Self { bounds, counts, spent, moved: AtomicU64::new(0), began: Instant::now() }
    }

    /// Carries until both ends have said all, one of them fails, or a bound is reached. `early` was sent from inside already.
    pub(super) async fn carry(&self, mut inside: TcpStream, early: &[u8], mut outside: TcpStream) {
        let (from_inside, to_inside) = inside.split();
        let (from_outside, to_outside) = outside.split();
        let both = async {
            tokio::try_join!(
                self.pump(early, from_inside, to_outside, &self.counts.sent),
                self.pump(&[], from_outside, to_inside, &self.counts.received)
            )
        };
        let cut = tokio::select! {
            // Whoever broke off needs no words.
            ended = both => ended.err().filter(|error| error.kind() == io::ErrorKind::QuotaExceeded)
                .map(|_| "it was cut: the sandbox has carried as many bytes as it may"),
            () = self.idle() => Some("it was cut: nothing moved for too long"),
        };
        *self.counts.cut.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    async fn pump(
        &self,
        early: &[u8],
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        count: &AtomicU64,
    ) -> io::Result<()> {
        self.write(early, &mut to, count).await?;
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                // The other direction goes on.
                return to.shutdown().await;
            }
            self.write(buffer.get(..read).unwrap_or_default(), &mut to, count).await?;
        }
    }

    async fn write(&self, piece: &[u8], to: &mut WriteHalf<'_>, count: &AtomicU64) -> io::Result<()> {
        let length = piece.len() as u64;
        if self.bounds.bytes < self.spent.fetch_add(length, Ordering::Relaxed).saturating_add(length) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.moves();
        to.write_all(piece).await?;
        count.fetch_add(length, Ordering::Relaxed);
        self.moves();
        Ok(())
    }

    fn moves(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// Returns when nothing has moved for too long.
    async fn idle(&self) {
        loop {
            let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
            let until = self.began + moved + self.bounds.idle;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}
