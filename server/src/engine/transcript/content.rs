//! Content of messages and results, read straight from a text.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize as _, MapAccess, SeqAccess};
use serde_json::Value;

use super::loose::{Loose, object};

object! {
    PartObject {
        text: Option<String> = "text",
        content: Option<String> = "content",
        kind: Option<String> = "type",
    }
}

/// JSON as it is; none for `null`.
#[derive(Default)]
pub(super) struct Tree(pub(super) Option<Value>);

impl<'de> Loose<'de> for Tree {
    fn flag(flag: bool) -> Self {
        Self(Some(Value::Bool(flag)))
    }

    fn negative(number: i64) -> Self {
        Self(Some(number.into()))
    }

    fn whole(number: u64) -> Self {
        Self(Some(number.into()))
    }

    fn real(number: f64) -> Self {
        Self(Some(number.into()))
    }

    fn text(text: &str) -> Self {
        Self(Some(text.into()))
    }

    fn items<A: SeqAccess<'de>>(mut items: A) -> Result<Self, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Self(Some(Value::Array(all))))
    }

    fn entries<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(entries)).map(|value| Self(Some(value)))
    }
}

/// Content: a string, or parts of which the texts count; anything else as JSON.
#[derive(Default)]
pub(super) struct Content<T>(pub(super) T);

impl<T: From<String>> Content<T> {
    fn json(tree: Tree) -> Self {
        Self(tree.0.unwrap_or_default().to_string().into())
    }
}

impl<'de, T: Default + From<String> + for<'t> From<&'t str>> Loose<'de> for Content<T> {
    fn flag(flag: bool) -> Self {
        Self::json(Tree::flag(flag))
    }

    fn negative(number: i64) -> Self {
        Self::json(Tree::negative(number))
    }

    fn whole(number: u64) -> Self {
        Self::json(Tree::whole(number))
    }

    fn real(number: f64) -> Self {
        Self::json(Tree::real(number))
    }

    fn text(text: &str) -> Self {
        Self(text.into())
    }

    fn items<A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        let parts = Vec::<Part>::items(items)?;
        let texts: Vec<String> = parts.into_iter().filter_map(|Part(text)| text).collect();
        Ok(Self(texts.join("\n").into()))
    }

    fn entries<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        Tree::entries(entries).map(Self::json)
    }
}

/// The text of a part of content; what is no text is named.
#[derive(Default)]
struct Part(Option<String>);

impl<'de> Loose<'de> for Part {
    fn text(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }

    fn entries<A: MapAccess<'de>>(entries: A) -> Result<Self, A::Error> {
        let part = PartObject::entries(entries)?;
        let named = || part.kind.map(|kind| format!("[{kind}]"));
        Ok(Self(part.text.or(part.content).or_else(named)))
    }
}
