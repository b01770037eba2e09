//! Whole runs in containers with the real binary: which image each task runs on, what of it is recorded, and that nothing is left.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use harness_schema::harness::Harness;
use self_harness::host::disk;
use self_harness::host::sandbox::container::Container;
use self_harness::host::sandbox::container::engine::Kind;

use self_harness::host::suite::{TaskPlan, TaskRefused};

use crate::lab::{IMAGE, Lab, engine};
use crate::project;

/// A model that writes the number it is asked for, but for one.
const WRITER: &str = r#"
name = "writer"

[[rule]]
when = { step = 0 }
reply = { text = "I look.", calls = [{ tool = "shell", arguments = { command = "ls -A; echo $IMAGE_MODE" } }] }

[[rule]]
when = { step = 1, any = "the number 43" }
reply = { text = "I write.", calls = [{ tool = "shell", arguments = { command = "echo 7 > answer.txt" } }] }

[[rule]]
when = { step = 1, any = "the number (?P<number>[0-9]+)" }
reply = { text = "I write.", calls = [{ tool = "shell", arguments = { command = "echo ${number} > answer.txt" } }] }

[[rule]]
reply = { text = "The number is written." }
"#;

/// A project whose home says that trials run in containers, and that it is alone at it: all runs of a machine share one place
/// for trees. `None` where no container can be run.
fn project(name: &str, tasks: usize) -> Option<(project::Lab, fs::File)> {
    // It says why, and goes at once.
    drop(Lab::new(name)?);
    let alone = fs::File::create(std::env::temp_dir().join("self-harness-container-runs.lock")).unwrap();
    alone.lock().unwrap();
    let mut lab = project::Lab::new(name, WRITER, tasks);
    let config = lab.state().with_file_name("config");
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
    // What an engine puts aside lies here, and has to be gone after a run.
    let place = engines_place(&lab);
    fs::create_dir_all(&place).unwrap();
    lab.variables.insert(String::from("TMPDIR"), place.display().to_string());
    configure(&lab, &format!("sandbox = \"container\"\n\n[container]\nimage = \"{IMAGE}\"\n"));
    Some((lab, alone))
}

fn engines_place(lab: &project::Lab) -> std::path::PathBuf {
    lab.state().with_file_name("aside")
}

fn configure(lab: &project::Lab, text: &str) {
    let directory = lab.state().with_file_name("config").join("self-harness");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("config.toml"), text).unwrap();
}

/// Containers of runs on this machine, and volumes with our executable.
fn left() -> String {
    let backend = Container::of_this_machine(Kind::Podman, IMAGE);
    let filter = format!("label=self-harness.house={}", backend.house());
    engine(&backend, &["ps", "--all", "--format", "{{.Names}}", "--filter", &filter])
        + &engine(&backend, &["volume", "ls", "--format", "{{.Name}}", "--filter", &filter])
}

/// Whether a container of a run is more than made.
fn one_runs() -> bool {
    let backend = Container::of_this_machine(Kind::Podman, IMAGE);
    let filter = format!("label=self-harness.house={}", backend.house());
    !engine(&backend, &["ps", "--quiet", "--filter", &filter]).is_empty()
}

#[test]
fn each_task_runs_on_its_image_and_the_record_says_so() {
    let Some((lab, _alone)) = project("runs", 4) else { return };
    // This one is all in its image.
    fs::remove_dir_all(lab.root().join("tasks/t-01/environment")).unwrap();
    lab.write("tasks/t-01/task.toml", &format!("[environment]\ndocker_image = \"{IMAGE}\"\n"));
    let test = fs::read_to_string(lab.root().join("tasks/t-01/tests/test.sh")).unwrap();
    lab.write("tasks/t-01/tests/test.sh", &test.replace("= 41 ]", "= 41 ] && [ -e of-the-image ]"));
    // The image of this one is nowhere.
    lab.write("tasks/t-02/task.toml", "[environment]\n\ndocker_image = \"registry.invalid/none:1\"\n");
    let began = Instant::now();
    let output = lab.run(&["evaluate", "--repeats", "1", "--yes"]);
    println!("MEASURED a run of three tasks with admission: {:?}", began.elapsed());
    let (printed, aside) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
    let missing = "`tasks/t-02/task.toml`, line 3: the image is not on this machine, and images are never pulled: \
                   `registry.invalid/none:1`; pull it yourself with `podman";
    assert!(aside.contains(missing), "{printed}\n{aside}\n{}", lab.worker_log());
    assert!(aside.contains(&format!("Images     `{IMAGE}` (")) && aside.contains(") for 3 tasks"), "{aside}");
    assert!(aside.contains("podman") && aside.contains("sandbox, without network"), "{aside}");
    let verdict = |task: &str, word: &str| ((task.to_owned(), 0), word.to_owned());
    let wanted = BTreeMap::from([verdict("t-00", "pass"), verdict("t-01", "pass"), verdict("t-03", "fail")]);
    assert_eq!(lab.verdicts(), wanted, "{printed}\n{aside}\n{}", lab.worker_log());
    let id = Container::of_this_machine(Kind::Podman, IMAGE).image().unwrap().id.to_string();
    let trials = lab.store().trials(1).unwrap();
    for trial in &trials {
        assert_eq!(trial.image, id);
        assert!(
            trial.guarantees.contains("podman") && trial.guarantees.contains("kill-all held"),
            "{trial:?}"
        );
    }
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("I write.") && trace.contains("note.txt"), "{trace}");
    assert_eq!(left(), "");
    assert_eq!(fs::read_dir(engines_place(&lab)).unwrap().count(), 0);
    // Another root is another contract: nothing is taken over.
    configure(&lab, "");
    lab.ok(&["evaluate", "--repeats", "1", "--yes", "--task", "t-00"]);
    let store = lab.store();
    let other = store.trials(store.latest_run().unwrap().unwrap().number).unwrap();
    let [other] = other.as_slice() else { panic!("{other:?}") };
    let first = trials.iter().find(|trial| trial.task == "t-00").unwrap();
    assert!(
        other.image.is_empty() && other.key != first.key && other.contract != first.contract,
        "{other:?}"
    );
}

