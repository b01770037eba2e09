//! What runs say about a line, for its hover: the weakness and what was seen, the proposals and why they may or may not be applied.
//! What an agent or a program said stands in a fence, in one line each, without what nobody sees.

use harness_schema::surface::approx_tokens;
use harness_schema::syntax::Format;
use harness_schema::text::Span;

use super::evidence::{self, Weak};
use super::standing::shown;
use super::{applying, decided};
use crate::engine::board::{Board, Proposal, Quote};
use crate::engine::report::words;
use crate::workspace::Site;

/// So many decisions are told.
const MAX_DECISIONS: usize = 4;
/// So many quotes are shown.
const MAX_QUOTES: usize = 3;
/// So long a quote is at most, in characters.
const MAX_QUOTE: usize = 160;

/// What is said about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The line.
    pub span: Span,
    /// Markdown.
    pub text: String,
}

/// What runs say about the line at an offset; `None` if they say nothing.
#[must_use]
pub fn told(site: &Site, offset: usize) -> Option<Told> {
    let weak: Vec<Weak<'_>> =
        evidence::weaknesses(site).into_iter().filter(|weak| weak.span.touches(offset)).collect();
    let waiting: Vec<_> =
        evidence::waiting(site).into_iter().filter(|waiting| waiting.span.touches(offset)).collect();
    let open: Vec<_> =
        evidence::open_proposals(site).into_iter().filter(|(_, span)| span.touches(offset)).collect();
    let span = weak
        .first()
        .map(|weak| weak.span)
        .or_else(|| waiting.first().map(|waiting| waiting.span))
        .or_else(|| open.first().map(|(_, span)| *span))?;
    let mut parts = Vec::new();
    for (at, weak) in weak.iter().enumerate().take(2) {
        parts.push(head(site, weak));
        if at == 0 {
            parts.push(about(site, weak, &weak_line(site, weak)));
            parts.extend(quotes(site, &weak.weakness.quotes));
            parts.extend(around(site, weak));
        }
    }
    if 2 < weak.len() {
        parts.push(format!("and {} more", words::plural(weak.len() as u64 - 2, "weakness", "weaknesses")));
    }
    let board = site.project.board();
    let mut decisions = Vec::new();
    for accepted in waiting.iter().map(|waiting| waiting.accepted) {
        let members = accepted.proposals.iter().filter_map(|number| board.proposals.get(number));
        decisions.extend(members.map(|proposal| decision(board, proposal)));
        let refused = applying::resolve(&site.project, accepted).err();
        let certainty = accepted.measured.as_ref().and_then(words::certainty);
        decisions.extend(refused.map(|why| format!("cannot be applied now: {}", escaped(&why))));
        decisions.extend(certainty.map(|text| escaped(&text)));
    }
    decisions.extend(open.iter().map(|(proposal, _)| decision(board, proposal)));
    parts.extend(decisions.into_iter().take(MAX_DECISIONS));
    Some(Told { span, text: parts.join("\n\n") })
}

/// `stops without checking its last change · C-7f3a · 5 of 11 failing held-in tasks`.
fn head(site: &Site, weak: &Weak<'_>) -> String {
    let of = weak.weakness;
    let mined = site.project.board().mined.as_ref();
    let failed = mined.map_or(0, |mined| mined.failed);
    let from = mined.and_then(|mined| mined.imported.as_ref());
    let from = from.map(|form| format!(" · imported from {}", escaped(form))).unwrap_or_default();
    let habit = if of.is_habit { ", passing ones too" } else { "" };
    let old = if weak.is_old { " · old" } else { "" };
    format!(
        "{} · {} · {} of {failed} failing held-in tasks{habit}{from}{old}",
        escaped(&of.title),
        escaped(&of.name),
        of.support
    )
}

/// The text of the line, as a setting is told.
fn weak_line(site: &Site, weak: &Weak<'_>) -> String {
    let document = site.project.harness().document(&site.file);
    let line = document.map(|document| weak.span.of(document.source())).unwrap_or_default();
    shown(line).chars().filter(|char| *char != '`').take(60).collect()
}

