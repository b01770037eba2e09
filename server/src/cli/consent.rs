//! Asks on the terminal before anything is executed or spent, unless the person has agreed to the same before.

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use harness_schema::split::Split;

use super::report::excerpt::visible;
use super::terminal;
use crate::engine::consent::{Items, KeyPair, Reason, Terms};
use crate::failure::Failure;
use crate::host::consent::{self, Asked, Line, Memory};
use crate::host::model::KeySource;
use crate::host::record::{HowAgreed, RunRecord};
use crate::host::sandbox::{Choice, Guarantees};
use crate::host::store::Store;
use crate::host::subject::Subject;

/// What the command line says in place of a person.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// `--yes`: agrees to everything that is started.
    pub yes: bool,
    /// `--trust`: trusts what decides what is executed as it is now, for this once; spending is asked for as always.
    pub trust: bool,
}

/// Something that has to be agreed to.
pub struct Question<'a> {
    /// Where.
    pub root: &'a Path,
    /// To what.
    pub asked: &'a Asked<'a>,
    /// What decides what is executed.
    pub items: &'a Items,
    /// What it may spend.
    pub terms: &'a Terms,
    /// Why it is asked; nothing if it need not be.
    pub reasons: &'a [Reason],
    /// Whether it may go on unasked where nobody could be asked: the same run was agreed to before.
    pub goes_on: bool,
}

/// What a run asks for.
///
/// # Errors
/// A [`Failure`] if the store cannot say what such trials took before.
pub fn of_run<'a>(
    store: &Store,
    record: &'a RunRecord,
    subject: &'a Subject,
    guarantees: &'a Guarantees,
    key: &'a KeySource,
    keys_anywhere: &BTreeSet<KeyPair>,
) -> Result<Asked<'a>, Failure> {
    let count = |split: Split| {
        let of_split = record.slots.iter().filter(|slot| slot.split == split.word());
        of_split.map(|slot| slot.task.as_str()).collect::<BTreeSet<_>>().len()
    };
    let endpoint = &subject.harness.manifest().model.value.endpoint.value;
    let expected = consent::expected(store, record, subject).map_err(|error| error.to_failure())?;
    let most = record.budget.trials.map_or(expected.most, |most| most.min(expected.most));
    let slots = u64::try_from(record.slots.len()).unwrap_or(u64::MAX);
    Ok(Asked {
        verb: &record.verb,
        subject,
        guarantees,
        backend: Choice::named(&record.sandbox).unwrap_or_default().word(),
        trials: if record.rules.is_some() { most } else { slots },
        expected,
        rules: record.rules.map(|_| record.design().rules),
        held_in: count(Split::HeldIn),
        held_out: count(Split::HeldOut),
        sealed: count(Split::Sealed),
        look: record.seal.as_ref().map_or(0, |seal| seal.look),
        repeats: record.repeats,
        parallel: record.parallel,
        key,
        is_new_key: consent::key_pair(key, endpoint).is_some_and(|pair| !keys_anywhere.contains(&pair)),
        max_cost: record.budget.cost,
    })
}

/// The text of a question.
fn text(question: &Question<'_>) -> String {
    let Question { asked, items, reasons, .. } = question;
    let mut out = format!("{}\n", consent::title(asked));
    let because = consent::reasons(reasons);
    if reasons.contains(&Reason::NeverTrusted) {
        let decides: Vec<String> = consent::items(items).into_iter().map(|line| line.text).collect();
        out.push_str(&format!("{:<10} {}\n", "Trusts", decides.join(", ")));
    } else if !because.is_empty() {
        out.push_str("Changed since you agreed:\n");
        because.iter().for_each(|sentence| out.push_str(&format!("  {sentence}\n")));
    }
    for Line { what, text } in consent::lines(asked) {
        out.push_str(&format!("{what:<10} {text}\n"));
    }
    visible(&out).into_owned()
}

/// Asks if there is something to ask, and remembers the answer; how it was agreed to, or `None` if it was not.
///
/// # Errors
/// A [`Failure`] if nobody can be asked.
pub fn given(question: &Question<'_>, flags: Flags) -> Result<Option<HowAgreed>, Failure> {
    let left: Vec<&Reason> =
        question.reasons.iter().filter(|reason| !(flags.trust && reason.is_about_trust())).collect();
    if flags.yes {
        terminal::print_aside(&text(question));
        remember(question, HowAgreed::Flag, !flags.trust);
        return Ok(Some(HowAgreed::Flag));
    }
    let can_ask = io::stdin().is_terminal();
    if left.is_empty() && (can_ask || question.goes_on) {
        let asked = question.asked;
        if !question.goes_on {
            let costs = consent::lines(asked).into_iter().find(|line| line.what == "Costs");
            let costs = costs.map(|line| format!(", {}", line.text)).unwrap_or_default();
            let line = format!("{} trials{costs}, as you agreed before\n", asked.trials);
            terminal::print_aside(&visible(&line));
        }
        return Ok(Some(HowAgreed::Before));
    }
    terminal::print_aside(&text(question));
    if !can_ask {
        let hint = "read the lines above, and add `--yes` to agree to them";
        return Err(Failure::user("nobody can be asked here whether this may start", hint));
    }
    terminal::print_aside("Start? [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Failure::host(format!("the answer cannot be read: {error}"), "add `--yes` to agree")
    })?;
    if !["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        return Ok(None);
    }
    remember(question, HowAgreed::Asked, !flags.trust);
    Ok(Some(HowAgreed::Asked))
}

/// Whoever cannot be remembered is asked again.
fn remember(question: &Question<'_>, how: HowAgreed, keeps_trust: bool) {
    let Question { root, items, terms, .. } = question;
    if let Err(error) = Memory::of_this_user().agree(root, items, terms, how, keeps_trust) {
        terminal::print_aside(&visible(&format!("note: what you agreed to is not remembered: {error}\n")));
    }
}
