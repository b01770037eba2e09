//! Start trees from Dockerfiles, in the real sandbox.

use std::path::PathBuf;

use self_harness::host::sandbox::{Exec, Phase};
use self_harness::host::suite::{PrepareError, TaskPlan, Template, begin, build};

use crate::lab::Lab;

const TESTS: (&str, &str) = ("tests/test.sh", "#!/bin/sh\ntrue\n");

fn built(lab: &Lab, files: &[(&str, &str)]) -> (TaskPlan, Result<Template, PrepareError>) {
    let all: Vec<(&str, &str)> = files.iter().copied().chain([TESTS]).collect();
    let plan = lab.project(&all).plan().unwrap();
    let template = build(&plan, &lab.bench());
    assert_eq!(lab.left_over(), [] as [PathBuf; 0]);
    (plan, template)
}

/// What a command prints where an agent would start.
fn prints(lab: &Lab, files: &[(&str, &str)], script: &str) -> String {
    use self_harness::host::sandbox::Backend;
    let (plan, template) = built(lab, files);
    let tree = begin(&plan, 0, &template.unwrap().tree, &lab.bench()).unwrap();
    let mut sandbox = lab.backend.start(plan.spec(Phase::Agent, tree)).unwrap();
    let executed = sandbox.exec(&plan.command(Exec::shell(script))).unwrap();
    sandbox.kill().unwrap().into_tree().remove().unwrap();
    format!("{}{}", executed.stdout.text(), executed.stderr.text())
}

#[test]
fn a_tree_is_what_the_dockerfile_says() {
    let lab = Lab::new("tree");
    let dockerfile = "FROM debian:12\nWORKDIR /srv\nCOPY *.txt data/\nCOPY src lib\nCOPY run.sh ./\nENV WHO=world\n\
        RUN echo hello $WHO > hello && [ \"$(pwd)\" = /srv ]\nCOPY --chmod=600 a.txt copy\nWORKDIR deep\n\
        RUN [\"cp\", \"../hello\", \"here\"]\n";
    let files = [
        ("environment/Dockerfile", dockerfile),
        ("environment/a.txt", "a\n"),
        ("environment/b.txt", "b\n"),
        ("environment/src/x/y", "y\n"),
        ("environment/run.sh", "#!/bin/sh\necho ran $WHO\n"),
        ("solution/solve.sh", ""),
    ];
    let script = "pwd; find /srv -type f | sort; cat here; ../run.sh; stat -c %a /srv/copy; ls -d /tests /solution 2>&1 | wc -l";
    let wanted = "/srv/deep\n/srv/copy\n/srv/data/a.txt\n/srv/data/b.txt\n/srv/deep/here\n/srv/hello\n/srv/lib/x/y\n/srv/run.sh\n\
        hello world\nran world\n600\n2\n";
    let printed = prints(&lab, &files, script);
    assert_eq!(printed, wanted);
    // Twice the same tree has one digest.
    let (first, second) = (built(&lab, &files).1.unwrap(), built(&lab, &files).1.unwrap());
    assert_eq!(first.tree.digest(), second.tree.digest());
}

#[test]
fn a_step_that_fails_is_named_with_its_line() {
    let lab = Lab::new("fails");
    let told = |dockerfile: &str| {
        let files = [("environment/Dockerfile", dockerfile), ("environment/a", "a")];
        built(&lab, &files).1.unwrap_err().to_string()
    };
    assert_eq!(
        told("FROM x\n\nRUN echo nothing here >&2; exit 4\n"),
        "`environment/Dockerfile`, line 3: `RUN` ended with exit code 4: nothing here"
    );
    assert_eq!(
        told("FROM x\nCOPY b /app\n"),
        "`environment/Dockerfile`, line 2: there is no `environment/b`"
    );
    assert_eq!(
        told("FROM x\nCOPY a Dockerfile b\n"),
        "`environment/Dockerfile`, line 2: the target of several sources has to end with `/`"
    );
    // A build writes nowhere but in the tree, has no network, and a link that it made leads nowhere out.
    assert!(told("FROM x\nRUN touch /usr/x\n").contains("Read-only file system"));
    let curl = "FROM x\nRUN python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)'\n";
    assert!(told(curl).contains("Network is unreachable"), "{}", told(curl));
    assert!(
        told("FROM x\nRUN ln -s /tmp data\nCOPY a data/a\n").contains("cannot write"),
        "a link was followed"
    );
}

#[test]
fn a_build_has_its_time() {
    let lab = Lab::new("time");
    let files = [
        ("environment/Dockerfile", "FROM x\nRUN sleep 60\n"),
        ("task.toml", "[environment]\nbuild_timeout_sec = 1\n"),
    ];
    assert!(matches!(built(&lab, &files).1, Err(PrepareError::TooSlow(_))));
}

#[test]
fn a_healthcheck_is_run() {
    let lab = Lab::new("health");
    let with = |command: &str| {
        let config =
            format!("[environment.healthcheck]\ncommand = \"{command}\"\ninterval_sec = 0.05\nretries = 2\n");
        built(&lab, &[("task.toml", &config)]).1
    };
    with("test -d /app").unwrap();
    // It is tried again.
    with("test -e once || { touch once; false; }").unwrap();
    let error = with("echo broken; false").unwrap_err().to_string();
    assert_eq!(error, "the healthcheck `echo broken; false` fails: broken");
}

#[test]
fn a_dockerfile_that_needs_a_container_is_refused_on_its_line() {
    let lab = Lab::new("container");
    let dockerfile =
        "FROM debian:12\nCOPY a /app/\n\n# Tools.\nRUN apt-get update && \\\n    apt-get install -y git\n";
    let project = lab.project(&[TESTS, ("environment/Dockerfile", dockerfile)]);
    assert_eq!(
        project.plan().unwrap_err().to_string(),
        "`tasks/t/environment/Dockerfile`, line 5: packages are installed with `apt-get`, which needs a container; \
         run the task with a container or a Harbor agent, or change that line"
    );
}
