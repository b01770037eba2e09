//! ESC-11, 12, 27 to 31 and 81: processes of the host, their variables, their output and the socket that controls a sandbox
//! are out of reach.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use self_harness::host::sandbox::{Backend, Phase, Spec};

use crate::lab::{CANARY, Lab, attack, attack_without_protection, backend, is_root, prints};

/// A worker of its own: it has a key among its variables, its output is read by the test, and it runs one script inside.
#[test]
#[ignore = "runs as a process of the tests below"]
fn worker() {
    let Some(directory) = std::env::var_os("WORKER_DIRECTORY") else { return };
    let backend = backend(Path::new(&directory));
    let own = std::fs::read("/proc/self/environ").unwrap();
    // What is looked for inside is there outside.
    assert!(own.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    let tree = backend.trials.fresh().unwrap();
    let mut sandbox = backend.start(Spec::new(Phase::Agent, tree)).unwrap();
    let printed = prints(&mut *sandbox, &std::env::var("WORKER_SCRIPT").unwrap());
    println!("\nINSIDE {}", printed.trim().replace('\n', "\nINSIDE "));
}

/// What the script printed inside, and all that the worker did.
fn in_a_worker(lab: &Lab, script: &str) -> (String, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["processes::worker", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("WORKER_DIRECTORY", lab.path(""))
        .env("WORKER_SCRIPT", script)
        .env("MODEL_API_KEY", CANARY)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, aside) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}{aside}");
    let inside: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("INSIDE ")).collect();
    (inside.join("\n"), format!("{said}{aside}"))
}

#[test]
fn esc_11_12_no_variable_of_the_worker_is_inside() {
    let lab = Lab::new("environ");
    // Words are put together inside, so that the script is not what is found.
    let script = format!(
        "w=MODEL_API; env > /tmp/env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline > /tmp/all 2>/dev/null; \
         grep -iE \"(k)ey|(t)oken|(s)ecret|(p)assw\" /tmp/env; grep -aoE \"${{w}}_KEY|{}[0-9]\" /tmp/env /tmp/all; \
         ls /proc/[0-9]*/environ | wc -l",
        &CANARY[..CANARY.len() - 1]
    );
    let (inside, _) = in_a_worker(&lab, &script);
    // A shell, its pipeline and the first process were looked at, and nothing was found.
    assert!(2 <= inside.parse::<u32>().unwrap_or_else(|_| panic!("{inside}")), "{inside}");
}

#[test]
fn esc_31_nothing_is_written_to_the_output_of_the_worker() {
    let lab = Lab::new("stdout");
    // The word is put together inside, so that nobody else has it.
    let script = "w=esc; w=${w}aped; \
        for f in /proc/[0-9]*/fd/* /dev/tty /dev/console /dev/pts/* /dev/fd/[3-9] /dev/fd/1[0-9]; do \
          case $f in /proc/$$/*|/proc/self/*) continue;; esac; (echo $w >> $f) 2>/dev/null; done; \
        for n in 3 4 5 6 7 8 9; do (eval \"echo $w >&$n\") 2>/dev/null && echo wrote $n; done; \
        logger $w 2>/dev/null; wall $w 2>/dev/null; echo done";
    let (inside, all) = in_a_worker(&lab, script);
    assert!(inside.ends_with("done") && !inside.contains("wrote"), "{inside}");
    assert!(!all.contains("escaped"), "{all}");
}

/// A process of the host that belongs to the user as whom a sandbox runs, so that only the sandbox keeps it.
struct Victim(Child);

impl Victim {
    fn start(lab: &Lab) -> Self {
        let mut command = Command::new("/bin/cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).current_dir("/");
        if let Some(user) = lab.backend.run_as {
            command.gid(user.gid).uid(user.uid);
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn esc_27_28_29_30_a_process_of_the_host_is_out_of_reach() {
    let lab = Lab::new("victim");
    let mut victim = Victim::start(&lab);
    let attempt = format!("process {}", victim.0.id());
    let mut sandbox = lab.start();
    let inside = attack(&mut *sandbox, &attempt);
    assert_eq!(inside, "signal=ESRCH open=ESRCH getfd=EPERM mem=ENOENT read=EPERM seize=EPERM");
    // Its number is no secret, and neither is there a way to have met everybody.
    let script = "for n in 9 15 19; do kill -$n -1 2>/dev/null & done; sleep 0.2; echo done";
    let _ = crate::lab::shell(&mut *sandbox, script);
    // It still answers.
    use std::io::Write;
    let mut stdin = victim.0.stdin.take().unwrap();
    writeln!(stdin, "{CANARY}").unwrap();
    let mut line = String::new();
    BufReader::new(victim.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), CANARY);
    let outside = attack_without_protection(&lab, &attempt);
    assert!(outside.starts_with("signal=done open=done"), "{outside}");
    if is_root() {
        assert_eq!(outside, "signal=done open=done getfd=done mem=done read=done seize=done");
    }
    drop(stdin);
    let mut rest = String::new();
    victim.0.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn esc_80_81_the_first_process_and_its_socket_cannot_be_reached_or_forged() {
    let lab = Lab::new("control");
    let mut sandbox = lab.start();
    let inside = attack(&mut *sandbox, "process 1");
    // It can be seen and pinned; signals that it does not want are not delivered to the first process of a namespace.
    assert!(inside.ends_with("getfd=EPERM mem=EACCES read=EPERM seize=EPERM"), "{inside}");
    let script = r#"python3 - <<'END'
import os, socket
report = b'{"Finished":{"code":0}}'
for number in range(3, 64):
    for attempt in (lambda: os.write(number, report), lambda: socket.socket(fileno=number).send(report)):
        try:
            attempt(); print("wrote", number)
        except OSError:
            pass
for number in range(64):
    try:
        os.close(os.open(f"/proc/1/fd/{number}", os.O_RDWR)); print("opened", number)
    except OSError:
        pass
for signal in range(1, 65):
    try:
        os.kill(1, signal)
    except OSError:
        pass
# Sockets that somebody could connect to: none has a name.
print([line.split()[7] for line in open("/proc/net/unix").readlines()[1:] if 7 < len(line.split())])
END"#;
    assert_eq!(prints(&mut *sandbox, script), "[]\n");
    assert_eq!(prints(&mut *sandbox, "echo alive"), "alive\n");
}
