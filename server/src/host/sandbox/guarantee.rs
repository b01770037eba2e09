//! What a backend proved on this machine, and why it could not.

use std::collections::BTreeMap;
use std::fmt;

use crate::engine::consent::Strength;

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// It was tried, and holds.
    Held,
    /// It holds in a weaker form.
    Weaker(String),
    /// It does not hold.
    Missing(String),
}

impl Guarantee {
    /// Held if `holds`, missing for that reason if not.
    #[must_use]
    pub fn of(holds: bool, why: impl Into<String>) -> Self {
        if holds { Self::Held } else { Self::Missing(why.into()) }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::Weaker(why) => write!(f, "weaker: {why}"),
            Self::Missing(why) => write!(f, "missing: {why}"),
        }
    }
}

/// What a backend proved. It belongs to the contract: trials under different guarantees are not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantees {
    /// The backend and its version.
    pub backend: String,
    /// Nothing outside of the trial tree and the scratch space can be written.
    pub fs_write: Guarantee,
    /// Nothing of the user can be read.
    pub fs_read: Guarantee,
    /// There is no road to the network or to a socket of this machine.
    pub network: Guarantee,
    /// Processes of this machine cannot be seen or signalled, and no descriptor or variable leaks in.
    pub processes: Guarantee,
    /// After the kill barrier nothing is left.
    pub kill_all: Guarantee,
    /// No capability, and no way to gain one.
    pub capabilities: Guarantee,
    /// The filter of system calls is in force.
    pub seccomp: Guarantee,
    /// Memory is bounded.
    pub memory: Guarantee,
    /// Disk space is bounded.
    pub disk: Guarantee,
    /// Landlock bounds files a second time.
    pub landlock_abi: Guarantee,
}

impl Guarantees {
    /// Of a sandbox that nobody tried, because nothing is about to run: none.
    #[must_use]
    pub fn untried() -> Self {
        let untried = || Guarantee::Missing(String::from("not tried"));
        Self {
            backend: String::from("none"),
            fs_write: untried(),
            fs_read: untried(),
            network: untried(),
            processes: untried(),
            kill_all: untried(),
            capabilities: untried(),
            seccomp: untried(),
            memory: untried(),
            disk: untried(),
            landlock_abi: untried(),
        }
    }

    /// Of environments that Harbor makes: what they keep is theirs to say, and nothing of it was tried here.
    #[must_use]
    pub fn delegated() -> Self {
        let theirs = || Guarantee::Weaker(String::from("it is up to Harbor's environment"));
        Self {
            backend: String::from("harbor"),
            fs_write: theirs(),
            fs_read: theirs(),
            network: theirs(),
            processes: theirs(),
            kill_all: theirs(),
            capabilities: theirs(),
            seccomp: theirs(),
            memory: theirs(),
            disk: theirs(),
            landlock_abi: theirs(),
        }
    }

    /// As somebody agreed to them, by name: what was tried when a run was started, and not now.
    #[must_use]
    pub fn recorded(backend: &str, strengths: &BTreeMap<String, Strength>) -> Self {
        let of = |name: &str| match strengths.get(name) {
            Some(Strength::Held) => Guarantee::Held,
            Some(Strength::Weaker) => Guarantee::Weaker(String::from("when a run was started")),
            Some(Strength::Missing) | None => Guarantee::Missing(String::from("when a run was started")),
        };
        Self {
            backend: backend.to_owned(),
            fs_write: of("fs-write"),
            fs_read: of("fs-read"),
            network: of("network"),
            processes: of("processes"),
            kill_all: of("kill-all"),
            capabilities: of("capabilities"),
            seccomp: of("seccomp"),
            memory: of("memory"),
            disk: of("disk"),
            landlock_abi: of("landlock"),
        }
    }

    /// Each with its name and what it says.
    #[must_use]
    pub fn each(&self) -> [(&'static str, &'static str, &Guarantee); 10] {
        [
            ("fs-write", "nothing outside of its own directory can be written", &self.fs_write),
            ("fs-read", "no file of yours can be read", &self.fs_read),
            ("network", "no network, and no socket of this machine", &self.network),
            ("processes", "no process, descriptor or variable of this machine", &self.processes),
            ("kill-all", "nothing is left after a trial", &self.kill_all),
            ("capabilities", "no privilege, and no way to gain one", &self.capabilities),
            ("seccomp", "the filter of system calls is in force", &self.seccomp),
            ("memory", "memory is bounded", &self.memory),
            ("disk", "disk space is bounded", &self.disk),
            ("landlock", "files are bounded a second time", &self.landlock_abi),
        ]
    }

    /// All of it in one line, as records keep it.
    #[must_use]
    pub fn line(&self) -> String {
        let word = |guarantee: &Guarantee| match guarantee {
            Guarantee::Held => "held",
            Guarantee::Weaker(_) => "weaker",
            Guarantee::Missing(_) => "missing",
        };
        let each: Vec<String> =
            self.each().iter().map(|(name, _, guarantee)| format!("{name} {}", word(guarantee))).collect();
        format!("{}: {}", self.backend, each.join(", "))
    }

    /// The required ones that are not there: up to `seccomp` each has to be held, `memory` and `disk` have to be bounded
    /// somehow, Landlock is a second line.
    #[must_use]
    pub fn lacking(&self) -> Vec<&'static str> {
        let lacks = |(name, _, guarantee): &(&'static str, &'static str, &Guarantee)| match (*name, guarantee)
        {
            (_, Guarantee::Held) | ("landlock", _) | ("memory" | "disk", Guarantee::Weaker(_)) => None,
            (name, _) => Some(name),
        };
        self.each().iter().filter_map(lacks).collect()
    }
}

/// There is no sandbox here, so nothing is executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is missing.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Unavailable {
    /// A reason with its remedy.
    #[must_use]
    pub fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Guarantees {
        Guarantees {
            backend: String::new(),
            fs_write: Guarantee::Held,
            fs_read: Guarantee::Held,
            network: Guarantee::Held,
            processes: Guarantee::Held,
            kill_all: Guarantee::Held,
            capabilities: Guarantee::Held,
            seccomp: Guarantee::Held,
            memory: Guarantee::Held,
            disk: Guarantee::Held,
            landlock_abi: Guarantee::Held,
        }
    }

    #[test]
    fn what_is_required_has_to_be_held() {
        assert!(held().lacking().is_empty());
        let weaker = || Guarantee::Weaker(String::from("polled"));
        let polled = Guarantees { memory: weaker(), disk: weaker(), ..held() };
        assert!(polled.lacking().is_empty());
        let open = Guarantees { network: weaker(), ..held() };
        assert_eq!(open.lacking(), ["network"]);
        let endless = Guarantees { memory: Guarantee::of(false, "no"), ..held() };
        assert_eq!(endless.lacking(), ["memory"]);
        assert!(
            open.line().starts_with(": fs-write held, fs-read held, network weaker, "),
            "{}",
            open.line()
        );
        let strengths = polled.each().map(|(name, _, guarantee)| {
            let strength = match guarantee {
                Guarantee::Held => Strength::Held,
                Guarantee::Weaker(_) => Strength::Weaker,
                Guarantee::Missing(_) => Strength::Missing,
            };
            (name.to_owned(), strength)
        });
        assert_eq!(Guarantees::recorded("", &strengths.into()).line(), polled.line());
        let old = Guarantees { landlock_abi: Guarantee::of(false, "old"), ..held() };
        assert!(old.lacking().is_empty());
    }
}
