//! What this user has agreed to, by project: `$XDG_STATE_HOME/self-harness/consent.json`. It holds digests and names, never a key.
//! What cannot be believed means that nothing was agreed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::engine::consent::{self, Agreed, Items, KeyPair, Terms};
use crate::host::clock;
use crate::host::record::{AgreementRecord, HowAgreed, ItemRecord, KeyRecord};
use crate::host::state::{self, Document, Kept, StateError};

/// What this user has agreed to.
#[derive(Clone, Debug)]
pub struct Memory {
    document: Document,
}

/// What is remembered of a project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// What was agreed to there.
    pub agreed: Agreed,
    /// Every key that was ever allowed to go somewhere, in any project.
    pub keys_anywhere: BTreeSet<KeyPair>,
    /// A sentence for the person if what was remembered is lost.
    pub notice: Option<String>,
}

/// By the real path of its root.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Projects(BTreeMap<String, Project>);

impl Kept for Projects {
    const VERSION: u64 = 1;
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Project {
    #[serde(default)]
    trusted: Option<Trusted>,
    #[serde(default)]
    terms: BTreeMap<String, AgreementRecord>,
    #[serde(default)]
    keys: BTreeSet<KeyRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Trusted {
    /// The execution digest.
    execution: String,
    items: Vec<ItemRecord>,
    /// When it was trusted, in milliseconds since 1970.
    at_ms: u64,
}

impl Project {
    fn agreed(&self) -> Agreed {
        let trusted = self.trusted.as_ref().map(|trusted| ItemRecord::items(&trusted.items));
        Agreed {
            trusted,
            terms: self.terms.iter().map(|(verb, record)| (verb.clone(), record.terms())).collect(),
            keys: self.keys.iter().map(KeyRecord::pair).collect(),
        }
    }
}

impl Memory {
    /// That of this user.
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::at(&state::directory())
    }

    /// That in a directory.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self { document: Document::new(directory, "consent.json") }
    }

    /// What was agreed to in a project.
    #[must_use]
    pub fn recall(&self, root: &Path) -> Recalled {
        let found = self.document.read::<Projects>();
        let agreed = found.content.0.get(&name(root)).map(Project::agreed).unwrap_or_default();
        let keys = found.content.0.values().flat_map(|project| project.keys.iter().map(KeyRecord::pair));
        Recalled { agreed, keys_anywhere: keys.collect(), notice: found.notice }
    }

    /// Somebody agreed to these terms for a project in this state. Trust that was given for once is not kept.
    ///
    /// # Errors
    /// A [`StateError`]; nothing is remembered then, so the person will be asked again.
    pub fn agree(
        &self,
        root: &Path,
        items: &Items,
        terms: &Terms,
        how: HowAgreed,
        keeps_trust: bool,
    ) -> Result<(), StateError> {
        let execution = consent::execution_digest(items);
        let noted = self.document.change(|projects: &mut Projects| {
            let project = projects.0.entry(name(root)).or_default();
            let mut agreed = project.agreed();
            agreed.agree(items, terms, keeps_trust);
            if keeps_trust {
                project.trusted = Some(Trusted {
                    execution: execution.to_string(),
                    items: ItemRecord::all(items),
                    at_ms: clock::wall_ms(),
                });
            }
            if let Some(terms) = agreed.terms.get(&terms.verb) {
                let record = AgreementRecord::of(&execution, terms, how);
                project.terms.insert(terms.verb.clone(), record);
            }
            project.keys = agreed.keys.iter().map(KeyRecord::of).collect();
        });
        noted.map(|_| ())
    }

    /// Trusts a project in this state, and agrees to no spending.
    ///
    /// # Errors
    /// A [`StateError`].
    pub fn trust(&self, root: &Path, items: &Items) -> Result<(), StateError> {
        let execution = consent::execution_digest(items).to_string();
        let trusted = Trusted { execution, items: ItemRecord::all(items), at_ms: clock::wall_ms() };
        let noted = self.document.change(|projects: &mut Projects| {
            projects.0.entry(name(root)).or_default().trusted = Some(trusted);
        });
        noted.map(|_| ())
    }

    /// Forgets everything that was agreed to in a project; whether there was something.
    ///
    /// # Errors
    /// A [`StateError`]; it is remembered as before then.
    pub fn forget(&self, root: &Path) -> Result<bool, StateError> {
        let forgotten =
            self.document.change(|projects: &mut Projects| projects.0.remove(&name(root)).is_some());
        forgotten.map(|(was_there, _)| was_there)
    }
}

