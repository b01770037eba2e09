//! What a job has left on the disk. Agents and verifiers of others wrote beside it: files are read if they are regular, and not
//! further than they may be long.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use harness_schema::manifest::TranscriptFormat;

use crate::engine::harbor::result::{JobResult, TrialResult};
use crate::engine::trace::Trace;
use crate::engine::transcript;

/// Longer results are none.
const MAX_RESULT_BYTES: u64 = 64 << 20;
/// What is longer of a transcript is not read.
const MAX_TRANSCRIPT_BYTES: u64 = 64 << 20;
/// Where an agent's transcript lies if it is as Harbor wants it.
const TRAJECTORY: &str = "trajectory.json";

/// What a job came to.
#[derive(Debug)]
pub(super) enum Left {
    /// No trial of it is finished.
    Nothing {
        /// Whether one was stopped, which Harbor would not run again.
        is_cancelled: bool,
    },
    /// Its trial.
    Finished(Box<Finished>),
    /// There is a result that cannot be read, or one that was there is gone.
    Broken(String),
}

/// A trial that Harbor has finished.
#[derive(Debug)]
pub(super) struct Finished {
    /// Its directory.
    pub(super) directory: PathBuf,
    /// What Harbor says of it.
    pub(super) result: TrialResult,
}

/// Looks at the directory of a job.
pub(super) fn look(job: &Path) -> Left {
    let mut directories: Vec<PathBuf> = match fs::read_dir(job) {
        Ok(entries) => {
            let own = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            own.map(|entry| entry.path()).collect()
        }
        Err(_) => return Left::Nothing { is_cancelled: false },
    };
    directories.sort();
    let results: Vec<(PathBuf, String)> = directories
        .into_iter()
        .filter_map(|directory| {
            let text = read(&directory.join("result.json"), MAX_RESULT_BYTES)?;
            Some((directory, text))
        })
        .collect();
    let there = u64::try_from(results.len()).unwrap_or(u64::MAX);
    let whole = read(&job.join("result.json"), MAX_RESULT_BYTES).and_then(|text| JobResult::read(&text));
    if let Some(lost) = whole.and_then(|whole| whole.lost(there)) {
        return Left::Broken(lost);
    }
    let mut is_cancelled = false;
    for (directory, text) in results {
        match TrialResult::read(&text) {
            Ok(Some(result)) => return Left::Finished(Box::new(Finished { directory, result })),
            Ok(None) => is_cancelled = true,
            Err(reason) => return Left::Broken(reason),
        }
    }
    Left::Nothing { is_cancelled }
}

/// What an agent told of its work.
#[derive(Debug)]
pub(super) struct Told {
    /// Step after step.
    pub(super) trace: Trace,
    /// Whether it is a transcript. What a program printed may be anything, and proves no call of a model.
    pub(super) is_document: bool,
}

impl Finished {
    /// A file of it.
    pub(super) fn file(&self, name: &str, most: usize) -> Option<String> {
        read(&self.directory.join(name), u64::try_from(most).unwrap_or(u64::MAX))
    }

    /// Where its steps left something: itself, if it has one.
    pub(super) fn steps(&self) -> Vec<PathBuf> {
        let names = self.result.steps().map(|step| step.step_name.as_str());
        // The name is the author's, and could lead elsewhere.
        let names: Vec<&str> = names.filter(|name| is_plain(name)).collect();
        match names.is_empty() {
            true => vec![self.directory.clone()],
            false => names.into_iter().map(|name| self.directory.join("steps").join(name)).collect(),
        }
    }

