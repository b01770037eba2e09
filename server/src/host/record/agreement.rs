//! What somebody agreed to, as it is on disk: in the log of a run, and in what is remembered of a project.

use std::collections::BTreeMap;

use harness_schema::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::engine::consent::{ItemKind, Items, KeyPair, Strength, Terms};

/// How somebody agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HowAgreed {
    /// The person was asked and said yes.
    Asked,
    /// The command said so: `--yes`.
    Flag,
    /// The person had agreed to the same or more before.
    Before,
    /// In a way that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What somebody agreed to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgreementRecord {
    /// The digest of all that decides what is executed.
    pub execution: String,
    /// The verb.
    pub verb: String,
    /// Which sandbox.
    pub backend: String,
    /// What it guarantees: `held`, `weaker` or `missing`, by name.
    #[serde(default)]
    pub guarantees: BTreeMap<String, String>,
    /// Trials.
    pub trials: u64,
    /// US dollars at most; none without a limit.
    #[serde(default)]
    pub max_cost: Option<f64>,
    /// Where the model answers.
    pub endpoint: String,
    /// Which key goes where.
    #[serde(default)]
    pub key: Option<KeyRecord>,
    /// How.
    #[serde(default)]
    pub how: HowAgreed,
}

/// A key and where it is sent; never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Where it comes from.
    pub source: String,
    /// Where it is sent.
    pub origin: String,
}

/// Something that decides what is executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it was.
    pub digest: String,
}

impl KeyRecord {
    /// The written form.
    #[must_use]
    pub fn of(pair: &KeyPair) -> Self {
        Self { source: pair.source.clone(), origin: pair.origin.clone() }
    }

    /// The pair.
    #[must_use]
    pub fn pair(&self) -> KeyPair {
        KeyPair { source: self.source.clone(), origin: self.origin.clone() }
    }
}

impl ItemRecord {
    /// The written form.
    #[must_use]
    pub fn all(items: &Items) -> Vec<Self> {
        let items = items.iter();
        let records = items.map(|((kind, name), digest)| Self {
            kind: kind.word().to_owned(),
            name: name.clone(),
            digest: digest.to_string(),
        });
        records.collect()
    }

    /// The items. What cannot be read is left out, so that it counts as changed.
    #[must_use]
    pub fn items(records: &[Self]) -> Items {
        let items = records.iter().filter_map(|record| {
            let digest: Digest = record.digest.parse().ok()?;
            Some(((ItemKind::named(&record.kind)?, record.name.clone()), digest))
        });
        items.collect()
    }
}

impl AgreementRecord {
    /// The written form.
    #[must_use]
    pub fn of(execution: &Digest, terms: &Terms, how: HowAgreed) -> Self {
        let guarantees = terms.guarantees.iter();
        Self {
            execution: execution.to_string(),
            verb: terms.verb.clone(),
            backend: terms.backend.clone(),
            guarantees: guarantees.map(|(name, how)| (name.clone(), how.word().to_owned())).collect(),
            trials: terms.trials,
            max_cost: terms.max_cost,
            endpoint: terms.endpoint.clone(),
            key: terms.key.as_ref().map(KeyRecord::of),
            how,
        }
    }

    /// What was agreed to.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let guarantees = self.guarantees.iter();
        Terms {
            verb: self.verb.clone(),
            backend: self.backend.clone(),
            guarantees: guarantees.map(|(name, word)| (name.clone(), Strength::of(word))).collect(),
            trials: self.trials,
            max_cost: self.max_cost,
            endpoint: self.endpoint.clone(),
            key: self.key.as_ref().map(KeyRecord::pair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_and_items_come_back() {
        let terms = Terms {
            verb: "evaluate".into(),
            backend: "bubblewrap".into(),
            guarantees: [("disk".into(), Strength::Weaker), ("network".into(), Strength::Held)].into(),
            trials: 7,
            max_cost: Some(1.5),
            endpoint: "https://a.example/v1".into(),
            key: Some(KeyPair { source: "A_KEY".into(), origin: "https://a.example".into() }),
        };
        let record = AgreementRecord::of(&Digest::of(b"x"), &terms, HowAgreed::Flag);
        let text = serde_json::to_string(&record).unwrap();
        let back: AgreementRecord = serde_json::from_str(&text).unwrap();
        assert_eq!((back.terms(), back.how), (terms, HowAgreed::Flag));
        let later = text.replace("\"flag\"", "\"telepathy\"");
        assert_eq!(serde_json::from_str::<AgreementRecord>(&later).unwrap().how, HowAgreed::Unknown);
        let items: Items =
            ItemKind::ALL.into_iter().map(|kind| ((kind, "a".into()), Digest::of(b"1"))).collect();
        assert_eq!(ItemRecord::items(&ItemRecord::all(&items)), items);
    }
}
