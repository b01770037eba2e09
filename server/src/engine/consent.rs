//! What somebody agrees to before anything is executed or spent, and what has to be asked although somebody agreed before.
//! Trust is about what decides what is executed; consent is about spending (`security` 2.2, 2.3). Asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use harness_schema::digest::Digest;

/// What a thing that decides what is executed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ItemKind {
    /// A key of the manifest.
    Key,
    /// A tool, as far as it names a program.
    Tool,
    /// A file that is executed.
    Program,
    /// A task with its tests and its solution.
    Task,
    /// What the sandbox guarantees.
    Sandbox,
}

impl ItemKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Key, Self::Tool, Self::Program, Self::Task, Self::Sandbox];

    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Tool => "tool",
            Self::Program => "program",
            Self::Task => "task",
            Self::Sandbox => "sandbox",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Things that decide what is executed, with what they are now.
pub type Items = BTreeMap<(ItemKind, String), Digest>;

/// The digest of all that decides what is executed, where, and at whose cost (`security` 2.3).
#[must_use]
pub fn execution_digest(items: &Items) -> Digest {
    let parts = items.iter().flat_map(|((kind, name), digest)| {
        [kind.word().as_bytes(), name.as_bytes(), digest.bytes().as_slice()]
    });
    Digest::of_parts(std::iter::once(b"execution/2".as_slice()).chain(parts))
}

/// How one thing differs from what somebody agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub kind: ItemKind,
    /// Its name.
    pub name: String,
    /// How it differs.
    pub how: How,
}

/// How a thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// It was not there.
    Added,
    /// It is another one.
    Changed,
    /// It is gone.
    Removed,
}

/// What changed between two states of a project, in the order of kinds and names.
#[must_use]
pub fn changes(before: &Items, now: &Items) -> Vec<Change> {
    let all: BTreeSet<&(ItemKind, String)> = before.keys().chain(now.keys()).collect();
    let changed = all.into_iter().filter_map(|item| {
        let how = match (before.get(item), now.get(item)) {
            (None, Some(_)) => How::Added,
            (Some(_), None) => How::Removed,
            (Some(before), Some(now)) if before != now => How::Changed,
            _ => return None,
        };
        Some(Change { kind: item.0, name: item.1.clone(), how })
    });
    changed.collect()
}

/// How far a guarantee of a sandbox goes, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strength {
    /// It does not hold.
    Missing,
    /// It holds in a weaker form.
    Weaker,
    /// It holds.
    Held,
}

impl Strength {
    /// The word in records and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Weaker => "weaker",
            Self::Held => "held",
        }
    }

    /// The strength of a word; of one that is not known, the least.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let all = [Self::Held, Self::Weaker];
        all.into_iter().find(|strength| strength.word() == word).unwrap_or(Self::Missing)
    }
}

/// A key and where it is sent. A key is bound to an origin (`security` 2.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPair {
    /// Where the key comes from: the name of a variable, or which command prints it. Never the key.
    pub source: String,
    /// Scheme, host and port.
    pub origin: String,
}

/// What a run executes and may spend: what is asked for, and what was agreed to.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// The verb.
    pub verb: String,
    /// Which sandbox: `bubblewrap`, `none`.
    pub backend: String,
    /// What it guarantees, by name.
    pub guarantees: BTreeMap<String, Strength>,
    /// How many trials.
    pub trials: u64,
    /// How many US dollars at most; none if nothing limits them.
    pub max_cost: Option<f64>,
    /// Where the model answers.
    pub endpoint: String,
    /// Which key goes where.
    pub key: Option<KeyPair>,
}

/// What somebody has agreed to in a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agreed {
    /// What decided what is executed then; none if nobody has trusted the project.
    pub trusted: Option<Items>,
    /// By verb, what it may spend.
    pub terms: BTreeMap<String, Terms>,
    /// Keys that may go where they go.
    pub keys: BTreeSet<KeyPair>,
}

/// Why somebody has to be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Nobody has trusted this project.
    NeverTrusted,
    /// What decides what is executed is not what was trusted.
    Changed(Vec<Change>),
    /// Nobody has agreed to this verb here.
    FirstOfVerb,
    /// The model answers elsewhere.
    Endpoint {
        /// Where it answered.
        was: String,
        /// Where it answers now.
        now: String,
    },
    /// A key goes where it did not go before.
    Key(KeyPair),
    /// More trials than agreed.
    Trials {
        /// How many were agreed.
        was: u64,
        /// How many there are now.
        now: u64,
    },
    /// More money than agreed; none is money without a limit.
    Money {
        /// How many US dollars were agreed.
        was: Option<f64>,
        /// How many there are now.
        now: Option<f64>,
    },
    /// Another sandbox.
    Backend {
        /// Which one was agreed.
        was: String,
        /// Which one it is now.
        now: String,
    },
    /// The sandbox keeps less than it did.
    Weaker {
        /// The guarantee.
        guarantee: String,
        /// How far it went.
        was: Strength,
        /// How far it goes now.
        now: Strength,
    },
    /// There is no sandbox, which is asked for each run.
    Unsandboxed,
}

