//! Results as other programs leave them, small enough to be checked by hand: a job of Harbor 0.24.0 (`harbor.models.trial.result`,
//! its trajectories as `harbor.models.trajectories` writes them), the output of mini-swe-agent 2.4.6
//! (`run/benchmarks/swebench.py`, `DefaultAgent.serialize`) and of SWE-agent 1.1 (`<id>/<id>.traj`, `results.json` of `sb-cli`), and
//! summaries of SWE-bench. None is a copy of a real one.

use serde_json::{Value, json};

use crate::Directory;

/// What an agent ran, how it ended, and what came back.
pub(crate) type Ran<'a> = &'a [(&'a str, i64, &'a str)];

/// It writes, and does not look at what it wrote.
pub(crate) const HASTY: Ran<'_> = &[("ls", 0, "notes.txt"), ("echo 41 > answer.txt", 0, "")];

/// It writes, and looks.
pub(crate) const CAREFUL: Ran<'_> =
    &[("ls", 0, "notes.txt"), ("echo 42 > answer.txt", 0, ""), ("cat answer.txt", 0, "42")];

/// A trajectory in ATIF.
pub(crate) fn atif(ran: Ran<'_>) -> Value {
    let mut steps = vec![
        json!({"step_id": 1, "source": "system", "message": "You work in a shell."}),
        json!({"step_id": 2, "source": "user", "message": "Write the number to answer.txt."}),
    ];
    for (at, (command, exit, output)) in ran.iter().enumerate() {
        let id = format!("call-{at}");
        steps.push(json!({
            "step_id": steps.len() + 1, "source": "agent", "message": "Next.", "model_name": "m-1", "llm_call_count": 1,
            "tool_calls": [{"tool_call_id": id, "function_name": "bash", "arguments": {"command": command}}],
            "observation": {"results": [{"source_call_id": id, "content": output, "extra": {"exit_code": exit}}]},
            "metrics": {"prompt_tokens": 100, "completion_tokens": 10, "cost_usd": 0.5},
        }));
    }
    steps.push(json!({"step_id": steps.len() + 1, "source": "agent", "message": "The answer is written.", "llm_call_count": 1}));
    json!({
        "schema_version": "ATIF-v1.7", "session_id": "s",
        "agent": {"name": "mini-swe-agent", "version": "2.4.6", "model_name": "m-1"}, "steps": steps,
    })
}

/// The record of a trial of Harbor.
pub(crate) fn result(task: &str, name: &str, rewards: Value, exception: Option<&str>) -> Value {
    let exception = exception.map(|exception| {
        json!({"exception_type": exception, "exception_message": "as it says", "exception_traceback": "", "occurred_at": "2026-01-01T00:01:00Z"})
    });
    json!({
        "id": "00000000-0000-4000-8000-000000000000", "task_name": format!("suite/{task}"), "trial_name": name,
        "trial_uri": "file:///jobs/one", "task_id": {"path": format!("suite/{task}")}, "source": null, "task_checksum": "c",
        "agent_info": {"name": "mini-swe-agent", "version": "2.4.6", "model_info": null},
        "agent_result": {"n_input_tokens": 300, "n_cache_tokens": 0, "n_output_tokens": 30, "cost_usd": 1.5},
        "verifier_result": {"rewards": rewards}, "exception_info": exception,
        "started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:01:00Z",
        "agent_execution": {"started_at": "2026-01-01T00:00:10Z", "finished_at": "2026-01-01T00:00:50Z"},
    })
}

/// Writes a trial of Harbor into a job.
pub(crate) fn harbor(
    directory: &Directory,
    job: &str,
    task: &str,
    nth: usize,
    reward: Option<f64>,
    ran: Ran<'_>,
) {
    let name = format!("{task}__abc123{nth}");
    let trial = |file: &str| format!("{job}/{name}/{file}");
    let rewards = reward.map_or(Value::Null, |reward| json!({"reward": reward}));
    directory
        .write(&trial("config.json"), "{}")
        .write(&trial("trial.log"), "")
        .write(&trial("result.json"), result(task, &name, rewards, None).to_string())
        .write(&trial("agent/trajectory.json"), atif(ran).to_string());
    if reward.is_some_and(|reward| reward < 1.0) {
        directory
            .write(&trial("verifier/test-stdout.txt"), "FAILED test_answer.py::test_number - assert 41 == 42\n")
            .write(
                &trial("verifier/ctrf.json"),
                r#"{"results": {"tool": {"name": "pytest"}, "tests": [{"name": "test_number", "status": "failed",
                   "message": "assert 41 == 42"}]}}"#,
            );
    }
}

/// The messages of mini-swe-agent.
pub(crate) fn mini(instance: &str, ran: Ran<'_>, status: &str, submission: &str) -> Value {
    let mut messages = vec![
        json!({"role": "system", "content": "You work in a shell."}),
        json!({"role": "user", "content": "Write the number to answer.txt."}),
    ];
    for (at, (command, exit, output)) in ran.iter().enumerate() {
        let id = format!("call-{at}");
        messages.push(json!({
            "role": "assistant", "content": "Next.",
            "tool_calls": [{"id": id, "type": "function", "function": {"name": "bash", "arguments": json!({"command": command}).to_string()}}],
            "extra": {"actions": [{"command": command, "tool_call_id": id}], "cost": 0.5,
                "response": {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}},
        }));
        messages.push(json!({
            "role": "tool", "tool_call_id": id, "content": output,
            "extra": {"raw_output": output, "returncode": exit, "exception_info": null},
        }));
    }
    messages.push(json!({"role": "exit", "content": submission, "extra": {"exit_status": status, "submission": submission}}));
    json!({
        "info": {
            "model_stats": {"instance_cost": 1.0, "api_calls": ran.len()}, "mini_version": "2.4.6",
            "config": {"agent": {"step_limit": 0}, "model": {"model_name": "openai/m-1"}},
            "exit_status": status, "submission": submission,
        },
        "messages": messages, "trajectory_format": "mini-swe-agent-1.1", "instance_id": instance,
    })
}

/// A trajectory of SWE-agent.
pub(crate) fn swe(ran: Ran<'_>, status: &str, submission: &str) -> Value {
    let turns = ran.iter().map(|(command, _, output)| {
        json!({
            "action": command, "observation": output, "response": "Next.", "thought": "Next.", "execution_time": 0.1, "state": {},
            "query": [{"role": "system", "content": "You work in a shell."}, {"role": "user", "content": "Write the number to answer.txt."}],
        })
    });
    json!({
        "trajectory": turns.collect::<Vec<_>>(), "history": [], "environment": "main",
        "info": {"exit_status": status, "submission": submission, "swe_agent_version": "1.1.0", "model_stats": {"instance_cost": 1.0}},
    })
}
