//! Watches the client's process, so that no server outlives a client that died without a word (LSP 3.17, `processId`).
//! Starts no process and sends no signal.

use std::fs;
use std::future::Future;
use std::time::Duration;

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(2);

/// Ends when the process is gone; `None` if nothing can be learned about it, because there is no `/proc` or the process
/// lives in another namespace. Then the end of the input is the only sign.
pub fn gone(id: u64) -> Option<impl Future<Output = ()> + Send + 'static> {
    let started = started(id)?;
    Some(async move {
        // The number may belong to another process by now; then the time of its start is another.
        while self::started(id).as_ref() == Some(&started) {
            tokio::time::sleep(INTERVAL).await;
        }
    })
}

/// When a process was started, in the kernel's units (proc_pid_stat(5), field 22); `None` if it does not live.
fn started(id: u64) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    // A zombie waits for its parent only.
    let lives = fields.next().is_some_and(|state| !["Z", "X", "x"].contains(&state));
    lives.then(|| fields.nth(18).map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_living_process_has_a_start() {
        let own = started(u64::from(std::process::id())).unwrap();
        assert!(own.parse::<u64>().is_ok_and(|ticks| 0 < ticks), "{own}");
        assert!(gone(u64::from(u32::MAX)).is_none());
    }
}