impl Reason {
    /// Whether it is about trust in what decides what is executed, and not about spending.
    #[must_use]
    pub fn is_about_trust(&self) -> bool {
        matches!(self, Self::NeverTrusted | Self::Changed(_))
    }
}

impl Agreed {
    /// Why somebody has to be asked before these terms hold for a project in this state; empty if nobody has.
    #[must_use]
    pub fn reasons(&self, items: &Items, asked: &Terms) -> Vec<Reason> {
        let mut reasons = Vec::new();
        match &self.trusted {
            None => reasons.push(Reason::NeverTrusted),
            Some(trusted) => {
                let mut changed = changes(trusted, items);
                // What the sandbox keeps is told below, and only if it is less.
                changed.retain(|change| change.kind != ItemKind::Sandbox);
                if !changed.is_empty() {
                    reasons.push(Reason::Changed(changed));
                }
            }
        }
        match self.terms.get(&asked.verb) {
            None => reasons.push(Reason::FirstOfVerb),
            Some(before) => reasons.extend(more(before, asked)),
        }
        if let Some(key) = asked.key.as_ref().filter(|key| !self.keys.contains(key)) {
            reasons.push(Reason::Key(key.clone()));
        }
        if asked.backend == "none" {
            reasons.push(Reason::Unsandboxed);
        }
        reasons
    }

    /// Somebody agreed. Trust that was given for once is not kept. Who agreed to more before, of the same, still does.
    pub fn agree(&mut self, items: &Items, asked: &Terms, keeps_trust: bool) {
        let is_the_same = self.trusted.as_ref() == Some(items);
        if keeps_trust {
            self.trusted = Some(items.clone());
        }
        self.keys.extend(asked.key.clone());
        let mut terms = asked.clone();
        if let Some(before) = self.terms.get(&asked.verb).filter(|_| is_the_same)
            && more(before, asked).iter().all(|reason| !matters_elsewhere(reason))
        {
            terms.trials = terms.trials.max(before.trials);
            terms.max_cost = terms.max_cost.zip(before.max_cost).map(|(one, other)| one.max(other));
        }
        self.terms.insert(asked.verb.clone(), terms);
    }
}

/// Whether a reason makes these other terms, and not only more of the same.
fn matters_elsewhere(reason: &Reason) -> bool {
    !matches!(reason, Reason::Trials { .. } | Reason::Money { .. })
}

