//! What trials cost below the agent, and a store as large as a year of them: what `tests/bench/trials.py` cannot do from
//! outside. `sandbox ROUNDS` measures sandboxes, `sandbox ROUNDS PROGRAM` those whose first process is that program, and both print
//! milliseconds as JSON; `store DIR TRIALS` writes a run that ended. Judges nothing.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, io};

use self_harness::engine::score;
use self_harness::host::record::{
    AgreementRecord, BudgetRecord, EventRecord, RunRecord, SlotRecord, SpentRecord, TrialRecord,
};
use self_harness::host::sandbox;
use self_harness::host::store::{RunState, RunningTrial, Store, run_name};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many times each task is tried in the large store.
const REPEATS: usize = 2;

fn main() -> Outcome<ExitCode> {
    // This program can be the first process of a sandbox too.
    if let Some(code) = sandbox::inner_stage(env::args_os()) {
        return Ok(code);
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sandbox", rounds] => measure(rounds.parse()?, None)?,
        ["sandbox", rounds, program] => measure(rounds.parse()?, Some(Path::new(program)))?,
        ["store", root, trials] => write_store(Path::new(root), trials.parse()?)?,
        _ => return Err("usage: trial_costs sandbox ROUNDS [PROGRAM] | store DIR TRIALS".into()),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(target_os = "linux")]
mod costs {
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Stdio};
    use std::time::Instant;

    use self_harness::host::sandbox::bubblewrap::Bubblewrap;
    use self_harness::host::sandbox::first::First;
    use self_harness::host::sandbox::snapshot::{self, TreeLimits};
    use self_harness::host::sandbox::{Backend, Dead, Ended, Exec, Phase, Spec, Trials};
    use self_harness::host::spawn;

    use super::Outcome;

    /// The large tree: so many files of a mebibyte.
    const FILES: usize = 50;
    const FILE_BYTES: usize = 1 << 20;

    /// What a sandbox took, in milliseconds.
    pub(super) struct Sandboxed {
        pub(super) start: f64,
        pub(super) command: f64,
        pub(super) kill: f64,
    }

    fn milliseconds(since: Instant) -> f64 {
        since.elapsed().as_secs_f64() * 1e3
    }

    /// How long a program takes that nothing protects.
    pub(super) fn bare(program: &str, arguments: &[&str]) -> Outcome<f64> {
        let mut command = spawn::command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = spawn::start(command).and_then(|mut child: Child| child.wait())?;
        let took = milliseconds(began);
        if status.success() { Ok(took) } else { Err(format!("`{program}` ended with {status}").into()) }
    }

    /// `/bin/true` in namespaces of its own with the least that a program needs, by bubblewrap and nobody else: what every sandbox
    /// of this kind costs on this machine.
    const WALLS: &[&str] = &[
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "/bin/true",
    ];

    /// How long that takes, from its start to the end of its namespaces.
    pub(super) fn walls() -> Outcome<f64> {
        bare("/usr/bin/bwrap", WALLS)
    }

    /// A sandbox with one command, killed when it is idle.
    pub(super) fn sandbox(backend: &dyn Backend, trials: &Trials) -> Outcome<Sandboxed> {
        let (costs, dead) = one(backend, Spec::new(Phase::Agent, trials.fresh()?))?;
        dead.into_tree().remove()?;
        Ok(costs)
    }

    fn one(backend: &dyn Backend, spec: Spec) -> Outcome<(Sandboxed, Dead)> {
        let began = Instant::now();
        let mut sandbox = backend.start(spec)?;
        let start = milliseconds(began);
        let began = Instant::now();
        let executed = sandbox.exec(&Exec::program(["/bin/true"]))?;
        let command = milliseconds(began);
        if executed.ended != Ended::Finished(0) {
            return Err(format!("`/bin/true` ended with {:?}", executed.ended).into());
        }
        let began = Instant::now();
        let dead = sandbox.kill()?;
        Ok((Sandboxed { start, command, kill: milliseconds(began) }, dead))
    }

    /// How long it takes to freeze a tree of 50 MiB in 50 files.
    pub(super) fn snapshot(backend: &dyn Backend, trials: &Trials) -> Outcome<f64> {
        let tree = trials.fresh()?;
        for number in 0..FILES {
            // No two files are alike.
            let byte = u8::try_from(number).unwrap_or_default();
            fs::write(tree.path().join(format!("file-{number:02}")), vec![byte; FILE_BYTES])?;
        }
        let (_, dead) = one(backend, Spec::new(Phase::Agent, tree))?;
        let archive = dead.tree().directory().with_extension("archive");
        let began = Instant::now();
        let frozen = snapshot::snapshot(&dead, &archive, &TreeLimits::default());
        let took = milliseconds(began);
        // The tree goes whether it could be frozen or not.
        let _ = fs::remove_file(&archive);
        dead.into_tree().remove()?;
        let frozen = frozen?;
        let bytes = (FILES * FILE_BYTES) as u64;
        if frozen.bytes() == bytes {
            Ok(took)
        } else {
            Err(format!("{} bytes were frozen", frozen.bytes()).into())
        }
    }

    /// The backend as a worker has it; a program takes the place of the first process that is embedded.
    pub(super) fn backend(program: Option<&Path>) -> Bubblewrap {
        let ours = Bubblewrap::of_this_machine();
        match program {
            Some(program) => Bubblewrap { executable: program.to_path_buf(), first: First::whole(), ..ours },
            None => ours,
        }
    }
}