/// `value.mismatch · direct · line 14 asks for this in vain`.
fn about(site: &Site, weak: &Weak<'_>, line: &str) -> String {
    let number = |span: Span| {
        let document = site.project.harness().document(&site.file);
        document.map_or(1, |document| document.text().line_of(span.start as usize) + 1)
    };
    let here = number(weak.span);
    let relation = match weak.place.relation.as_str() {
        "knob" => format!("set by `{line}`"),
        "conflicting" => {
            let others = evidence::weaknesses(site);
            let other = others.iter().find(|other| {
                other.weakness.cluster == weak.weakness.cluster
                    && other.place.relation == "conflicting"
                    && other.span != weak.span
            });
            match other.map(|other| number(other.span)) {
                Some(other) => format!("lines {} and {} disagree", here.min(other), here.max(other)),
                None => format!("line {here} and another one disagree"),
            }
        }
        "triggering" => format!("line {here} may cause this"),
        "violated" => format!("line {here} asks for this in vain"),
        _ => match heading(site, weak.span) {
            Some((heading, line)) => {
                format!("no line covers this, nearest is \"{}\" (line {line})", escaped(&heading))
            }
            None => String::from("no line covers this"),
        },
    };
    let signature = Some(escaped(&weak.weakness.signature)).filter(|text| !text.is_empty());
    signature.into_iter().chain([relation]).collect::<Vec<_>>().join(" · ")
}

/// The heading that a place of a Markdown file is below, and its line.
fn heading(site: &Site, span: Span) -> Option<(String, usize)> {
    let document = site.project.harness().document(&site.file)?;
    let head =
        document.source().get(..span.end as usize).filter(|_| document.format() == Format::Markdown)?;
    let lines: Vec<&str> = head.lines().collect();
    let (at, line) = lines.iter().enumerate().rev().find(|(_, line)| line.starts_with('#'))?;
    Some((line.trim_start_matches('#').trim().chars().take(60).collect(), at + 1))
}

/// What was seen, in one fence.
fn quotes(site: &Site, quotes: &[Quote]) -> Option<String> {
    let line = |quote: &Quote| {
        let step = quote.step.map(|(step, of)| format!(", step {step} of {of}")).unwrap_or_default();
        let text: String = shown(&quote.text).chars().take(MAX_QUOTE).collect();
        // A fence ends at backticks alone on their line, and no line of ours begins with one.
        format!("{} #{}{step}: {text}", shown(&quote.task), quote.repeat + 1)
    };
    let told = quotes.iter().filter(|quote| !decided::judges(&site.project, &quote.task));
    let lines: Vec<String> = told.take(MAX_QUOTES).map(line).collect();
    let text = lines.join("\n");
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    (!lines.is_empty()).then(|| format!("{fence}text\n{text}\n{fence}"))
}

/// `P7 accepted, P6 rejected · ≈412 tokens, limit 400 · last changed by P1 in r-0131`.
fn around(site: &Site, weak: &Weak<'_>) -> Option<String> {
    let (board, harness) = (site.project.board(), site.project.harness());
    let mut parts = Vec::new();
    let answers = board.proposals.values().filter(|proposal| proposal.cluster == weak.weakness.name);
    let states: Vec<String> = answers
        .rev()
        .map(|proposal| {
            let word = proposal.decision.map_or("waits", crate::engine::cycle::Decision::word);
            format!("P{} {word}", proposal.number)
        })
        .take(6)
        .collect();
    parts.extend((!states.is_empty()).then(|| states.join(", ")));
    if let Some(placed) = harness.surface(&weak.place.surface) {
        let document = harness.document(&site.file);
        let of_file = placed.spans().filter(|(file, _)| **file == site.file);
        let texts = of_file.filter_map(|(_, span)| Some(span.of(document?.source())));
        let tokens: usize = texts.map(approx_tokens).sum();
        parts.push(match placed.surface.limits.max_tokens {
            Some(limit) => format!("≈{tokens} tokens, limit {limit}"),
            None => format!("≈{tokens} tokens"),
        });
    }
    let changed_it = |number: &&u32| {
        let edits = board.proposals.get(number).map(|proposal| proposal.edits.as_slice()).unwrap_or_default();
        edits.iter().any(|edit| edit.surface == weak.place.surface)
    };
    let last = board.accepted.iter().find_map(|accepted| {
        let number = accepted.proposals.iter().find(changed_it)?;
        applying::is_in(&site.project, &accepted.base, &accepted.files).then_some((number, &accepted.run))
    });
    parts.extend(last.map(|(number, run)| format!("last changed by P{number} in {}", escaped(run))));
    (!parts.is_empty()).then(|| parts.join(" · "))
}

fn decision(board: &Board, proposal: &Proposal) -> String {
    let summary = escaped(&proposal.summary);
    let decided = escaped(&decided::decision(board, proposal));
    if summary.is_empty() { decided } else { format!("{decided}: {summary}") }
}

/// A text that means in Markdown what it says: nothing in it is an image, a link or a tag.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in shown(text).chars() {
        if matches!(char, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '|' | '~' | '&') {
            out.push('\\');
        }
        out.push(char);
    }
    // What editors make links of without being asked.
    out.replace("://", "\\://").replace("www.", "www\\.")
}

#[cfg(test)]
mod tests;