/// What goes beyond what was agreed.
fn more(before: &Terms, asked: &Terms) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if before.endpoint != asked.endpoint {
        reasons.push(Reason::Endpoint { was: before.endpoint.clone(), now: asked.endpoint.clone() });
    }
    if before.trials < asked.trials {
        reasons.push(Reason::Trials { was: before.trials, now: asked.trials });
    }
    let is_more = match (before.max_cost, asked.max_cost) {
        (Some(before), Some(asked)) => before < asked,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_more {
        reasons.push(Reason::Money { was: before.max_cost, now: asked.max_cost });
    }
    if before.backend != asked.backend {
        reasons.push(Reason::Backend { was: before.backend.clone(), now: asked.backend.clone() });
        return reasons;
    }
    for (guarantee, was) in &before.guarantees {
        let now = asked.guarantees.get(guarantee).copied().unwrap_or(Strength::Missing);
        if now < *was {
            reasons.push(Reason::Weaker { guarantee: guarantee.clone(), was: *was, now });
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(all: &[(ItemKind, &str, &str)]) -> Items {
        let all = all.iter();
        all.map(|(kind, name, text)| ((*kind, (*name).to_owned()), Digest::of(text.as_bytes()))).collect()
    }

    fn project() -> Items {
        use ItemKind::{Key, Sandbox, Task, Tool};
        items(&[
            (Key, "model.name", "m"),
            (Tool, "shell", "builtin"),
            (Task, "a", "1"),
            (Task, "b", "1"),
            (Sandbox, "guarantees", "1"),
        ])
    }

    fn terms() -> Terms {
        Terms {
            verb: "evaluate".into(),
            backend: "bubblewrap".into(),
            guarantees: [("network".into(), Strength::Held), ("disk".into(), Strength::Weaker)].into(),
            trials: 8,
            max_cost: Some(5.0),
            endpoint: "https://a.example/v1".into(),
            key: Some(KeyPair { source: "A_KEY".into(), origin: "https://a.example".into() }),
        }
    }

    fn agreed() -> Agreed {
        let mut agreed = Agreed::default();
        agreed.agree(&project(), &terms(), true);
        agreed
    }

    #[test]
    fn who_agreed_to_the_same_or_more_is_not_asked() {
        assert_eq!(agreed().reasons(&project(), &terms()), []);
        let less = Terms { trials: 3, max_cost: Some(1.0), ..terms() };
        assert_eq!(agreed().reasons(&project(), &less), []);
        let free = Terms { max_cost: None, ..terms() };
        let mut unlimited = Agreed::default();
        unlimited.agree(&project(), &free, true);
        assert_eq!(unlimited.reasons(&project(), &terms()), []);
        // A sandbox that keeps more than it did is no reason.
        let mut stronger = terms();
        stronger.guarantees.insert("disk".into(), Strength::Held);
        let mut now = project();
        now.insert((ItemKind::Sandbox, "guarantees".into()), Digest::of(b"2"));
        assert_eq!(agreed().reasons(&now, &stronger), []);
    }

    #[test]
    fn the_first_time_is_asked_for_everything() {
        let key = terms().key.unwrap();
        let first = [Reason::NeverTrusted, Reason::FirstOfVerb, Reason::Key(key)];
        assert_eq!(Agreed::default().reasons(&project(), &terms()), first);
        let other = Terms { verb: "improve".into(), ..terms() };
        assert_eq!(agreed().reasons(&project(), &other), [Reason::FirstOfVerb]);
    }

    #[test]
    fn every_change_has_its_name() {
        use ItemKind::{Key, Program, Task};
        let mut now = project();
        now.remove(&(Task, "a".into()));
        now.insert((Task, "b".into()), Digest::of(b"2"));
        now.insert((Key, "model.seed".into()), Digest::of(b"7"));
        now.insert((Program, "bin/t".into()), Digest::of(b"x"));
        let change = |kind, name: &str, how| Change { kind, name: name.into(), how };
        let expected = vec![
            change(Key, "model.seed", How::Added),
            change(Program, "bin/t", How::Added),
            change(Task, "a", How::Removed),
            change(Task, "b", How::Changed),
        ];
        let reasons = agreed().reasons(&now, &terms());
        assert_eq!(reasons, [Reason::Changed(expected)]);
        assert!(reasons[0].is_about_trust());
        assert_ne!(execution_digest(&now), execution_digest(&project()));
    }

    #[test]
    fn more_than_agreed_is_asked_even_where_the_project_is_trusted() {
        let reason = |change: &dyn Fn(&mut Terms)| {
            let mut asked = terms();
            change(&mut asked);
            let reasons = agreed().reasons(&project(), &asked);
            assert_eq!(reasons.len(), 1, "{reasons:?}");
            assert!(!reasons[0].is_about_trust());
            reasons[0].clone()
        };
        assert_eq!(reason(&|asked| asked.trials = 9), Reason::Trials { was: 8, now: 9 });
        assert_eq!(
            reason(&|asked| asked.max_cost = Some(5.5)),
            Reason::Money { was: Some(5.0), now: Some(5.5) }
        );
        assert_eq!(reason(&|asked| asked.max_cost = None), Reason::Money { was: Some(5.0), now: None });
        assert!(matches!(
            reason(&|asked| asked.endpoint = "https://b.example/v1".into()),
            Reason::Endpoint { .. }
        ));
        let pair = KeyPair { source: "A_KEY".into(), origin: "https://b.example".into() };
        assert_eq!(reason(&|asked| asked.key = Some(pair.clone())), Reason::Key(pair.clone()));
        let pair = KeyPair { source: "B_KEY".into(), origin: "https://a.example".into() };
        assert_eq!(reason(&|asked| asked.key = Some(pair.clone())), Reason::Key(pair.clone()));
        assert_eq!(
            reason(&|asked| {
                asked.guarantees.remove("network");
            }),
            Reason::Weaker { guarantee: "network".into(), was: Strength::Held, now: Strength::Missing }
        );
        assert!(matches!(reason(&|asked| asked.backend = "container".into()), Reason::Backend { .. }));
    }

    #[test]
    fn without_a_sandbox_each_run_is_asked_for() {
        let asked = Terms { backend: "none".into(), ..terms() };
        let mut agreed = Agreed::default();
        agreed.agree(&project(), &asked, true);
        assert_eq!(agreed.reasons(&project(), &asked), [Reason::Unsandboxed]);
    }

    #[test]
    fn trust_for_once_is_not_kept_and_less_does_not_replace_more() {
        let mut once = Agreed::default();
        once.agree(&project(), &terms(), false);
        assert_eq!(once.reasons(&project(), &terms()), [Reason::NeverTrusted]);
        let mut agreed = agreed();
        agreed.agree(&project(), &Terms { trials: 2, max_cost: Some(0.5), ..terms() }, true);
        assert_eq!(agreed.reasons(&project(), &terms()), []);
        // Of another project it says nothing.
        let mut now = project();
        now.insert((ItemKind::Task, "c".into()), Digest::of(b"1"));
        agreed.agree(&now, &Terms { trials: 2, ..terms() }, true);
        assert_eq!(agreed.reasons(&now, &terms()), [Reason::Trials { was: 2, now: 8 }]);
    }
}
