//! A thousand cancelled trials leave nothing: no process, no mount, no socket, no directory, no descriptor, no thread. They are
//! cancelled at random moments, in processes of their own, so that what is counted before and after is nobody else's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use self_harness::host::sandbox::bubblewrap::Bubblewrap;
use self_harness::host::sandbox::{Backend, Exec, Phase, Spec, procfs};

use crate::lab::{Lab, age_notes, backend, processes_with};

/// How many trials run at the same time.
const AT_ONCE: usize = 6;

/// A generator of moments: xorshift, so that a failure can be repeated.
struct Moments(u64);

impl Moments {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn wait(&mut self) {
        std::thread::sleep(Duration::from_micros(self.below(20_000)));
    }
}

/// What a trial does until somebody cancels it: it writes, leaves daemons behind, listens, and ignores what it can.
fn exec() -> Exec {
    Exec::shell(
        "trap '' TERM INT HUP; echo ran > ran; (setsid sh -c 'trap \"\" TERM; while :; do echo x >> daemon; sleep 0.01; done' &) ; \
         mkdir -p a/b; chmod 000 a/b; mkfifo pipe; while :; do echo busy; sleep 0.005; done",
    )
    .within(Duration::from_secs(60))
}

/// One trial, cancelled in one of four ways; whether its command ran.
fn cancel_one(backend: &Bubblewrap, moments: &mut Moments) -> bool {
    let tree = backend.trials.fresh().unwrap();
    let path = tree.path();
    let mut sandbox = backend.start(Spec::new(Phase::Agent, tree)).unwrap();
    match moments.below(4) {
        // Right after its start: nobody waits for anything.
        0 => {
            drop(sandbox);
            false
        }
        // Between its start and its first command.
        1 => {
            moments.wait();
            sandbox.kill().unwrap().into_tree().remove().unwrap();
            false
        }
        way => {
            let stopper = sandbox.stopper().unwrap();
            let moment = Duration::from_micros(moments.below(40_000));
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(moment);
                    // A command that was not there yet is told again.
                    for _ in 0..600 {
                        stopper.stop();
                        std::thread::sleep(Duration::from_millis(20));
                        if !Path::new(&path).exists() {
                            return;
                        }
                    }
                });
                sandbox.exec(&exec()).unwrap();
                if way == 2 {
                    drop(sandbox);
                    return true;
                }
                let dead = sandbox.kill().unwrap();
                let ran = dead.tree().path().join("ran").exists();
                dead.into_tree().remove().unwrap();
                ran
            })
        }
    }
}

/// What this process has and what it started.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    processes: Vec<i32>,
    descriptors: Vec<String>,
    threads: usize,
    mounts: Vec<String>,
    named_sockets: Vec<String>,
}

impl Belongings {
    fn of(directory: &Path) -> Self {
        let own = i32::try_from(std::process::id()).unwrap();
        // Zombies count: somebody has to wait for them.
        let children = procfs::processes().into_iter().filter(|process| process.parent == own);
        let lines = |path: &str| {
            let text = fs::read_to_string(path).unwrap();
            let here = directory.to_str().unwrap().to_owned();
            text.lines().filter(move |line| line.contains(&here)).map(str::to_owned).collect::<Vec<_>>()
        };
        Self {
            processes: children.map(|process| process.pid).collect(),
            descriptors: descriptors().into_iter().collect(),
            threads: fs::read_dir("/proc/self/task").unwrap().count(),
            mounts: lines("/proc/self/mountinfo"),
            named_sockets: lines("/proc/net/unix"),
        }
    }
}

/// What this process has once nothing of it is on its way out: a thread that was waited for is seen a little longer.
fn settled(backend: &Bubblewrap, directory: &Path) -> Belongings {
    backend.next.let_go();
    let mut seen = Belongings::of(directory);
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(200));
        // What is loaded after the last start is nobody's then.
        backend.next.let_go();
        let again = Belongings::of(directory);
        if again == seen {
            break;
        }
        seen = again;
    }
    seen
}

/// Numbers and targets of the descriptors of this process, the listing's own not included.
fn descriptors() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten().map(|entry| entry.path());
    let named = entries.filter_map(|path| {
        let target = fs::read_link(&path).ok()?;
        let target = target.to_str()?.to_owned();
        (!target.ends_with("/fd")).then(|| format!("{} {target}", path.file_name().unwrap().display()))
    });
    named.collect()
}

/// Numbers of the sockets among them.
fn sockets() -> Vec<String> {
    let of = |line: &String| Some(line.split_once("socket:[")?.1.trim_end_matches(']').to_owned());
    descriptors().iter().filter_map(of).collect()
}

