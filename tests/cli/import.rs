//! `import`: results of other programs are evidence and nothing else. What judges is left out, what is there is not taken again, and
//! no score is made of it.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::results::{CAREFUL, HASTY, atif, harbor, mini, result, swe};
use crate::{Directory, MANIFEST, Ran, command};

const PROMPT: &str = "# Role\n\nYou work in a shell.\n\n# Rules\n\n- Write to exactly the paths that the task names.\n- Run the tests before you finish.\n";

/// A project with tasks of each split, in a state directory of its own.
fn project(name: &str) -> Directory {
    let directory = Directory::new(name);
    let tasks = "\n[tasks]\nheld_in = [\"t-0*\"]\nheld_out = [\"exam-*\"]\nsealed = [\"final-paper\"]\n";
    directory
        .write("project/harness.toml", format!("{MANIFEST}{tasks}"))
        .write("project/prompts/system.md", PROMPT);
    for task in ["t-01", "t-02", "t-03", "exam-1", "final-paper"] {
        let file = |name: &str| format!("project/tasks/{task}/{name}");
        directory
            .write(&file("task.toml"), "schema_version = \"1.4\"\n")
            .write(&file("instruction.md"), "Write the number to answer.txt.\n")
            .write(&file("environment/Dockerfile"), "FROM debian:12\n")
            .write(&file("tests/test.sh"), "echo 1 > /logs/verifier/reward.txt\n");
    }
    directory
}

fn ours(directory: &Directory, arguments: &[&str]) -> Command {
    let mut command = command(&directory.path("project"), arguments);
    command.env("XDG_STATE_HOME", directory.path("state")).env("HOME", directory.path("home"));
    command
}

fn run(directory: &Directory, arguments: &[&str]) -> Ran {
    ours(directory, arguments).output().unwrap().into()
}

#[track_caller]
fn ok(directory: &Directory, arguments: &[&str]) -> String {
    let ran = run(directory, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    ran.out
}

#[track_caller]
fn json(directory: &Directory, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(directory, arguments)).unwrap()
}

/// The verdict of each trial by its task; two of one task are one text.
fn verdicts(imported: &Value) -> BTreeMap<String, String> {
    let mut verdicts: BTreeMap<String, String> = BTreeMap::new();
    for trial in imported["trials"].as_array().unwrap() {
        let text = |key: &str| trial[key].as_str().unwrap().to_owned();
        verdicts.entry(text("task")).or_default().push_str(&text("verdict"));
    }
    verdicts
}

