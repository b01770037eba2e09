//! Plans of small tasks, and the lines on which others are refused.

use std::path::PathBuf;

use harness_schema::files::Files;

use super::*;
use crate::host::egress::Access;
use crate::host::machine::Ceiling;
use crate::host::sandbox::{Choice, Image, Unavailable};
use crate::host::suite::plan::{Build, BuildStep};

/// A task on disk, because a plan reads what it identifies.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("sh-planning-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let place = Self(path);
        place.write("harness.toml", "[tasks]\ndir = \"tasks\"\n[agent]\ntimeout = \"2m\"\n");
        for (name, text) in [
            ("instruction.md", "<!-- canary -->\nDo it.\n"),
            ("tests/test.sh", "#!/bin/sh\n"),
            ("task.toml", ""),
        ] {
            place.write(&format!("tasks/t/{name}"), text);
        }
        files.iter().for_each(|(name, text)| place.write(&format!("tasks/t/{name}"), text));
        place
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The plan where these images are.
    fn plan_on(&self, images: &Known) -> Result<TaskPlan, TaskRefused> {
        let files: Files = crate::host::disk::load(&self.0);
        let harness = Harness::resolve(&files, None);
        TaskPlan::on(&harness, &self.0, harness.suite().task("t").unwrap(), Some(images))
    }

    fn plan(&self) -> Result<TaskPlan, TaskRefused> {
        let files: Files = crate::host::disk::load(&self.0);
        let harness = Harness::resolve(&files, None);
        TaskPlan::of(&harness, &self.0, harness.suite().task("t").unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn refusal(name: &str, files: &[(&str, &str)]) -> String {
    Place::new(name, files).plan().unwrap_err().to_string()
}

#[test]
fn a_plan_has_what_a_run_needs() {
    let config = "[environment]\nmemory_mb = 512\nnetwork_mode = \"public\"\n[environment.env]\nMODE = \"${M:-fast}\"\n\
        [agent]\ntimeout_sec = 30\n[verifier]\ntimeout_sec = 5\nenv = { V = \"1\" }\n";
    let dockerfile =
        "FROM x\nWORKDIR /srv\nENV A=1\nCOPY a.txt data/\nWORKDIR deep\nRUN touch b\nCMD [\"x\"]\n";
    let place = Place::new("whole", &[("task.toml", config), ("environment/Dockerfile", dockerfile)]);
    let plan = place.plan().unwrap();
    assert_eq!((plan.root.as_str(), plan.workdir.as_str()), ("/srv", "/srv/deep"));
    assert_eq!(plan.env.each().collect::<Vec<_>>(), [("A", "1"), ("MODE", "fast")]);
    assert_eq!(plan.memory_bytes, 512 << 20);
    let networks: Vec<(&Access, usize)> = plan.networks().map(|reach| (&reach.access, reach.line)).collect();
    assert_eq!(networks, [(&Access::Public, 3), (&Access::Public, 3)]);
    let step = &plan.steps[0];
    assert_eq!((step.instruction.as_str(), plan.has_steps()), ("Do it.\n", false));
    let seconds = [step.agent_timeout, step.verifier_timeout].map(|limit| limit.as_secs());
    assert_eq!(seconds, [30, 5]);
    let lines: Vec<usize> = plan.build.iter().map(|build| build.line).collect();
    assert_eq!(lines, [2, 4, 5, 6, 0]);
    let copy = BuildStep::Copy {
        sources: vec!["a.txt".into()],
        target: "data".into(),
        is_directory: true,
        mode: None,
    };
    assert_eq!(plan.build[1].step, copy);
    assert!(matches!(&plan.build[3].step, BuildStep::Run { directory, .. } if directory == "/srv/deep"));
    let notes: Vec<(usize, &str)> = plan.notes.iter().map(|note| (note.line, note.what.as_str())).collect();
    let here = "image `x` is not built here: host tools are used";
    assert_eq!(notes, [(7, "`CMD` means nothing without an image"), (1, here)]);
}

#[test]
fn a_task_that_needs_more_is_refused_on_its_line() {
    let config = |text: &str| refusal("config", &[("task.toml", text)]);
    let ending = "; run the task with a container or a Harbor agent, or change that line";
    let at = |line: usize, reason: &str| format!("`tasks/t/task.toml`, line {line}: {reason}{ending}");
    assert_eq!(config("[environment]\nos = \"windows\"\n"), {
        // The script of Windows is another one, so this comes first.
        at(2, "a task for Windows needs a Windows machine")
    });
    assert_eq!(config("[environment]\n\ngpus = 1\n"), at(3, "graphics processors need a container"));
    assert_eq!(config("[environment]\ndocker_image = \"x\"\n"), at(2, "a ready image needs a container"));
    assert_eq!(
        config("[environment.env]\nA = \"1\"\nMY_TOKEN = \"x\"\n"),
        at(3, "the variable `MY_TOKEN` cannot be set in a sandbox")
    );
    assert_eq!(
        config("[verifier.env]\nA = \"${HOME}\"\n"),
        at(2, "`${HOME}` is a variable of the machine and has no default")
    );
    assert_eq!(
        config("[verifier]\nenvironment_mode = \"separate\"\n"),
        at(2, "a verifier in an environment of its own needs a container")
    );
    let dockerfile = |text: &str| refusal("dockerfile", &[("environment/Dockerfile", text)]);
    let at = |line: usize, reason: &str| {
        format!("`tasks/t/environment/Dockerfile`, line {line}: {reason}{ending}")
    };
    assert_eq!(
        dockerfile("FROM x\nRUN true && \\\n  apt-get install -y git\n"),
        at(2, "packages are installed with `apt-get`, which needs a container")
    );
    assert_eq!(
        dockerfile("FROM x\nCOPY a /etc/a\n"),
        at(2, "`/etc/a` lies outside of `/app`, and nothing else can be written")
    );
    assert_eq!(dockerfile("FROM x\nCOPY ../tests /app\n"), at(2, "`../tests` leads out of `environment/`"));
    assert_eq!(
        dockerfile("FROM x\nENV A=1 LD_PRELOAD=/x.so\n"),
        at(2, "the variable `LD_PRELOAD` cannot be set in a sandbox")
    );
    assert_eq!(
        dockerfile("FROM x\nWORKDIR /app\nWORKDIR /srv\n"),
        at(3, "`/srv` does not lie in `/app`, and there is one tree only")
    );
    assert_eq!(
        dockerfile("FROM x\nWORKDIR /usr/src\n"),
        at(2, "`/usr/src` belongs to the system and cannot be the directory of a task")
    );
    let compose = refusal("compose", &[("environment/docker-compose.yaml", "services: {}\n")]);
    assert_eq!(
        compose,
        format!(
            "`tasks/t/environment/docker-compose.yaml`, line 1: several services need a container{ending}"
        )
    );
}

/// Images by name, with their directories.
struct Known(Vec<(String, &'static str)>);

impl Images for Known {
    fn named(&self, name: &str) -> Result<Image, Unavailable> {
        let known = self.0.iter().find(|(known, _)| known == name);
        known
            .map(|(name, workdir)| Image {
                name: name.clone(),
                id: Digest::of(name.as_bytes()),
                workdir: String::from(*workdir),
                variables: BTreeMap::new(),
            })
            .ok_or_else(|| Unavailable::new(format!("no `{name}`"), format!("pull `{name}`")))
    }

    fn standard(&self) -> &str {
        "standard:1"
    }

    fn typed(&self, arguments: &[&str]) -> String {
        format!("engine {}", arguments.join(" "))
    }
}

#[test]
fn a_task_runs_on_the_image_that_it_names() {
    let known = |names: &[(&str, &'static str)]| {
        Known(names.iter().map(|(name, workdir)| ((*name).to_owned(), *workdir)).collect())
    };
    let id = |name: &str| Some(Digest::of(name.as_bytes()));
    let config = "[environment]\ndocker_image = \"made:1\"\n";
    let place = Place::new(
        "named",
        &[("task.toml", config), ("environment/Dockerfile", "FROM x\nRUN apt-get update\n")],
    );
    let plan = place.plan_on(&known(&[("made:1", "/srv/x/")])).unwrap();
    assert_eq!((plan.root.as_str(), plan.workdir.as_str()), ("/srv/x", "/srv/x"));
    assert_eq!(plan.digests.image, id("made:1"));
    // Everything is in the image; the Dockerfile says how it was made.
    assert_eq!(plan.build, [Build { line: 0, step: BuildStep::Image }]);
    let spec = |plan: &TaskPlan| plan.image.as_ref().map(|image| image.id);
    assert_eq!(spec(&plan), id("made:1"));
    let other = place.plan_on(&known(&[("made:1", "")])).unwrap();
    assert_eq!(other.root, "/app");
    place.write("tasks/t/task.toml", &format!("{config}workdir = \"/srv/x/deep\"\n"));
    let plan = place.plan_on(&known(&[("made:1", "/srv/x")])).unwrap();
    assert_eq!((plan.root.as_str(), plan.workdir.as_str()), ("/srv/x", "/srv/x/deep"));
    assert_eq!(plan.build.len(), 2);
    place.write("tasks/t/task.toml", config);
    let refused = |place: &Place, images: &Known| place.plan_on(images).unwrap_err().to_string();
    assert_eq!(refused(&place, &known(&[])), "`tasks/t/task.toml`, line 2: no `made:1`; pull `made:1`");
    let system = refused(&place, &known(&[("made:1", "/usr/src")]));
    assert!(
        system.contains("`/usr/src` belongs to the system") && system.contains("environment.workdir"),
        "{system}"
    );
}

#[test]
fn a_dockerfile_is_carried_out_on_its_image_or_built_by_a_person() {
    let known = |names: &[&str]| Known(names.iter().map(|name| ((*name).to_owned(), "")).collect());
    let image = |plan: &TaskPlan| plan.digests.image;
    let id = |name: &str| Some(Digest::of(name.as_bytes()));
    let place = Place::new("from", &[("environment/Dockerfile", "# x\nFROM x:1\nCOPY . .\n")]);
    let plan = place.plan_on(&known(&["x:1", "standard:1"])).unwrap();
    assert_eq!((image(&plan), plan.build.len(), plan.notes.len()), (id("x:1"), 1, 0));
    let plan = place.plan_on(&known(&["standard:1"])).unwrap();
    assert_eq!(image(&plan), id("standard:1"));
    let notes: Vec<(usize, &str)> = plan.notes.iter().map(|note| (note.line, note.what.as_str())).collect();
    assert_eq!(notes, [(2, "`x:1` is not on this machine, `standard:1` stands in for it")]);
    let refused = |images: &Known| place.plan_on(images).unwrap_err().to_string();
    assert!(refused(&known(&[])).ends_with("Dockerfile`, line 2: no `standard:1`; pull `standard:1`"));
    // What a sandbox cannot do, a person does; the name says what it was made from.
    place.write("tasks/t/environment/Dockerfile", "FROM x:1\nRUN pip install y\n");
    let message = refused(&known(&["x:1", "standard:1"]));
    let (reason, command) = message.split_once("; build its image yourself with `").unwrap();
    assert!(
        reason.ends_with("Dockerfile`, line 2: packages are installed with `pip`, which needs a container")
    );
    let name = command.strip_prefix("engine build --tag ").and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(
        name.starts_with("localhost/self-harness-task:") && command.ends_with("tasks/t/environment`"),
        "{command}"
    );
    let plan = place.plan_on(&known(&[name])).unwrap();
    assert_eq!((image(&plan), plan.build.len(), plan.root.as_str()), (id(name), 1, "/app"));
    place.write("tasks/t/environment/Dockerfile", "FROM x:1\nRUN pip install z\n");
    assert_ne!(refused(&known(&[name])), message);
}

#[test]
fn what_no_container_is_given_is_refused_on_its_line() {
    let images = Known(vec![(String::from("standard:1"), "")]);
    let refused =
        |files: &[(&str, &str)]| Place::new("opened", files).plan_on(&images).unwrap_err().to_string();
    let compose = |text: &str| refused(&[("environment/docker-compose.yaml", text)]);
    let ending = "; no container is given that: take it out of the task";
    for (text, line, reason) in [
        ("services:\n  main:\n    image: x\n    privileged: true\n", 4, "`privileged` gives the container"),
        ("services:\n  main:\n    pid: host\n", 3, "`pid` has the container share a namespace"),
        ("services:\n  a: {}\n  b:\n    devices: [/dev/kvm]\n", 4, "`devices` gives the container something"),
        (
            "services:\n  main:\n    volumes:\n      - /var/run/docker.sock:/var/run/docker.sock\n",
            3,
            "the volume `\"/var/run/docker.sock:/var/run/docker.sock\"` is a path of this machine",
        ),
        ("x: &x true\nservices:\n  main:\n    privileged: *x\n", 4, "`privileged` gives the container"),
    ] {
        let message = compose(text);
        let place = format!("`tasks/t/environment/docker-compose.yaml`, line {line}: {reason}");
        assert!(message.starts_with(&place) && message.ends_with(ending), "{message}");
    }
    let harmless = compose("services:\n  main:\n    image: x\n");
    assert!(
        harmless.ends_with("line 1: the services of a compose file are not started; run the task with a Harbor agent, or change that line"),
        "{harmless}"
    );
    let gpus = refused(&[("task.toml", "[environment]\ngpus = 1\n")]);
    assert!(gpus.contains("line 2: graphics processors are devices of this machine"), "{gpus}");
}

#[test]
fn what_decides_a_verdict_is_in_the_digests() {
    let place = Place::new("digests", &[("environment/a", "x")]);
    let digests = || place.plan().unwrap().digests;
    let first = digests();
    assert_eq!(first, digests());
    place.write("tasks/t/task.toml", "[metadata]\nx = 1\n");
    assert_eq!(first, digests(), "what nobody reads decides nothing");
    place.write("tasks/t/environment/a", "y");
    let second = digests();
    assert!(first.task != second.task && first.verifier == second.verifier);
    place.write("tasks/t/tests/test.sh", "#!/bin/sh\ntrue\n");
    let third = digests();
    assert!(second.task != third.task && second.verifier != third.verifier);
    place.write("tasks/t/task.toml", "[agent]\ntimeout_sec = 7\n");
    assert_ne!(third.task, digests().task);
}

#[test]
fn a_change_is_noticed() {
    let place = Place::new("changed", &[("environment/a", "x")]);
    let plan = place.plan().unwrap();
    plan.unchanged().unwrap();
    place.write("tasks/t/tests/helper.py", "");
    let changed = plan.unchanged().unwrap_err().to_string();
    assert!(changed.ends_with("tasks/t/tests` changed since the run began; start a new run"), "{changed}");
}

#[test]
fn steps_are_planned_one_by_one() {
    let config = "multi_step_reward_strategy = \"final\"\n[[steps]]\nname = \"one\"\nmin_reward = 0.5\n\
        agent = { timeout_sec = 9 }\n[[steps]]\nname = \"two\"\n";
    let files = [
        ("task.toml", config),
        ("steps/one/instruction.md", "First."),
        ("steps/one/tests/test.sh", "#!/bin/sh\ntrue\n"),
        ("steps/one/workdir/a", "x"),
        ("steps/one/solution/solve.sh", ""),
        ("steps/two/instruction.md", "Then."),
    ];
    let plan = Place::new("steps", &files).plan().unwrap();
    let [one, two] = &plan.steps[..] else { panic!("two steps: {:?}", plan.steps) };
    assert!(plan.has_steps() && one.tests[0] == two.tests[0] && one.tests[1].ends_with("one/tests"));
    assert_ne!(one.tests_digest, two.tests_digest);
    assert_eq!((one.agent_timeout.as_secs(), two.agent_timeout.as_secs()), (9, 120));
    assert_eq!((one.min_reward.get(""), two.min_reward.len()), (Some(&0.5), 0));
    assert!(one.workdir.is_some() && one.solution.is_some() && two.solution.is_none());
    assert!(plan.solution.is_some());
}

/// What agent and verifier of each step may reach.
fn networks(name: &str, config: &str) -> Vec<String> {
    let files = [
        ("task.toml", config),
        ("steps/one/instruction.md", "First."),
        ("steps/two/instruction.md", "Then."),
    ];
    let plan = Place::new(name, &files).plan().unwrap();
    plan.networks().map(|reach| reach.access.to_string()).collect()
}

#[test]
fn a_phase_reaches_what_it_says_else_what_its_task_says() {
    let environment =
        "[environment]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\"B.example\", \"a.example\"]\n";
    assert_eq!(networks("reach-none", ""), ["no host", "no host"]);
    assert_eq!(networks("reach-older", "[environment]\nallow_internet = true\n"), ["any public host"; 2]);
    assert_eq!(networks("reach-both", environment), ["a.example, b.example"; 2]);
    let verifier = format!("{environment}[verifier]\nnetwork_mode = \"no-network\"\n");
    assert_eq!(networks("reach-verifier", &verifier), ["a.example, b.example", "no host"]);
    let agent = "[agent]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\"*.c.example\"]\n";
    assert_eq!(networks("reach-agent", agent), ["*.c.example", "no host"]);
    assert_eq!(networks("reach-empty", "[environment]\nnetwork_mode = \"allowlist\"\n"), ["no host"; 2]);
    let steps = format!(
        "{environment}{agent}[[steps]]\nname = \"one\"\nagent = {{ network_mode = \"public\" }}\n[[steps]]\nname = \"two\"\n\
         verifier = {{ network_mode = \"public\" }}\n"
    );
    assert_eq!(
        networks("reach-steps", &steps),
        ["any public host", "a.example, b.example", "*.c.example", "any public host"]
    );
}

#[test]
fn a_machine_may_allow_less_than_a_task_asks_for() {
    let config = "[environment]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\"a.example\"]\n\n[verifier]\nnetwork_mode = \"public\"\n";
    let plan = Place::new("ceiling", &[("task.toml", config)]).plan().unwrap();
    let within =
        |ceiling| plan.clone().within(ceiling, Choice::Bubblewrap).map_err(|error| error.to_string());
    assert!(within(Ceiling::Public).is_ok());
    let error = within(Ceiling::Allowlist).unwrap_err();
    assert!(
        error.starts_with(
            "`tasks/t/task.toml`, line 6: the task asks for any public host, and `network = \"allowlist\"` in"
        ),
        "{error}"
    );
    let error = within(Ceiling::Off).unwrap_err();
    assert!(
        error.starts_with("`tasks/t/task.toml`, line 2: the task asks for hosts of the network, and"),
        "{error}"
    );
    let quiet = Place::new("ceiling-off", &[]).plan().unwrap();
    assert!(quiet.within(Ceiling::Off, Choice::Bubblewrap).is_ok());
}

#[test]
fn a_host_that_is_no_name_is_refused_on_its_line() {
    let config =
        "[agent]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [\n  \"a.example\",\n  \"10.0.0.0/8\",\n]\n";
    let error = refusal("bad-host", &[("task.toml", config)]);
    assert!(
        error
            .starts_with("`tasks/t/task.toml`, line 5: `10.0.0.0/8` in `allowed_hosts` is no name of a host"),
        "{error}"
    );
}

#[test]
fn what_may_be_reached_is_in_the_digests() {
    let place = Place::new("network-digests", &[]);
    let with = |config: &str| {
        place.write("tasks/t/task.toml", config);
        place.plan().unwrap().digests
    };
    let hosts = |section: &str, hosts: &str| {
        with(&format!("[{section}]\nnetwork_mode = \"allowlist\"\nallowed_hosts = [{hosts}]\n"))
    };
    let none = with("");
    let (one, two) = (hosts("agent", "\"a.example\""), hosts("agent", "\"a.example\", \"b.example\""));
    assert!(none.task != one.task && one.task != two.task && none.verifier == one.verifier);
    assert_eq!(two, hosts("agent", "\"b.example\", \"A.example\""), "order and case mean nothing");
    let verifier = hosts("verifier", "\"a.example\"");
    assert!(verifier.verifier != none.verifier);
    assert_ne!(with("[agent]\nnetwork_mode = \"public\"\n"), one);
}
