//! What is held fixed while harnesses are compared, and the key by which a trial is found again: equal keys mean that the same
//! trial would be run once more. Rules of `method` 2.4.

use harness_schema::digest::Digest;

/// The version of the records; a trial of another version is another trial.
pub const RECORD_VERSION: u32 = 1;

/// What a trial is run for. A screening trial is never read as a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The harness as it is.
    Baseline,
    /// A candidate, looked at first.
    Screen,
    /// A candidate, on fresh trials.
    Confirm,
    /// A check of the saving of trials.
    Audit,
    /// One quick look before a run.
    Smoke,
    /// A repetition that watches whether the world has changed.
    Sentinel,
    /// The one reading of sealed tasks.
    Sealed,
    /// Another program ran it, somewhere and sometime: it may teach, and is compared with nothing.
    Imported,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 8] = [
        Self::Baseline,
        Self::Screen,
        Self::Confirm,
        Self::Audit,
        Self::Smoke,
        Self::Sentinel,
        Self::Sealed,
        Self::Imported,
    ];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Screen => "screen",
            Self::Confirm => "confirm",
            Self::Audit => "audit",
            Self::Smoke => "smoke",
            Self::Sentinel => "sentinel",
            Self::Sealed => "sealed",
            Self::Imported => "imported",
        }
    }

    /// The role that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// The model, as far as it decides what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model {
    /// How it is spoken to.
    pub protocol: String,
    /// Its name.
    pub name: String,
    /// The revision that the provider reported last; empty if it reports none.
    pub revision: String,
    /// Temperature and everything else that decides its answers, in one canonical text.
    pub decoding: String,
}

/// The program that runs a harness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Agent {
    /// `native`, `command` or `harbor`.
    pub kind: String,
    /// What adapts it: the native loop, a command line, a Harbor agent.
    pub adapter: String,
    /// Its version.
    pub version: String,
}

/// Everything that two trials must share to be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contract {
    /// The model.
    pub model: Model,
    /// The limits of a trial, in one canonical text.
    pub limits: String,
    /// The agent.
    pub agent: Agent,
    /// What the sandbox guarantees, with the version of its policy.
    pub guarantees: Digest,
}

/// One task, as far as it decides a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Instruction, environment and tests.
    pub task: Digest,
    /// What judges it.
    pub verifier: Digest,
    /// The image of its environment, if it has one.
    pub image: Option<Digest>,
}

impl Contract {
    /// The digest under which trials are compared: of the contract and of all tasks with their splits, by id.
    #[must_use]
    pub fn digest<'a>(&self, tasks: impl IntoIterator<Item = (&'a str, &'a str, Task)>) -> Digest {
        let mut tasks: Vec<(&str, &str, Task)> = tasks.into_iter().collect();
        tasks.sort_by_key(|(id, split, _)| (*id, *split));
        let mut parts = vec![b"contract".to_vec(), RECORD_VERSION.to_le_bytes().to_vec()];
        parts.extend(self.parts());
        for (id, split, task) in tasks {
            parts.extend([id.as_bytes().to_vec(), split.as_bytes().to_vec()]);
            parts.extend([task.task.bytes().to_vec(), task.verifier.bytes().to_vec(), image(task)]);
        }
        of(&parts)
    }

    /// The key of a trial. Its split is not in it, so a new task or a moved one voids no other trial.
    #[must_use]
    pub fn key(&self, harness: Digest, task: Task, role: Role, repeat: u32) -> Digest {
        let Self { model, limits, agent, guarantees } = self;
        let text = |text: &str| text.as_bytes().to_vec();
        of(&[
            RECORD_VERSION.to_le_bytes().to_vec(),
            harness.bytes().to_vec(),
            task.task.bytes().to_vec(),
            task.verifier.bytes().to_vec(),
            text(&model.protocol),
            text(&model.name),
            text(&model.revision),
            text(&model.decoding),
            text(limits),
            text(&agent.kind),
            text(&agent.adapter),
            text(&agent.version),
            image(task),
            guarantees.bytes().to_vec(),
            text(role.word()),
            repeat.to_le_bytes().to_vec(),
        ])
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let Self { model, limits, agent, guarantees } = self;
        let texts = [
            &model.protocol,
            &model.name,
            &model.revision,
            &model.decoding,
            limits,
            &agent.kind,
            &agent.adapter,
            &agent.version,
        ];
        let texts = texts.into_iter().map(|text| text.as_bytes().to_vec());
        texts.chain([guarantees.bytes().to_vec()]).collect()
    }
}

fn image(task: Task) -> Vec<u8> {
    task.image.map(|image| image.bytes().to_vec()).unwrap_or_default()
}

fn of(parts: &[Vec<u8>]) -> Digest {
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        Contract {
            model: Model { protocol: "openai".into(), name: "m".into(), ..Model::default() },
            limits: "steps 40".into(),
            agent: Agent { kind: "native".into(), ..Agent::default() },
            guarantees: Digest::of(b"g"),
        }
    }

    fn task() -> Task {
        Task { task: Digest::of(b"t"), verifier: Digest::of(b"v"), image: None }
    }

    #[test]
    fn every_part_makes_another_key() {
        let (base, harness) = (contract(), Digest::of(b"h"));
        let key = |contract: &Contract, task: Task| contract.key(harness, task, Role::Baseline, 0);
        let with = |change: fn(&mut Contract)| {
            let mut other = contract();
            change(&mut other);
            key(&other, task())
        };
        let mut keys = vec![
            key(&base, task()),
            base.key(Digest::of(b"i"), task(), Role::Baseline, 0),
            base.key(harness, task(), Role::Screen, 0),
            base.key(harness, task(), Role::Baseline, 1),
            key(&base, Task { task: Digest::of(b"u"), ..task() }),
            key(&base, Task { verifier: Digest::of(b"u"), ..task() }),
            key(&base, Task { image: Some(Digest::of(b"u")), ..task() }),
            with(|other| other.model.protocol = "anthropic".into()),
            with(|other| other.model.name = "n".into()),
            with(|other| other.model.revision = "r".into()),
            with(|other| other.model.decoding = "d".into()),
            // What moves from one part into the next is another key too.
            with(|other| {
                other.model.name = String::new();
                other.model.revision = "m".into();
            }),
            with(|other| other.limits = "l".into()),
            with(|other| other.agent.kind = "command".into()),
            with(|other| other.agent.adapter = "a".into()),
            with(|other| other.agent.version = "1".into()),
            with(|other| other.guarantees = Digest::of(b"x")),
        ];
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn a_contract_knows_its_tasks_in_any_order() {
        let tasks = [("a", "held-in", task()), ("b", "held-out", task())];
        let digest = contract().digest(tasks);
        assert_eq!(digest, contract().digest([tasks[1], tasks[0]]));
        assert_ne!(digest, contract().digest([("a", "held-out", task()), tasks[1]]));
        assert_ne!(digest, contract().digest([tasks[0]]));
        assert!(Role::ALL.into_iter().all(|role| Role::named(role.word()) == Some(role)));
    }
}
