//! Reads what agents leave behind, whoever wrote them, as a [`Trace`]. What is cut off or strange is read as far as it goes
//! and noted as a loss; only a record without a single step is an error.

mod escaped;
mod json;
mod parts;
mod loose;
mod content;
mod atif;
mod chat;
mod mini_swe_agent;
mod swe_agent;
mod langchain;
mod smolagents;
mod claude_code;
mod codex;
mod prose;

use harness_schema::manifest::TranscriptFormat;
use serde_json::Value;

use super::trace::{Loss, Trace};

/// Why a transcript cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// There is nothing in it.
    #[error("the transcript is empty")]
    Empty,
    /// It is not written as the manifest says.
    #[error("the transcript is not in the format `{format}`: {reason}")]
    Other {
        /// The format that was expected.
        format: &'static str,
        /// What was found.
        reason: String,
    },
}

/// A raw record: one JSON document, JSON line by line, or text.
#[derive(Clone, Debug, PartialEq)]
enum Record {
    Document(Value),
    Lines(Vec<Value>),
    Text,
}

/// What a reader makes of its part of a record; it may have dropped some results that belong to no call.
struct Read {
    trace: Trace,
    stray: usize,
}

/// A format and how it is recognised and read.
struct Reader {
    format: TranscriptFormat,
    name: &'static str,
    is: fn(&Record) -> bool,
    read: fn(&Record) -> Read,
}

/// The formats that can be recognised, in the order in which they are tried.
const READERS: &[Reader] = &[
    Reader { format: TranscriptFormat::Atif, name: "atif", is: atif::is, read: atif::read },
    Reader {
        format: TranscriptFormat::MiniSweAgent,
        name: "mini-swe-agent",
        is: mini_swe_agent::is,
        read: mini_swe_agent::read,
    },
    Reader {
        format: TranscriptFormat::SweAgent,
        name: "swe-agent",
        is: swe_agent::is,
        read: swe_agent::read,
    },
    Reader {
        format: TranscriptFormat::Langchain,
        name: "langchain",
        is: langchain::is,
        read: langchain::read,
    },
    Reader {
        format: TranscriptFormat::Smolagents,
        name: "smolagents",
        is: smolagents::is,
        read: smolagents::read,
    },
    Reader {
        format: TranscriptFormat::ClaudeCode,
        name: "claude-code",
        is: claude_code::is,
        read: claude_code::read,
    },
    Reader { format: TranscriptFormat::Codex, name: "codex", is: codex::is, read: codex::read },
    Reader { format: TranscriptFormat::Chat, name: "chat", is: chat::is, read: chat::read },
];

/// Reads a transcript.
///
/// # Errors
/// If there is nothing in it, or it is not in the format that was named.
pub fn read(source: &str, format: TranscriptFormat) -> Result<Trace, TranscriptError> {
    let source = source.trim_start_matches('\u{FEFF}');
    if source.trim().is_empty() {
        return Err(TranscriptError::Empty);
    }
    if format == TranscriptFormat::Text {
        return done(prose::read(source), "text", false);
    }
    if matches!(format, TranscriptFormat::Auto | TranscriptFormat::Atif)
        && let Some(read) = atif::read_text(source)
    {
        return done(read, "atif", false);
    }
    if matches!(format, TranscriptFormat::Auto | TranscriptFormat::Chat)
        && let Some(read) = chat::read_text(source)
    {
        return done(read, "chat", false);
    }
    let (record, is_cut) = record(source);
    let named = READERS.iter().find(|reader| reader.format == format);
    let reader = match named {
        Some(reader) if !(reader.is)(&record) => {
            let reason = what(&record);
            return Err(TranscriptError::Other { format: reader.name, reason });
        }
        Some(reader) => Some(reader),
        None => READERS.iter().find(|reader| (reader.is)(&record)),
    };
    match reader {
        Some(reader) => done((reader.read)(&record), reader.name, is_cut),
        None => done(prose::read(source), "text", false),
    }
}

/// The format of a record that one of the readers recognises; `None` of one that would be read as text.
#[must_use]
pub fn recognised(source: &str) -> Option<TranscriptFormat> {
    let (record, _) = record(source.trim_start_matches('\u{FEFF}'));
    READERS.iter().find(|reader| (reader.is)(&record)).map(|reader| reader.format)
}

fn done(read: Read, format: &'static str, is_cut: bool) -> Result<Trace, TranscriptError> {
    let Read { mut trace, stray } = read;
    if trace.steps.is_empty() {
        return Err(TranscriptError::Other { format, reason: String::from("it has no steps") });
    }
    trace.note_losses(stray);
    if is_cut {
        trace.losses.push(Loss::CutOff);
    }
    Ok(trace)
}

/// The record, and whether its last line is cut off.
fn record(source: &str) -> (Record, bool) {
    if let Ok(value) = json::from_str(source) {
        return (Record::Document(value), false);
    }
    let lines: Vec<&str> = source.lines().filter(|line| !line.trim().is_empty()).collect();
    let values: Vec<Value> = lines.iter().map_while(|line| json::from_str(line).ok()).collect();
    // A program that was killed leaves half a line.
    match lines.len() - values.len() {
        0 => (Record::Lines(values), false),
        1 if !values.is_empty() && values.iter().all(Value::is_object) => (Record::Lines(values), true),
        _ => (Record::Text, false),
    }
}

/// In words, for messages.
fn what(record: &Record) -> String {
    match record {
        Record::Document(Value::Object(entries)) => {
            let keys: Vec<&str> = entries.keys().map(String::as_str).take(4).collect();
            format!("it is a JSON object with the keys {}", keys.join(", "))
        }
        Record::Document(Value::Array(items)) => format!("it is a JSON list of {} items", items.len()),
        Record::Document(_) => String::from("it is a single JSON value"),
        Record::Lines(lines) => format!("it is JSON in {} lines", lines.len()),
        Record::Text => String::from("it is no JSON"),
    }
}

#[cfg(test)]
mod tests;
