//! What time it is: for people, and for what must not be confused by somebody who sets the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970. It jumps when the clock is set, so it is shown and never compared.
#[must_use]
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since the machine was started, sleep included. Nobody can set it, and all processes see the same.
#[must_use]
pub fn boot_ms() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
        seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
    }
    #[cfg(not(target_os = "linux"))]
    wall_ms()
}
