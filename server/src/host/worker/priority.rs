//! The priority of a worker below that of the editor beside it. Asks for no right that a user does not have.

/// How nice a worker is, of 19: typing comes first (`editor` 1), and trials wait for a model most of the time anyway. Commands of
/// sandboxes are nicer still.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// How nice the group of a trial's commands is: nine of them together have the share of one editor. Less would have a trial run into
/// its time limits as soon as somebody builds a program beside it.
#[cfg(target_os = "linux")]
const NICE_GROUP: i32 = 10;

/// How often new groups are looked for. The kernel lets a user change one in a tenth of a second.
#[cfg(target_os = "linux")]
const LOOK: std::time::Duration = std::time::Duration::from_millis(150);

/// Gives everything with the usual priority its turn first. Somebody who has started us with a lower one keeps it. The setting is
/// that of one thread, and inherited: it has to come before all others.
#[cfg(target_os = "linux")]
pub(super) fn step_back() {
    use rustix::process::{getpriority_process, setpriority_process};
    let lowered = getpriority_process(None).and_then(|now| match now < NICE {
        true => setpriority_process(None, NICE),
        false => Ok(()),
    });
    if let Err(error) = lowered {
        tracing::warn!(%error, "the priority of the worker cannot be lowered: editors may be slower while it runs");
    }
    groups::follow();
}

/// Elsewhere it has the priority of whoever started it.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_back() {}

/// Where the kernel makes a scheduling group of each session (`sched_autogroup_enabled`), `nice` counts among the processes of one
/// session only. A command of a sandbox is a session of its own, so eight trials would have eight times the share of an editor with
/// all of its processes, however nice they are. The groups themselves are lowered then, ours excepted: it is that of the editor.
#[cfg(target_os = "linux")]
mod groups {
    use std::fs;
    use std::thread;

    use super::{LOOK, NICE_GROUP};
    use crate::host::sandbox::procfs;

    /// Lowers the groups of all that this process starts, for as long as it lives.
    pub(super) fn follow() {
        let is_on = fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled");
        if is_on.ok().is_none_or(|is_on| is_on.trim() != "1") {
            return;
        }
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let Some((group, _)) = of(own) else { return };
        let run = move || {
            loop {
                lower(own, &group);
                thread::sleep(LOOK);
            }
        };
        // Without it trials run as before.
        let _ = thread::Builder::new().name(String::from("priority")).spawn(run);
    }

    /// Lowers the groups of what came of a process, except one.
    pub(super) fn lower(process: i32, own: &str) {
        for child in procfs::descendants(process) {
            let is_high = of(child.pid).is_some_and(|(group, nice)| group != own && nice < NICE_GROUP);
            // It may have ended, or another group was lowered just now: the next look tries it again.
            if is_high {
                let _ = fs::write(format!("/proc/{}/autogroup", child.pid), NICE_GROUP.to_string());
            }
        }
    }

    /// The group of a process, and how nice that is.
    pub(super) fn of(process: i32) -> Option<(String, i32)> {
        let text = fs::read_to_string(format!("/proc/{process}/autogroup")).ok()?;
        let (group, nice) = text.trim().rsplit_once(" nice ")?;
        Some((group.to_owned(), nice.parse().ok()?))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use rustix::process::getpriority_process;

    use super::{NICE, NICE_GROUP, groups};

    #[test]
    fn a_thread_steps_back_once_and_takes_those_after_it_along() {
        let of_child = std::thread::spawn(|| {
            super::step_back();
            super::step_back();
            std::thread::spawn(|| getpriority_process(None)).join().unwrap()
        });
        assert!(NICE <= of_child.join().unwrap().unwrap());
    }

    #[test]
    fn a_session_of_its_own_steps_back_and_ours_does_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        let Some((group, nice)) = groups::of(own) else { return };
        let mut child = Command::new("setsid").args(["sleep", "60"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let began = Instant::now();
        let is_lowered = || groups::of(pid).is_some_and(|(other, nice)| other != group && nice == NICE_GROUP);
        while !is_lowered() && began.elapsed() < Duration::from_secs(10) {
            groups::lower(own, &group);
            std::thread::sleep(Duration::from_millis(20));
        }
        let (is_lowered, ours) = (is_lowered(), groups::of(own));
        child.kill().unwrap();
        child.wait().unwrap();
        // Without groups each process has that of the machine, which stays as it is.
        let has_groups = std::fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled")
            .is_ok_and(|on| on.trim() == "1");
        assert!(is_lowered || !has_groups);
        assert_eq!(ours, Some((group, nice)));
    }
}
