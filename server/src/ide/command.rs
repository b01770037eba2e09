//! What a lens, a hint or an action starts when somebody chooses it: a verb of the server, and what it is about. Making one starts
//! nothing.

use std::path::{Path, PathBuf};

use harness_schema::path::FilePath;

/// What each id begins with.
pub const PREFIX: &str = "self-harness.";

/// The verbs of the server (`editor` 4.1). `restart` and `log` are none: they work while the server is down, in the clients alone.
pub const WORDS: [&str; 32] = [
    "evaluate",
    "evaluateTask",
    "smoke",
    "mine",
    "propose",
    "validate",
    "improve",
    "seal",
    "cancel",
    "resume",
    "retry",
    "discard",
    "preview",
    "apply",
    "dismiss",
    "restore",
    "weaknesses",
    "trace",
    "report",
    "lineage",
    "rendered",
    "rule",
    "fixAll",
    "doctor",
    "trust",
    "key",
    "budget",
    "init",
    "demo",
    "import",
    "status",
    "menu",
];

/// A verb and what it is about; what is empty says nothing (`editor` 2.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// `self-harness.evaluate`.
    pub id: &'static str,
    /// The project.
    pub root: PathBuf,
    /// Tasks.
    pub tasks: Vec<String>,
    /// Clusters, as people read them: `C-7f3a`.
    pub clusters: Vec<String>,
    /// Proposals, by number.
    pub proposals: Vec<u32>,
    /// A run: `r-0142`.
    pub run: Option<String>,
    /// A file of the project.
    pub file: Option<FilePath>,
    /// A rule: `SH104`.
    pub rule: Option<&'static str>,
    /// What it costs, where its title says so: who chooses it has seen that.
    pub price: Option<String>,
}

impl Command {
    /// A verb about a project as a whole.
    #[must_use]
    pub fn new(id: &'static str, root: &Path) -> Self {
        Self { id, root: root.to_path_buf(), ..Self::default() }
    }

    /// The same about some proposals.
    #[must_use]
    pub fn proposals(mut self, proposals: &[u32]) -> Self {
        self.proposals = proposals.to_vec();
        self
    }

    /// The same about a cluster.
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        self.clusters.push(name.to_owned());
        self
    }

    /// The same about a run.
    #[must_use]
    pub fn run(mut self, name: &str) -> Self {
        self.run = Some(name.to_owned());
        self
    }

    /// The same about a file.
    #[must_use]
    pub fn file(mut self, file: &FilePath) -> Self {
        self.file = Some(file.clone());
        self
    }

    /// The same about a task.
    #[must_use]
    pub fn task(mut self, task: &str) -> Self {
        self.tasks.push(task.to_owned());
        self
    }

    /// The same at a price that its title says; without one nobody has seen any.
    #[must_use]
    pub fn priced(mut self, price: &str) -> Self {
        self.price = Some(price.to_owned()).filter(|price| !price.is_empty());
        self
    }

    /// Its verb: `evaluate`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.id.strip_prefix(PREFIX).unwrap_or(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_once() {
        for word in WORDS {
            assert_eq!(WORDS.iter().filter(|other| **other == word).count(), 1, "{word}");
        }
        let command = Command::new("self-harness.propose", Path::new("/p")).cluster("C-7f3a");
        assert!(WORDS.contains(&command.word()));
        assert_eq!(command.clusters, ["C-7f3a"]);
    }
}
