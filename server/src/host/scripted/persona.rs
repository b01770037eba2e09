//! Personas: the rules that a scripted model answers by. Reading one either works or says in which line it does not.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::{fmt, fs};

use harness_schema::digest::Digest;
use harness_schema::manifest::Duration;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use toml::Spanned;

use super::asked::{Asked, Protocol, Role};

/// A persona, as its file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    #[serde(default)]
    name: String,
    #[serde(default)]
    step: StepCount,
    #[serde(default = "yes")]
    pub(super) usage: bool,
    #[serde(default = "scripted")]
    pub(super) models: Vec<String>,
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<Rule>>,
}

/// Why a persona cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PersonaError {
    /// The file cannot be read.
    #[error("cannot read persona `{file}`: {why}")]
    Read {
        /// The file.
        file: String,
        /// What the machine said.
        why: String,
    },
    /// It is no persona.
    #[error("{file}:{line}:{column}: {what}")]
    Wrong {
        /// The file.
        file: String,
        /// One-based line.
        line: usize,
        /// One-based column, in characters.
        column: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// How the step of a request is counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StepCount {
    /// Assistant messages plus user messages minus one.
    #[default]
    Turns,
    /// Assistant messages.
    Assistant,
    /// Tool results.
    Results,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    id: String,
    #[serde(default)]
    when: When,
    reply: Spanned<Reply>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct When {
    system: Option<Pattern>,
    last: Option<Pattern>,
    any: Option<Pattern>,
    tools: Vec<String>,
    no_tools: Vec<String>,
    tool_text: Option<Pattern>,
    step: Option<Number>,
    attempt: Option<Number>,
    model: Option<Pattern>,
    protocol: Option<Protocol>,
    stream: Option<bool>,
    coin: Option<Coin>,
}

/// A regex that is known to compile.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Regex::new(&text).map(Self).map_err(|error| {
            let why = error.to_string();
            format!(
                "`{text}` is no regex: {}",
                why.lines().last().unwrap_or_default().trim_start_matches("error: ")
            )
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number or `{ min, max }`")]
enum Number {
    Exactly(u64),
    Within(Range),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Range {
    min: u64,
    max: u64,
}

impl Default for Range {
    fn default() -> Self {
        Self { min: 0, max: u64::MAX }
    }
}

impl Number {
    fn holds(self, number: u64) -> bool {
        match self {
            Self::Exactly(expected) => number == expected,
            Self::Within(range) => (range.min..=range.max).contains(&number),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a share from 0 to 1 or `{ heads, name, per }`")]
enum Coin {
    Plain(f64),
    Named(NamedCoin),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedCoin {
    heads: f64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    per: Per,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Per {
    #[default]
    Step,
    Conversation,
}

/// What a rule answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reply {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) calls: Vec<Call>,
    pub(super) stop: Option<Stop>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<ErrorReply>,
    pub(super) raw: Option<String>,
    pub(super) delay: Option<Delay>,
    pub(super) cut: Option<Cut>,
    pub(super) reset: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) tool: String,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    #[serde(default)]
    pub(super) raw: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stop {
    Length,
    Refused,
    Context,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorReply {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Delay(pub(super) std::time::Duration);

impl TryFrom<String> for Delay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let duration: Result<Duration, _> = text.parse();
        duration
            .map(|duration| Self(duration.into()))
            .map_err(|_| format!("`{text}` is no duration such as `200ms` or `2s`"))
    }
}

/// How an answer that ends early ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cut {
    /// The connection breaks.
    Connection,
    /// It ends as if it were whole.
    Mark,
}

impl Persona {
    /// Reads a persona's file.
    ///
    /// # Errors
    /// A [`PersonaError`] with the line that is wrong.
    pub fn load(path: &Path) -> Result<Self, PersonaError> {
        let file = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| PersonaError::Read { file: file.clone(), why: error.to_string() })?;
        Self::read(&file, &text)
    }

    /// Reads a persona from its text; `file` is for its errors, and its name if it has none.
    ///
    /// # Errors
    /// A [`PersonaError`] with the line that is wrong.
    pub fn read(file: &str, text: &str) -> Result<Self, PersonaError> {
        let wrong = |at: usize, what: String| {
            let before = text.get(..at).unwrap_or(text);
            PersonaError::Wrong {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
                what,
            }
        };
        let mut persona: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            wrong(at, error.message().trim_end().replace('\n', "; "))
        })?;
        if persona.rules.is_empty() {
            return Err(wrong(text.len(), String::from("there is no rule; add a `[[rule]]` with a `reply`")));
        }
        if persona.name.is_empty() {
            let stem = Path::new(file).file_stem().unwrap_or_default();
            persona.name = stem.to_string_lossy().into_owned();
        }
        let mut ids = HashSet::new();
        for (at, rule) in persona.rules.iter_mut().enumerate() {
            let place = rule.span().start;
            let rule = rule.get_mut();
            if rule.id.is_empty() {
                rule.id = format!("rule-{}", at + 1);
            }
            if !ids.insert(rule.id.clone()) {
                return Err(wrong(
                    place,
                    format!("there are two rules `{}`; give one another `id`", rule.id),
                ));
            }
            if let Some(what) = rule.when.objection() {
                return Err(wrong(place, what));
            }
            if let Some(what) = rule.reply.get_ref().objection() {
                return Err(wrong(rule.reply.span().start, what));
            }
        }
        Ok(persona)
    }

    /// What a request is answered with; in words, if no rule fits it.
    pub(super) fn reply(&self, asked: &Asked) -> Result<Reply, String> {
        let step = self.step_of(asked);
        for rule in &self.rules {
            let rule = rule.get_ref();
            let mut found = BTreeMap::new();
            if rule.when.holds(self, &rule.id, asked, step, &mut found) {
                found.insert(String::from("step"), step.to_string());
                found.insert(String::from("seed"), asked.seed.to_string());
                found.insert(String::from("model"), asked.model.clone());
                return Ok(rule.reply.get_ref().filled(&found));
            }
        }
        Err(format!(
            "no rule of persona `{}` fits step {step}; end it with a rule that has no `when`",
            self.name
        ))
    }

    fn step_of(&self, asked: &Asked) -> u64 {
        let count = |role: Role| asked.messages.iter().filter(|message| message.role == role).count() as u64;
        match self.step {
            StepCount::Turns => (count(Role::Assistant) + count(Role::User)).saturating_sub(1),
            StepCount::Assistant => count(Role::Assistant),
            StepCount::Results => count(Role::Result),
        }
    }
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} rules)", self.name, self.rules.len())
    }
}

