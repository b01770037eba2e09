//! Whole trials that are cancelled at random moments: while the tree is made, while the sandbox starts, in a command, in a model
//! call, while the verifier judges. Nothing of them is left, whoever wins.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness_schema::harness::Harness;
use self_harness::engine::atif;
use self_harness::engine::verdict::Verdict;
use self_harness::host::agents::Cancel;
use self_harness::host::disk;
use self_harness::host::meter::Meter;
use self_harness::host::model::{Client, Endpoint, Settings};
use self_harness::host::redact::Redactor;
use self_harness::host::sandbox::procfs;
use self_harness::host::scripted::{Persona, Server};
use self_harness::host::trial::{Trial, perform};

use crate::lab::Lab;

const TRIALS: usize = 120;
const AT_ONCE: usize = 4;

/// Leaves a daemon behind, and works for a moment.
const PERSONA: &str = r#"
name = "busy"

[[rule]]
when = { step = 0 }
reply = { text = "I begin.", calls = [{ tool = "shell", arguments = { command = "(setsid sh -c 'trap \"\" TERM; while :; do echo x >> daemon; sleep 0.02; done' > /dev/null 2>&1 &); sleep 0.1" } }] }

[[rule]]
when = { step = 1 }
reply = { delay = "20ms", text = "I write.", calls = [{ tool = "shell", arguments = { command = "echo 1 > answer.txt" } }] }

[[rule]]
reply = { text = "done" }
"#;

const HARNESS: &str = "schema = 1\nname = \"lab\"\n\n[model]\nendpoint = \"http://127.0.0.1:9/v1\"\nname = \"busy\"\n\n\
    [agent]\nkind = \"native\"\n\n[prompt]\nsystem = { text = \"You work.\" }\n\n[[tool]]\nname = \"shell\"\n\
    builtin = \"shell\"\ndescription = \"Runs a command.\"\n";

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Processes of this one that live or wait to be reaped.
fn children() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap();
    procfs::processes()
        .into_iter()
        .filter(|process| process.parent == own)
        .map(|process| process.pid)
        .collect()
}

#[test]
fn cancelled_trials_leave_nothing() {
    let lab = Lab::new("cancelled");
    let task = lab.admitted(&[
        (
            "tests/test.sh",
            "#!/bin/sh\nif [ -e answer.txt ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n",
        ),
        ("solution/solve.sh", "#!/bin/sh\necho 1 > answer.txt\n"),
    ]);
    let root = lab.bench().archives.with_file_name("harness");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("harness.toml"), HARNESS).unwrap();
    let harness = Harness::resolve(&disk::load(&root), None);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(Persona::read("busy.toml", PERSONA).unwrap(), 0)).unwrap();
    let settings = Settings::of(&harness.manifest().model).unwrap();
    let settings = Settings { endpoint: Endpoint::read(&server.endpoint()).unwrap(), ..settings };
    let client = Client::new(settings, None).unwrap();
    let directory = root.join("kept");
    let trial = |cancel: &Cancel| {
        perform(&Trial {
            root: &root,
            harness: &harness,
            task: &task,
            bench: lab.bench(),
            client: &client,
            runtime: runtime.handle(),
            cancel,
            meter: &Meter::default(),
            seed: None,
            about: &atif::About::default(),
            redactor: &Redactor::new([]),
            directory: &directory,
        })
    };
    // A trial that nobody cancels passes; how long it takes says when to cancel the others.
    let began = Instant::now();
    let done = trial(&Cancel::new()).unwrap();
    assert_eq!(done.judged.verdict, Verdict::Pass, "{:#?}", done.judged);
    let whole = began.elapsed();
    let frozen = lab.frozen();
    let before = descriptors();
    let (asked, cancelled) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    if TRIALS <= number {
                        return;
                    }
                    let cancel = Cancel::new();
                    // Spread evenly, a little beyond the end, in an order that is not that of time.
                    let part = f64::from(u32::try_from(number * 37 % TRIALS).unwrap()) / 100.0;
                    let moment = whole.mul_f64(part);
                    let later = cancel.clone();
                    let impatient = runtime.spawn(async move {
                        tokio::time::sleep(moment).await;
                        later.cancel();
                    });
                    if trial(&cancel).is_err() {
                        cancelled.fetch_add(1, Ordering::Relaxed);
                    }
                    impatient.abort();
                }
            });
        }
    });
    let cancelled = cancelled.into_inner();
    println!(
        "MEASURED {cancelled} of {TRIALS} trials cancelled in {:?}, a whole one takes {whole:?}",
        began.elapsed()
    );
    assert!(TRIALS / 4 < cancelled, "{cancelled}");
    assert_eq!(lab.left_over(), [] as [std::path::PathBuf; 0]);
    assert_eq!(lab.frozen(), frozen);
    // The threads beside the sandboxes wait for bubblewrap, and may have loaded one for a next sandbox.
    let patience = Instant::now() + Duration::from_secs(5);
    while !children().is_empty() && Instant::now() < patience {
        lab.backend.next.let_go();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(children(), Vec::<i32>::new());
    let here = lab.bench().trials.directory().to_str().unwrap().to_owned();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&here));
    // Connections to the model are kept for a while.
    let patience = Instant::now() + Duration::from_secs(5);
    while before + 2 * AT_ONCE + 2 < descriptors() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(descriptors() <= before + 2 * AT_ONCE + 2, "{} and before {before}", descriptors());
}
