//! JSON read straight into what is wanted of it. Keys that nobody asks for are skipped, and what is of another kind than
//! expected is as if it were not there.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What can be read from any JSON; each method is asked for one kind of value, and knows none unless it says so.
pub(super) trait Loose<'de>: Default {
    /// What any other kind of value is.
    fn other() -> Self {
        Self::default()
    }

    fn flag(_: bool) -> Self {
        Self::other()
    }

    /// A whole number below zero.
    fn negative(_: i64) -> Self {
        Self::other()
    }

    /// A whole number.
    fn whole(_: u64) -> Self {
        Self::other()
    }

    /// A number with a fraction.
    fn real(_: f64) -> Self {
        Self::other()
    }

    fn text(_: &str) -> Self {
        Self::other()
    }

    /// As [`Loose::text`], of a text that stands so in the source.
    fn text_as_it_stands(text: &'de str) -> Self {
        Self::text(text)
    }

    fn items<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }

    fn entries<A: MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }
}

/// Any value, read as what is wanted.
pub(super) struct Any<T>(pub(super) T);

impl<'de, T: Loose<'de>> Deserialize<'de> for Any<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader(PhantomData)).map(Self)
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Loose<'de>> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<T, E> {
        Ok(T::flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::negative(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::whole(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text_as_it_stands(text))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::items(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::entries(entries)
    }
}

/// A key of an object.
pub(super) struct Key<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyReader)
    }
}

struct KeyReader;

impl<'de> Visitor<'de> for KeyReader {
    type Value = Key<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

impl Loose<'_> for Option<bool> {
    fn flag(flag: bool) -> Self {
        Some(flag)
    }
}

impl Loose<'_> for Option<i64> {
    fn negative(number: i64) -> Self {
        Some(number)
    }

    fn whole(number: u64) -> Self {
        i64::try_from(number).ok()
    }
}

/// A number of tokens.
impl Loose<'_> for Option<u64> {
    fn whole(number: u64) -> Self {
        Some(number)
    }

    fn real(number: f64) -> Self {
        Some(number).filter(|number| 0.0 <= *number).map(|number| number as u64)
    }
}

impl Loose<'_> for Option<f64> {
    fn negative(number: i64) -> Self {
        Some(number as f64)
    }

    fn whole(number: u64) -> Self {
        Some(number as f64)
    }

    fn real(number: f64) -> Self {
        Some(number)
    }
}

impl Loose<'_> for Option<String> {
    fn text(text: &str) -> Self {
        Some(text.to_owned())
    }
}

/// A text that is only looked at.
impl<'de> Loose<'de> for Option<Cow<'de, str>> {
    fn text(text: &str) -> Self {
        Some(Cow::Owned(text.to_owned()))
    }

    fn text_as_it_stands(text: &'de str) -> Self {
        Some(Cow::Borrowed(text))
    }
}

/// A list; anything else is an empty one.
impl<'de, T: Loose<'de>> Loose<'de> for Vec<T> {
    fn items<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut all = Self::new();
        while let Some(Any(item)) = items.next_element()? {
            if all.is_empty() {
                // Mostly there is one.
                all.reserve_exact(1);
            }
            all.push(item);
        }
        Ok(all)
    }
}

/// What a key has, whatever kind of value it is; none if the key is not there, as is mostly so: it takes little room then.
pub(super) struct Given<T>(pub(super) Option<Box<T>>);

impl<T> Given<T> {
    fn of(value: T) -> Self {
        Self(Some(Box::new(value)))
    }
}

impl<T: Default> Given<T> {
    pub(super) fn or_default(self) -> T {
        self.0.map_or_else(T::default, |value| *value)
    }
}

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Loose<'de>> Loose<'de> for Given<T> {
    fn other() -> Self {
        Self::of(T::other())
    }

    fn flag(flag: bool) -> Self {
        Self::of(T::flag(flag))
    }

    fn negative(number: i64) -> Self {
        Self::of(T::negative(number))
    }

    fn whole(number: u64) -> Self {
        Self::of(T::whole(number))
    }

    fn real(number: f64) -> Self {
        Self::of(T::real(number))
    }

    fn text(text: &str) -> Self {
        Self::of(T::text(text))
    }

    fn text_as_it_stands(text: &'de str) -> Self {
        Self::of(T::text_as_it_stands(text))
    }

    fn items<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        T::items(items).map(Self::of)
    }

    fn entries<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        T::entries(entries).map(Self::of)
    }
}

/// Nothing is wanted of it.
impl Loose<'_> for () {}

/// Declares an object with the fields that are wanted of it and their keys. Anything but an object is an empty one, and of
/// keys that come twice the last counts. One that looks at texts of the source is an object of `<'de>`.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident $(<$source:lifetime>)? { $($field:ident: $type:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name $(<$source>)? {
            $($field: $type,)*
        }

        impl<'de> $crate::engine::transcript::loose::Loose<'de> for $name $(<$source>)? {
            fn entries<A: serde::de::MapAccess<'de>>(mut entries: A) -> Result<Self, A::Error> {
                use $crate::engine::transcript::loose::{Any, Key};
                let mut object = Self::default();
                while let Some(Key(key)) = entries.next_key()? {
                    match key.as_ref() {
                        $($key => object.$field = entries.next_value::<Any<$type>>()?.0,)*
                        _ => drop(entries.next_value::<serde::de::IgnoredAny>()?),
                    }
                }
                Ok(object)
            }
        }
    };
}

pub(super) use object;
