//! Takes the key out of what a program inside reads. A streamed answer spells its texts out over many events, so what could be
//! the beginning of the key waits until the next event tells.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::host::model::Event;
use crate::host::redact::{Redactor, Stream};

/// Fields whose text goes on in the next event.
const GOING_ON: &[&str] = &[
    "content",
    "reasoning_content",
    "reasoning",
    "refusal",
    "arguments",
    "text",
    "thinking",
    "partial_json",
    "signature",
    "summary",
    "data",
    "transcript",
];
/// Events after which no text goes on (Anthropic).
const ENDS: &[&str] = &["content_block_stop", "message_delta", "message_stop"];

/// Cleans the events of one answer.
pub(super) struct Cleaner {
    redactor: Redactor,
    texts: BTreeMap<String, Text>,
    /// The number of the event that is cleaned.
    number: u64,
}

/// A text on its way.
struct Text {
    stream: Stream,
    /// The event that would carry what waits, and where in it.
    carrier: Value,
    place: Vec<String>,
    name: String,
    /// The event that it was last in.
    number: u64,
}

impl Cleaner {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self { redactor: redactor.clone(), texts: BTreeMap::new(), number: 0 }
    }

    /// An event without secrets, behind what had waited for it.
    pub(super) fn event(&mut self, event: &Event) -> Vec<Event> {
        let name = self.redactor.text(&event.event).into_owned();
        let Ok(mut data) = serde_json::from_str::<Value>(&event.data) else {
            let mut events = self.finish();
            events.push(Event { event: name, data: self.redactor.text(&event.data).into_owned() });
            return events;
        };
        self.number += 1;
        let whole = data.clone();
        self.clean(&mut data, &whole, &name, &mut Vec::new(), &mut String::new());
        let mut events = if is_end(&data) { self.end(Some(&mut data)) } else { Vec::new() };
        // Names of fields are left.
        let data = self.redactor.text(&data.to_string()).into_owned();
        events.push(Event { event: name, data });
        events
    }

    /// What still waits: nothing more comes.
    pub(super) fn finish(&mut self) -> Vec<Event> {
        self.end(None)
    }

    /// Ends all texts. What waits for more goes into the event that ends them, if it has the same text, else into one of its own
    /// before.
    fn end(&mut self, mut last: Option<&mut Value>) -> Vec<Event> {
        let mut events = Vec::new();
        for text in std::mem::take(&mut self.texts).into_values() {
            let mut rest = Vec::new();
            text.stream.finish(&mut rest);
            let rest = String::from_utf8_lossy(&rest);
            if rest.is_empty() {
                continue;
            }
            if let Some(last) = last.as_mut().filter(|_| text.number == self.number) {
                let pointer: String = text.place.iter().map(|step| format!("/{step}")).collect();
                if let Some(Value::String(said)) = last.pointer_mut(&pointer) {
                    said.push_str(&rest);
                    continue;
                }
            }
            let mut data = text.carrier;
            put(&mut data, &text.place, rest.into_owned());
            events.push(Event { event: text.name, data: self.redactor.text(&data.to_string()).into_owned() });
        }
        events
    }

    /// Cleans every text of a value. `key` tells texts that go on apart: positions count by `index`, where there is one.
    fn clean(
        &mut self,
        value: &mut Value,
        whole: &Value,
        name: &str,
        place: &mut Vec<String>,
        key: &mut String,
    ) {
        match value {
            Value::String(text) => {
                let goes_on = place.iter().any(|step| step == "delta")
                    && place.last().is_some_and(|last| GOING_ON.contains(&last.as_str()));
                if !goes_on {
                    *text = self.redactor.text(text).into_owned();
                    return;
                }
                let redactor = &self.redactor;
                let known = self.texts.entry(key.clone()).or_insert_with(|| Text {
                    stream: redactor.stream(),
                    carrier: Value::Null,
                    place: place.clone(),
                    name: name.to_owned(),
                    number: 0,
                });
                known.number = self.number;
                let mut out = Vec::new();
                known.stream.push(text.as_bytes(), &mut out);
                known.carrier = carrier(whole, place, 0);
                known.place.clone_from(place);
                *text = String::from_utf8_lossy(&out).into_owned();
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    let number = item.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
                    self.below(item, whole, name, place, key, (&at.to_string(), &number.to_string()));
                }
            }
            Value::Object(fields) => {
                let index = fields.get("index").and_then(Value::as_u64);
                for (field, value) in fields.iter_mut() {
                    // Blocks of Anthropic are told apart by the number beside `delta`.
                    let part = match index.filter(|_| field == "delta") {
                        Some(index) => format!("{field}#{index}"),
                        None => field.clone(),
                    };
                    self.below(value, whole, name, place, key, (field, &part));
                }
            }
            _ => {}
        }
    }

    fn below(
        &mut self,
        value: &mut Value,
        whole: &Value,
        name: &str,
        place: &mut Vec<String>,
        key: &mut String,
        (step, part): (&str, &str),
    ) {
        let length = key.len();
        place.push(step.to_owned());
        key.push('/');
        key.push_str(part);
        self.clean(value, whole, name, place, key);
        key.truncate(length);
        place.pop();
    }
}

