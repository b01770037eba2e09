//! Starts the command line, the language server, or the first process of a sandbox.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: inside of a sandbox there is nothing else.
    if let Some(code) = self_harness::host::sandbox::inner_stage(std::env::args_os()) {
        return code;
    }
    self_harness::host::memory::keep();
    self_harness::cli::run(self_harness::lsp::run_stdio)
}
