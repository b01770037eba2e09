//! A project with little tasks, a scripted model, and the binary.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use self_harness::host::record::TrialRecord;
use self_harness::host::store::{Known, Store};
use serde_json::Value;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_self-harness");

/// A model that writes the number it is asked for, or, tail side up, another one. It looks first, so a trial is three calls.
pub(crate) const WRITER: &str = r#"
name = "writer"

[[rule]]
when = { step = 0 }
reply = { text = "I look.", calls = [{ tool = "shell", arguments = { command = "ls -la" } }], usage = { input = 100, output = 10 } }

[[rule]]
id = "right"
when = { step = 1, any = "the number (?P<number>[0-9]+)", coin = { heads = 0.6, name = "skill", per = "conversation" } }
reply = { text = "I write.", calls = [{ tool = "shell", arguments = { command = "echo ${number} > answer.txt" } }], usage = { input = 150, output = 20 } }

[[rule]]
id = "wrong"
when = { step = 1 }
reply = { text = "I write.", calls = [{ tool = "shell", arguments = { command = "echo 7 > answer.txt" } }], usage = { input = 150, output = 20 } }

[[rule]]
reply = { text = "The number is written.", usage = { input = 200, output = 5 } }
"#;

/// A project, its model, and a home of its own.
pub(crate) struct Lab {
    directory: PathBuf,
    model: Child,
    endpoint: String,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Lab {
    /// A project with `tasks` tasks, half of them held-in, and the model of a persona.
    pub(crate) fn new(name: &str, persona: &str, tasks: usize) -> Self {
        let directory =
            std::env::temp_dir().join(format!("self-harness-trials-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("home")).unwrap();
        fs::write(directory.join("persona.toml"), persona).unwrap();
        let mut model = Command::new(BINARY)
            .args(["__scripted-model", "--persona"])
            .arg(directory.join("persona.toml"))
            .arg("--requests")
            .arg(directory.join("requests.jsonl"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut endpoint = String::new();
        BufReader::new(model.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        let lab = Self { directory, model, endpoint: endpoint.trim().to_owned(), variables: BTreeMap::new() };
        lab.write_harness(tasks, "");
        for number in 0..tasks {
            lab.write_task(number);
        }
        lab
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("project")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes the manifest; `more` goes to its end.
    pub(crate) fn write_harness(&self, tasks: usize, more: &str) {
        let ids = |wanted: usize| {
            let ids = (0..tasks).filter(|number| number % 2 == wanted);
            ids.map(|number| format!("\"t-{number:02}\"")).collect::<Vec<_>>().join(", ")
        };
        let (held_in, held_out, endpoint) = (ids(0), ids(1), &self.endpoint);
        self.write(
            "harness.toml",
            &format!(
                "schema = 1\nname = \"lab\"\n\n[model]\nendpoint = \"{endpoint}\"\nname = \"writer-1\"\nseed = 3\n\
                 context_window = 32768\ntimeout = \"2s\"\nretries = 8\n\n[agent]\nkind = \"native\"\ntimeout = \"2m\"\n\n[prompt]\n\
                 system = {{ text = \"You write numbers.\" }}\n\n[[tool]]\nname = \"shell\"\nbuiltin = \"shell\"\n\
                 description = \"Runs a command.\"\n\n[runtime]\nmax_steps = 8\n\n[tasks]\nheld_in = [{held_in}]\n\
                 held_out = [{held_out}]\n\n{more}"
            ),
        );
    }

    pub(crate) fn write_task(&self, number: usize) {
        let task = |name: &str| format!("tasks/t-{number:02}/{name}");
        let wanted = 40 + number;
        self.write(
            &task("task.toml"),
            "schema_version = \"1.4\"\n\n[environment]\nnetwork_mode = \"no-network\"\n",
        );
        self.write(&task("instruction.md"), &format!("Write the number {wanted} to `/app/answer.txt`.\n"));
        self.write(&task("environment/Dockerfile"), "FROM debian:12\nCOPY note.txt /app/note.txt\n");
        self.write(&task("environment/note.txt"), "an empty desk\n");
        self.write(&task("solution/solve.sh"), &format!("echo {wanted} > answer.txt\n"));
        self.write(
            &task("tests/test.sh"),
            &format!(
                "if [ \"$(cat answer.txt 2> /dev/null)\" = {wanted} ]; then reward=1 status=passed; else reward=0 status=failed; fi\n\
                 echo $reward > /logs/verifier/reward.txt\n\
                 echo \"{{\\\"results\\\": {{\\\"tests\\\": [{{\\\"name\\\": \\\"answer\\\", \\\"status\\\": \\\"$status\\\"}}]}}}}\" > /logs/verifier/ctrf.json\n"
            ),
        );
    }

    /// The binary, with a home and a state directory of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .current_dir(self.root())
            .env("HOME", self.directory.join("home"))
            .env("XDG_STATE_HOME", self.state())
            .env_remove("XDG_CONFIG_HOME")
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it, and says what it printed; it has to end well.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let aside = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {printed}\n{aside}\n{}", self.worker_log());
        printed
    }

    pub(crate) fn worker_log(&self) -> String {
        fs::read_to_string(self.root().join(".self-harness/worker.log")).unwrap_or_default()
    }

    /// The newest run, once there is one.
    pub(crate) fn has_run(&self) -> bool {
        self.existing().is_some_and(|store| store.latest_run().unwrap().is_some())
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }

    /// The store as the binary sees it: by the same state directory.
    fn existing(&self) -> Option<Store> {
        Store::open_existing_with(&self.root(), &Known::at(&self.state().join("self-harness"))).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        self.existing().unwrap()
    }

    /// The trials of the newest run that measured something: the verdict by task and repeat. No slot has two.
    pub(crate) fn verdicts(&self) -> BTreeMap<(String, u32), String> {
        let store = self.store();
        let run = store.latest_run().unwrap().unwrap();
        let mut verdicts = BTreeMap::new();
        for trial in measured(&store.trials(run.number).unwrap()) {
            let before = verdicts.insert((trial.task.clone(), trial.repeat), trial.verdict.clone());
            assert_eq!(before, None, "{} #{} is stored twice", trial.task, trial.repeat);
        }
        verdicts
    }

    /// Waits until something holds.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < Duration::from_secs(120), "{what}\n{}", self.worker_log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The process that works for this project now.
    pub(crate) fn worker(&self) -> Option<u32> {
        let root = self.root();
        processes().find(|pid| {
            let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
            let parts: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            parts.get(1) == Some(&b"worker".as_slice())
                && parts.contains(&root.as_os_str().as_encoded_bytes())
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(worker) = self.worker() {
            kill(worker);
        }
        let _ = self.model.kill();
        let _ = self.model.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The trials that are pass or fail.
pub(crate) fn measured(trials: &[TrialRecord]) -> impl Iterator<Item = &TrialRecord> {
    trials.iter().filter(|trial| trial.verdict != "void")
}

pub(crate) fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Kills a process as a crash does, without a word; it has ended then. One that steps back for others takes its time to die, too.
pub(crate) fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    };
    let began = Instant::now();
    while lives() && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the paths of a task can be made in `/`, as they are without a sandbox.
pub(crate) fn root_is_free() -> bool {
    let is_free = |path: &&str| fs::symlink_metadata(path).is_err();
    let own = fs::metadata("/proc/self");
    let is_root = own.is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    is_root && ["/app", "/tests", "/solution", "/workspace"].iter().all(is_free)
}

/// Every file below a directory with what is in it.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}