/// What was left out, with the reason.
fn left_out(imported: &Value) -> Vec<(String, String)> {
    let text = |left: &Value, key: &str| left[key].as_str().unwrap().to_owned();
    let all = imported["leftOut"].as_array().unwrap().iter();
    all.map(|left| (text(left, "what"), text(left, "reason"))).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

/// A job of Harbor: two tasks fail, one passes, and what judges is there as well.
fn job(directory: &Directory) {
    directory.write("job/result.json", r#"{"id": "x", "n_total_trials": 6, "stats": {}}"#);
    directory.write("job/config.json", "{}");
    for (task, reward, ran) in [
        ("t-01", Some(0.0), HASTY),
        ("t-02", Some(0.0), HASTY),
        ("t-03", Some(1.0), CAREFUL),
        ("exam-1", Some(0.0), HASTY),
        ("final-paper", Some(0.0), HASTY),
        ("foreign", Some(0.0), HASTY),
    ] {
        harbor(directory, "job", task, 1, reward, ran);
    }
}

#[test]
fn a_job_of_harbor_shows_weaknesses_at_lines() {
    let directory = project("import-harbor");
    job(&directory);
    let imported = json(&directory, &["import", "../job", "--json"]);
    assert_eq!((&imported["run"], &imported["form"]), (&json!("r-0001"), &json!("a Harbor job")));
    let expected = [("foreign", "fail"), ("t-01", "fail"), ("t-02", "fail"), ("t-03", "pass")];
    assert_eq!(verdicts(&imported), pairs(&expected).into_iter().collect());
    assert_eq!(left_out(&imported), pairs(&[("exam-1", "judges"), ("final-paper", "judges")]));

    let mined = ok(&directory, &["mine"]);
    assert!(mined.starts_with("imported: trials of a Harbor job"), "{mined}");
    assert!(mined.contains("3 of 3 fail") && mined.contains("foreign, t-01, t-02"), "{mined}");
    // At the line that asks for it in vain.
    assert!(
        mined.contains("prompts/system.md:8  asks for it in vain: - Run the tests before you finish."),
        "{mined}"
    );
    for command in [&["mine"][..], &["report"], &["status"]] {
        let told = ok(&directory, command);
        assert!(!told.contains("exam-1") && !told.contains("final-paper"), "{command:?}: {told}");
    }
    // What the agent did is shown; what it took was paid elsewhere.
    let trace = ok(&directory, &["trace", "latest", "t-01"]);
    assert!(trace.contains("echo 41 > answer.txt") && trace.contains("assert 41 == 42"), "{trace}");
    let status = json(&directory, &["status", "--json"]);
    assert_eq!((&status["verb"], &status["spent"]["costUsd"]), (&json!("import"), &json!(0.0)));
}

#[test]
fn no_score_is_made_of_what_was_imported() {
    let directory = project("import-score");
    job(&directory);
    ok(&directory, &["import", "../job", "--same-harness"]);
    let report = ok(&directory, &["report"]);
    assert!(
        report.contains("4 trials of 4 tasks from a Harbor job, 3 failed; evidence, no score"),
        "{report}"
    );
    assert!(!report.contains("held-in"), "{report}");
    let document: Value = json(&directory, &["report", "--format", "json"]);
    assert!(!document.to_string().contains("\"held-in\",\"points\""), "{document}");
    for split in document["splits"].as_array().into_iter().flatten() {
        assert!(split["first"].is_null() && split["last"].is_null(), "{split}");
    }
    for format in ["markdown", "html"] {
        let told = ok(&directory, &["report", "--format", format]);
        assert!(!told.contains("/4") && !told.contains("1/"), "{told}");
    }
    // A harness is not measured by it: an edit has nothing to be compared with.
    directory.write("project/prompts/system.md", format!("{PROMPT}- Be exact.\n"));
    let refused = run(&directory, &["validate", "--working-tree", "--trust", "--yes"]);
    assert_eq!(refused.code, Some(2), "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("measured"), "{}", refused.err);
}

#[test]
fn the_same_results_add_nothing_and_more_of_them_add_the_rest() {
    let directory = project("import-again");
    job(&directory);
    let first = ok(&directory, &["import", "../job"]);
    assert!(
        first.starts_with("imported 4 trials of 4 tasks from a Harbor job as r-0001, 3 failed\n"),
        "{first}"
    );
    assert!(
        first.contains("left out 2 trials: their tasks judge here") && first.contains("  exam-1\n"),
        "{first}"
    );
    let again = ok(&directory, &["import", "../job"]);
    assert!(
        again.starts_with("nothing new: 4 trials of 4 tasks from a Harbor job are in r-0001 already"),
        "{again}"
    );
    assert_eq!(json(&directory, &["status", "--json"])["run"], "r-0001");
    // The job went on. Elsewhere, under another name, it is the same job.
    harbor(&directory, "job", "t-01", 2, Some(1.0), CAREFUL);
    fs::rename(directory.path("job"), directory.path("moved")).unwrap();
    let more = json(&directory, &["import", "../moved", "--json"]);
    assert_eq!((&more["run"], &more["added"], &more["known"]), (&json!("r-0002"), &json!(1), &json!(false)));
    assert_eq!(verdicts(&more)["t-01"], "failpass");
    let repeats: Vec<u64> =
        more["trials"].as_array().unwrap().iter().filter_map(|trial| trial["repeat"].as_u64()).collect();
    assert_eq!(repeats, [0, 0, 1, 0, 0]);
    assert!(ok(&directory, &["mine"]).contains("3 of 3 fail"));
}

#[test]
fn trials_that_tell_nothing_are_named_and_left_out() {
    let directory = project("import-left");
    job(&directory);
    let trial = |name: &str, file: &str| format!("job/{name}/{file}");
    let write = |name: &str, record: Value| {
        directory.write(&trial(name, "trial.log"), "");
        directory.write(&trial(name, "result.json"), record.to_string());
    };
    // The provider failed; Harbor verified all the same.
    let name = "t-01__provide";
    write(name, result("t-01", name, json!({"reward": 1.0}), Some("ApiRateLimitError")));
    directory.write(&trial(name, "agent/trajectory.json"), atif(CAREFUL).to_string());
    // Cut off: the transcript of one, the record of another; a third has none yet.
    let name = "t-02__cutoff0";
    write(name, result("t-02", name, json!({"reward": 0.0}), None));
    let whole = atif(HASTY).to_string();
    directory.write(&trial(name, "agent/trajectory.json"), &whole[..whole.len() / 2]);
    directory
        .write("job/t-03__record0/trial.log", "")
        .write("job/t-03__record0/result.json", "{\"trial_name\": \"t-0");
    directory.write("job/t-03__running/trial.log", "");
    // The agent kept its own log only.
    let name = "t-03__native0";
    write(name, result("t-03", name, json!({"reward": 0.0}), Some("AgentTimeoutError")));
    let native = mini("t-03", HASTY, "Submitted", "").to_string();
    directory.write(&trial(name, "agent/mini-swe-agent.trajectory.json"), native);
    directory.write(&trial(name, "agent/settings.json"), "{\"a\": 1}");
    // A name that would steer a terminal.
    let name = "evil__abc1234";
    let mut evil = result("t-01", name, json!({"reward": 0.0}), None);
    evil["task_id"] = json!({"path": "suite/\u{1b}[2J"});
    write(name, evil);
    let imported = json(&directory, &["import", "../job", "--json"]);
    let expected = [
        ("evil__abc1234/result.json", "unnamed"),
        ("exam-1", "judges"),
        ("final-paper", "judges"),
        ("t-01__provide", "void"),
        ("t-02__cutoff0", "unreadable"),
        ("t-03__record0/result.json", "unfinished"),
        ("t-03__running", "unfinished"),
    ];
    assert_eq!(left_out(&imported), pairs(&expected));
    assert_eq!(verdicts(&imported)["t-03"], "passfail");
    let late = imported["trials"].as_array().unwrap().iter().find(|trial| trial["end"] == "time");
    assert_eq!(late.map(|trial| &trial["task"]), Some(&json!("t-03")), "{imported}");
}

#[test]
fn results_of_mini_swe_agent_are_judged_by_a_report() {
    let directory = project("import-mini");
    for (instance, status, submission, ran) in [
        ("astropy__astropy-1", "Submitted", "diff --git a/x b/x", HASTY),
        ("astropy__astropy-2", "Submitted", "diff --git a/x b/x", CAREFUL),
        ("astropy__astropy-3", "LimitsExceeded", "", HASTY),
        ("astropy__astropy-4", "Submitted", "diff --git a/x b/x", HASTY),
        ("astropy__astropy-5", "RateLimitError", "", HASTY),
        ("astropy__astropy-8", "Submitted", "diff --git a/x b/x", HASTY),
        ("exam-7", "Submitted", "diff", HASTY),
    ] {
        let file = format!("out/{instance}/{instance}.traj.json");
        directory.write(&file, mini(instance, ran, status, submission).to_string());
    }
    directory
        .write("out/preds.json", "{}")
        .write("out/exit_statuses_1.yaml", "instances_by_exit_status: {}\n");
    directory.write("out/astropy__astropy-6/astropy__astropy-6.traj.json", "{\"info\": {\"exit_st");
    // What was handed in is judged by nobody yet.
    let imported = json(&directory, &["import", "../out", "--json"]);
    assert_eq!(verdicts(&imported), pairs(&[("astropy__astropy-3", "fail")]).into_iter().collect());
    let report = json!({
        "schema_version": 2, "resolved_ids": ["astropy__astropy-2"], "unresolved_ids": ["astropy__astropy-1", "astropy__astropy-8", "exam-7"],
        "error_ids": ["astropy__astropy-4"], "empty_patch_ids": ["astropy__astropy-3"], "incomplete_ids": [],
    });
    directory.write("m-1.run.json", report.to_string());
    let imported = json(&directory, &["import", "../out", "--report", "../m-1.run.json", "--json"]);
    assert_eq!(imported["form"], "mini-swe-agent results");
    let expected = [
        ("astropy__astropy-1", "fail"),
        ("astropy__astropy-2", "pass"),
        ("astropy__astropy-3", "fail"),
        ("astropy__astropy-8", "fail"),
    ];
    assert_eq!(verdicts(&imported), pairs(&expected).into_iter().collect());
    let file = |number: u32| format!("astropy__astropy-{number}/astropy__astropy-{number}.traj.json");
    let expected = [("exam-7", "judges"), (&file(4), "void"), (&file(5), "void"), (&file(6), "unreadable")];
    let mut left = left_out(&imported);
    left.sort();
    let mut expected = pairs(&expected);
    expected.sort();
    assert_eq!(left, expected);
    let mined = ok(&directory, &["mine"]);
    assert!(mined.contains("3 of 3 fail") && mined.contains("prompts/system.md:8"), "{mined}");
}

#[test]
fn results_of_swe_agent_bring_their_report() {
    let directory = project("import-swe");
    for (instance, status, ran) in [
        ("django__django-1", "submitted", HASTY),
        ("django__django-2", "submitted (exit_cost)", HASTY),
        ("django__django-3", "submitted", CAREFUL),
        ("django__django-4", "exit_environment_error", HASTY),
    ] {
        directory.write(&format!("run/{instance}/{instance}.traj"), swe(ran, status, "diff").to_string());
    }
    directory.write(
        "run/results.json",
        r#"{"no_generation": [], "no_logs": [], "resolved": ["django__django-3"]}"#,
    );
    let imported = json(&directory, &["import", "../run", "--json"]);
    assert_eq!(imported["form"], "SWE-agent results");
    let expected = [("django__django-1", "fail"), ("django__django-2", "fail"), ("django__django-3", "pass")];
    assert_eq!(verdicts(&imported), pairs(&expected).into_iter().collect());
    assert_eq!(left_out(&imported), pairs(&[("django__django-4/django__django-4.traj", "void")]));
    let mined = ok(&directory, &["mine"]);
    assert!(mined.contains("of 2 fail") && mined.contains("prompts/system.md:"), "{mined}");
}

#[test]
fn what_cannot_be_imported_is_said_and_nothing_is_made() {
    let directory = project("import-nothing");
    directory.write("empty/readme.txt", "nothing");
    let store = || directory.path("project/.self-harness").exists();
    let ran = run(&directory, &["import", "../empty"]);
    assert_eq!(ran.code, Some(2));
    for looked_for in ["`result.json`", "`*.traj.json`", "`*.traj`", "hint: name the directory"] {
        assert!(ran.err.contains(looked_for), "{}", ran.err);
    }
    assert!(run(&directory, &["import", "../gone"]).err.contains("cannot open `../gone`"));
    let instance = "sympy__sympy-1";
    directory.write(
        &format!("out/{instance}/{instance}.traj.json"),
        mini(instance, HASTY, "Submitted", "diff").to_string(),
    );
    let ran = run(&directory, &["import", "../out"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("no report says whether it was resolved") && ran.err.contains("`--report FILE`"),
        "{}",
        ran.err
    );
    directory.write("other.json", "{}");
    let ran = run(&directory, &["import", "../out", "--report", "../other.json"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("`../other.json` is no report: it has no `resolved_ids`"), "{}", ran.err);
    harbor(&directory, "exam", "exam-1", 1, Some(0.0), HASTY);
    let ran = run(&directory, &["import", "../exam"]);
    assert!(ran.err.contains("exam-1") && ran.err.contains("its task judges here"), "{}", ran.err);
    assert!(!store(), "a store was made for nothing");
}

#[cfg(unix)]
#[test]
fn no_link_in_results_is_followed() {
    let directory = project("import-links");
    job(&directory);
    let secret = directory.write("secret.json", atif(CAREFUL).to_string()).path("secret.json");
    let trajectory = directory.path("job/t-01__abc1231/agent/trajectory.json");
    fs::remove_file(&trajectory).unwrap();
    std::os::unix::fs::symlink(secret, &trajectory).unwrap();
    let elsewhere = directory.path("elsewhere");
    fs::rename(directory.path("job/t-02__abc1231"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(elsewhere, directory.path("job/t-02__abc1231")).unwrap();
    let imported = json(&directory, &["import", "../job", "--json"]);
    assert_eq!(verdicts(&imported).into_keys().collect::<Vec<_>>(), ["foreign", "t-03"]);
    assert!(left_out(&imported).contains(&("t-01__abc1231".into(), "unreadable".into())), "{imported}");
}

#[test]
fn an_import_that_is_cancelled_leaves_nothing() {
    let directory = project("import-cancelled");
    for number in 0..600 {
        harbor(&directory, "job", &format!("bulk-{number:03}"), 1, Some(0.0), HASTY);
    }
    let trials = directory.path("project/.self-harness/trials");
    let kept = || fs::read_dir(&trials).map_or(0, |entries| entries.flatten().count());
    let mut command = ours(&directory, &["import", "../job"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while kept() < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is kept");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(ran.code, Some(130), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("cancelled, nothing was imported"), "{}", ran.err);
    assert_eq!(kept(), 0);
    assert!(run(&directory, &["status"]).err.contains("nothing was run"));
    // And then all of it.
    let whole = json(&directory, &["import", "../job", "--json"]);
    assert_eq!((&whole["added"], kept()), (&json!(600), 600));
}
