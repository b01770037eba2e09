//! The attacker: this very program, started inside of a sandbox. Each attempt is a word in a variable; what came of it is a
//! line of output. The system calls are raw, because no library stands between an attacker and the kernel.

#![expect(unsafe_code, reason = "an attacker asks the kernel directly")]

use std::io::Write;
use std::time::Duration;

/// Does what the variable says; nothing without it.
#[test]
#[ignore = "runs inside of the sandboxes of the other tests"]
fn attacker() {
    let Ok(attempt) = std::env::var("ATTEMPT") else { return };
    let (what, argument) = attempt.split_once(' ').unwrap_or((&attempt, ""));
    let said = match what {
        "calls" => {
            argument.split(' ').map(|name| format!("{name}={}", call(name))).collect::<Vec<_>>().join(" ")
        }
        "forks" => forks().to_string(),
        "threads" => threads().to_string(),
        "private" => hog(argument, libc::MAP_PRIVATE),
        "shared" => hog(argument, libc::MAP_SHARED),
        "undumpable" => {
            // SAFETY: the call takes numbers.
            unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
            hog(argument, libc::MAP_PRIVATE)
        }
        "segments" => segments(argument),
        "segment" => errno(unsafe_call(libc::SYS_shmget, [argument.parse().unwrap_or(0), 4096, 0, 0])),
        "hogs" => hogs(argument),
        "process" => process(argument),
        "sockets" => sockets(argument),
        other => panic!("unknown attempt `{other}`"),
    };
    // The harness may have begun the line.
    println!("\nATTACKER {said}");
    let _ = std::io::stdout().flush();
}

fn unsafe_call(number: i64, [a, b, c, d]: [i64; 4]) -> i64 {
    // SAFETY: pointers among the arguments are zero or lead to static text; the kernel refuses what is wrong.
    unsafe { libc::syscall(number, a, b, c, d, 0_i64, 0_i64) }
}

fn errno(result: i64) -> String {
    if 0 <= result {
        return String::from("done");
    }
    errno_of(&std::io::Error::last_os_error())
}

fn errno_of(error: &std::io::Error) -> String {
    let number = error.raw_os_error().unwrap_or(0);
    let names = [
        (libc::EPERM, "EPERM"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::EACCES, "EACCES"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EFBIG, "EFBIG"),
        (libc::ENXIO, "ENXIO"),
        (libc::EXDEV, "EXDEV"),
    ];
    names
        .iter()
        .find(|(known, _)| *known == number)
        .map_or(format!("errno{number}"), |(_, name)| (*name).to_owned())
}

