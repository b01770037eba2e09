//! The agent's clock: it stands still while the client waits for a provider that asked for patience.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much time an agent has.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    timeout: Duration,
    /// Nanoseconds of waiting that do not count.
    waited: AtomicU64,
}

impl Clock {
    pub(super) fn new(started: Instant, timeout: Duration) -> Self {
        Self { started, timeout, waited: AtomicU64::new(0) }
    }

    /// It stands still for so long.
    pub(super) fn stand_still(&self, wait: Duration) {
        self.waited.fetch_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How much time is left.
    pub(super) fn left(&self) -> Duration {
        let waited = Duration::from_nanos(self.waited.load(Ordering::Relaxed));
        let used = self.started.elapsed().saturating_sub(waited);
        self.timeout.saturating_sub(used)
    }

    /// How much of the time is used, from 0 to 1.
    pub(super) fn used(&self) -> f64 {
        let whole = self.timeout.as_secs_f64();
        if whole <= 0.0 { 1.0 } else { 1.0 - self.left().as_secs_f64() / whole }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// Waits until no time is left.
    pub(super) async fn over(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// The time of day, as transcripts write it: `2026-01-02T03:04:05.678Z` (ISO 8601).
pub(super) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`, for days since 1970.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let milliseconds = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_iso_8601() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn waiting_does_not_count() {
        let clock = Clock::new(Instant::now(), Duration::from_secs(10));
        assert!(clock.left() <= Duration::from_secs(10));
        clock.stand_still(Duration::from_secs(5));
        assert_eq!(clock.left(), Duration::from_secs(10));
        assert!(clock.used() < 0.01 && !clock.is_over());
        assert!(Clock::new(Instant::now(), Duration::ZERO).is_over());
    }
}
