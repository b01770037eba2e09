//! Who works for a project, and who kills them.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{Dice, Load};
use crate::lab::{self, Lab, kill};

/// The processes that call themselves workers of a project: each with whether it has started something, which only the holder of the
/// lease does.
pub(super) fn workers(lab: &Lab) -> Vec<(u32, bool)> {
    let root = lab.root();
    let is_worker = |pid: &u32| {
        let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        let parts: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        parts.get(1) == Some(&b"worker".as_slice()) && parts.contains(&root.as_os_str().as_encoded_bytes())
    };
    let found: Vec<u32> = lab::processes().filter(is_worker).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let parents: BTreeSet<u32> = lab::processes().filter_map(parent).collect();
    found.into_iter().map(|pid| (pid, parents.contains(&pid))).collect()
}

/// The parent of a process that runs.
pub(super) fn parent(pid: u32) -> Option<u32> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut rest = line.rsplit_once(')')?.1.split_whitespace();
    (rest.next()? != "Z").then_some(())?;
    rest.next()?.parse().ok()
}

/// What a process has started that still runs: the beginnings of its command lines.
pub(super) fn children(of: u32) -> Vec<String> {
    let line = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = |line: Vec<u8>| String::from_utf8_lossy(&line).replace('\0', " ").chars().take(120).collect();
    lab::processes().filter(|pid| parent(*pid) == Some(of)).map(|pid| words(line(pid))).collect()
}

/// Samples who works; how often somebody did.
pub(super) fn watch(load: &Load<'_>) -> usize {
    let at_work = || -> Vec<u32> {
        workers(load.lab).into_iter().filter(|(_, works)| *works).map(|(pid, _)| pid).collect()
    };
    let mut seen = 0;
    while !load.is_settled.load(Ordering::SeqCst) {
        let first = at_work();
        seen += usize::from(!first.is_empty());
        if 1 < first.len() {
            // One may have died and been followed while the table was read; two who work still do.
            let again: Vec<u32> = at_work().into_iter().filter(|pid| first.contains(pid)).collect();
            if 1 < again.len() {
                let each = again.iter().map(|pid| format!("{pid} with {:?}", children(*pid)));
                let each: Vec<String> = each.collect();
                load.wrong.lock().unwrap().push(format!("they work at once: {}", each.join("; ")));
            }
        }
        thread::sleep(Duration::from_millis(25));
    }
    seen
}

/// Kills workers, mostly while trials run, and sometimes before.
pub(super) fn kill_workers(load: &Load<'_>) {
    let mut dice = Dice(load.seed.wrapping_mul(31));
    let runs_trials = || {
        load.lab.has_run() && {
            let store = load.lab.store();
            store.open_runs().unwrap().iter().any(|run| !store.running(run.number).unwrap().is_empty())
        }
    };
    while load.goes_on() {
        if dice.roll(4) != 0 {
            while load.goes_on() && !runs_trials() {
                thread::sleep(Duration::from_millis(20));
            }
            dice.rest(0, 2500);
        } else {
            dice.rest(400, 2500);
        }
        for (pid, _) in workers(load.lab) {
            kill(pid);
            load.kills.fetch_add(1, Ordering::SeqCst);
        }
        // Some trials have to come to their end too.
        dice.rest(500, 8000);
    }
}