#[test]
fn doctor_tries_the_engine_and_removes_what_dead_workers_left() {
    let Some((lab, _alone)) = project("doctor", 2) else { return };
    let printed = lab.ok(&["doctor"]);
    for line in ["podman", "held     fs-write", "held     network", "held     kill-all", "trials can run"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(left(), "");
    // A worker that dies in the middle leaves containers, which nobody but the next sweep removes.
    lab.write("tasks/t-00/solution/solve.sh", "sleep 60\n");
    lab.ok(&["evaluate", "--repeats", "1", "--yes", "--detach", "--task", "t-00"]);
    lab.until("the solution runs", |_| one_runs() && left().lines().count() == 2);
    std::thread::sleep(Duration::from_millis(500));
    let worker = lab.worker().unwrap();
    project::kill(worker);
    lab.until("the worker is gone", |lab| lab.worker().is_none());
    assert_ne!(left(), "");
    let printed = lab.ok(&["doctor"]);
    assert!(printed.contains("removed what 1 ended runs had left"), "{printed}");
    assert_eq!(left(), "");
}

#[test]
fn a_configuration_that_cannot_be_used_says_what_to_change() {
    let Some((lab, _alone)) = project("refused", 2) else { return };
    let refused = |arguments: &[&str], code: i32, wanted: &[&str]| {
        let output = lab.run(arguments);
        let aside = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{aside}");
        for wanted in wanted {
            assert!(aside.contains(wanted), "{wanted}: {aside}");
        }
    };
    let evaluate = ["evaluate", "--yes", "--repeats", "1"];
    refused(&["evaluate", "--yes", "--unsandboxed"], 2, &["there is a sandbox"]);
    let root = lab.root();
    let manifest = fs::read_to_string(root.join("harness.toml")).unwrap();
    let command = manifest
        .replace("kind = \"native\"", "kind = \"command\"\nargv = [\"/usr/bin/true\"]")
        .split("[prompt]")
        .next()
        .unwrap()
        .to_owned()
        + "[tasks]\nheld_in = [\"t-00\"]\nheld_out = [\"t-01\"]\n";
    lab.write("harness.toml", &command);
    refused(&evaluate, 3, &["containers have no road to the model", "kind = \"native\""]);
    lab.write("harness.toml", &manifest);
    configure(&lab, "sandbox = \"container\"\n");
    refused(
        &evaluate,
        3,
        &["config.toml` says `sandbox = \"container\"` and has no `image`", "name an image"],
    );
    configure(&lab, "sandbox = \"container\"\n[container]\nimage = \"registry.invalid/none:1\"\n");
    refused(&["doctor"], 4, &["the image is not on this machine", "pull registry.invalid/none:1"]);
    refused(&evaluate, 4, &["the image is not on this machine", "pull registry.invalid/none:1"]);
    assert!(!lab.has_run());
}

#[test]
fn an_image_that_a_person_built_is_taken_for_the_files_that_it_was_built_of() {
    let Some((lab, _alone)) = project("built", 1) else { return };
    lab.write("tasks/t-00/environment/Dockerfile", "FROM debian:12\nRUN apt-get install -y gcc\n");
    let backend = || Container::of_this_machine(Kind::Podman, IMAGE);
    let plan = || -> Result<TaskPlan, TaskRefused> {
        let harness = Harness::resolve(&disk::load(&lab.root()), None);
        TaskPlan::on(&harness, &lab.root(), harness.suite().task("t-00").unwrap(), Some(&backend()))
    };
    let refused = plan().unwrap_err().to_string();
    let (reason, command) = refused.split_once("; build its image yourself with `").unwrap();
    assert!(reason.contains("Dockerfile`, line 2: packages are installed with `apt-get`"), "{refused}");
    let mut words = command.trim_end_matches('`').split(' ');
    let name = words.find(|word| word.starts_with("localhost/self-harness-task:")).unwrap();
    assert_eq!(words.next(), Some(lab.root().join("tasks/t-00/environment").to_str().unwrap()));
    engine(&backend(), &["tag", IMAGE, name]);
    let planned = plan();
    // The files are others, so it is an image of something else.
    lab.write("tasks/t-00/environment/note.txt", "another desk\n");
    let changed = plan();
    engine(&backend(), &["untag", IMAGE, name]);
    assert_eq!(planned.unwrap().digests.image, Some(backend().image().unwrap().id));
    assert!(changed.unwrap_err().to_string().contains("build its image yourself"));
}
