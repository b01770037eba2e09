//! The command line from outside: the real binary, its exit codes and what it prints.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory that goes when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("self-harness-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_self-harness"));
    command.current_dir(directory).args(arguments).env_remove("CI").env_remove("VIRTUAL_ENV");
    command.output().expect("the binary starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const MANIFEST: &str = "schema = 1\n\n[model]\nendpoint = \"http://127.0.0.1:8080/v1\"\nname = \"m\"\n\n[prompt]\nsystem = \"prompts/system.md\"\n\n[[runtime.rule]]\nid = \"stop\"\nwhen = { detector = \"loop-identical-fial\" }\ninject = { text = \"Stop.\" }\n";

fn harness(name: &str) -> Directory {
    let directory = Directory::new(name);
    directory.write("harness.toml", MANIFEST);
    directory.write("prompts/system.md", "You are a careful agent.\n");
    directory
}

#[test]
fn every_preset_is_clean() {
    for preset in ["minimal", "mini-swe-agent", "deepagents", "claude-code", "harbor-terminal-bench-2"] {
        let directory = Directory::new(preset);
        let init = run(&directory.0, &["init", "--preset", preset]);
        assert_eq!(init.status.code(), Some(0), "{}", err(&init));
        let check = run(&directory.0, &["check"]);
        assert_eq!(check.status.code(), Some(0), "{preset}: {}", out(&check));
        assert!(out(&check).ends_with(": no problems\n"), "{preset}: {}", out(&check));
    }
}

#[test]
fn every_example_is_clean() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/examples");
    let check = run(&examples, &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", out(&check));
    assert!(out(&check).contains(" of 4 harnesses: no problems"), "{}", out(&check));
}

#[test]
fn errors_are_exit_code_1_and_safe_fixes_solve_them() {
    let directory = harness("fix");
    let check = run(&directory.0, &["check"]);
    assert_eq!(check.status.code(), Some(1));
    insta::assert_snapshot!(out(&check));
    let fix = run(&directory.0, &["check", "--fix"]);
    assert_eq!(fix.status.code(), Some(0), "{}", out(&fix));
    assert!(out(&fix).starts_with("fixed 1 problem\n"), "{}", out(&fix));
    assert_eq!(directory.read("harness.toml"), MANIFEST.replace("fial", "fail"));
}

#[test]
fn what_is_not_there_is_exit_code_2_with_a_hint() {
    let directory = Directory::new("empty");
    let check = run(&directory.0, &["check"]);
    assert_eq!(check.status.code(), Some(2));
    assert_eq!(
        err(&check),
        "error: no `harness.toml` in or above `.`\nhint: create one with `self-harness init --preset minimal`\n"
    );
    let check = run(&directory.0, &["check", "nothing.md"]);
    assert_eq!(check.status.code(), Some(2));
    assert!(err(&check).starts_with("error: there is no `nothing.md`\n"), "{}", err(&check));
    let explain = run(&directory.0, &["check", "--explain", "unknown-tol"]);
    assert_eq!(explain.status.code(), Some(2));
    assert_eq!(err(&explain), "error: there is no rule `unknown-tol`\nhint: did you mean `unknown-tool`?\n");
}

#[test]
fn one_file_is_checked_alone() {
    let directory = harness("one");
    directory.write("prompts/system.md", "In {{ workdri }}.\n");
    let check = run(&directory.0, &["check", "prompts/system.md"]);
    assert!(out(&check).contains("unknown variable `workdri`"), "{}", out(&check));
    assert!(!out(&check).contains("unknown detector"), "{}", out(&check));
    assert!(out(&check).ends_with("checked 1 file of 1 harness: 1 error\n"), "{}", out(&check));
}

#[test]
fn programs_get_json_and_sarif() {
    let directory = harness("formats");
    let json = run(&directory.0, &["check", "--format", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["problems"][0]["rule"], "SH304");
    assert_eq!(report["problems"][0]["range"]["start"], serde_json::json!({"line": 12, "column": 22}));
    assert_eq!(report["problems"][0]["fixes"][0]["edits"][0]["newText"], "loop-identical-fail");
    assert_eq!(report["counts"]["error"], 1);
    let sarif = run(&directory.0, &["check", "--format", "sarif"]);
    let report: serde_json::Value = serde_json::from_str(&out(&sarif)).unwrap();
    let result = &report["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "SH304");
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(report["runs"][0]["tool"]["driver"]["rules"][index]["id"], "SH304");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 12);
}

#[test]
fn known_problems_do_not_count_and_do_not_grow_in_ci() {
    let directory = harness("known");
    let write = run(&directory.0, &["check", "--write-known"]);
    assert_eq!(write.status.code(), Some(0), "{}", out(&write));
    assert!(out(&write).ends_with("no problems, 1 known (1 fixable with `--fix`)\n"), "{}", out(&write));
    // It is known wherever it stands.
    directory.write("harness.toml", &format!("# one more line\n{MANIFEST}"));
    assert_eq!(run(&directory.0, &["check"]).status.code(), Some(0));
    directory.write("harness.toml", &MANIFEST.replace("system.md", "sytem.md"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_self-harness"));
    let grown = command
        .current_dir(&directory.0)
        .args(["check", "--write-known"])
        .env("CI", "true")
        .output()
        .unwrap();
    assert_eq!(grown.status.code(), Some(2));
    assert!(
        err(&grown).starts_with("error: `harness.known.toml` would grow from 1 to 2 problems\n"),
        "{}",
        err(&grown)
    );
}

#[test]
fn init_writes_all_or_nothing() {
    let directory = Directory::new("init");
    directory.write("prompts/system.md", "mine\n");
    let init = run(&directory.0, &["init", "--preset", "minimal"]);
    assert_eq!(init.status.code(), Some(2));
    assert!(err(&init).contains("`prompts/system.md` is already there"), "{}", err(&init));
    assert_eq!(directory.read("prompts/system.md"), "mine\n");
    assert!(!directory.0.join("harness.toml").exists());
}

#[test]
fn a_prompt_renders_with_sample_values() {
    let directory = harness("render");
    directory.write(
        "prompts/system.md",
        "In {{ workdir }}: {{ runtime.max_steps }} steps. {# not sent #}{{ team|upper }}\n",
    );
    directory.write("harness.toml", &format!("{MANIFEST}\n[prompt.variables]\nteam = \"core\"\n"));
    let rendered = run(&directory.0, &["check", "--render", "prompts/system.md"]);
    assert_eq!(out(&rendered), "In /app: 40 steps. CORE\n", "{}", err(&rendered));
}

#[test]
fn the_schema_is_a_json_schema_of_the_manifest() {
    let directory = Directory::new("schema");
    let schema = run(&directory.0, &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&out(&schema)).unwrap();
    assert!(schema["properties"]["runtime"].is_object());
}