impl When {
    fn objection(&self) -> Option<String> {
        let heads = match &self.coin {
            Some(Coin::Plain(heads)) => *heads,
            Some(Coin::Named(coin)) => coin.heads,
            None => return None,
        };
        (!(0.0..=1.0).contains(&heads))
            .then(|| format!("a coin shows heads {heads} of the time; write a share from 0 to 1"))
    }

    /// Whether all conditions hold; what named groups found goes into `found`.
    fn holds(
        &self,
        persona: &Persona,
        id: &str,
        asked: &Asked,
        step: u64,
        found: &mut BTreeMap<String, String>,
    ) -> bool {
        let is_offered = |name: &String| asked.tools.iter().any(|tool| tool.name == *name);
        let newest = asked.messages.iter().rev().map(|message| message.text.as_str());
        let tools: Vec<String> =
            asked.tools.iter().map(|tool| format!("{}: {}", tool.name, tool.description)).collect();
        self.step.is_none_or(|number| number.holds(step))
            && self.attempt.is_none_or(|number| number.holds(asked.attempt))
            && self.protocol.is_none_or(|protocol| protocol == asked.protocol)
            && self.stream.is_none_or(|stream| stream == asked.stream)
            && self.tools.iter().all(is_offered)
            && !self.no_tools.iter().any(is_offered)
            && is_found(self.model.as_ref(), [asked.model.as_str()], found)
            && is_found(self.tool_text.as_ref(), [tools.join("\n").as_str()], found)
            && is_found(self.system.as_ref(), [asked.system.as_str()], found)
            && is_found(self.last.as_ref(), newest.clone().take(1), found)
            && is_found(self.any.as_ref(), newest, found)
            && self.coin.as_ref().is_none_or(|coin| coin.shows_heads(&persona.name, id, step, asked.seed))
    }
}

