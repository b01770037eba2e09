//! Starts processes: without a variable of ours, and from one thread that lives as long as we do. Decides nothing.
//!
//! The thread matters: the signal that a child gets when its parent dies belongs to the *thread* that started it, so a
//! thread of a pool that ends would take its children with it.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// A program to start: no variable, the root as directory.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir("/");
    command
}

/// Starts a process from the one thread that never ends.
///
/// # Errors
/// The system's, if the process cannot be started; `BrokenPipe` if the thread is gone.
pub fn start(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| Mutex::new(spawner()));
    let (answer, started) = mpsc::channel();
    let job = Job { command, answer };
    let sent = spawner.lock().unwrap_or_else(PoisonError::into_inner).send(job);
    let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the thread that starts processes is gone");
    sent.map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}

struct Job {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

fn spawner() -> Sender<Job> {
    let (jobs, asked) = mpsc::channel::<Job>();
    let run = move || {
        for mut job in asked {
            let started = job.command.spawn();
            // Descriptors for the child are let go before anybody waits for their end.
            drop(job.command);
            // Who asked may have given up.
            let _ = job.answer.send(started);
        }
    };
    // Without the thread the channel is closed, and whoever asks is told so.
    let _ = thread::Builder::new().name(String::from("spawner")).spawn(run);
    jobs
}

/// Lets a child have these descriptors under the numbers that they have here, and no other one: not even those that we
/// were started with and know nothing about.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the only way to keep a descriptor open in one child and in no other")]
pub fn inherit(command: &mut Command, descriptors: Vec<std::os::fd::OwnedFd>) {
    use std::os::unix::process::CommandExt;
    let keep = move || {
        close_all_at_exec()?;
        for descriptor in &descriptors {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes a few system calls; it takes no lock and does not allocate.
    unsafe { command.pre_exec(keep) };
}

/// Has a child told to end, as by Ctrl-C, when this process is gone: nobody would count what it spends.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only the child itself can ask for that")]
pub fn interrupted_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let ask = || {
        // SAFETY: the call takes two numbers. Who was started in the background hears no Ctrl-C, and neither would its children.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        let signal = Some(rustix::process::Signal::INT);
        rustix::process::set_parent_process_death_signal(signal).map_err(io::Error::from)?;
        close_all_at_exec()
    };
    // SAFETY: between fork and exec the closure makes three system calls; it takes no lock and does not allocate.
    unsafe { command.pre_exec(ask) };
}

/// Marks every descriptor but the standard ones to be closed when a program is executed.
///
/// # Errors
/// The system's.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "there is no safe wrapper")]
pub fn close_all_at_exec() -> io::Result<()> {
    // SAFETY: the call takes three numbers and changes only flags of descriptors.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, 3_u32, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Closes a descriptor that this process was started with.
///
/// # Errors
/// The system's, if there is none of that number.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what was handed over by number has no owner here")]
pub(crate) fn close(number: i32) -> io::Result<()> {
    // SAFETY: the call takes a number. It is made before anything here owns a descriptor but the standard ones.
    if unsafe { libc::close(number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_sees_no_variable() {
        let mut env = command("/usr/bin/env");
        env.stdout(std::process::Stdio::piped());
        let output = start(env).unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_child_outlives_the_thread_that_asked() {
        let asked = thread::spawn(|| {
            let mut sleep = command("/bin/sleep");
            sleep.arg("5");
            start(sleep).unwrap()
        });
        let mut child = asked.join().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
