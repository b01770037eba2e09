//! What goes wrong: the provider, the worker, the disk, two people at once. In the end the verdicts are those of a run in which
//! nothing went wrong.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::lab::{Lab, WRITER, kill};

/// What a run measures if nothing goes wrong.
fn undisturbed(name: &str, tasks: usize) -> BTreeMap<(String, u32), String> {
    let lab = Lab::new(name, WRITER, tasks);
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    lab.verdicts()
}

/// The writer, with a provider that fails three first attempts out of ten, each time in another way.
fn unreliable() -> String {
    let faults = [
        (
            "status-429",
            "error = { status = 429, message = \"slow down\", headers = { \"retry-after\" = \"0\" } }",
        ),
        ("status-429-bare", "error = { status = 429, message = \"slow down\" }"),
        ("status-500", "error = { status = 500, message = \"sorry\" }"),
        ("timeout", "delay = \"5s\""),
        ("reset", "reset = true"),
        ("cut", "text = \"half of it\", cut = \"connection\""),
        ("malformed", "raw = \"{\\\"choices\\\": [\""),
    ];
    // Of what the rules before have left, each takes as much as the first.
    let share = 0.3 / faults.len() as f64;
    let rules = faults.iter().enumerate().map(|(at, (name, reply))| {
        let heads = share / (1.0 - share * at as f64);
        format!(
            "[[rule]]\nid = \"{name}\"\nwhen = {{ attempt = 0, coin = {{ heads = {heads}, name = \"{name}\" }} }}\nreply = {{ {reply} }}\n\n"
        )
    });
    let rules: String = rules.collect();
    WRITER.replacen("[[rule]]", &format!("{rules}[[rule]]"), 1)
}

