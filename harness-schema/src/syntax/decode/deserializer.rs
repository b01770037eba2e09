//! The serde deserializer over the shared data tree. It skips what is marked, broken or said twice.

use std::fmt;

use rustc_hash::FxHashSet;
use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::BadSpans;
use super::spanned::SPANNED;
use crate::syntax::data::{Entry, Key, Kind, Value};
use crate::text::Span;

/// Why a value is not of its type; never shown, only its place is used.
#[derive(Debug)]
pub(super) struct DecodeError {
    pub(super) span: Option<Span>,
    message: String,
}

impl DecodeError {
    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { span: None, message: message.to_string() }
    }
}

/// Reads a value of a tree.
#[derive(Clone, Copy)]
pub(super) struct ValueDeserializer<'de, 'b> {
    pub(super) value: &'de Value,
    pub(super) bad: &'b BadSpans,
}

impl<'de> ValueDeserializer<'de, '_> {
    fn wrong<T>(self, visitor: &dyn de::Expected) -> Result<T, DecodeError> {
        let found = de::Unexpected::Other(self.value.kind_name());
        Err(de::Error::invalid_type(found, visitor))
    }

    fn any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.value.kind {
            Kind::Table(table) => visitor.visit_map(TableAccess::new(&table.entries, self.bad)),
            Kind::List(list) => visitor.visit_seq(ListAccess { rest: list.items.iter(), bad: self.bad }),
            Kind::Text(scalar) => visitor.visit_borrowed_str(&scalar.value),
            Kind::Integer(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Boolean(value) => visitor.visit_bool(*value),
            Kind::Date | Kind::Null | Kind::Alias | Kind::Broken => self.wrong(&visitor),
        }
    }
}

/// A number without a fraction is an integer however it is written, as JSON Schema says: `2.0` is 2.
macro_rules! integers {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.value.as_integer() {
                Some(value) => visitor.visit_i64(value).map_err(|error: DecodeError| error.at(self.value.span)),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for ValueDeserializer<'de, '_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.any(visitor).map_err(|error| error.at(self.value.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.at(self.value.span))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name != SPANNED {
            return self.deserialize_any(visitor);
        }
        let parts = SpannedParts { span: self.value.span, next: 0, inner: self };
        visitor.visit_seq(parts).map_err(|error| error.at(self.value.span))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.value.kind {
            Kind::Text(scalar) => visitor.visit_enum((&*scalar.value).into_deserializer()),
            _ => self.wrong(&visitor),
        };
        result.map_err(|error: DecodeError| error.at(self.value.span))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    integers!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    integers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);

    serde::forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple map struct identifier
    }
}

/// Whether an entry or item says anything; otherwise it is as if it were not there.
fn is_said(value: &Value, bad: &BadSpans) -> bool {
    !matches!(value.kind, Kind::Null | Kind::Alias | Kind::Broken) && !bad.contains(value.span)
}

struct ListAccess<'de, 'b> {
    rest: std::slice::Iter<'de, Value>,
    bad: &'b BadSpans,
}

impl<'de> SeqAccess<'de> for ListAccess<'de, '_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let bad = self.bad;
        let Some(value) = self.rest.find(|value| is_said(value, bad)) else { return Ok(None) };
        seed.deserialize(ValueDeserializer { value, bad }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// From this many entries on, names already seen are kept in a set.
const MANY_ENTRIES: usize = 32;

struct TableAccess<'de, 'b> {
    entries: &'de [Entry],
    next: usize,
    value: Option<&'de Value>,
    seen: Option<FxHashSet<&'de str>>,
    bad: &'b BadSpans,
}

impl<'de, 'b> TableAccess<'de, 'b> {
    fn new(entries: &'de [Entry], bad: &'b BadSpans) -> Self {
        let seen = (MANY_ENTRIES <= entries.len()).then(FxHashSet::default);
        Self { entries, next: 0, value: None, seen, bad }
    }

    /// Whether an earlier entry has the same name: it counts, this one does not.
    fn is_repeated(&mut self, at: usize, name: &'de str) -> bool {
        match &mut self.seen {
            Some(seen) => !seen.insert(name),
            None => self.entries.iter().take(at).any(|entry| &*entry.key.name == name),
        }
    }
}

impl<'de> MapAccess<'de> for TableAccess<'de, '_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        while let Some(entry) = self.entries.get(self.next) {
            let at = self.next;
            self.next += 1;
            if !self.is_repeated(at, &entry.key.name) && is_said(&entry.value, self.bad) {
                self.value = Some(&entry.value);
                return seed.deserialize(KeyDeserializer(&entry.key)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let value =
            self.value.take().ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        seed.deserialize(ValueDeserializer { value, bad: self.bad })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len().saturating_sub(self.next))
    }
}

#[derive(Clone, Copy)]
struct KeyDeserializer<'de>(&'de Key);

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(&self.0.name)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name != SPANNED {
            return self.deserialize_any(visitor);
        }
        visitor.visit_seq(SpannedParts { span: self.0.span, next: 0, inner: self })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple map struct enum identifier ignored_any
    }
}

/// Start, end and value, one after the other: how [`super::Spanned`] is read.
struct SpannedParts<D> {
    span: Span,
    next: u8,
    inner: D,
}

impl<'de, D: Deserializer<'de, Error = DecodeError> + Copy> SeqAccess<'de> for SpannedParts<D> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let part = self.next;
        self.next += 1;
        match part {
            0 => seed.deserialize(self.span.start.into_deserializer()).map(Some),
            1 => seed.deserialize(self.span.end.into_deserializer()).map(Some),
            2 => seed.deserialize(self.inner).map(Some),
            _ => Ok(None),
        }
    }
}
