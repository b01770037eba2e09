//! `doctor`: starts a real sandbox, tries to leave it, and says what held.

use annotate_snippets::renderer::{AnsiColor, Effects, Style};

use super::report::excerpt::visible;
use super::terminal;
use crate::failure::Failure;
use crate::host::agents::harbor;
use crate::host::machine::Machine;
use crate::host::sandbox::{Guarantee, Guarantees, SandboxError, Unavailable};

const GOOD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
const BAD: Style = AnsiColor::BrightRed.on_default().effects(Effects::BOLD);

/// Tries the sandbox of this machine and prints each guarantee.
///
/// # Errors
/// A [`Failure`] of the host if trials cannot run.
pub fn run() -> Result<u8, Failure> {
    let machine = Machine::read()?;
    let cannot_run = |unavailable: Unavailable| {
        Failure::host(format!("trials cannot run: {}", unavailable.reason), unavailable.remedy)
    };
    let swept = machine.sweep().map_err(|error| match error {
        SandboxError::Unavailable(unavailable) => cannot_run(unavailable),
        error => Failure::host(error.to_string(), "see whether the directory of the trial trees is yours"),
    })?;
    let guarantees = machine.backend().probe().map_err(cannot_run)?;
    terminal::print(&page(&guarantees, swept, &harbor::here(&machine.harbor)))?;
    match guarantees.lacking().as_slice() {
        [] => Ok(0),
        lacking => Err(Failure::host(
            format!("trials cannot run: the sandbox does not hold `{}`", lacking.join("`, `")),
            "the lines above say what a program inside could do; run on a machine where user namespaces are not restricted",
        )),
    }
}

/// One line for each guarantee, and one for Harbor.
fn page(guarantees: &Guarantees, swept: usize, harbor: &str) -> String {
    let mut out = format!("sandbox: {}\n", visible(&guarantees.backend));
    if 0 < swept {
        out.push_str(&format!("removed what {swept} ended runs had left\n"));
    }
    for (name, promise, guarantee) in guarantees.each() {
        let (style, word, why) = match guarantee {
            Guarantee::Held => (GOOD, "held", ""),
            Guarantee::Weaker(why) => (DOUBTFUL, "weaker", why.as_str()),
            Guarantee::Missing(why) => (BAD, "missing", why.as_str()),
        };
        out.push_str(&format!("  {style}{word:<7}{style:#}  {name:<12}  {promise}\n"));
        if !why.is_empty() {
            out.push_str(&format!("           {:<12}  {}\n", "", visible(why)));
        }
    }
    if guarantees.lacking().is_empty() {
        out.push_str("trials can run on this machine\n");
    }
    out.push_str(&format!("harbor: {}\n", visible(harbor)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guarantee_has_its_line() {
        let guarantees = Guarantees {
            backend: String::from("bubblewrap 0.8.0"),
            fs_write: Guarantee::Held,
            fs_read: Guarantee::Held,
            network: Guarantee::Missing(String::from("a program inside reached TCP 127.0.0.1:1")),
            processes: Guarantee::Held,
            kill_all: Guarantee::Held,
            capabilities: Guarantee::Held,
            seccomp: Guarantee::Held,
            memory: Guarantee::Weaker(String::from("looked at ten times a second")),
            disk: Guarantee::Held,
            landlock_abi: Guarantee::Held,
        };
        let page =
            anstream::adapter::strip_str(&page(&guarantees, 2, "0.24.0 (/usr/bin/harbor)")).to_string();
        assert!(page.contains("  missing  network       no network"), "{page}");
        assert!(page.contains("a program inside reached TCP 127.0.0.1:1"), "{page}");
        assert!(page.contains("  weaker   memory        memory is bounded"), "{page}");
        assert!(page.contains("removed what 2 ended runs had left"), "{page}");
        assert!(!page.contains("trials can run"), "{page}");
        assert!(page.ends_with("harbor: 0.24.0 (/usr/bin/harbor)\n"), "{page}");
    }
}
