//! Trust and consent, for the command line and for editors alike: what a person reads before anything is executed or spent, why
//! the person is asked, and what is remembered of the answers (`security` 2.2 and 2.3). Asks nobody itself.

mod memory;
mod expected;
mod lines;

use harness_schema::digest::Digest;

use super::model::{Endpoint, KeySource};
use super::sandbox::{Guarantee, Guarantees};
use super::subject::Subject;
use crate::engine::consent::{Items, KeyPair, Strength, Terms};
use crate::engine::cycle::Rules;
use crate::engine::forecast::Forecast;

pub use expected::{expected, most};
pub use lines::{Line, items, lines, price, reasons, seconds, text, title};
pub use memory::{Memory, Recalled};

/// What is to be started.
pub struct Asked<'a> {
    /// The verb.
    pub verb: &'a str,
    /// What it is about.
    pub subject: &'a Subject,
    /// The sandbox.
    pub guarantees: &'a Guarantees,
    /// Its word in the configuration: `bubblewrap`, `none`.
    pub backend: &'a str,
    /// Trials at most.
    pub trials: u64,
    /// What it is expected to take.
    pub expected: Forecast,
    /// By which rules proposals are judged, if there are any.
    pub rules: Option<Rules>,
    /// Of these many held-in tasks.
    pub held_in: usize,
    /// And held-out ones.
    pub held_out: usize,
    /// And sealed ones.
    pub sealed: usize,
    /// Which reading of the sealed tasks it is, from 1; 0 if it reads none.
    pub look: u32,
    /// Repeats of each.
    pub repeats: u32,
    /// Side by side.
    pub parallel: usize,
    /// Where the model's key comes from.
    pub key: &'a KeySource,
    /// Whether this machine has never sent that key there.
    pub is_new_key: bool,
    /// The cap on money, in US dollars.
    pub max_cost: Option<f64>,
}

impl Asked<'_> {
    /// What is asked for, as it is compared with what was agreed to.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let endpoint = &self.subject.harness.manifest().model.value.endpoint.value;
        let strength = |guarantee: &Guarantee| match guarantee {
            Guarantee::Held => Strength::Held,
            Guarantee::Weaker(_) => Strength::Weaker,
            Guarantee::Missing(_) => Strength::Missing,
        };
        let guarantees = self.guarantees.each().into_iter();
        Terms {
            verb: self.verb.to_owned(),
            backend: self.backend.to_owned(),
            guarantees: guarantees.map(|(name, _, how)| (name.to_owned(), strength(how))).collect(),
            trials: self.trials,
            max_cost: self.max_cost,
            endpoint: endpoint.clone(),
            key: key_pair(self.key, endpoint),
        }
    }

    /// Everything that decides what is executed.
    #[must_use]
    pub fn items(&self) -> Items {
        self.subject.execution_items()
    }
}

/// Which key goes where; `None` if there is none.
#[must_use]
pub fn key_pair(key: &KeySource, endpoint: &str) -> Option<KeyPair> {
    let source = match key {
        KeySource::None => return None,
        KeySource::Variable(name) => name.clone(),
        // Its arguments may say more than a file should know; another command is another source.
        KeySource::Command(argv) => {
            let digest = Digest::of_parts(argv.iter().map(String::as_bytes));
            format!("{} {}", lines::COMMAND, digest.short(16))
        }
    };
    let origin = Endpoint::read(endpoint).map_or_else(|_| endpoint.to_owned(), |endpoint| endpoint.origin());
    Some(KeyPair { source, origin })
}