/// Whether the texts so far end with this event.
fn is_end(data: &Value) -> bool {
    let is_named = data.get("type").and_then(Value::as_str).is_some_and(|kind| ENDS.contains(&kind));
    let choices = data.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    is_named
        || choices.iter().any(|choice| choice.get("finish_reason").is_some_and(|reason| !reason.is_null()))
}

/// The same event with nothing but one text, whose place is left: what stands at its top, the numbers on the way, and what
/// kind of delta it is.
fn carrier(value: &Value, place: &[String], depth: usize) -> Value {
    let Some((step, rest)) = place.split_first() else { return Value::String(String::new()) };
    match value {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (name, value) in fields {
                let is_plain = !value.is_object() && !value.is_array();
                if name == step {
                    kept.insert(name.clone(), carrier(value, rest, depth + 1));
                } else if name == "index"
                    || is_plain && depth == 0
                    || name == "type" && rest.is_empty() && is_plain
                {
                    kept.insert(name.clone(), value.clone());
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let item = step.parse::<usize>().ok().and_then(|at| items.get(at));
            Value::Array(item.map(|item| carrier(item, rest, depth + 1)).into_iter().collect())
        }
        _ => Value::Null,
    }
}

/// Writes a text at its place in a carrier, where lists have one item.
fn put(value: &mut Value, place: &[String], text: String) {
    let mut at = value;
    for step in place {
        let next = match at {
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => items.first_mut(),
            _ => None,
        };
        let Some(next) = next else { return };
        at = next;
    }
    *at = Value::String(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::host::redact::{MARK, SecretString};

    const KEY: &str = "k-live-secret-4711";

    /// The events that come out, and the text that a client joins from them.
    fn cleaned(events: &[Value], pointer: &str) -> (Vec<Event>, String) {
        let mut cleaner = Cleaner::new(&Redactor::live([&SecretString::new(KEY)]));
        let event = |data: &Value| Event { event: String::new(), data: data.to_string() };
        let mut out: Vec<Event> = events.iter().flat_map(|data| cleaner.event(&event(data))).collect();
        out.extend(cleaner.finish());
        let text = out.iter().map(|event| {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            data.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        });
        let text = text.collect();
        (out, text)
    }

    fn content(text: &str) -> Value {
        json!({ "id": "c", "choices": [{ "index": 0, "delta": { "role": "assistant", "content": text }, "finish_reason": null }] })
    }

    fn end() -> Value {
        json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })
    }

    #[test]
    fn esc_113_a_key_that_is_spelled_out_over_events_is_taken_out() {
        let text = format!("the key is {KEY}, k-live");
        for size in 1..9 {
            let letters: Vec<char> = text.chars().collect();
            let mut events: Vec<Value> =
                letters.chunks(size).map(|piece| content(&piece.iter().collect::<String>())).collect();
            events.push(end());
            let (out, joined) = cleaned(&events, "/choices/0/delta/content");
            assert_eq!(joined, format!("the key is {MARK}, k-live"));
            // What had waited comes before the end.
            let last: Value = serde_json::from_str(&out.last().unwrap().data).unwrap();
            assert_eq!(last, end());
        }
    }

    #[test]
    fn what_has_no_secret_stays_what_it_is() {
        let events = [content("an ok"), content(" text with sk-0123456789012345678901234567890"), end()];
        let (out, joined) = cleaned(&events, "/choices/0/delta/content");
        assert_eq!(joined, "an ok text with sk-0123456789012345678901234567890");
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn esc_113_the_event_that_ends_a_text_may_hold_the_rest_of_the_key() {
        let last = |text: &str| json!({ "id": "c", "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": "stop" }] });
        let (out, joined) = cleaned(&[content("a k-live-"), last("secret-4711")], "/choices/0/delta/content");
        assert_eq!((joined, out.len()), (format!("a {MARK}"), 2));
        let (out, joined) = cleaned(&[content("a k-live"), last(" or k-l")], "/choices/0/delta/content");
        assert_eq!((joined.as_str(), out.len()), ("a k-live or k-l", 2));
        // What carries the rest has no key at its top either.
        let carried = json!({ "model": KEY, "choices": [{ "delta": { "content": "a k" } }] });
        let (out, joined) = cleaned(&[carried, end()], "/choices/0/delta/content");
        assert_eq!((joined.as_str(), out.len()), ("a k", 3));
        assert!(out.iter().all(|event| !event.data.contains(KEY)), "{out:?}");
    }

    #[test]
    fn calls_and_blocks_are_told_apart() {
        let call = |index: u64, text: &str| {
            json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [
                { "index": index, "id": "c", "type": "function", "function": { "name": "f", "arguments": text } }] } }] })
        };
        let events = [call(0, "k-live-"), call(1, "secret-4711"), end()];
        let (out, joined) = cleaned(&events, "/choices/0/delta/tool_calls/0/function/arguments");
        assert_eq!(joined, "secret-4711k-live-");
        let waited: Value = serde_json::from_str(&out[2].data).unwrap();
        let expected = json!({ "choices": [{ "index": 0, "delta": { "tool_calls": [
            { "index": 0, "function": { "arguments": "k-live-" } }] } }] });
        assert_eq!(waited, expected);
        let block = |index: u64, text: &str| json!({ "type": "content_block_delta", "index": index, "delta": { "type": "text_delta", "text": text } });
        let stop = json!({ "type": "content_block_stop", "index": 0 });
        let (out, joined) =
            cleaned(&[block(0, "k-live"), block(0, "-secret-4711!"), block(0, " k"), stop], "/delta/text");
        assert_eq!(joined, format!("{MARK}! k"));
        let waited: Value = serde_json::from_str(&out[3].data).unwrap();
        assert_eq!(waited, block(0, "k"));
        let (_, joined) = cleaned(&[block(0, "k-live"), block(1, "-secret-4711")], "/delta/text");
        assert_eq!(joined, "-secret-4711k-live");
    }

    #[test]
    fn other_texts_and_names_are_cleaned_at_once() {
        let (out, _) = cleaned(&[json!({ "error": { "message": format!("bad {KEY}"), KEY: 1 } })], "");
        assert_eq!(out[0].data, format!("{{\"error\":{{\"message\":\"bad {MARK}\",\"{MARK}\":1}}}}"));
        let mut cleaner = Cleaner::new(&Redactor::live([&SecretString::new(KEY)]));
        let event = Event { event: String::from("x"), data: format!("no JSON {KEY}") };
        assert_eq!(cleaner.event(&event)[0].written(), format!("event: x\ndata: no JSON {MARK}\n\n"));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_text_without_the_key(
            parts in proptest::collection::vec(proptest::sample::select(vec!["k-", "live-secret", "-4711", KEY, "a", "ä😀", "\"\n"]), 0..8),
            cuts in proptest::collection::vec(1_usize..6, 0..40),
        ) {
            let text = parts.concat();
            let mut letters = text.chars();
            let mut events: Vec<Value> =
                cuts.iter().map(|size| content(&letters.by_ref().take(*size).collect::<String>())).collect();
            events.push(content(letters.as_str()));
            events.push(end());
            let (_, joined) = cleaned(&events, "/choices/0/delta/content");
            let redactor = Redactor::live([&SecretString::new(KEY)]);
            prop_assert_eq!(joined, redactor.text(&text).into_owned());
        }
    }
}