fn is_found<'a>(
    pattern: Option<&Pattern>,
    texts: impl IntoIterator<Item = &'a str>,
    found: &mut BTreeMap<String, String>,
) -> bool {
    let Some(Pattern(regex)) = pattern else { return true };
    let Some(captures) = texts.into_iter().find_map(|text| regex.captures(text)) else { return false };
    for name in regex.capture_names().flatten() {
        let text = captures.name(name).map_or("", |group| group.as_str());
        found.insert(name.to_owned(), text.to_owned());
    }
    true
}

impl Coin {
    fn shows_heads(&self, persona: &str, rule: &str, step: u64, seed: i64) -> bool {
        let (heads, name, per) = match self {
            Self::Plain(heads) => (*heads, rule, Per::Step),
            Self::Named(coin) if coin.name.is_empty() => (coin.heads, rule, coin.per),
            Self::Named(coin) => (coin.heads, coin.name.as_str(), coin.per),
        };
        let step = if per == Per::Step { step.to_le_bytes().to_vec() } else { Vec::new() };
        let parts = [persona.as_bytes(), name.as_bytes(), &step, &seed.to_le_bytes()];
        let [a, b, c, d, ..] = *Digest::of_parts(parts).bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) < heads * 4_294_967_296.0
    }
}

impl Reply {
    fn objection(&self) -> Option<String> {
        let speaks = !self.text.is_empty() || !self.reasoning.is_empty() || !self.calls.is_empty();
        let kinds = [speaks, self.error.is_some(), self.raw.is_some(), self.reset];
        if 1 < kinds.iter().filter(|kind| **kind).count() {
            let what = "a reply either speaks (`text`, `reasoning`, `calls`) or is one of `error`, `raw` and `reset`";
            return Some(format!("{what}; keep one"));
        }
        if self.calls.iter().any(|call| call.raw.is_some() && !call.arguments.is_empty()) {
            return Some(String::from("a call has `arguments` and `raw`; keep one"));
        }
        let status = self.error.as_ref().map_or(500, |error| error.status);
        (!(200..600).contains(&status)).then(|| format!("`{status}` is no status; write one from 200 to 599"))
    }

    /// The reply with `${name}` as what it stands for.
    fn filled(&self, found: &BTreeMap<String, String>) -> Self {
        let mut reply = self.clone();
        fill(&mut reply.text, found);
        fill(&mut reply.reasoning, found);
        for call in &mut reply.calls {
            fill(&mut call.tool, found);
            call.arguments.values_mut().for_each(|value| fill_value(value, found));
            call.raw.iter_mut().for_each(|raw| fill(raw, found));
        }
        reply.raw.iter_mut().for_each(|raw| fill(raw, found));
        if let Some(error) = &mut reply.error {
            fill(&mut error.message, found);
            error.body.iter_mut().for_each(|body| fill(body, found));
        }
        reply
    }
}

fn fill_value(value: &mut Value, found: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => fill(text, found),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_value(item, found)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_value(field, found)),
        _ => {}
    }
}

/// What is no name that was found stays: shells and templates write `${…}` too.
fn fill(text: &mut String, found: &BTreeMap<String, String>) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((found.get(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    *text = out;
}

fn yes() -> bool {
    true
}

fn scripted() -> Vec<String> {
    vec![String::from("scripted")]
}

#[cfg(test)]
mod tests;
