//! Hints at the end of a line: a weakness, an accepted proposal, a limit, a size. Short, and nothing in them edits the text.

use harness_schema::surface::approx_tokens;
use harness_schema::text::Span;

use super::applying::line_of;
use super::command::Command;
use super::decided;
use super::evidence;
use super::standing;
use super::switches::Switches;
use crate::engine::report::words;
use crate::workspace::Site;

/// So many characters a hint has at most.
pub const MAX_CHARS: usize = 28;

/// A hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Where it stands: the end of a line.
    pub offset: usize,
    /// What it says.
    pub parts: Vec<Part>,
    /// What it says to somebody who rests on it.
    pub tooltip: String,
}

/// A part of a hint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What it says.
    pub text: String,
    /// A page of ours that it leads to: `weakness/C-7f3a`.
    pub page: Option<String>,
    /// What it starts.
    pub command: Option<Command>,
}

impl Hint {
    /// All of it as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect()
    }
}

/// The hints of the lines that a span touches, in the order of the text.
#[must_use]
pub fn hints(site: &Site, span: Span, switches: Switches) -> Vec<Hint> {
    if !switches.hints {
        return Vec::new();
    }
    let mut hints = Vec::new();
    if switches.weaknesses {
        weaknesses(site, &mut hints);
        limits(site, &mut hints);
    }
    if switches.proposals {
        proposals(site, &mut hints);
    }
    if switches.tokens {
        sizes(site, &mut hints);
    }
    hints.retain(|hint| span.touches(hint.offset));
    hints.sort_by_key(|hint| hint.offset);
    hints
}

/// A hint of two parts, at the end of the line that a place begins in.
fn hint(site: &Site, span: Span, first: Part, second: Part, tooltip: String) -> Option<Hint> {
    let text = site.project.harness().document(&site.file)?.text().clone();
    let offset = text.line_span(text.line_of(span.start as usize)).end as usize;
    let parts: Vec<Part> = [first, second].into_iter().filter(|part| !part.text.is_empty()).collect();
    let hint = Hint { offset, parts, tooltip };
    // What does not fit tells less in its first part alone than it would cut in half.
    if hint.text().chars().count() <= MAX_CHARS {
        return Some(hint);
    }
    let parts: Vec<Part> = hint.parts.into_iter().take(1).collect();
    let hint = Hint { parts, ..hint };
    (hint.text().chars().count() <= MAX_CHARS).then_some(hint)
}

fn weaknesses(site: &Site, hints: &mut Vec<Hint>) {
    let mined = site.project.board().mined.as_ref();
    let failed = mined.map_or(0, |mined| mined.failed);
    let imported = mined.and_then(|mined| mined.imported.as_ref());
    let from = imported.map(|form| standing::shown(&format!(", imported from {form}"))).unwrap_or_default();
    for weak in evidence::weaknesses(site).into_iter().take(evidence::MAX_WEAKNESSES) {
        let of = weak.weakness;
        let name = Part { text: of.name.clone(), page: Some(format!("weakness/{}", of.name)), command: None };
        let tail = if weak.is_old { "· old" } else { "fail" };
        let count = Part {
            text: format!(" · {} of {failed} {tail}", of.support),
            page: None,
            command: Some(Command::new("self-harness.weaknesses", site.project.root()).cluster(&of.name)),
        };
        let tooltip =
            format!("{}: {} of {failed} failing held-in tasks{from}", standing::shown(&of.title), of.support);
        hints.extend(hint(site, weak.span, name, count, tooltip));
    }
}

fn proposals(site: &Site, hints: &mut Vec<Hint>) {
    let board = site.project.board();
    for waiting in evidence::waiting(site) {
        let of = waiting.accepted;
        let names = words::names(&of.proposals);
        let name = Part {
            text: names.clone(),
            page: of.proposals.first().map(|number| format!("proposal/P{number}")),
            command: None,
        };
        let accepted = Part {
            text: String::from(" accepted"),
            page: None,
            command: Some(Command::new("self-harness.preview", site.project.root()).proposals(&of.proposals)),
        };
        let decided = of.proposals.iter().filter_map(|number| board.proposals.get(number));
        let tooltip: Vec<String> =
            decided.map(|proposal| standing::shown(&decided::decision(board, proposal))).collect();
        hints.extend(hint(site, waiting.span, name, accepted, tooltip.join("\n")));
    }
}

fn limits(site: &Site, hints: &mut Vec<Hint>) {
    for limit in evidence::limits(site) {
        let name = Part { text: limit.name.to_owned(), ..Part::default() };
        let old = if limit.is_old { " · old" } else { "" };
        let count = Part { text: format!(" hit {}/{}{old}", limit.hits, limit.trials), ..Part::default() };
        let tooltip = format!("{} of {} held-in trials ended at `{}`", limit.hits, limit.trials, limit.name);
        hints.extend(hint(site, limit.span, name, count, tooltip));
    }
}

/// The size of each surface, at its first line.
fn sizes(site: &Site, hints: &mut Vec<Hint>) {
    let harness = site.project.harness();
    let Some(document) = harness.document(&site.file) else { return };
    for placed in harness.surfaces() {
        for (_, span) in placed.spans().filter(|(file, span)| **file == site.file && !span.is_empty()) {
            let size = format!("≈{} tokens", approx_tokens(span.of(document.source())));
            let limit = match placed.surface.limits.max_tokens {
                Some(limit) => format!(", limit {limit}"),
                None => String::new(),
            };
            let tooltip = format!("surface {}: {size}{limit}", standing::shown(&placed.surface.id));
            let part = Part { text: size, ..Part::default() };
            let line = line_of(document.source(), Span { end: span.start, ..span });
            hints.extend(hint(site, line, part, Part::default(), tooltip));
        }
    }
}

#[cfg(test)]
mod tests;