/// One system call, with arguments under which it would work or at least be looked at.
fn call(name: &str) -> String {
    let text = |text: &'static std::ffi::CStr| text.as_ptr() as i64;
    let here = i64::from(libc::AT_FDCWD);
    let (number, arguments) = match name {
        "ptrace" => (libc::SYS_ptrace, [0, 0, 0, 0]),
        "process_vm_readv" => (libc::SYS_process_vm_readv, [1, 0, 0, 0]),
        "pidfd_getfd" => (libc::SYS_pidfd_getfd, [0, 0, 0, 0]),
        "kcmp" => (libc::SYS_kcmp, [i64::from(std::process::id()), i64::from(std::process::id()), 0, 0]),
        "keyctl" => (libc::SYS_keyctl, [0, -3, 0, 0]),
        "add_key" => (libc::SYS_add_key, [text(c"user"), text(c"a"), text(c"b"), 1]),
        "request_key" => (libc::SYS_request_key, [text(c"user"), text(c"a"), 0, 0]),
        "io_uring_setup" => (libc::SYS_io_uring_setup, [1, 0, 0, 0]),
        "bpf" => (libc::SYS_bpf, [0, 0, 0, 0]),
        "userfaultfd" => (libc::SYS_userfaultfd, [1, 0, 0, 0]),
        "perf_event_open" => (libc::SYS_perf_event_open, [0, 0, -1, -1]),
        "mount" => (libc::SYS_mount, [text(c"none"), text(c"/tmp"), text(c"tmpfs"), 0]),
        "remount" => {
            let flags = libc::MS_REMOUNT | libc::MS_BIND;
            (libc::SYS_mount, [text(c"none"), text(c"/usr"), 0, i64::try_from(flags).unwrap_or(0)])
        }
        "umount" => (libc::SYS_umount2, [text(c"/proc"), 0, 0, 0]),
        "open_tree" => (libc::SYS_open_tree, [here, text(c"/"), 1, 0]),
        "chroot" => (libc::SYS_chroot, [text(c"/tmp"), 0, 0, 0]),
        "unshare" => (libc::SYS_unshare, [i64::from(libc::CLONE_NEWUSER), 0, 0, 0]),
        "setns" => (libc::SYS_setns, [0, 0, 0, 0]),
        "clone_user" => {
            (libc::SYS_clone, [i64::from(libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::SIGCHLD), 0, 0, 0])
        }
        "clone3" => (libc::SYS_clone3, [0, 0, 0, 0]),
        "openat2" => (libc::SYS_openat2, [here, text(c"/"), 0, 0]),
        "memfd_create" => (libc::SYS_memfd_create, [text(c"a"), 0, 0, 0]),
        "mknod" => (libc::SYS_mknodat, [here, text(c"/tmp/device"), i64::from(libc::S_IFBLK | 0o600), 0x700]),
        "setuid_chmod" => {
            let _ = std::fs::write("attacked", "");
            (libc::SYS_fchmodat, [here, text(c"attacked"), 0o4755, 0])
        }
        "setuid_open" => {
            let flags = i64::from(libc::O_CREAT | libc::O_WRONLY);
            (libc::SYS_openat, [here, text(c"attacked-too"), flags, 0o4755])
        }
        "setgid_directory" => (libc::SYS_mkdirat, [here, text(c"attacked-directory"), 0o2755, 0]),
        "setgid_tmpfile" => {
            let flags = i64::from(libc::O_TMPFILE | libc::O_WRONLY);
            (libc::SYS_openat, [here, text(c"."), flags, 0o2755])
        }
        "tiocsti" => (libc::SYS_ioctl, [0, 0x5412, text(c"x"), 0]),
        "tiocsti_high" => (libc::SYS_ioctl, [0, 0x1_0000_5412, text(c"x"), 0]),
        "x32" => (0x4000_0000 + 39, [0, 0, 0, 0]),
        "vsock" => (libc::SYS_socket, [40, 1, 0, 0]),
        "packet" => (libc::SYS_socket, [17, 3, 0, 0]),
        "raw" => (libc::SYS_socket, [2, 3, 1, 0]),
        "alg" => (libc::SYS_socket, [38, 5, 0, 0]),
        "audit" => (libc::SYS_socket, [16, 3, 9, 0]),
        "bluetooth" => (libc::SYS_socket, [31, 3, 0, 0]),
        "can" => (libc::SYS_socket, [29, 3, 0, 0]),
        "xdp" => (libc::SYS_socket, [44, 3, 0, 0]),
        "route" => (libc::SYS_socket, [16, 3, 0, 0]),
        "inet" => (libc::SYS_socket, [2, 1, 0, 0]),
        "realtime" => {
            let priority: i32 = 1;
            (libc::SYS_sched_setscheduler, [0, 1, std::ptr::from_ref(&priority) as i64, 0])
        }
        "nice" => (libc::SYS_setpriority, [0, 0, -5, 0]),
        "swapon" => (libc::SYS_swapon, [text(c"/tmp/x"), 0, 0, 0]),
        "reboot" => (libc::SYS_reboot, [0, 0, 0, 0]),
        "settime" => (libc::SYS_clock_settime, [0, 0, 0, 0]),
        "personality" => (libc::SYS_personality, [0x004_0000, 0, 0, 0]),
        "personality_query" => (libc::SYS_personality, [0xFFFF_FFFF, 0, 0, 0]),
        "name_to_handle_at" => (libc::SYS_name_to_handle_at, [here, text(c"/"), 0, 0]),
        "open_by_handle_at" => (libc::SYS_open_by_handle_at, [here, 0, 0, 0]),
        "fanotify_init" => (libc::SYS_fanotify_init, [0, 0, 0, 0]),
        "syslog" => (libc::SYS_syslog, [3, 0, 0, 0]),
        other => panic!("unknown call `{other}`"),
    };
    errno(unsafe_call(number, arguments))
}

