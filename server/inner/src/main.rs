//! The first process of a sandbox, and nothing else: small and static, because every start waits until it is loaded.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(code) = self_harness_inner::stage::run(std::env::args_os()) {
        return code;
    }
    // It was started by whom it is not for.
    ExitCode::FAILURE
}
