//! Why a command did not do what it was asked to, for the person who asked.

use std::fmt;

/// A failure of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose turn it is.
    pub kind: FailureKind,
    /// What went wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Whose turn it is to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The person who typed the command.
    User,
    /// Whoever configured the project or the machine.
    Config,
    /// The machine.
    Host,
    /// Us.
    Bug,
}

impl Failure {
    /// A failure of the command as typed.
    #[must_use]
    pub fn user(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: FailureKind::User, message: message.into(), hint: hint.into() }
    }

    /// A failure of what somebody configured.
    #[must_use]
    pub fn config(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: FailureKind::Config, message: message.into(), hint: hint.into() }
    }

    /// A failure of the machine.
    #[must_use]
    pub fn host(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: FailureKind::Host, message: message.into(), hint: hint.into() }
    }

    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            FailureKind::User => 2,
            FailureKind::Config => 3,
            FailureKind::Host => 4,
            FailureKind::Bug => 70,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint) }
    }
}

impl std::error::Error for Failure {}
