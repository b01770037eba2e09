//! Reads what a model answered: one JSON object, alone, in a fence, or between prose (`method` 4.3 and 4.4). Whatever a reply
//! holds besides is data, and nothing in it is followed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A longer reply is not read.
pub const MAX_BYTES: usize = 64 * 1024;
/// So many places of a reply are tried as the beginning of an object.
const MAX_PLACES: usize = 256;

/// The most edits of a proposal: a text, and its registration.
pub const MAX_EDITS: usize = 2;
/// The most characters of a summary.
pub const MAX_SUMMARY: usize = 160;
/// The most characters of a reason.
pub const MAX_WHY: usize = 400;
/// The most characters about earlier proposals.
pub const MAX_DIFFERS: usize = 160;

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It proposes an edit.
    Edit(Box<Draft>),
    /// It has none, for a reason.
    Decline {
        /// The reason, in its words.
        reason: String,
    },
}

/// An edit as a model wrote it; nothing of it has been checked against a harness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The slot that it answers.
    pub slot: u32,
    /// The cluster of failures that it is about.
    pub cluster: String,
    /// The mechanism that it acts on: the name of a detector.
    pub mechanism: String,
    /// One edit, or two.
    pub edits: Vec<DraftEdit>,
    /// When it acts.
    #[serde(default)]
    pub scope: Scope,
    /// What it does, in a line.
    pub summary: String,
    /// Why it should help.
    pub why: String,
    /// How it differs from what was tried before.
    #[serde(default)]
    pub differs: String,
    /// Tasks that it should mend, by alias. Shown with how often that came true; the gate does not read it.
    #[serde(default)]
    pub fixes: Vec<String>,
    /// Tasks that it may break, by alias.
    #[serde(default)]
    pub risks: Vec<String>,
    /// Fields that nobody asked for; they are logged.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// A replacement in one surface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftEdit {
    /// The surface's id.
    pub surface: String,
    /// What is replaced: it occurs exactly once. Empty if text is added.
    #[serde(default)]
    pub find: String,
    /// Where text is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Edge>,
    /// What stands there afterwards.
    pub replace: String,
}

/// An end of a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// Before everything else.
    Start,
    /// After everything else.
    End,
}

/// When an edit acts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum Scope {
    /// In every trial, from the start.
    #[default]
    Always,
    /// When something happens in a trial: the `when` of a runtime rule, as it would stand in the manifest.
    When(serde_json::Map<String, Value>),
}

impl Scope {
    /// The trigger as a text, equal for equal ones; none if it acts always.
    #[must_use]
    pub fn trigger(&self) -> Option<String> {
        match self {
            Self::Always => None,
            // In the order of the keys, so that equal triggers are equal texts.
            Self::When(when) => {
                let ordered: BTreeMap<&str, &Value> =
                    when.iter().map(|(key, value)| (key.as_str(), value)).collect();
                Some(serde_json::to_string(&ordered).unwrap_or_default())
            }
        }
    }
}

impl TryFrom<Value> for Scope {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        const NEITHER: &str = "`scope` is neither \"always\" nor {\"when\": {…}}";
        match value {
            Value::String(word) if word == "always" => Ok(Self::Always),
            Value::Object(mut fields) => match (fields.remove("when"), fields.is_empty()) {
                (Some(Value::Object(when)), true) => Ok(Self::When(when)),
                _ => Err(NEITHER),
            },
            _ => Err(NEITHER),
        }
    }
}

impl From<Scope> for Value {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Always => Self::from("always"),
            Scope::When(when) => serde_json::json!({ "when": when }),
        }
    }
}

/// Why a reply is no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is longer than [`MAX_BYTES`].
    #[error("the reply has {bytes} bytes, and at most {MAX_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// There is no object with an `action` in it.
    #[error("the reply holds no JSON object with an `action`")]
    NoObject,
    /// The object has another shape than was asked for.
    #[error("the reply is not of the schema: {why}")]
    Schema {
        /// What is wrong, with the field's name.
        why: String,
    },
}

impl Unusable {
    /// The static guard that refuses it (`method` 4.5).
    #[must_use]
    pub fn guard(&self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::NoObject => "reply",
            Self::Schema { .. } => "schema",
        }
    }

    /// Whether the model is asked once more: it may have said the right thing in the wrong form.
    #[must_use]
    pub fn may_be_repaired(&self) -> bool {
        matches!(self, Self::TooLong { .. } | Self::NoObject)
    }
}

/// Reads a reply.
///
/// # Errors
/// An [`Unusable`] that says what is wrong.
pub fn read(text: &str) -> Result<Reply, Unusable> {
    if MAX_BYTES < text.len() {
        return Err(Unusable::TooLong { bytes: text.len() });
    }
    let spoken = without_thoughts(text);
    let object = object(&spoken).ok_or(Unusable::NoObject)?;
    of_object(object)
}

/// Reads the arguments of a call to the tool that proposals may be handed in with.
///
/// # Errors
/// As [`read`].
pub fn read_call(arguments: &Value) -> Result<Reply, Unusable> {
    match arguments {
        // Some servers hand arguments on as the text that the model wrote.
        Value::String(text) => read(text),
        Value::Object(_) if has_action(arguments) => of_object(arguments.clone()),
        _ => Err(Unusable::NoObject),
    }
}

