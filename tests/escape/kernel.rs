//! System calls: what is refused, what does not exist, and what an ordinary program needs.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::lab::{Lab, attack, attack_without_protection, prints};

#[test]
fn esc_15_33_51_53_to_61_75_76_refused_calls_are_refused() {
    let lab = Lab::new("calls");
    let names = "ptrace process_vm_readv pidfd_getfd kcmp keyctl add_key request_key io_uring_setup bpf userfaultfd \
        perf_event_open mount remount umount open_tree chroot unshare setns clone_user mknod setuid_chmod setuid_open \
        setgid_tmpfile setgid_directory tiocsti tiocsti_high swapon reboot settime personality name_to_handle_at open_by_handle_at \
        fanotify_init syslog";
    let names: Vec<&str> = names.split_whitespace().collect();
    let mut sandbox = lab.start();
    let said = attack(&mut *sandbox, &format!("calls {}", names.join(" ")));
    let wanted: Vec<String> = names.iter().map(|name| format!("{name}=EPERM")).collect();
    assert_eq!(said, wanted.join(" "));
    // Seen from the host, nothing has a special bit, and what was refused is not there.
    let dead = sandbox.kill().unwrap();
    for entry in fs::read_dir(dead.tree().path()).unwrap().flatten() {
        assert_eq!(entry.metadata().unwrap().mode() & 0o7000, 0, "{entry:?}");
        assert_eq!(entry.file_name(), "attacked");
    }
}

#[test]
fn esc_43_65_77_78_calls_that_cannot_be_judged_do_not_exist() {
    let lab = Lab::new("absent");
    let names = "clone3 openat2 memfd_create";
    let said = attack(&mut *lab.start(), &format!("calls {names} personality_query"));
    assert_eq!(said, "clone3=ENOSYS openat2=ENOSYS memfd_create=ENOSYS personality_query=done");
    // The attacker is not broken: without protection the kernel knows all of them.
    let outside =
        attack_without_protection(&lab, &format!("calls {names} setuid_chmod setuid_open kcmp keyctl"));
    assert!(!outside.contains("ENOSYS"), "{outside}");
    assert!(outside.contains("memfd_create=done setuid_chmod=done setuid_open=done"), "{outside}");
    #[cfg(target_arch = "x86_64")]
    assert_eq!(attack(&mut *lab.start(), "calls x32"), "x32=ENOSYS");
}

#[test]
fn esc_44_no_priority_can_be_gained() {
    let lab = Lab::new("priority");
    let mut sandbox = lab.start();
    assert_eq!(attack(&mut *sandbox, "calls realtime"), "realtime=EPERM");
    assert!(["nice=EACCES", "nice=EPERM"].contains(&attack(&mut *sandbox, "calls nice").as_str()));
    let script =
        "cat /proc/self/oom_score_adj; (echo 0 > /proc/self/oom_score_adj) 2>/dev/null || echo refused; nice";
    assert_eq!(prints(&mut *sandbox, script), "1000\nrefused\n5\n");
}

#[test]
fn esc_58_62_80_there_are_no_rights_and_the_first_process_is_out_of_reach() {
    let lab = Lab::new("rights");
    let mut sandbox = lab.start();
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'; id -u; \
        (echo 1 > /proc/sys/kernel/core_pattern) 2>/dev/null && echo wrote; \
        (echo b > /proc/sysrq-trigger) 2>/dev/null && echo wrote; kill -9 1 2>/dev/null; kill -TERM 1 2>/dev/null; true";
    let empty = "0000000000000000";
    let wanted = format!(
        "CapInh:{empty}\nCapPrm:{empty}\nCapEff:{empty}\nCapBnd:{empty}\nCapAmb:{empty}\nNoNewPrivs:1\nSeccomp:2\n1000\n"
    );
    assert_eq!(prints(&mut *sandbox, script), wanted);
    assert_eq!(prints(&mut *sandbox, "echo alive"), "alive\n");
}

