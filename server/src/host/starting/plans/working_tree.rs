//! The plan to validate the person's own edit as a proposal, compared with the harness that was measured last.

use harness_schema::digest::Digest;
use harness_schema::manifest::Gate;

use super::improvement::{compared, rules};
use crate::engine::consent::{Reason, changes};
use crate::engine::cycle::{Candidate, Goal};
use crate::failure::Failure;
use crate::host::consent;
use crate::host::measured::{self, Texts};
use crate::host::record::{EditRecord, ProposalRecord};
use crate::host::starting::{Asking, Plan};
use crate::host::store::{StoreError, run_name};
use crate::host::subject::Subject;

/// Who has made such a proposal.
const AUTHOR: &str = "you";

/// The plan to validate the edit on disk, or in open editors.
///
/// It is compared with the harness of the newest run: with the one that the run began with, or with the one that it adopted,
/// whichever the disk is closer to; somebody who has applied what was adopted edits that.
///
/// # Errors
/// A [`Failure`] if nothing was edited, or if it cannot be compared.
pub fn working_tree(asking: &Asking<'_>, gate: Option<Gate>) -> Result<Plan, Failure> {
    let plan = compared(asking.subject, Goal::Validate, rules(asking.subject, gate)?);
    let failed = |error: StoreError| error.to_failure();
    let past = asking.past();
    let Some(run) = past.newest().map_err(failed)? else {
        let hint = "measure the harness with `self-harness evaluate` before you edit it";
        return Err(Failure::user("no harness was measured in this project yet", hint));
    };
    let name = run_name(run.number);
    let disk = asking.subject;
    let now = disk.texts();
    let begun = past.with(&run.record.files);
    let measured = begun.contract_of(&run.record).to_string();
    let is_whole = begun.harness_digest().to_string() == run.record.harness;
    if let Some(what) = measured::contract_change(&begun, disk) {
        let message = format!("your edit changes {what}, which is held fixed while harnesses are compared");
        return Err(Failure::user(
            message,
            "take that back, or measure the harness anew with `self-harness evaluate`",
        ));
    }
    if measured != run.record.contract || !is_whole {
        let message = format!("a task, the sandbox or a program has changed since {name}");
        return Err(Failure::user(message, "measure the harness anew with `self-harness evaluate`"));
    }
    let adopted = past.adopted(&run).map_err(failed)?;
    let base = match adopted.filter(|adopted| is_closer(adopted, &run.record.files, &now)) {
        Some(adopted) => past.with(&adopted),
        None => begun,
    };
    let files = measured::difference(&base.texts(), &now);
    if base.harness_digest() == disk.harness_digest() {
        let message = format!("the harness on disk is the one that {name} measured: nothing differs");
        return Err(Failure::user(message, "edit a surface, and try again"));
    }
    let executed = changes(&base.execution_items(), &disk.execution_items());
    if !executed.is_empty() {
        let changed = Reason::Changed(executed);
        let changed = consent::reasons(&[changed]).join(", ");
        let hint = "such an edit is not compared trial by trial: measure the harness anew with `self-harness evaluate`";
        return Err(Failure::user(format!("your edit changes what is executed: {changed}"), hint));
    }
    if !base.is_comparable(&disk.harness) || !measured::makes(&base, &files, disk) {
        let message = format!("your edit cannot be told as one of the harness of {name}");
        let hint = "files that went away, or that are no text, cannot be part of it: measure the harness anew with `self-harness evaluate`";
        return Err(Failure::user(message, hint));
    }
    let own = record(&base, files);
    let before = asking.store.proposals().map_err(failed)?.into_iter().find(|stored| {
        (&stored.record.digest, &stored.record.harness) == (&own.digest, &own.harness)
            && stored.record.author == AUTHOR
    });
    let subject = Some(base);
    Ok(match before {
        // The same edit is the same proposal.
        Some(stored) => {
            let candidates = vec![Candidate { proposal: stored.number, active: None }];
            Plan { candidates, subject, ..plan }
        }
        None => Plan { own: Some(own), subject, ..plan },
    })
}

/// Whether the disk is closer to what a run adopted than to what it began with.
fn is_closer(adopted: &Texts, begun: &Texts, now: &Texts) -> bool {
    measured::distance(adopted, now) <= measured::distance(begun, now)
}

/// The edit as a proposal.
fn record(base: &Subject, files: Texts) -> ProposalRecord {
    let before = base.texts();
    let parts = files.iter().flat_map(|(path, text)| [path.as_bytes(), text.as_bytes()]);
    let digest = Digest::of_parts([b"own/1".as_slice()].into_iter().chain(parts));
    let edits = files.iter().map(|(path, text)| EditRecord {
        surface: path.clone(),
        file: path.clone(),
        before: before.get(path).cloned().unwrap_or_default(),
        after: text.clone(),
    });
    let names: Vec<String> = files.keys().map(|path| format!("`{path}`")).collect();
    ProposalRecord {
        digest: digest.to_string(),
        harness: base.harness_digest().to_string(),
        author: AUTHOR.to_owned(),
        edits: edits.collect(),
        scope: serde_json::Value::from("always"),
        summary: format!("your edit of {}", names.join(", ")),
        files,
        ..ProposalRecord::default()
    }
}