/// What can be done to a process: it is signalled, pinned, robbed of a descriptor, read in two ways, and traced.
fn process(pid: &str) -> String {
    let number: i64 = pid.parse().unwrap();
    let signal = errno(unsafe_call(libc::SYS_kill, [number, 0, 0, 0]));
    let pinned = unsafe_call(libc::SYS_pidfd_open, [number, 0, 0, 0]);
    let open = errno(pinned);
    let getfd = errno(unsafe_call(libc::SYS_pidfd_getfd, [pinned.max(0), 0, 0, 0]));
    let mem = std::fs::File::options().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let mem = mem.map_or_else(|error| errno_of(&error), |_| String::from("done"));
    let read = errno(unsafe_call(libc::SYS_process_vm_readv, [number, 0, 0, 0]));
    // Does not stop it, and ends with the tracer.
    let seize = errno(unsafe_call(libc::SYS_ptrace, [i64::from(libc::PTRACE_SEIZE), number, 0, 0]));
    format!("signal={signal} open={open} getfd={getfd} mem={mem} read={read} seize={seize}")
}

/// Fills the buffers of so many pairs of sockets and keeps them; how many MiB that were.
fn sockets(pairs: &str) -> String {
    use std::os::unix::net::UnixStream;
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for _ in 0..pairs.parse::<usize>().unwrap() {
        let Ok((mut one, other)) = UnixStream::pair() else { break };
        one.set_nonblocking(true).unwrap();
        while let Ok(written) = one.write(&[1; 16 * 1024]) {
            bytes += written;
        }
        kept.push((one, other));
    }
    std::thread::sleep(Duration::from_secs(2));
    format!("{} MiB in {} pairs", bytes >> 20, kept.len())
}

/// Forks until the kernel refuses.
fn forks() -> usize {
    let mut children = Vec::new();
    for _ in 0..2_500 {
        // SAFETY: the child only waits and ends.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: as above.
                unsafe {
                    libc::sleep(20);
                    libc::_exit(0)
                }
            }
            -1 => break,
            child => children.push(child),
        }
    }
    for child in &children {
        // SAFETY: the call takes numbers.
        unsafe { libc::kill(*child, libc::SIGKILL) };
    }
    children.len()
}

fn threads() -> usize {
    let spawn = || {
        let thread = std::thread::Builder::new().stack_size(32 * 1024);
        thread.spawn(|| std::thread::sleep(Duration::from_secs(20))).is_ok()
    };
    (0..2_500).take_while(|_| spawn()).count()
}

/// Touches so many MiB and keeps them.
fn hog(mebibytes: &str, sharing: i32) -> String {
    take(mebibytes.parse().unwrap(), sharing);
    std::thread::sleep(Duration::from_secs(10));
    String::from("done")
}

fn take(mebibytes: usize, sharing: i32) {
    for _ in 0..mebibytes / 16 {
        let bytes = 16 << 20;
        // SAFETY: fresh memory that nobody else knows of is written page by page within its bounds.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let place =
                libc::mmap(std::ptr::null_mut(), bytes, protection, sharing | libc::MAP_ANONYMOUS, -1, 0);
            if place == libc::MAP_FAILED {
                return;
            }
            for page in (0..bytes).step_by(4096) {
                place.cast::<u8>().add(page).write(1);
            }
        }
        // The supervisor looks ten times a second.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Fills System V segments and lets go of them.
fn segments(mebibytes: &str) -> String {
    for _ in 0..mebibytes.parse::<usize>().unwrap() / 16 {
        let bytes = 16 << 20;
        // SAFETY: as above.
        unsafe {
            let segment = libc::shmget(libc::IPC_PRIVATE, bytes, 0o600);
            let place = libc::shmat(segment, std::ptr::null(), 0);
            if segment < 0 || place as isize == -1 {
                return errno(-1);
            }
            for page in (0..bytes).step_by(4096) {
                place.cast::<u8>().add(page).write(1);
            }
            libc::shmdt(place);
        }
    }
    std::thread::sleep(Duration::from_secs(10));
    String::from("done")
}

/// Many processes with a little each.
fn hogs(mebibytes: &str) -> String {
    for _ in 0..64 {
        // SAFETY: the child takes memory, waits, and ends.
        if unsafe { libc::fork() } == 0 {
            take(mebibytes.parse().unwrap(), libc::MAP_PRIVATE);
            std::thread::sleep(Duration::from_secs(10));
            // SAFETY: the call does not return.
            unsafe { libc::_exit(0) }
        }
    }
    std::thread::sleep(Duration::from_secs(10));
    String::from("done")
}
