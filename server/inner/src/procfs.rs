//! What `/proc` says about processes: who is whose child, since when, and how much memory they have. Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal};

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// When it was started, in ticks since the boot.
    pub started: u64,
    /// Whether it has ended and only waits for its parent.
    pub is_zombie: bool,
    /// Its resident memory, in pages.
    pub pages: u64,
}

/// One process, if it is there.
#[must_use]
pub fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        is_zombie: ["Z", "X", "x"].contains(fields.first()?),
        pages: fields.get(21)?.parse().unwrap_or(0),
    })
}

/// Every process that can be seen.
#[must_use]
pub fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(process).collect()
}

/// The descendants of a process that live, itself not included.
#[must_use]
pub fn descendants(of: i32) -> Vec<Process> {
    let all = processes();
    let mut found = BTreeSet::from([of]);
    loop {
        let before = found.len();
        found.extend(
            all.iter().filter(|process| found.contains(&process.parent)).map(|p| p.pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            break;
        }
    }
    all.into_iter()
        .filter(|process| process.pid != of && !process.is_zombie && found.contains(&process.pid))
        .collect()
}

/// The processes that came of what was started at `since` or later, seen from the first process: each belongs to the
/// ancestor that is a child of the first process, and counts if that was started late enough.
#[must_use]
pub fn started_since(since: u64) -> Vec<i32> {
    let all: BTreeMap<i32, Process> = processes().into_iter().map(|process| (process.pid, process)).collect();
    let root = |mut process: Process| {
        // A chain is no longer than there are processes.
        for _ in 0..all.len() {
            match all.get(&process.parent) {
                Some(parent) if process.parent != 1 => process = *parent,
                _ => break,
            }
        }
        process
    };
    let living = all.values().filter(|process| process.pid != 1 && !process.is_zombie);
    living.filter(|process| since <= root(**process).started).map(|process| process.pid).collect()
}

/// When the machine was started, as the kernel names it.
#[must_use]
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Kills a process if it is still the one that was started then; whether it was there.
#[must_use]
pub fn kill(pid: i32, started: u64) -> bool {
    let Some(number) = Pid::from_raw(pid) else { return false };
    // The descriptor pins the process; what is read after it is about no other one.
    let Ok(pinned) = rustix::process::pidfd_open(number, PidfdFlags::empty()) else { return false };
    match process(pid) {
        Some(process) if process.started == started => {
            rustix::process::pidfd_send_signal(pinned, Signal::KILL).is_ok()
        }
        _ => false,
    }
}

/// Memory that all processes in sight use together, in bytes, themselves counted once where they share. Reads the exact
/// figures only if the rough ones are above `limit`. To be called by the first process of a sandbox.
#[must_use]
pub fn memory(limit: u64) -> u64 {
    let page = rustix::param::page_size() as u64;
    let others: Vec<Process> = processes().into_iter().filter(|process| process.pid != 1).collect();
    let rough: u64 = others.iter().map(|process| process.pages * page).sum();
    let segments = shared_segments(&fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default());
    if rough + segments <= limit {
        return rough + segments;
    }
    let (mut exact, mut exact_shared) = (0, 0);
    for process in &others {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid));
        match rollup.as_deref().map(rolled_up) {
            Ok(Some((bytes, shared))) => {
                exact += bytes;
                exact_shared += shared;
            }
            // A process that made itself unreadable is counted with all that it has.
            _ => exact += process.pages * page,
        }
    }
    // Segments that are attached are in the figures of processes already, if they were touched.
    exact - exact_shared + exact_shared.max(segments)
}

/// Resident bytes of System V segments, attached or not.
fn shared_segments(table: &str) -> u64 {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| row.split_whitespace().nth(14)?.parse::<u64>().ok()).sum()
}

/// A process' share of its memory, and how much of that is shared memory.
fn rolled_up(rollup: &str) -> Option<(u64, u64)> {
    let line = |name: &str| -> Option<u64> {
        let line = rollup.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some((line("Pss:")?, line("Pss_Shmem:").unwrap_or(0)))
}

/// Free memory of the machine and all of it, in bytes.
#[must_use]
pub fn machine_memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = |name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    };
    Some((line("MemAvailable:")?, line("MemTotal:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_a_process() {
        let own = process(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(0 < own.started && 0 < own.pages && !own.is_zombie, "{own:?}");
        assert!(descendants(own.parent).iter().any(|process| process.pid == own.pid));
        assert!(!boot().is_empty());
    }

    #[test]
    fn esc_91_another_process_under_the_same_number_is_left_alone() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = process(pid).unwrap().started;
        assert!(!kill(pid, started + 1));
        assert!(child.try_wait().unwrap().is_none());
        assert!(kill(pid, started));
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn tables_are_read() {
        let table = "       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n         0          3   600    1048576  1 1 0 0 0 0 0 0 0 0 1048576 0\n";
        assert_eq!(shared_segments(table), 1_048_576);
        assert_eq!(rolled_up("Rss: 9 kB\nPss:  7 kB\nPss_Shmem:   2 kB\n"), Some((7168, 2048)));
        assert_eq!(rolled_up(""), None);
        let (free, all) = machine_memory().unwrap();
        assert!(free <= all);
    }
}
