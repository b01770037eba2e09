//! From a spanned tree to types: a lenient serde deserializer that keeps the place of every value.
//!
//! Decoding never fails and reports nothing: an unknown key is ignored, and where a value is broken, of a wrong type or
//! in the set of [`BadSpans`] the default stands. What is wrong is said by the checks, from the same tree.

mod spanned;
mod json;
mod deserializer;

use rustc_hash::FxHashSet;
use serde::de::DeserializeOwned;

use super::data::Value;
use crate::text::Span;

use self::deserializer::{DecodeError, ValueDeserializer};
pub use self::json::Json;
pub use self::spanned::{Entries, Spanned};

/// Values that the checks found wrong; decoding treats them as if they were not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadSpans(FxHashSet<Span>);

impl BadSpans {
    /// Marks the value that stands exactly at `span`.
    pub fn insert(&mut self, span: Span) {
        self.0.insert(span);
    }

    /// Whether the value that stands exactly at `span` is marked.
    #[must_use]
    pub fn contains(&self, span: Span) -> bool {
        self.0.contains(&span)
    }

    /// Whether nothing is marked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Span> for BadSpans {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        Self(spans.into_iter().collect())
    }
}

/// How often decoding starts again after a value of a wrong type that no check has marked.
const MAX_RETRIES: usize = 64;

/// The typed view of a tree. Where something is wrong the default stands.
#[must_use]
pub fn decode<T: DeserializeOwned + Default>(root: &Value, bad: &BadSpans) -> T {
    match T::deserialize(ValueDeserializer { value: root, bad }) {
        Ok(decoded) => decoded,
        Err(error) => decode_around(root, bad.clone(), error),
    }
}

/// Leaves out one more wrong value at a time. The checks mark wrong values first, so this is the rare way.
fn decode_around<T: DeserializeOwned + Default>(
    root: &Value,
    mut bad: BadSpans,
    mut error: DecodeError,
) -> T {
    for _ in 0..MAX_RETRIES {
        match error.span {
            Some(span) if !bad.contains(span) => bad.insert(span),
            _ => break,
        }
        match T::deserialize(ValueDeserializer { value: root, bad: &bad }) {
            Ok(decoded) => return decoded,
            Err(next) => error = next,
        }
    }
    T::default()
}

/// Whether decoding finds nothing wrong beside what is marked: then checks and types agree.
#[cfg(test)]
pub(crate) fn decodes_at_once<T: DeserializeOwned>(root: &Value, bad: &BadSpans) -> bool {
    T::deserialize(ValueDeserializer { value: root, bad }).is_ok()
}

#[cfg(test)]
mod tests;