/// Cancels as many trials as a variable says, some at a time, and compares what there was before with what is left.
#[test]
#[ignore = "runs as a process of the tests below"]
fn canceller() {
    let Some(directory) = std::env::var_os("WORKER_DIRECTORY") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let (trials, seed) = (number("WORKER_TRIALS"), number("WORKER_SEED"));
    let backend = backend(Path::new(&directory));
    // The first one starts what lives as long as the process.
    cancel_one(&backend, &mut Moments(1));
    let before = settled(&backend, Path::new(&directory));
    let (asked, ran, seen) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for thread in 0..AT_ONCE {
            let (backend, asked, ran, seen) = (&backend, &asked, &ran, &seen);
            scope.spawn(move || {
                let mut moments =
                    Moments(((seed * AT_ONCE + thread) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                while asked.fetch_add(1, Ordering::Relaxed) < trials {
                    ran.fetch_add(usize::from(cancel_one(backend, &mut moments)), Ordering::Relaxed);
                    seen.lock().unwrap().extend(sockets());
                }
            });
        }
    });
    let after = settled(&backend, Path::new(&directory));
    assert_eq!(after, before);
    assert_eq!(after.processes, Vec::<i32>::new());
    assert_eq!(fs::read_dir(backend.trials.directory()).unwrap().count(), 0);
    // The other ends of their control sockets were inside, and are gone as well.
    let seen = seen.into_inner().unwrap();
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let living: BTreeSet<&str> = table.lines().filter_map(|line| line.split_whitespace().nth(6)).collect();
    let kept: Vec<&String> = seen
        .iter()
        .filter(|socket| living.contains(socket.as_str()) && !sockets().contains(socket))
        .collect();
    assert_eq!(kept, Vec::<&String>::new());
    println!(
        "\nMEASURED {trials} cancelled trials, {} of them in a command, {} sockets seen",
        ran.into_inner(),
        seen.len()
    );
}

/// Lets a process cancel 200 trials; it compares.
fn two_hundred(name: &str, seed: u64) {
    let lab = Lab::new(name);
    let began = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["cancelled::canceller", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("WORKER_DIRECTORY", lab.path(""))
        .env("WORKER_TRIALS", "200")
        .env("WORKER_SEED", seed.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let measured = said.lines().find(|line| line.starts_with("MEASURED")).unwrap();
    println!("{measured} in {:?}", began.elapsed());
    let running: usize = measured.split(", ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // The moments were not all too early.
    assert!(50 < running, "{measured}");
    assert_eq!(processes_with(lab.path("").to_str().unwrap()), 0);
}

#[test]
fn cancelled_trials_leave_nothing_first_part() {
    two_hundred("cancelled-1", 1);
}

#[test]
fn cancelled_trials_leave_nothing_second_part() {
    two_hundred("cancelled-2", 2);
}

#[test]
fn cancelled_trials_leave_nothing_third_part() {
    two_hundred("cancelled-3", 3);
}

#[test]
fn cancelled_trials_leave_nothing_fourth_part() {
    two_hundred("cancelled-4", 4);
}

/// Starts trials without end, some at a time, until somebody kills the process.
#[test]
#[ignore = "runs as a process of the test below"]
fn starter() {
    let Some(directory) = std::env::var_os("WORKER_DIRECTORY") else { return };
    let backend = backend(Path::new(&directory));
    println!("\nSTARTS");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let backend = &backend;
            scope.spawn(move || {
                let tree = backend.trials.fresh().unwrap();
                let mut sandbox = backend.start(Spec::new(Phase::Agent, tree)).unwrap();
                let _ = sandbox.exec(&exec());
            });
        }
    });
}

#[test]
fn trials_that_end_with_their_worker_are_swept() {
    use std::io::{BufRead, BufReader};
    let lab = Lab::new("swept");
    let mut moments = Moments(0x5eed);
    let mut trees = BTreeSet::new();
    let began = Instant::now();
    // 25 workers with 8 trials each, killed while these start or run.
    for round in 0..25 {
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["cancelled::starter", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("WORKER_DIRECTORY", lab.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("STARTS")));
        // The first rounds in the middle of a start, the others also later.
        std::thread::sleep(Duration::from_millis(moments.below(if round < 12 { 20 } else { 200 })));
        worker.kill().unwrap();
        worker.wait().unwrap();
        trees.extend(names(&lab).iter().map(|name| name.split('.').next().unwrap().to_owned()));
        if round % 5 == 4 {
            lab.backend.sweep().unwrap();
        }
    }
    println!("MEASURED {} trials of killed workers in {:?}", trees.len(), began.elapsed());
    assert!(100 < trees.len(), "{}", trees.len());
    // What was being started when its worker died has its name by now, and its note.
    std::thread::sleep(Duration::from_secs(1));
    age_notes(&lab.path("trials"));
    lab.backend.sweep().unwrap();
    assert_eq!(names(&lab), Vec::<String>::new());
    for tree in &trees {
        assert_eq!(processes_with(tree), 0, "{tree}");
    }
    let here = lab.path("trials");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(here.to_str().unwrap()));
}

fn names(lab: &Lab) -> Vec<String> {
    // A worker that is killed at once has not made the directory yet.
    let entries = fs::read_dir(lab.path("trials")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_str().unwrap().to_owned()).collect()
}