/// What a project is known by: its real path.
fn name(root: &Path) -> String {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    real.to_str().map_or_else(
        // Two paths that are no text must not be taken for one another.
        || real.as_os_str().as_encoded_bytes().iter().map(|byte| format!("%{byte:02x}")).collect(),
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use harness_schema::digest::Digest;

    use super::*;
    use crate::engine::consent::{ItemKind, Reason};

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("self-harness-consent-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("one")).unwrap();
            fs::create_dir_all(path.join("other")).unwrap();
            Self(path)
        }

        fn memory(&self) -> Memory {
            Memory::at(&self.0.join("state"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn items(text: &str) -> Items {
        [((ItemKind::Task, String::from("a")), Digest::of(text.as_bytes()))].into()
    }

    fn terms(trials: u64) -> Terms {
        Terms {
            verb: "evaluate".into(),
            backend: "bubblewrap".into(),
            guarantees: BTreeMap::new(),
            trials,
            max_cost: Some(5.0),
            endpoint: "https://a.example/v1".into(),
            key: Some(KeyPair { source: "A_KEY".into(), origin: "https://a.example".into() }),
        }
    }

    #[test]
    fn what_was_agreed_to_is_remembered_for_that_project_alone() {
        let place = Place::new("remembered");
        let (one, other) = (place.0.join("one"), place.0.join("other"));
        place.memory().agree(&one, &items("1"), &terms(4), HowAgreed::Asked, true).unwrap();
        let recalled = place.memory().recall(&one);
        assert_eq!(recalled.agreed.reasons(&items("1"), &terms(4)), []);
        assert_eq!(recalled.agreed.reasons(&items("1"), &terms(5)), [Reason::Trials { was: 4, now: 5 }]);
        assert!(matches!(recalled.agreed.reasons(&items("2"), &terms(4))[..], [Reason::Changed(_)]));
        // Another project has agreed to nothing, but the key is no stranger.
        let elsewhere = place.memory().recall(&other);
        assert_eq!(elsewhere.agreed, Agreed::default());
        assert_eq!(elsewhere.keys_anywhere.len(), 1);
        // The way to it may have links and detours.
        let detour = place.0.join("other/../one");
        assert_eq!(place.memory().recall(&detour), recalled);
        assert!(place.memory().forget(&one).unwrap() && !place.memory().forget(&one).unwrap());
        assert_eq!(place.memory().recall(&one).agreed, Agreed::default());
    }

    #[test]
    fn trust_alone_spends_nothing() {
        let place = Place::new("trust");
        let one = place.0.join("one");
        place.memory().trust(&one, &items("1")).unwrap();
        let reasons = place.memory().recall(&one).agreed.reasons(&items("1"), &terms(1));
        assert_eq!(reasons, [Reason::FirstOfVerb, Reason::Key(terms(1).key.unwrap())]);
        place.memory().agree(&one, &items("2"), &terms(1), HowAgreed::Asked, false).unwrap();
        let reasons = place.memory().recall(&one).agreed.reasons(&items("2"), &terms(1));
        assert!(matches!(reasons[..], [Reason::Changed(_)]), "{reasons:?}");
    }

    #[test]
    fn two_who_agree_at_once_are_both_remembered() {
        let place = Place::new("both");
        std::thread::scope(|scope| {
            for number in 0..6 {
                let (memory, root) = (place.memory(), place.0.join(format!("one/{number}")));
                scope.spawn(move || {
                    fs::create_dir_all(&root).unwrap();
                    memory.agree(&root, &items("1"), &terms(number), HowAgreed::Flag, true).unwrap();
                });
            }
        });
        for number in 0..6 {
            let recalled = place.memory().recall(&place.0.join(format!("one/{number}")));
            assert_eq!(recalled.agreed.reasons(&items("1"), &terms(number)), []);
        }
    }

    #[test]
    fn what_cannot_be_believed_means_that_nothing_was_agreed() {
        let place = Place::new("unbelievable");
        let one = place.0.join("one");
        place.memory().agree(&one, &items("1"), &terms(4), HowAgreed::Asked, true).unwrap();
        let path = place.0.join("state/consent.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let recalled = place.memory().recall(&one);
        assert_eq!(recalled.agreed, Agreed::default());
        assert!(recalled.notice.unwrap().contains("consent.json.damaged-1"));
        place.memory().agree(&one, &items("1"), &terms(4), HowAgreed::Asked, true).unwrap();
        let recalled = place.memory().recall(&one);
        assert_eq!((recalled.agreed.reasons(&items("1"), &terms(4)), recalled.notice), (Vec::new(), None));
    }
}