    /// What the agent did, step by step of the task; `None` for one of which nothing can be read. `clean` takes secrets out.
    pub(super) fn traces(&self, clean: impl Fn(&str) -> String) -> Vec<Option<Told>> {
        let each = self.steps().into_iter().map(|step| {
            let own = transcripts(&step.join("agent"));
            own.iter().find_map(|(is_document, path)| {
                let text = clean(&read(path, MAX_TRANSCRIPT_BYTES)?);
                let trace = transcript::read(&text, TranscriptFormat::Auto).ok()?;
                // A document that is no transcript is one step of text, and says nothing as that.
                let is_text = trace.steps.iter().any(|step| step.message.trim() == text.trim());
                (!(*is_document && is_text)).then_some(Told { trace, is_document: *is_document })
            })
        });
        each.collect()
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// The files that may be a transcript, and whether they are documents: Harbor's, then the program's own, then what it printed.
fn transcripts(agent: &Path) -> Vec<(bool, PathBuf)> {
    let Ok(entries) = fs::read_dir(agent) else { return Vec::new() };
    let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut files: Vec<(u8, PathBuf)> = files
        .map(|entry| {
            let path = entry.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let place = match ending {
                _ if path.file_name().is_some_and(|name| name == TRAJECTORY) => 0,
                "json" | "jsonl" => 1,
                _ => 2,
            };
            (place, path)
        })
        .collect();
    files.sort();
    files.into_iter().map(|(place, path)| (place < 2, path)).collect()
}

/// The text of a regular file, if it is not longer than that.
pub(super) fn read(path: &Path, most: u64) -> Option<String> {
    let mut options = fs::OpenOptions::new();
    // A link leads elsewhere, and a pipe would never be opened otherwise.
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).ok()?;
    let there = file.metadata().ok()?;
    if !there.is_file() || most < there.len() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINISHED: &str = r#"{"trial_name": "t__abc", "task_id": {"path": "/t"}, "verifier_result": {"rewards": {"reward": 1}}}"#;
    const CANCELLED: &str = r#"{"trial_name": "t__abc", "exception_info": {"exception_type": "CancelledError", "exception_message": ""}}"#;

    fn job(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let job = std::env::temp_dir().join(format!("self-harness-left-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&job);
        for (path, text) in files {
            let path = job.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        job
    }

    #[test]
    fn a_job_is_finished_when_its_trial_is() {
        let nothing = |left: &Left| match left {
            Left::Nothing { is_cancelled } => Some(*is_cancelled),
            _ => None,
        };
        assert_eq!(nothing(&look(Path::new("/no/such/job"))), Some(false));
        let stats = |completed: u32| {
            format!("{{\"n_total_trials\": 1, \"stats\": {{\"n_completed_trials\": {completed}}}}}")
        };
        let cut = &FINISHED[..40];
        let running = job("cut", &[("t__abc/result.json", cut), ("result.json", &stats(0))]);
        assert_eq!(nothing(&look(&running)), Some(true));
        let begun = job("begun", &[("t__abc/config.json", "{}"), ("result.json", &stats(0))]);
        assert_eq!(nothing(&look(&begun)), Some(false));
        let cancelled = job("cancelled", &[("t__abc/result.json", CANCELLED), ("result.json", &stats(1))]);
        assert_eq!(nothing(&look(&cancelled)), Some(true));
        let gone = job("gone", &[("result.json", &stats(1))]);
        assert!(matches!(look(&gone), Left::Broken(why) if why.contains("was deleted")));
        let whole = job(
            "whole",
            &[
                ("t__abc/result.json", FINISHED),
                ("result.json", &stats(1)),
                ("t__abc/agent/a.txt", "printed"),
                ("t__abc/agent/trajectory.json", "{}"),
                (
                    "t__abc/agent/b.jsonl",
                    "{\"role\": \"user\", \"content\": \"say it\"}\n{\"role\": \"assistant\", \"content\": \"hello\"}",
                ),
            ],
        );
        let Left::Finished(finished) = look(&whole) else { panic!("it is not finished") };
        // Harbor's own has no step, so the program's is read.
        let traces = finished.traces(str::to_owned);
        let told = traces[0].as_ref().unwrap();
        assert_eq!((told.trace.steps[1].message.as_str(), told.is_document), ("hello", true));
        // What was printed is the last resort.
        fs::remove_file(whole.join("t__abc/agent/b.jsonl")).unwrap();
        let traces = finished.traces(str::to_owned);
        let told = traces[0].as_ref().unwrap();
        assert_eq!((told.trace.steps[0].message.as_str(), told.is_document), ("printed", false));
        std::os::unix::fs::symlink("/etc/passwd", whole.join("link")).unwrap();
        assert_eq!(read(&whole.join("link"), 1 << 20), None);
        for directory in [running, begun, cancelled, gone, whole] {
            fs::remove_dir_all(directory).unwrap();
        }
    }
}
