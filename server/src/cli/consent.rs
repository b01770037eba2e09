//! Asks on the terminal before anything is executed or spent, unless the person has agreed to the same before.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use super::report::excerpt::visible;
use super::terminal;
use crate::engine::consent::{Items, Reason, Terms};
use crate::failure::Failure;
use crate::host::consent::{self, Asked, Memory};
use crate::host::record::HowAgreed;

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

/// What the person reads.
fn text(question: &Question<'_>) -> String {
    consent::text(question.asked, question.items, question.reasons)
}

/// Asks if there is something to ask, and remembers the answer; how it was agreed to, or `None` if it was not.
///
/// # Errors
/// A [`Failure`] if nobody can be asked.
pub fn given(question: &Question<'_>, flags: Flags) -> Result<Option<HowAgreed>, Failure> {
    let left: Vec<&Reason> =
        question.reasons.iter().filter(|reason| !(flags.trust && reason.is_about_trust())).collect();
    if flags.yes {
        terminal::print_aside(&visible(&text(question)));
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
    terminal::print_aside(&visible(&text(question)));
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
