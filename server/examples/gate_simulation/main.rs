//! Plays the gate against agents whose chances are known: the model of `method` 6.1, rebuilt from fits to public records. It
//! drives the gate and the loop that the product uses, and prints how many trials lone candidates take and what whole runs adopt
//! and gain, beside the references of 6.2.
//!
//! `gate_simulation [CASES] [--runs RUNS] [--all] [--check]`: so many lone candidates (20,000) and so many runs of each policy
//! (200). With `--all` it plays also what has no promise. With `--check` the promises are held, and one that is broken is exit
//! code 1.

mod model;
mod lone;
mod play;
mod table;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

/// Trials under way.
pub(crate) const PLACES: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asks = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    let after_runs = || arguments.iter().skip_while(|argument| *argument != "--runs").nth(1);
    let runs = after_runs().and_then(|runs| runs.parse().ok()).unwrap_or(200);
    let cases = arguments.first().and_then(|cases| cases.parse().ok()).unwrap_or(20_000);
    let mut out = io::stdout().lock();
    let mut is_kept = true;
    let mut say = |promise: table::Promise| {
        // Who does not read on wants no more.
        let _ = out.write_all(promise.line.as_bytes());
        let _ = out.flush();
        is_kept &= promise.is_kept;
    };
    table::lone(cases).into_iter().for_each(&mut say);
    table::runs(runs, asks("--all"), &mut say);
    ExitCode::from(u8::from(asks("--check") && !is_kept))
}
