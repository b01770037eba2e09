//! Runs programs of others such that they reach nothing but their own directory, and proves afterwards that nothing of
//! them is left.
//!
//! A [`Backend`] makes a [`Sandbox`] around a [`TrialTree`]; commands run in it; [`Sandbox::kill`] gives [`Dead`], the
//! only thing that can be frozen to a [`TreeSnapshot`](snapshot::TreeSnapshot). A promise is carried by a type, or by
//! [`Backend::probe`], which tries it. Without protection nothing is executed.

pub mod guarantee;
pub mod output;
#[cfg(target_os = "linux")]
pub mod beneath;
pub mod tree;
pub mod spec;
#[cfg(target_os = "linux")]
pub mod snapshot;
#[cfg(target_os = "linux")]
pub mod procfs;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod self_test;
#[cfg(target_os = "linux")]
mod frames;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod inner;
#[cfg(target_os = "linux")]
pub mod arguments;
#[cfg(target_os = "linux")]
pub mod orphan;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod remedy;
#[cfg(target_os = "linux")]
mod running;
#[cfg(target_os = "linux")]
pub mod bubblewrap;
#[cfg(target_os = "linux")]
pub mod container;

use std::ffi::OsString;
use std::process::ExitCode;

pub use guarantee::{Guarantee, Guarantees, Unavailable};
pub use spec::{
    Backend, Dead, Ended, Exec, Executed, Limits, Network, Phase, Sandbox, SandboxError, Spec, Stopper,
};
pub use tree::{TrialTree, Trials};

/// The version of everything that decides what a sandbox allows. Results under different versions are not compared.
pub const POLICY: u32 = 2;

/// The backend of this machine.
#[must_use]
pub fn backend() -> Box<dyn Backend> {
    #[cfg(target_os = "linux")]
    return Box::new(bubblewrap::Bubblewrap::of_this_machine());
    #[cfg(not(target_os = "linux"))]
    Box::new(Absent)
}

/// Who the trial trees of this machine belong to; `None` for whoever we are.
#[must_use]
pub fn identity() -> Option<tree::Identity> {
    #[cfg(target_os = "linux")]
    return bubblewrap::Bubblewrap::of_this_machine().run_as;
    #[cfg(not(target_os = "linux"))]
    None
}

/// Removes what workers that died have left behind; how many sandboxes that were.
///
/// # Errors
/// A [`SandboxError`] if the directory of the trial trees cannot be read.
pub fn sweep() -> Result<usize, SandboxError> {
    #[cfg(target_os = "linux")]
    return bubblewrap::Bubblewrap::of_this_machine().sweep();
    #[cfg(not(target_os = "linux"))]
    Ok(0)
}

/// What this process is if it was started inside of a sandbox: its first process, or the probe. Looks at the arguments and
/// has to be asked before anything else is done.
#[must_use]
pub fn inner_stage(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    #[cfg(target_os = "linux")]
    return inner::stage(arguments);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = arguments;
        None
    }
}

/// No sandbox: this system has no backend of its own yet, and nothing runs without one.
#[cfg(not(target_os = "linux"))]
struct Absent;

#[cfg(not(target_os = "linux"))]
impl Backend for Absent {
    fn probe(&self) -> Result<Guarantees, Unavailable> {
        Err(absent())
    }

    fn start(&self, spec: Spec) -> Result<Box<dyn Sandbox>, SandboxError> {
        let _ = spec.tree.remove();
        Err(SandboxError::Unavailable(absent()))
    }
}

#[cfg(not(target_os = "linux"))]
fn absent() -> Unavailable {
    Unavailable {
        reason: String::from("there is no sandbox for this system"),
        remedy: String::from("evaluate on Linux: in a virtual machine, in a container, or in WSL 2"),
    }
}
