//! Results of other programs beside runs of one's own: they teach, and no trial, score or baseline is made of them.

use std::fs;

use serde_json::json;

use crate::lab::{Lab, WRITER};

/// A job of Harbor in which `t-00` passed and `t-02` failed.
fn job(lab: &Lab) {
    for (task, reward) in [("t-00", 1.0), ("t-02", 0.0)] {
        let trial = lab.state().with_file_name("job").join(format!("{task}__abc1234"));
        fs::create_dir_all(trial.join("agent")).unwrap();
        let result = json!({
            "trial_name": format!("{task}__abc1234"), "task_name": task, "task_id": {"path": format!("tasks/{task}")},
            "verifier_result": {"rewards": {"reward": reward}}, "agent_result": {"n_input_tokens": 9, "cost_usd": 7.0},
        });
        let trajectory = json!({
            "schema_version": "ATIF-v1.8", "agent": {"name": "terminus-2", "version": "2"},
            "steps": [{"step_id": 1, "source": "user", "message": "Write the number."},
                {"step_id": 2, "source": "agent", "message": "It is written."}],
        });
        fs::write(trial.join("result.json"), result.to_string()).unwrap();
        fs::write(trial.join("agent/trajectory.json"), trajectory.to_string()).unwrap();
    }
}

#[test]
fn an_evaluation_takes_nothing_from_what_was_imported() {
    let lab = Lab::new("evidence", WRITER, 4);
    job(&lab);
    let imported = lab.ok(&["import", "../job", "--same-harness"]);
    assert!(
        imported.starts_with("imported 2 trials of 2 tasks from a Harbor job as r-0001, 1 failed"),
        "{imported}"
    );
    // Nothing was measured yet, so an edit has no baseline.
    let system = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &system.replace("You write numbers.", "You write numbers. Be exact."));
    let refused = lab.run(&["validate", "--working-tree", "--yes"]);
    let aside = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && aside.contains("measured"), "{aside}");
    lab.write("harness.toml", &system);
    let evaluated = lab.ok(&["evaluate", "--repeats", "1", "--yes"]);
    assert!(!evaluated.contains("known before"), "{evaluated}");
    let store = lab.store();
    let run = store.latest_run().unwrap().unwrap();
    assert_eq!(run.number, 2);
    let trials = store.trials(run.number).unwrap();
    assert_eq!(trials.iter().filter(|trial| trial.verdict != "void").count(), 4);
    assert!(trials.iter().all(|trial| trial.role == "baseline" && !trial.id.starts_with("i-")));
    // And what was measured here is what is mined from now on.
    assert!(!lab.ok(&["mine"]).contains("imported"));
    assert!(lab.ok(&["mine", "r-0001"]).starts_with("imported: trials of a Harbor job"));
}
