//! Runs programs of others such that they reach nothing but their own directory, and proves afterwards that nothing of
//! them is left.
//!
//! A [`Backend`] makes a [`Sandbox`] around a [`TrialTree`]; commands run in it; [`Sandbox::kill`] gives [`Dead`], the
//! only thing that can be frozen to a [`TreeSnapshot`](snapshot::TreeSnapshot). A promise is carried by a type, or by
//! [`Backend::probe`], which tries it. Without protection nothing is executed.

pub mod guarantee;
pub mod image;
pub mod output;
#[cfg(target_os = "linux")]
pub mod orphan;
pub mod tree;
pub mod spec;
#[cfg(target_os = "linux")]
pub mod snapshot;
#[cfg(target_os = "linux")]
pub mod arguments;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod remedy;
#[cfg(target_os = "linux")]
pub mod first;
#[cfg(target_os = "linux")]
mod spare;
#[cfg(target_os = "linux")]
mod running;
#[cfg(target_os = "linux")]
mod launched;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
pub mod reachable;
#[cfg(target_os = "linux")]
pub mod bubblewrap;
#[cfg(target_os = "linux")]
pub mod none;
#[cfg(target_os = "linux")]
pub mod container;
mod delegated;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

pub use guarantee::{Guarantee, Guarantees, Unavailable};
pub use image::{Containers, Image, Images};
#[cfg(target_os = "linux")]
pub use keeper::room;
pub use self_harness_inner::policy::POLICY;
#[cfg(target_os = "linux")]
pub use self_harness_inner::{beneath, procfs};
#[cfg(target_os = "linux")]
use self_harness_inner::{frames, self_test, stage, wire};
pub use spec::{
    Backend, Dead, Ended, Exec, Executed, Limits, Network, Phase, Sandbox, SandboxError, Spec, Stopper,
};
pub use tree::{TrialTree, Trials};

/// How trials are kept apart from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Choice {
    /// bubblewrap.
    #[default]
    Bubblewrap,
    /// A container engine, for tasks that come as images.
    Container,
    /// Nothing: the machine is thrown away afterwards.
    None,
    /// Harbor, which makes environments of its own; no word of the configuration, but what an agent of Harbor's asks for.
    Harbor,
}

impl Choice {
    /// The word in the configuration and in records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Container => "container",
            Self::None => "none",
            Self::Harbor => "harbor",
        }
    }

    /// The choice that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let all = [Self::Bubblewrap, Self::Container, Self::None, Self::Harbor];
        all.into_iter().find(|choice| choice.word() == word)
    }
}

/// The backend of this machine; programs of `toolchains` can be read inside, except in containers, which have those of their
/// image.
#[must_use]
pub fn backend(choice: Choice, toolchains: Vec<PathBuf>, containers: &Containers) -> Box<dyn Backend> {
    #[cfg(target_os = "linux")]
    return match choice {
        Choice::Harbor => Box::new(delegated::Delegated),
        Choice::Bubblewrap => {
            Box::new(bubblewrap::Bubblewrap { toolchains, ..bubblewrap::Bubblewrap::of_this_machine() })
        }
        Choice::Container => Box::new(of_containers(containers)),
        Choice::None => Box::new(none::Unconfined::of_this_machine()),
    };
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (choice, toolchains, containers);
        Box::new(Absent)
    }
}

/// Who knows the images that tasks can be run on; `None` where there are no containers, and the root is that of this machine.
#[must_use]
pub fn images(choice: Choice, containers: &Containers) -> Option<Box<dyn Images>> {
    match choice {
        #[cfg(target_os = "linux")]
        Choice::Container => Some(Box::new(of_containers(containers))),
        _ => {
            let _ = containers;
            None
        }
    }
}

#[cfg(target_os = "linux")]
fn of_containers(containers: &Containers) -> container::Container {
    container::Container::of_this_machine(containers.engine, containers.image.as_str())
}

/// Who the trial trees of this machine belong to; `None` for whoever we are.
#[must_use]
pub fn identity(choice: Choice) -> Option<tree::Identity> {
    match choice {
        #[cfg(target_os = "linux")]
        Choice::Bubblewrap => bubblewrap::Bubblewrap::of_this_machine().run_as,
        #[cfg(target_os = "linux")]
        Choice::Container => container::owner(),
        // Without a sandbox everything is done by whoever we are.
        _ => None,
    }
}

/// Removes what workers that died have left behind; how many sandboxes that were. Containers are asked for only where they
/// are the choice.
///
/// # Errors
/// A [`SandboxError`] if the directory of the trial trees cannot be read, or the engine does not answer.
pub fn sweep(choice: Choice, containers: &Containers) -> Result<usize, SandboxError> {
    #[cfg(target_os = "linux")]
    return match choice {
        Choice::Container => of_containers(containers).sweep(),
        Choice::Bubblewrap | Choice::None => bubblewrap::Bubblewrap::of_this_machine().sweep(),
        // Its jobs are looked for by whoever runs them.
        Choice::Harbor => Ok(0),
    };
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (choice, containers);
        Ok(0)
    }
}

/// What this process is if it was started inside of a sandbox: its first process, or the probe. Looks at the arguments and
/// has to be asked before anything else is done.
#[must_use]
pub fn inner_stage(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    #[cfg(target_os = "linux")]
    return stage::run(arguments);
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
