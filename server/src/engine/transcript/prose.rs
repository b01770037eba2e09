//! Anything else: a step for each block of text. What aider writes, Markdown with `####` before what the user said, keeps
//! its speakers.

use super::Read;
use crate::engine::trace::{Source, Step, Trace};

pub(super) fn read(source: &str) -> Read {
    let mut trace = Trace::default();
    let mut block: Vec<&str> = Vec::new();
    let mut first = 1;
    let mut speaker = Source::Agent;
    let flush = |block: &mut Vec<&str>, first: usize, speaker: Source, trace: &mut Trace| {
        let said = block.join("\n");
        let said = said.trim();
        if !said.is_empty() {
            trace.push(Step::said(speaker, said, format!("line {first}")));
        }
        block.clear();
    };
    for (index, line) in source.lines().enumerate() {
        let asked = line.strip_prefix("#### ");
        let next = if asked.is_some() { Source::User } else { Source::Agent };
        let ends = line.trim().is_empty() || next != speaker;
        if ends {
            flush(&mut block, first, speaker, &mut trace);
            first = index + 1;
        }
        if !line.trim().is_empty() {
            if block.is_empty() {
                first = index + 1;
            }
            speaker = next;
            block.push(asked.unwrap_or(line));
        }
    }
    flush(&mut block, first, speaker, &mut trace);
    let first_user = trace.steps.iter().find(|step| step.source == Source::User);
    trace.instruction = first_user.map(|step| step.message.clone());
    Read { trace, stray: 0 }
}
