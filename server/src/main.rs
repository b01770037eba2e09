//! Starts the command line or the language server.

use std::process::ExitCode;

fn main() -> ExitCode {
    self_harness::host::memory::keep();
    self_harness::cli::run(self_harness::lsp::run_stdio)
}