#[test]
fn a_provider_that_fails_changes_no_verdict() {
    let lab = Lab::new("provider", &unreliable(), 8);
    lab.ok(&["evaluate", "--repeats", "2", "--yes"]);
    assert_eq!(lab.verdicts(), undisturbed("reliable", 8));
    let status = lab.status();
    assert_eq!((status["trials"]["void"].as_u64(), status["trials"]["missing"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn a_provider_that_is_gone_makes_voids_and_no_fails() {
    let gone = "name = \"gone\"\n[[rule]]\nreply = { error = { status = 503, message = \"gone\", headers = { \"x-should-retry\" = \"false\" } } }\n";
    let lab = Lab::new("gone", gone, 4);
    let mut evaluate = lab
        .command(&["evaluate", "--repeats", "1", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    lab.until("five voids in a row open the breaker", |lab| {
        lab.has_run() && lab.status()["trials"]["void"].as_u64().unwrap_or_default() >= 4
    });
    let status = lab.status();
    assert_eq!(
        (status["trials"]["done"].as_u64(), status["spent"]["trials"].as_u64().unwrap() <= 8),
        (Some(0), true)
    );
    lab.ok(&["status", "--discard"]);
    assert_eq!(evaluate.wait().unwrap().code(), Some(130));
    let store = lab.store();
    let trials = store.trials(1).unwrap();
    assert!(
        trials.iter().all(|trial| trial.verdict == "void" && trial.cause.as_deref() == Some("provider")),
        "{trials:?}"
    );
    assert!(trials[0].detail.contains("503") && trials[0].detail.contains("gone"), "{}", trials[0].detail);
}

#[test]
fn a_key_that_is_refused_pauses_the_run_at_once() {
    let refused =
        "name = \"refused\"\n[[rule]]\nreply = { error = { status = 401, message = \"who are you?\" } }\n";
    let lab = Lab::new("refused", refused, 6);
    let output = lab.run(&["evaluate", "--repeats", "2", "--yes"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{printed}");
    assert!(
        printed.contains("evaluate paused at 0 of 12 trials") && printed.contains("who are you?"),
        "{printed}"
    );
    // As many as ran side by side.
    assert!(lab.status()["spent"]["trials"].as_u64().unwrap() <= 4);
}

#[test]
fn a_worker_that_is_killed_again_and_again_pays_no_trial_twice() {
    let expected = undisturbed("unkilled", 8);
    // Slow enough that a quick machine is killed in the middle too.
    let slow = WRITER.replace("command = \"ls -la\"", "command = \"sleep 0.8; ls -la\"");
    let lab = Lab::new("killed", &slow, 8);
    lab.write_harness(8, "[budget]\nmax_parallel = 2\n");
    let id = lab.ok(&["evaluate", "--repeats", "2", "--yes", "--detach"]);
    assert_eq!(id.trim(), "r-0001");
    let mut kills = 0;
    lab.until("the run ends", |lab| {
        let done = lab.status()["trials"]["done"].as_u64().unwrap_or_default();
        if done == 16 && lab.status()["state"] == "ended" {
            return true;
        }
        match lab.worker() {
            Some(worker) if kills < 6 => {
                std::thread::sleep(Duration::from_millis(1500));
                kill(worker);
                kills += 1;
            }
            Some(_) => {}
            None => {
                // It starts a worker that reads the events again.
                let mut resume = lab.command(&["status", "--resume"]);
                let _ = resume.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                std::thread::sleep(Duration::from_millis(300));
            }
        }
        false
    });
    assert!(3 <= kills, "{kills}");
    assert_eq!(lab.verdicts(), expected);
    // What was paid is what was measured, and what ran when a worker died.
    let paid = lab.status()["spent"]["trials"].as_u64().unwrap();
    assert!((16..=16 + 2 * kills).contains(&paid), "{paid} trials for {kills} kills");
}

#[test]
fn two_people_who_start_at_once_pay_once() {
    let lab = Lab::new("two", WRITER, 6);
    let both = [0, 1].map(|_| {
        lab.command(&["evaluate", "--repeats", "2", "--yes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    for each in both {
        let output = each.wait_with_output().unwrap();
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(output.status.success(), "{}{}\n{}", said[0], said[1], lab.worker_log());
    }
    let store = lab.store();
    let runs = store.latest_run().unwrap().unwrap().number;
    let paid: usize = (1..=runs).map(|run| store.trials(run).unwrap().len()).sum();
    assert_eq!(paid, 12, "{runs} runs");
}

#[test]
fn a_full_disk_loses_nothing() {
    let lab = Lab::new("disk", WRITER, 6);
    let root = lab.root();
    let tmpfs = ["-t", "tmpfs", "-o", "size=3m", "none"];
    let kept = root.with_extension("kept");
    fs::rename(&root, &kept).unwrap();
    fs::create_dir(&root).unwrap();
    if !Command::new("mount").args(tmpfs).arg(&root).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let _mounted = Mounted(root.clone());
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(format!("{}/.", kept.display()))
            .arg(&root)
            .status()
            .unwrap()
            .success()
    );
    lab.ok(&["evaluate", "--repeats", "2", "--yes", "--detach"]);
    lab.until("a trial is measured", |lab| 1 <= lab.status()["trials"]["done"].as_u64().unwrap_or_default());
    // Fills what is left; the last write is the one that fails.
    let filler = root.join("filler");
    let _ = fs::write(&filler, vec![0_u8; 3 << 20]);
    std::thread::sleep(Duration::from_secs(4));
    assert!(lab.worker().is_some(), "{}", lab.worker_log());
    fs::remove_file(&filler).unwrap();
    lab.until("the run ends", |lab| lab.status()["state"] == "ended");
    assert_eq!(lab.verdicts(), undisturbed("room", 6));
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_task_that_changes_while_it_runs_ends_the_run() {
    let lab = Lab::new("changed", WRITER, 4);
    lab.ok(&["evaluate", "--repeats", "2", "--yes", "--detach"]);
    lab.until("a trial is measured", |lab| 1 <= lab.status()["trials"]["done"].as_u64().unwrap_or_default());
    for number in 0..4 {
        lab.write(&format!("tasks/t-{number:02}/tests/test.sh"), "echo 1 > /logs/verifier/reward.txt\n");
    }
    lab.until("the run ends", |lab| lab.status()["state"] == "ended");
    let status = lab.status();
    if status["trials"]["done"] != 8 {
        assert_eq!(status["finish"], "contract-broken");
    }
    let before = undisturbed("unchanged", 4);
    assert!(lab.verdicts().iter().all(|(slot, verdict)| before.get(slot) == Some(verdict)));
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let preload = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|machine| format!("/usr/lib/{machine}/faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let Some(preload) = preload else {
        eprintln!("skipped: libfaketime is not installed");
        return;
    };
    let lab = Lab::new("clock", WRITER, 6);
    lab.ok(&["evaluate", "--repeats", "2", "--yes", "--detach"]);
    // Each worker believes in another day, forwards and backwards; none of them waits, and none takes another for dead.
    for jump in ["+400d", "-400d", "+3d"] {
        if let Some(worker) = lab.worker() {
            kill(worker);
        }
        let root = lab.root();
        let mut worker = lab.command(&["worker", "--root", root.to_str().unwrap()]);
        worker.env("LD_PRELOAD", &preload).env("FAKETIME", jump).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut worker = worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let second = lab.run(&["worker", "--root", root.to_str().unwrap()]);
        assert!(second.status.success());
        std::thread::sleep(Duration::from_secs(2));
        let _ = worker.kill();
        worker.wait().unwrap();
    }
    if lab.status()["state"] != "ended" {
        lab.ok(&["status", "--resume"]);
    }
    assert_eq!(lab.verdicts(), undisturbed("steady", 6));
}
