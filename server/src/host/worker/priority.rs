//! The priority of a worker below that of the editor beside it. Asks for no right that a user does not have.

/// How nice a worker is, of 19: typing comes first (`editor` 1), and trials wait for a model most of the time anyway. Commands of
/// sandboxes are nicer still.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

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
}

/// Elsewhere it has the priority of whoever started it.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_back() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn a_thread_steps_back_once_and_takes_those_after_it_along() {
        let of_child = std::thread::spawn(|| {
            super::step_back();
            super::step_back();
            std::thread::spawn(|| getpriority_process(None)).join().unwrap()
        });
        assert!(super::NICE <= of_child.join().unwrap().unwrap());
    }
}