/// What is said and not only thought. A thought that does not end leaves nothing; one that was begun by the template of the
/// model has an end alone.
fn without_thoughts(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "<think>";
    const END: &str = "</think>";
    let text = match (text.find(BEGIN), text.find(END)) {
        (begin, Some(end)) if begin.is_none_or(|begin| end < begin) => &text[end + END.len()..],
        _ => text,
    };
    if !text.contains(BEGIN) {
        return Cow::Borrowed(text);
    }
    let mut spoken = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        spoken.push_str(&rest[..begin]);
        let thought = &rest[begin + BEGIN.len()..];
        rest = thought.find(END).map_or("", |end| &thought[end + END.len()..]);
    }
    spoken.push_str(rest);
    Cow::Owned(spoken)
}

/// The first object with an `action`: the whole reply, then fenced blocks from the last on, then whatever is balanced.
fn object(text: &str) -> Option<Value> {
    if let Some(whole) = parsed(text) {
        return Some(whole);
    }
    fenced(text).into_iter().rev().find_map(parsed).or_else(|| {
        let places = text.match_indices('{').take(MAX_PLACES);
        places.filter_map(|(at, _)| balanced(&text[at..])).find_map(parsed)
    })
}

fn has_action(value: &Value) -> bool {
    value.get("action").is_some()
}

fn parsed(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with('{') {
        return None;
    }
    let strict = serde_json::from_str(text).ok();
    strict.or_else(|| serde_json::from_str(&without_trailing_commas(text)).ok()).filter(has_action)
}

/// The inner texts of all fences, closed or not.
fn fenced(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, char, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marks = line.trim_start();
        let mark = marks.chars().next().filter(|mark| ['`', '~'].contains(mark));
        let count = mark.map_or(0, |mark| marks.chars().take_while(|other| *other == mark).count());
        match (open, mark) {
            (None, Some(mark)) if 3 <= count => open = Some((at + line.len(), mark, count)),
            (Some((begin, by, least)), Some(mark))
                if by == mark && least <= count && marks.trim_end().len() == count =>
            {
                blocks.push(&text[begin..at]);
                open = None;
            }
            _ => {}
        }
        at += line.len();
    }
    blocks.extend(open.and_then(|(begin, ..)| text.get(begin..)));
    blocks
}

/// The text from its first brace to the one that closes it, strings not counted.
fn balanced(text: &str) -> Option<&str> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' if !is_string => depth += 1,
            b'}' if !is_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return text.get(..=at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text without commas that stand before a closing bracket, strings not touched.
fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut is_string, mut is_escaped) = (false, false);
    for (at, each) in text.char_indices() {
        match each {
            _ if is_escaped => is_escaped = false,
            '\\' if is_string => is_escaped = true,
            '"' => is_string = !is_string,
            ',' if !is_string && text[at + 1..].trim_start().starts_with(['}', ']']) => continue,
            _ => {}
        }
        out.push(each);
    }
    out
}

fn of_object(object: Value) -> Result<Reply, Unusable> {
    let schema = |why: String| Err(Unusable::Schema { why });
    let Value::Object(mut fields) = object else { return Err(Unusable::NoObject) };
    match fields.remove("action").as_ref().and_then(Value::as_str) {
        Some("decline") => match fields.remove("reason") {
            Some(Value::String(reason)) => Ok(Reply::Decline { reason }),
            _ => schema(String::from("`decline` needs a `reason`")),
        },
        Some("edit") => match serde_json::from_value::<Draft>(Value::Object(fields)) {
            Err(error) => schema(error.to_string()),
            Ok(draft) => match misfit(&draft) {
                Some(why) => schema(why),
                None => Ok(Reply::Edit(Box::new(draft))),
            },
        },
        _ => schema(String::from("`action` is neither `edit` nor `decline`")),
    }
}

/// What of a draft is out of its bounds.
fn misfit(draft: &Draft) -> Option<String> {
    let edits = draft.edits.len();
    if edits == 0 || MAX_EDITS < edits {
        return Some(format!("{edits} edits, and one or {MAX_EDITS} are asked for"));
    }
    for (name, text, most) in [
        ("summary", &draft.summary, MAX_SUMMARY),
        ("why", &draft.why, MAX_WHY),
        ("differs", &draft.differs, MAX_DIFFERS),
    ] {
        let characters = text.chars().count();
        if most < characters {
            return Some(format!("`{name}` has {characters} characters, and {most} are allowed"));
        }
    }
    if draft.summary.trim().is_empty() {
        return Some(String::from("`summary` is empty"));
    }
    let both = |edit: &&DraftEdit| edit.find.is_empty() != edit.at.is_some();
    draft.edits.iter().find(both).map(|edit| match edit.find.is_empty() {
        true => format!("the edit of `{}` has neither `find` nor `at`", edit.surface),
        false => format!("the edit of `{}` has both `find` and `at`", edit.surface),
    })
}

#[cfg(test)]
mod tests;
