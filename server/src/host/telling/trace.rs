//! The trial that somebody wants to look at, and what the agent did in it. Held-in tasks only: who reads how held-out tasks fail
//! teaches with what must judge.

use std::path::PathBuf;

use harness_schema::manifest::TranscriptFormat;

use crate::engine::trace::Trace;
use crate::engine::transcript;
use crate::failure::Failure;
use crate::host::evidence;
use crate::host::record::TrialRecord;
use crate::host::store::{Store, StoredRun, run_name};

/// The name of a transcript in the directory of its trial.
const TRANSCRIPT: &str = "trajectory.json";

/// A trial that may be looked at, with its transcript.
#[derive(Clone, Debug)]
pub struct TracedTrial {
    /// The trial.
    pub trial: TrialRecord,
    /// Where its transcript lies.
    pub path: PathBuf,
    /// The transcript as it was written: ATIF v1.8.
    pub text: String,
}

impl TracedTrial {
    /// What the agent did, step after step.
    ///
    /// # Errors
    /// A [`Failure`] if the transcript is none.
    pub fn trace(&self) -> Result<Trace, Failure> {
        transcript::read(&self.text, TranscriptFormat::Atif).map_err(|error| {
            let message = format!("`{}` is no transcript: {error}", self.path.display());
            Failure::host(message, "see it with `--json`")
        })
    }
}

/// The trial of a run that tried a task for this repeat, from 0.
///
/// # Errors
/// A [`Failure`] if the task is not held-in, if there is no such trial, or if it has left no transcript.
pub fn trace(store: &Store, stored: &StoredRun, task: &str, repeat: u32) -> Result<TracedTrial, Failure> {
    let trials = evidence::trials(store, stored).map_err(|error| error.to_failure())?;
    let of_task = || trials.values().filter(|trial| trial.task == task);
    if of_task().any(|trial| trial.split != "held-in") {
        let hint = "look at held-in tasks; a held-out task judges, and stops to when somebody learns from it";
        return Err(Failure::user(format!("`{task}` is no held-in task, so its traces are not shown"), hint));
    }
    let trial = of_task().find(|trial| trial.repeat == repeat).cloned().ok_or_else(|| {
        let message = format!("{} has no trial of `{task}` with repeat {repeat}", run_name(stored.number));
        Failure::user(message, "`self-harness report` lists the tasks and repeats of a run")
    })?;
    let path = store.trial_directory(&trial.id).join(TRANSCRIPT);
    let text = store.read_of_trial(&trial.id, TRANSCRIPT).map_err(|error| {
        let message = format!("the transcript of {} cannot be read: {error}", trial.id);
        Failure::host(message, "it may have been removed, or the trial was void before the agent began")
    })?;
    Ok(TracedTrial { trial, path, text })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::host::record::{
        AgreementRecord, BudgetRecord, EventRecord, RunRecord, SlotRecord, SpentRecord,
    };
    use crate::host::store::Known;

    /// An agent that said one thing.
    const SAID: &str = r#"{ "schema_version": "ATIF-v1.8", "agent": { "name": "a", "version": "1" },
        "steps": [{ "step_id": 1, "source": "agent", "message": "done" }] }"#;

    struct Root(PathBuf);

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A run of two tasks, `alpha` that teaches and `judge` that judges, each tried once.
    fn run_in(store: &mut Store) -> StoredRun {
        let tasks = [("alpha", "held-in"), ("judge", "held-out")];
        let slots = tasks.map(|(task, split)| SlotRecord {
            arm: 0,
            task: task.into(),
            split: split.into(),
            role: "baseline".into(),
            repeat: 0,
        });
        let record = RunRecord {
            verb: "evaluate".into(),
            name: String::new(),
            harness: "a".into(),
            contract: "b".into(),
            execution: String::new(),
            files: Default::default(),
            slots: slots.into(),
            budget: BudgetRecord::default(),
            parallel: 1,
            seed: 1,
            sandbox: "bubblewrap".into(),
            started_by: String::new(),
            model: String::new(),
            repeats: 1,
            key_variable: None,
            rules: None,
            candidates: Vec::new(),
            seal: None,
        };
        let run = store.create_run(&record, &AgreementRecord::default()).unwrap();
        let lease = store.claim().unwrap().unwrap();
        for (slot, (task, split)) in tasks.into_iter().enumerate() {
            let trial = TrialRecord {
                id: format!("trial-{slot}"),
                key: format!("key-{slot}"),
                task: task.into(),
                split: split.into(),
                verdict: "fail".into(),
                ..TrialRecord::default()
            };
            let spent = SpentRecord { trials: 1, ..SpentRecord::default() };
            let ended = EventRecord::Ended { slot, verdict: "fail".into(), cause: None, spent };
            assert!(store.end_trial(&lease, run, slot, Duration::ZERO, &trial, &ended).unwrap());
        }
        store.run(run).unwrap().unwrap()
    }

    #[test]
    fn a_held_in_trial_is_shown_and_one_that_judges_is_not() {
        let path = std::env::temp_dir().join(format!("self-harness-telling-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("state")).unwrap();
        let root = Root(path);
        let mut store = Store::open_with(&root.0, &Known::at(&root.0.join("state"))).unwrap();
        let stored = run_in(&mut store);
        let gone = trace(&store, &stored, "alpha", 0).unwrap_err();
        assert!(gone.message.starts_with("the transcript of trial-0 cannot be read"), "{gone}");
        for id in ["trial-0", "trial-1"] {
            fs::create_dir_all(store.trial_directory(id)).unwrap();
            fs::write(store.trial_directory(id).join(TRANSCRIPT), SAID).unwrap();
        }
        let traced = trace(&store, &stored, "alpha", 0).unwrap();
        assert_eq!((traced.trial.id.as_str(), traced.text.as_str()), ("trial-0", SAID));
        assert_eq!(traced.trace().map(|trace| trace.steps.len()), Ok(1));
        let refused = trace(&store, &stored, "judge", 0).unwrap_err();
        assert_eq!(refused.message, "`judge` is no held-in task, so its traces are not shown");
        let missing = trace(&store, &stored, "alpha", 1).unwrap_err();
        assert_eq!(missing.message, "r-0001 has no trial of `alpha` with repeat 1");
        fs::write(&traced.path, "{").unwrap();
        let broken = trace(&store, &stored, "alpha", 0).unwrap().trace().unwrap_err();
        assert!(broken.message.contains("is no transcript"), "{broken}");
    }
}
