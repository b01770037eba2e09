//! Results as Harbor 0.24.0 writes them, each row of the table with its verdict.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::job::{Agent, DIGEST, Job, Task};
use super::lock::TrialLock;
use super::result::{JobResult, TrialResult};
use super::verdict::{Judgement, Measure, Seen, judge};
use crate::engine::trace::End;
use crate::engine::verdict::{Verdict, VoidCause};

const SEEN: Seen = Seen { asked: true, is_readable: true };
const TRIAL_RESULT: &str =
    include_str!("../../../../harness-schema/tests/fixtures/harbor-0.24.0/trial-result.schema.json");
const JOB_CONFIG: &str =
    include_str!("../../../../harness-schema/tests/fixtures/harbor-0.24.0/job-config.schema.json");
const TRIAL_LOCK: &str =
    include_str!("../../../../harness-schema/tests/fixtures/harbor-0.24.0/trial-lock.schema.json");

/// A document of Harbor's own form, or the test is about another program.
fn conforms(schema: &str, document: &Value) {
    let schema = serde_json::from_str(schema).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A trial whose agent worked, and was judged if there is a reward.
fn document(exception: Option<&str>, reward: Option<f64>) -> Value {
    let time = json!({ "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:01Z" });
    let exception = exception.map(|name| {
        json!({
            "exception_type": name, "exception_message": "\nwhat it says\nand more",
            "exception_traceback": "…", "occurred_at": "2026-01-01T00:00:01Z",
        })
    });
    json!({
        "id": "5d1a8c53-3c1c-4f0e-a2e3-0f6f7d2f0a11", "task_name": "org/a-task",
        "trial_name": "t-01__Ab3dE9x", "trial_uri": "file:///jobs/j/t-01__Ab3dE9x",
        "task_id": { "path": "/project/tasks/t-01" }, "source": null, "task_checksum": "00",
        "config": {
            "task": { "path": "/project/tasks/t-01" }, "trial_name": "t-01__Ab3dE9x", "trials_dir": "/jobs/j",
            "job_id": "5d1a8c53-3c1c-4f0e-a2e3-0f6f7d2f0a12",
        },
        "agent_info": { "name": "mini-swe-agent", "version": "2.4.6", "model_info": null },
        "agent_result": { "n_input_tokens": 120, "n_cache_tokens": 20, "n_output_tokens": 30, "cost_usd": 0.25 },
        "verifier_result": reward.map(|reward| json!({ "rewards": { "reward": reward } })),
        "exception_info": exception,
        "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:09Z",
        "environment_setup": time, "agent_setup": time, "agent_execution": time,
        "verifier": reward.map(|_| time.clone()), "step_results": null,
    })
}

fn read(document: &Value) -> TrialResult {
    conforms(TRIAL_RESULT, document);
    TrialResult::read(&document.to_string()).unwrap().unwrap()
}

fn judged(document: &Value, oracle_holds: bool, seen: Seen) -> Judgement {
    let thresholds = BTreeMap::from([(String::from("reward"), 1.0)]);
    judge(&read(document), Measure { thresholds: &thresholds, oracle_holds, needs_model: true }, seen)
}

fn verdict(exception: &str, reward: Option<f64>) -> Verdict {
    judged(&document(Some(exception), reward), true, SEEN).verdict
}

#[test]
fn without_an_exception_the_reward_decides() {
    assert_eq!(judged(&document(None, Some(1.0)), true, SEEN).verdict, Verdict::Pass);
    assert_eq!(judged(&document(None, Some(0.5)), true, SEEN).verdict, Verdict::Fail);
    // A missing reward is no zero, whichever part of it is missing.
    for result in [Value::Null, json!({ "rewards": null }), json!({ "rewards": {} })] {
        let mut missing = document(None, Some(1.0));
        missing["verifier_result"] = result;
        assert_eq!(judged(&missing, true, SEEN).verdict, Verdict::Void(VoidCause::VerifierCrash));
    }
    let mut whole = document(None, Some(1.0));
    whole["verifier_result"]["rewards"] = json!({ "accuracy": 1 });
    assert_eq!(judged(&whole, true, SEEN).verdict, Verdict::Pass);
}

#[test]
fn harbor_verifies_after_some_ends_of_an_agent() {
    for (name, end) in [
        ("AgentTimeoutError", End::Time),
        ("NonZeroAgentExitCodeError", End::Crashed(String::from("what it says"))),
        ("AgentSafetyRefusalError", End::Crashed(String::from("the model refused to answer"))),
        ("ContextWindowExceededError", End::Context),
        ("OutputTokenExceededError", End::Tokens),
    ] {
        let passed = judged(&document(Some(name), Some(1.0)), true, SEEN);
        assert_eq!((passed.verdict, passed.end.as_ref()), (Verdict::Pass, Some(&end)), "{name}");
        assert_eq!(passed.flags.timed_out, end == End::Time);
        assert_eq!(passed.flags.limit_hit, matches!(end, End::Context | End::Tokens));
        let failed = judged(&document(Some(name), Some(0.0)), true, SEEN);
        assert_eq!(failed.verdict, Verdict::Fail, "{name}");
        assert!(failed.why.contains(name), "{}", failed.why);
        assert_eq!(verdict(name, None), Verdict::Void(VoidCause::VerifierCrash), "{name}");
    }
}

#[test]
fn where_the_provider_failed_even_a_pass_is_void() {
    for (name, pauses) in [
        ("ApiError", false),
        ("ApiRateLimitError", false),
        ("ApiOverloadedError", false),
        ("ApiUsageLimitError", true),
        ("UnknownApiError", false),
        ("NetworkConnectionError", false),
        ("AgentAuthenticationError", true),
        ("ModelNotFoundError", true),
        ("RateLimitError", false),
        ("APIConnectionError", false),
        ("AuthenticationError", true),
    ] {
        for reward in [None, Some(0.0), Some(1.0)] {
            let judged = judged(&document(Some(name), reward), true, SEEN);
            assert_eq!(judged.verdict, Verdict::Void(VoidCause::Provider), "{name} {reward:?}");
            assert_eq!((judged.pauses, judged.end), (pauses, Some(End::Provider)), "{name}");
        }
    }
}

#[test]
fn a_verifier_that_takes_too_long_fails_where_the_solution_did_not() {
    let slow = document(Some("VerifierTimeoutError"), None);
    let held = judged(&slow, true, SEEN);
    assert_eq!((held.verdict, held.flags.verifier_timeout), (Verdict::Fail, true));
    assert_eq!(judged(&slow, false, SEEN).verdict, Verdict::Void(VoidCause::VerifierCrash));
}

#[test]
fn everything_else_without_a_verdict_is_void() {
    for name in [
        "RewardFileNotFoundError",
        "RewardFileEmptyError",
        "VerifierOutputParseError",
        "AddTestsDirError",
        "DownloadVerifierDirError",
    ] {
        assert_eq!(verdict(name, None), Verdict::Void(VoidCause::VerifierCrash), "{name}");
    }
    for name in ["AgentSetupTimeoutError", "EnvironmentStartTimeoutError"] {
        assert_eq!(verdict(name, None), Verdict::Void(VoidCause::EnvironmentSetup), "{name}");
    }
    // Before the agent began, whatever it is called.
    for name in ["RuntimeError", "ApiError", "AgentTimeoutError"] {
        let mut early = document(Some(name), None);
        early["agent_execution"] = Value::Null;
        let early = judged(&early, true, SEEN);
        assert_eq!(early.verdict, Verdict::Void(VoidCause::EnvironmentSetup), "{name}");
    }
    assert_eq!(verdict("RuntimeError", None), Verdict::Void(VoidCause::Adapter));
    assert_eq!(verdict("RuntimeError", Some(1.0)), Verdict::Pass);
    let mut in_verifier = document(Some("RuntimeError"), None);
    in_verifier["verifier"] = json!({ "started_at": "2026-01-01T00:00:02Z" });
    let in_verifier = judged(&in_verifier, true, SEEN);
    assert_eq!(in_verifier.verdict, Verdict::Void(VoidCause::VerifierCrash));
    let silent = Seen { asked: false, is_readable: false };
    let never = judged(&document(Some("RuntimeError"), None), true, silent);
    assert_eq!(never.verdict, Verdict::Void(VoidCause::AgentStart));
}

#[test]
fn who_asked_the_model_for_nothing_is_not_judged() {
    let of = |exception, asked, is_readable| {
        judged(&document(exception, Some(0.0)), true, Seen { asked, is_readable }).verdict
    };
    let started = Verdict::Void(VoidCause::AgentStart);
    assert_eq!(of(None, false, true), started);
    assert_eq!(of(Some("NonZeroAgentExitCodeError"), false, false), started);
    assert_eq!(of(Some("AgentTimeoutError"), false, false), started);
    assert_eq!(of(None, true, false), Verdict::Void(VoidCause::Adapter));
    assert_eq!(of(None, false, false), Verdict::Void(VoidCause::Adapter));
    // The agents of the checks before a run ask nobody.
    let thresholds = BTreeMap::from([(String::from("reward"), 1.0)]);
    let measure = Measure { thresholds: &thresholds, oracle_holds: false, needs_model: false };
    let silent = Seen { asked: false, is_readable: false };
    assert_eq!(judge(&read(&document(None, Some(1.0))), measure, silent).verdict, Verdict::Pass);
}

#[test]
fn steps_are_read_with_what_went_wrong_in_them() {
    let mut steps = document(None, Some(1.0));
    steps["agent_execution"] = Value::Null;
    steps["agent_result"] = Value::Null;
    let exception = document(Some("ApiRateLimitError"), None)["exception_info"].clone();
    let time = json!({ "started_at": "2026-01-01T00:00:00Z" });
    let step = |name: &str, exception: Value| {
        json!({
            "step_name": name, "agent_execution": time, "exception_info": exception,
            "agent_result": { "n_input_tokens": 10, "n_output_tokens": 1, "cost_usd": 0.5 },
        })
    };
    steps["step_results"] = json!([step("one", Value::Null), step("two", Value::Null)]);
    assert_eq!(judged(&steps, true, SEEN).verdict, Verdict::Pass);
    let usage = read(&steps).usage();
    assert_eq!((usage.input, usage.output, usage.cost), (20, 2, Some(1.0)));
    steps["step_results"] = json!([step("one", exception), step("two", Value::Null)]);
    assert_eq!(judged(&steps, true, SEEN).verdict, Verdict::Void(VoidCause::Provider));
}

#[test]
fn a_result_that_is_not_whole_is_not_finished() {
    let text = document(None, Some(1.0)).to_string();
    assert_eq!(TrialResult::read(&text[..text.len() / 2]), Ok(None));
    assert_eq!(TrialResult::read(""), Ok(None));
    assert!(TrialResult::read("[]").unwrap_err().contains("no result of a trial"));
    let cancelled = document(Some("CancelledError"), None).to_string();
    assert_eq!(TrialResult::read(&cancelled), Ok(None));
    let result = read(&document(None, Some(1.0)));
    assert_eq!(result.task(), Some("/project/tasks/t-01"));
    let mut registered = document(None, Some(1.0));
    registered["task_id"] = json!({ "org": "terminal-bench", "name": "org/fix-git", "ref": "2.0" });
    assert_eq!(read(&registered).task(), Some("fix-git"));
    let usage = result.usage();
    assert_eq!((usage.input, usage.cached, usage.output, usage.cost), (120, 20, 30, Some(0.25)));
}

#[test]
fn an_attempt_that_is_gone_is_noticed() {
    let job = |completed: u64, retries: u64| {
        let stats = json!({ "n_completed_trials": completed, "n_retries": retries });
        JobResult::read(&json!({ "n_total_trials": 1, "stats": stats }).to_string()).unwrap()
    };
    assert_eq!(job(1, 0).lost(1), None);
    assert_eq!(job(0, 0).lost(0), None);
    assert!(job(1, 0).lost(0).unwrap().contains("was deleted"));
    assert!(job(1, 2).lost(1).unwrap().contains("tried again (2)"));
    assert_eq!(JobResult::read("{\"n_total"), None);
}

fn job() -> Job {
    Job {
        name: String::from("R1-0000-ab-v1"),
        jobs: String::from("/state/harbor/jobs"),
        task: Task::Directory(String::from("/project/tasks/t-01")),
        agent: Agent {
            name: String::from("mini-swe-agent"),
            model: Some(String::from("openai/m")),
            kwargs: json!({ "config_file": "/state/harbor/candidates/ab/mini.yaml" }),
            env: BTreeMap::from([
                (String::from("OPENAI_API_KEY"), String::from("${OPENAI_API_KEY}")),
                (DIGEST.to_owned(), String::from("ab")),
            ]),
        },
        environment: String::from("docker"),
        environment_kwargs: Value::Null,
        timeout: Some(30.0),
        most: 60.0,
    }
}

#[test]
fn a_job_is_one_that_harbor_accepts() {
    let document = job().document();
    conforms(JOB_CONFIG, &document);
    assert_eq!(document["n_attempts"], 1);
    assert_eq!(document["retry"]["max_retries"], 0);
    assert_eq!(document["environment"], json!({ "type": "docker", "kwargs": {} }));
    assert_eq!(document["agents"][0]["name"], "mini-swe-agent");
    let imported = Job {
        agent: Agent::without_model("own_agent:Own"),
        environment: String::from("bwrap_env:BwrapEnvironment"),
        timeout: None,
        ..job()
    };
    let document = imported.document();
    conforms(JOB_CONFIG, &document);
    assert_eq!(document["agents"][0]["import_path"], "own_agent:Own");
    assert_eq!(document["agents"][0].get("name"), None);
    assert_eq!(document["environment"]["import_path"], "bwrap_env:BwrapEnvironment");
    let task = Task::Registered {
        dataset: String::from("terminal-bench"),
        version: String::from("2.0"),
        id: String::from("fix-git"),
    };
    assert!(task.is("fix-git") && task.is("tasks/fix-git") && !task.is("tasks/git"));
    let document = Job { task, ..job() }.document();
    conforms(JOB_CONFIG, &document);
    let dataset = json!({ "name": "terminal-bench", "version": "2.0", "task_names": ["fix-git"] });
    assert_eq!((&document["tasks"], &document["datasets"]), (&json!([]), &json!([dataset])));
}

#[test]
fn a_result_counts_only_for_what_was_asked_for() {
    let job = job();
    let lock = json!({
        "schema_version": 2, "task": { "name": "t-01", "type": "local", "digest": format!("sha256:{}", "0".repeat(64)) },
        "agent": job.document()["agents"][0], "environment": job.document()["environment"], "verifier": {},
    });
    conforms(TRIAL_LOCK, &lock);
    let matches = |lock: &Value| TrialLock::read(&lock.to_string()).unwrap().matches(&job);
    assert_eq!(matches(&lock), Ok(()));
    assert!(TrialLock::read(&lock.to_string()).unwrap().task().starts_with("sha256:"));
    for (pointer, value, what) in [
        ("/agent/name", json!("oracle"), "another agent"),
        ("/agent/model_name", json!("openai/n"), "another model"),
        ("/agent/kwargs/config_file", json!("/state/harbor/candidates/cd/mini.yaml"), "another harness"),
        ("/agent/env/SELF_HARNESS_DIGEST", json!("cd"), "another harness"),
        ("/environment/type", json!("podman"), "another environment"),
    ] {
        let mut other = lock.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        let error = matches(&other).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
    let mut taken = lock.clone();
    taken["source_trial"] = json!({ "action": "regrade", "type": "local" });
    assert!(matches(&taken).unwrap_err().contains("no agent was run"));
    assert!(TrialLock::read("{}").is_err());
}
