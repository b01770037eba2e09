//! The conversation as it is sent: messages, how much of the context they take, and old results that become a line.

use ecow::eco_format;
use harness_schema::surface::approx_tokens;

use crate::host::model::{Message, ToolResult, Usage};

/// A result shorter than this stays: the line would be no shorter.
const LEAST_BYTES: usize = 160;

/// Elision goes on until so much of the threshold is used, so that it does not come again with each step: what stands in front
/// stays the same in between, and a provider's cache holds it.
const TARGET: f64 = 0.7;

/// A conversation.
#[derive(Debug, Default)]
pub(super) struct Talk {
    messages: Vec<Message>,
    /// The tools of results, by place.
    tools: Vec<(usize, String)>,
    /// Tokens of the messages before [`Talk::counted`], as the provider counted them, tools included.
    known: u64,
    counted: usize,
}

impl Talk {
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// A result of a tool.
    pub(super) fn push_result(&mut self, tool: &str, result: ToolResult) {
        self.tools.push((self.messages.len(), tool.to_owned()));
        self.messages.push(Message::Tool(result));
    }

    /// What the provider counted for the messages so far, the answer included.
    pub(super) fn count(&mut self, usage: &Usage) {
        self.known = usage.input.saturating_add(usage.output);
        self.counted = self.messages.len();
    }

    /// Tokens of the whole conversation, about.
    pub(super) fn tokens(&self) -> u64 {
        let new = self.messages.get(self.counted..).unwrap_or_default();
        self.known + new.iter().map(tokens).sum::<u64>()
    }

    /// Makes the oldest results a line each until the conversation is well below `threshold` tokens. Results behind the newest
    /// answer stay: the model has not seen them. How many became a line.
    pub(super) fn elide(&mut self, threshold: f64) -> usize {
        let target = threshold * TARGET;
        let newest = self.messages.iter().rposition(|message| matches!(message, Message::Assistant(_)));
        let newest = newest.unwrap_or_default();
        let mut elided = 0;
        for (at, tool) in &self.tools {
            if self.tokens() as f64 <= target || newest <= *at {
                break;
            }
            let Some(Message::Tool(result)) = self.messages.get_mut(*at) else { continue };
            if result.text.len() < LEAST_BYTES {
                continue;
            }
            let before = approx_tokens(&result.text) as u64;
            result.text = eco_format!("[the result of `{tool}`, {} bytes, is left out]", result.text.len());
            let saved = before.saturating_sub(approx_tokens(&result.text) as u64);
            if *at < self.counted {
                self.known = self.known.saturating_sub(saved);
            }
            elided += 1;
        }
        elided
    }
}

fn tokens(message: &Message) -> u64 {
    let count = match message {
        Message::System(text) | Message::User(text) => approx_tokens(text),
        Message::Tool(result) => approx_tokens(&result.text),
        Message::Assistant(turn) => {
            let calls = turn.calls.iter().map(|call| {
                let arguments = serde_json::Value::Object(call.arguments.to_object()).to_string();
                approx_tokens(&call.name) + approx_tokens(&arguments)
            });
            approx_tokens(&turn.text) + calls.sum::<usize>()
        }
    };
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::model::Turn;

    fn result(text: &str) -> ToolResult {
        ToolResult { call: String::from("c"), text: text.into() }
    }

    #[test]
    fn the_oldest_results_become_lines_and_the_newest_stay() {
        let mut talk = Talk::default();
        talk.push(Message::System(String::from("system")));
        for letter in ["a", "b", "c"] {
            talk.push(Message::Assistant(Turn::default()));
            talk.push_result("shell", result(&letter.repeat(4000)));
        }
        assert!(3000 <= talk.tokens());
        assert_eq!(talk.elide(3000.0), 1);
        let texts: Vec<&str> = talk
            .messages()
            .iter()
            .filter_map(|message| match message {
                Message::Tool(result) => Some(result.text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(texts[0], "[the result of `shell`, 4000 bytes, is left out]");
        assert!(texts[1].starts_with("bbb") && texts[2].starts_with("ccc"));
        // The newest result was not seen yet, however full it is.
        assert_eq!(talk.elide(1.0), 1);
        assert_eq!(talk.elide(1.0), 0);
    }

    #[test]
    fn what_the_provider_counted_is_believed() {
        let mut talk = Talk::default();
        talk.push(Message::User("x".repeat(400)));
        assert_eq!(talk.tokens(), 100);
        talk.count(&Usage { input: 70, output: 5, ..Usage::default() });
        talk.push(Message::User("x".repeat(40)));
        assert_eq!(talk.tokens(), 85);
    }
}