#[test]
fn esc_51_52_there_is_no_terminal_but_ones_own() {
    let lab = Lab::new("terminal");
    let script = r#"python3 - <<'END'
import errno, fcntl, os, pty, termios
def attempt(name, f):
    try:
        f(); print(name, "done")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
attempt("tty", lambda: os.open("/dev/tty", os.O_RDWR))
print(os.listdir("/dev/pts"))
# Not even into a terminal of its own is anything pushed.
controller, terminal = pty.openpty()
attempt("push", lambda: fcntl.ioctl(terminal, termios.TIOCSTI, b"x"))
attempt("line", lambda: fcntl.ioctl(terminal, termios.TIOCSETD, b"\0\0\0\0"))
attempt("size", lambda: fcntl.ioctl(terminal, termios.TIOCGWINSZ, b"01234567"))
END"#;
    let wanted = "tty ENXIO\n['ptmx']\npush EPERM\nline EPERM\nsize done\n";
    assert_eq!(prints(&mut *lab.start(), script), wanted);
}

#[test]
fn esc_63_no_control_group_can_be_entered() {
    let lab = Lab::new("groups");
    let script = "cat /proc/self/cgroup; ls /sys 2>/dev/null; \
        for f in /sys/fs/cgroup /sys/fs/cgroup/* /proc/self/cgroup /proc/1/cgroup; do \
          (echo $$ >> $f) 2>/dev/null && echo wrote $f; (echo $$ >> $f/cgroup.procs) 2>/dev/null && echo wrote $f; done; \
        find / -xdev -name 'cgroup.*' -o -name tasks -path '/sys*' 2>/dev/null; true";
    let printed = prints(&mut *lab.start(), script);
    // The path is that of a namespace of its own: it says nothing about the host.
    assert!(printed.lines().all(|line| line.ends_with(":/")), "{printed}");
}

#[test]
fn esc_64_there_are_no_devices_but_harmless_ones() {
    let lab = Lab::new("devices");
    let mut sandbox = lab.start();
    let harmless =
        "core\nfd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(prints(&mut *sandbox, "ls -1 /dev | grep -vx console"), harmless);
    let script = "for d in mem kmem port kvm fuse net/tun sda vda nvme0n1 loop0 loop-control dri/card0 input/event0 snd/seq rfkill \
          vhost-net uinput kmsg mapper/control; do [ -e /dev/$d ] && echo $d; done; \
        find / -xdev \\( -type b -o -type c \\) 2>/dev/null; \
        find /dev /tmp /workspace /home -type b 2>/dev/null; true";
    assert_eq!(prints(&mut *sandbox, script), "");
}

#[test]
fn ordinary_programs_work() {
    let lab = Lab::new("ordinary");
    let mut sandbox = lab.start();
    let script = r#"
set -e
cat > a.py <<'END'
import asyncio, multiprocessing, sqlite3, subprocess, tempfile, os, pty
from multiprocessing import shared_memory
def square(n): return n * n
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool: assert pool.map(square, [2, 3]) == [4, 9]
    memory = shared_memory.SharedMemory(create=True, size=100); memory.close(); memory.unlink()
    db = sqlite3.connect("/workspace/db"); db.execute("create table t (a)"); db.commit()
    async def main(): 
        p = await asyncio.create_subprocess_exec("true"); assert await p.wait() == 0
    asyncio.run(main())
    a, b = pty.openpty(); os.write(a, b"x\n")
    print("python")
END
python3 a.py
mkdir d; echo x > d/x; tar cf d.tar d; rm -r d; tar xf d.tar; cat d/x
flock lock echo locked
(sleep 0.1; echo background) & wait
echo piped | tr a-z A-Z
"#;
    assert_eq!(prints(&mut *sandbox, script), "python\nx\nlocked\nbackground\nPIPED\n");
}