/// Measures by turns, so that what slows the machine slows everything alike.
#[cfg(target_os = "linux")]
fn measure(rounds: usize, program: Option<&Path>) -> Outcome<()> {
    let backend = costs::backend(program);
    let trials = backend.trials.clone();
    let [mut bash, mut bare_command, mut walls, mut first, mut start, mut command, mut kill, mut snapshot] =
        [const { Vec::new() }; 8];
    // The first round fills the page cache.
    for round in 0..=rounds {
        let shell = costs::bare("/bin/bash", &["-c", "true"])?;
        let bare = costs::bare("/bin/true", &[])?;
        let namespaces = costs::walls()?;
        // For the first sandbox of a worker nothing waits.
        let alone = costs::sandbox(&costs::backend(program), &trials)?;
        let costs = costs::sandbox(&backend, &trials)?;
        if 0 < round {
            bash.push(shell);
            bare_command.push(bare);
            walls.push(namespaces);
            first.push(alone.start);
            start.push(costs.start);
            command.push(costs.command);
            kill.push(costs.kill);
        }
        if round % 10 == 0 {
            let took = costs::snapshot(&backend, &trials)?;
            if 0 < round || rounds < 10 {
                snapshot.push(took);
            }
        }
    }
    let figures = json!({
        "bash": bash, "bareCommand": bare_command, "walls": walls, "first": first, "start": start, "command": command, "kill": kill,
        "snapshot": snapshot,
    });
    Ok(writeln!(io::stdout(), "{figures}")?)
}

#[cfg(not(target_os = "linux"))]
fn measure(_: usize, _: Option<&Path>) -> Outcome<()> {
    Err("there is no sandbox for this system".into())
}

/// Writes a run of so many trials as a worker would have, two of each task, half of them held-in.
fn write_store(root: &Path, trials: usize) -> Outcome<()> {
    let slots: Vec<SlotRecord> = (0..trials)
        .map(|slot| SlotRecord {
            arm: 0,
            task: format!("task-{:05}", slot / REPEATS),
            split: String::from(if (slot / REPEATS).is_multiple_of(2) { "held-in" } else { "held-out" }),
            role: String::from("baseline"),
            repeat: u32::try_from(slot % REPEATS).unwrap_or_default(),
        })
        .collect();
    let text = fs::read_to_string(root.join("harness.toml"))?;
    let record = RunRecord {
        verb: String::from("evaluate"),
        name: String::from("large"),
        harness: digest("harness", 0),
        contract: digest("contract", 0),
        execution: digest("execution", 0),
        files: [(String::from("harness.toml"), text)].into(),
        slots,
        budget: BudgetRecord::default(),
        parallel: 16,
        seed: 3,
        sandbox: sandbox::Choice::Bubblewrap.word().to_owned(),
        started_by: String::from("the command line"),
        model: String::from("scripted"),
        repeats: u32::try_from(REPEATS)?,
        key_variable: None,
        rules: None,
        candidates: Vec::new(),
        seal: None,
    };
    let mut store = Store::open(root)?;
    let number = store.create_run(&record, &AgreementRecord::default())?;
    let lease = store.claim()?.ok_or("somebody works on this store")?;
    store.set_state(number, RunState::Running)?;
    let mut now = Duration::ZERO;
    for (slot, asked) in record.slots.iter().enumerate() {
        now += Duration::from_millis(700);
        let trial = trial(number, slot, asked);
        let began = RunningTrial { id: trial.id.clone(), slot, tokens: 0, cost: Some(0.0) };
        store.start_trial(&lease, number, now, &began, &EventRecord::Started { slot, attempt: 0 })?;
        let (verdict, spent) = (trial.verdict.clone(), SpentRecord::of(trial.spent()));
        let event = EventRecord::Ended { slot, verdict, cause: None, spent };
        if !store.end_trial(&lease, number, slot, now, &trial, &event)? {
            return Err(format!("the trial {} is there already", trial.id).into());
        }
    }
    store.append(&lease, number, now, &EventRecord::Finished { finish: String::from("complete") })?;
    store.set_state(number, RunState::Ended)?;
    store.release(&lease)?;
    Ok(writeln!(io::stdout(), "{} has {trials} trials, {}", run_name(number), score::time(now.as_secs()))?)
}

fn digest(what: &str, number: usize) -> String {
    harness_schema::digest::Digest::of_parts([what.as_bytes(), &number.to_le_bytes()]).to_string()
}

/// A trial as one is stored, with the fields that most have.
fn trial(run: i64, slot: usize, asked: &SlotRecord) -> TrialRecord {
    let is_pass = !slot.is_multiple_of(3);
    TrialRecord {
        id: format!("{}-{slot:04}-0", run_name(run)),
        key: digest("key", slot),
        contract: digest("contract", 0),
        harness: digest("harness", 0),
        task: asked.task.clone(),
        split: asked.split.clone(),
        role: asked.role.clone(),
        repeat: asked.repeat,
        verdict: String::from(if is_pass { "pass" } else { "fail" }),
        detail: String::from(if is_pass {
            "every required reward is reached"
        } else {
            "1 of 3 checks failed: `answer`"
        }),
        end: String::from("finished"),
        rewards: [(String::from("reward"), if is_pass { 1.0 } else { 0.0 })].into(),
        failed_checks: if is_pass { Vec::new() } else { vec![String::from("answer")] },
        started_ms: 1_750_000_000_000,
        finished_ms: 1_750_000_011_000,
        input_tokens: 12_000,
        output_tokens: 900,
        cost: Some(0.02),
        requests: 10,
        steps: 22,
        trace: digest("trace", slot),
        verifier_output: digest("output", slot),
        ..TrialRecord::default()
    }
}
