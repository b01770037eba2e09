//! Standard output and standard error: colour where somebody sees it, exact bytes where a program reads.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Prints a text with terminal colours to standard output, without them where nobody sees them (a pipe, `NO_COLOR`).
///
/// # Errors
/// A [`Failure`] if it cannot be written. A reader that has seen enough is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    written(anstream::stdout().lock().write_all(text.as_bytes()))
}

/// Prints a text of a document: byte for byte to a program, and to a terminal without what would steer it.
///
/// # Errors
/// A [`Failure`] if it cannot be written.
pub fn print_exactly(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return written(out.write_all(super::report::excerpt::visible(text).as_bytes()));
    }
    written(out.write_all(text.as_bytes()))
}

/// Prints a text with terminal colours to standard error: what is no part of the answer.
pub fn print_aside(text: &str) {
    // There is nobody left to tell.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// The columns of the terminal that standard output is; `None` if it is none.
#[must_use]
pub fn width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Whether somebody sits in front of standard output.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdout().is_terminal()
}

fn written(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("cannot write to standard output: {error}");
            Err(Failure::host(message, "see whether the disk is full"))
        }
        _ => Ok(()),
    }
}
