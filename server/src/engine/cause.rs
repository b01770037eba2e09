//! Why a trial failed, by the word of its verifier and of how it ended (`method` 3.2): one terminal cause, the first of a closed
//! list that fits.

/// A terminal cause, in the order in which they are looked for; the first that fits wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The verifier or its tests were touched.
    VerifierTampered,
    /// The context window was full.
    LimitContext,
    /// The limit of steps.
    LimitSteps,
    /// The limit of tokens or of money.
    LimitTokens,
    /// The agent crashed after its first model request.
    AgentCrash,
    /// The verifier ran out of its own time.
    VerifierTimeout,
    /// The agent ran out of time, and no check has a result.
    AgentTimeout,
    /// Neither a reward nor a check can be read: in imported records only.
    VerifierNoReport,
    /// A check could not be loaded for a missing module.
    VerifierImportError,
    /// What the agent made does not build.
    BuildFailed,
    /// A file that a check looks for is not there.
    ArtifactMissing,
    /// A module or program is not there.
    DependencyMissing,
    /// Nobody listens where a check asks.
    ServiceDown,
    /// Something that a check started ran out of time.
    CheckTimeout,
    /// What a check reads is not what it can read.
    ArtifactMalformed,
    /// A program that a check started failed.
    ProgramNonzero,
    /// A value is not the one that is expected.
    ValueMismatch,
    /// A named check failed otherwise.
    CheckFailed,
    /// Only a reward below the threshold is known.
    RewardZero,
}

impl Cause {
    /// All of them, in order.
    pub const ALL: [Self; 19] = [
        Self::VerifierTampered,
        Self::LimitContext,
        Self::LimitSteps,
        Self::LimitTokens,
        Self::AgentCrash,
        Self::VerifierTimeout,
        Self::AgentTimeout,
        Self::VerifierNoReport,
        Self::VerifierImportError,
        Self::BuildFailed,
        Self::ArtifactMissing,
        Self::DependencyMissing,
        Self::ServiceDown,
        Self::CheckTimeout,
        Self::ArtifactMalformed,
        Self::ProgramNonzero,
        Self::ValueMismatch,
        Self::CheckFailed,
        Self::RewardZero,
    ];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::VerifierTampered => "verifier.tampered",
            Self::LimitContext => "limit.context",
            Self::LimitSteps => "limit.steps",
            Self::LimitTokens => "limit.tokens",
            Self::AgentCrash => "agent.crash",
            Self::VerifierTimeout => "verifier.timeout",
            Self::AgentTimeout => "agent.timeout",
            Self::VerifierNoReport => "verifier.no-report",
            Self::VerifierImportError => "verifier.import-error",
            Self::BuildFailed => "build.failed",
            Self::ArtifactMissing => "artifact.missing",
            Self::DependencyMissing => "dependency.missing",
            Self::ServiceDown => "service.down",
            Self::CheckTimeout => "check.timeout",
            Self::ArtifactMalformed => "artifact.malformed",
            Self::ProgramNonzero => "program.nonzero",
            Self::ValueMismatch => "value.mismatch",
            Self::CheckFailed => "check.failed",
            Self::RewardZero => "reward.zero",
        }
    }

    /// The cause that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}
