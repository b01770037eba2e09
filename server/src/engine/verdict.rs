//! What a trial is worth: pass, fail, or void. A void trial measured nothing; it is never a score.

/// The verdict of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Every required reward reached its threshold.
    Pass,
    /// It was measured, and is no pass.
    Fail,
    /// It measured nothing.
    Void(VoidCause),
}

/// Why a trial measured nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoidCause {
    /// The sandbox or the task's environment could not be made.
    EnvironmentSetup,
    /// No model request was sent.
    AgentStart,
    /// The provider failed, and that was the last event.
    Provider,
    /// The verifier left no readable reward, twice.
    VerifierCrash,
    /// The machine ran out of memory, disk or descriptors.
    HostResource,
    /// Somebody killed it from outside.
    KilledOutside,
    /// The transcript could not be read.
    Adapter,
    /// Task, tests or verifier changed during the run, which stops.
    ContractBroken,
}

impl VoidCause {
    /// All causes.
    pub const ALL: [Self; 8] = [
        Self::EnvironmentSetup,
        Self::AgentStart,
        Self::Provider,
        Self::VerifierCrash,
        Self::HostResource,
        Self::KilledOutside,
        Self::Adapter,
        Self::ContractBroken,
    ];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::EnvironmentSetup => "environment-setup",
            Self::AgentStart => "agent-start",
            Self::Provider => "provider",
            Self::VerifierCrash => "verifier-crash",
            Self::HostResource => "host-resource",
            Self::KilledOutside => "killed-outside",
            Self::Adapter => "adapter",
            Self::ContractBroken => "contract-broken",
        }
    }

    /// The cause that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

/// What else is to be known of a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// The agent ran out of time; it was judged all the same.
    pub timed_out: bool,
    /// Another limit ended the agent.
    pub limit_hit: bool,
    /// The verifier ran out of time.
    pub verifier_timeout: bool,
    /// A pass was claimed that the evidence denies.
    pub tampered: bool,
}
