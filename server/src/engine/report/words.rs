//! Numbers as people read them. Grammar of scores: `editor` 3.1; of decisions: 3.4. Scores count tasks and say out of how many;
//! where the gate stopped early there are bounds, and never a point.

use harness_schema::manifest::Gate;
use harness_schema::split::Split;

use super::measured::{Measured, Side};
use super::standing::Point;
use super::{Proposal, Refused, Report, SplitScore};
use crate::engine::budget::Spent;
use crate::engine::cycle::{Decision, Reason, Rules};
use crate::engine::gate::comparison::Comparison;
use crate::engine::gate::stage::Loss;
use crate::engine::score;

/// Two numbers of tasks with one decimal, or as many as keep unequal ones apart.
#[must_use]
pub fn apart(one: f64, other: f64) -> (String, String) {
    let written = |value: f64, decimals: usize| {
        // Halves go up, as they do wherever else a score is written.
        let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
        let text = format!("{:.decimals$}", (value * scale).round() / scale);
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        if text == "-0" { String::from("0") } else { text.to_owned() }
    };
    // Less than half a task apart, one decimal tells little of how far.
    let first = if (one - other).abs() < 0.5 { 2 } else { 1 };
    for decimals in first..4 {
        let (before, after) = (written(one, decimals), written(other, decimals));
        if before != after || (one - other).abs() < 5e-4 {
            return (before, after);
        }
    }
    (written(one, 4), written(other, 4))
}

/// A share as a percentage: `75 %`, `66.7 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{} %", score::number(100.0 * share))
}

/// The interval of a share: `69.9–92.6 %`.
#[must_use]
pub fn interval((least, most): (f64, f64)) -> String {
    format!("{}–{} %", score::number(100.0 * least), score::number(100.0 * most))
}

/// A difference of shares in points: `+8.3`, `−2`.
#[must_use]
pub fn points(share: f64) -> String {
    let text = score::number(100.0 * share.abs());
    match () {
        () if text == "0" => text,
        () if share < 0.0 => format!("−{text}"),
        () => format!("+{text}"),
    }
}

/// A probability: `0.13`, `< 0.001`.
#[must_use]
pub fn chance(p: f64) -> String {
    match p {
        p if p < 0.001 => String::from("< 0.001"),
        p if p < 0.0995 => format!("{p:.3}"),
        _ => format!("{p:.2}"),
    }
}

/// `1 trial`, `3 trials`.
#[must_use]
pub fn plural(count: u64, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

/// The name of proposals together: `P1 + P4`.
#[must_use]
pub fn names(proposals: &[u32]) -> String {
    proposals.iter().map(|number| format!("P{number}")).collect::<Vec<_>>().join(" + ")
}

fn void(tasks: u32) -> String {
    match tasks {
        0 => String::new(),
        tasks => format!(" · {} void", plural(tasks.into(), "task", "tasks")),
    }
}

/// What is said of a number that is none.
pub const BOUNDS_ONLY: &str = "bounds only";

/// The score of one harness: `held-in 15.5/24 ×2`, or, if it was stopped early, `held-in 3.5–6.5/12 ×2 · bounds only`.
#[must_use]
pub fn point(point: &Point) -> String {
    let bounds = if point.bounds().is_some() { format!(" · {BOUNDS_ONLY}") } else { String::new() };
    format!("{} {} ×{}{}{bounds}", point.split.word(), claim(point), point.repeats, void(point.void))
}

/// The first and the last score of a split: `held-in 15.5→18/24 ×4 (+3 −0)`.
#[must_use]
pub fn split(of: &SplitScore) -> String {
    match (&of.first, &of.last) {
        (None, _) => format!("{} not complete", of.split.word()),
        (Some(first), None) => point(first),
        (Some(first), Some(last)) if last.bounds().is_some() => {
            format!("{}, before {}", point(last), claim(first))
        }
        (Some(first), Some(last)) => {
            let (before, after) = apart(first.value, last.value);
            let flips = of.flips.map(|(fixed, broken)| format!(" (+{fixed} −{broken})")).unwrap_or_default();
            // Where the tasks with a trial differ, each number says what it is out of.
            let of_first =
                if first.tasks == last.tasks { String::new() } else { format!("/{}", first.tasks) };
            let repeats = last.repeats;
            let void = void(last.void);
            format!("{} {before}{of_first}→{after}/{} ×{repeats}{flips}{void}", of.split.word(), last.tasks)
        }
    }
}

/// A score without its split and repeats: `7.8/10`, `3.5–6.5/12`.
#[must_use]
pub fn claim(of: &Point) -> String {
    match of.bounds() {
        Some((least, most)) => {
            let (least, most) = apart(least, most);
            format!("{least}–{most}/{}", of.tasks)
        }
        None => format!("{}/{}", score::number(of.value), of.tasks),
    }
}

/// What a decision rests on: `held-in 15.5→18/24 ×4 (+3 −0) · held-out 7→8/12 ×4 (+1 −0) · look 9 · strong`.
#[must_use]
pub fn measured(measured: &Measured, decision: Option<Decision>, look: Option<u32>) -> String {
    let loss = match decision {
        Some(Decision::Rejected(Reason::Screen(loss) | Reason::Confirm(loss))) => Some(loss),
        _ => None,
    };
    let decides = |side: &Side| {
        matches!(
            (loss, side.split),
            (Some(Loss::HeldIn), Split::HeldIn) | (Some(Loss::HeldOut), Split::HeldOut)
        )
    };
    let mut parts = Vec::new();
    if !measured.is_whole
        && let Some(side) = measured.sides.iter().find(|side| decides(side))
    {
        let (most, baseline) = apart(side.bounds.1, side.baseline);
        let word = side.split.word();
        let (tasks, void) = (side.tasks, void(side.void));
        parts.push(format!("{word} at most {most}/{tasks}, baseline {baseline}/{tasks}{void}"));
    } else {
        parts.extend(measured.sides.iter().map(|side| one_side(side, measured)));
    }
    if let Some(look) = look {
        parts.push(format!("look {look}"));
    }
    parts.push(match &measured.comparison {
        Some(comparison) => comparison.strength().word().to_owned(),
        None if measured.is_whole => String::from("no task to compare"),
        None => String::from("bounds only"),
    });
    parts.join(" · ")
}

fn one_side(side: &Side, measured: &Measured) -> String {
    let (word, tasks) = (side.split.word(), side.tasks);
    if measured.is_whole {
        let (before, after) = apart(side.baseline, side.candidate);
        let (fixed, broken) = side.flips;
        return format!(
            "{word} {before}→{after}/{tasks} ×{} (+{fixed} −{broken}){}",
            measured.repeats,
            void(side.void)
        );
    }
    let (least, most) = apart(side.bounds.0, side.bounds.1);
    format!("{word} {least}–{most}/{tasks}{}", void(side.void))
}

/// How sure a comparison is, in sentences; `None` where there are only bounds.
#[must_use]
pub fn certainty(measured: &Measured) -> Option<String> {
    let comparison = measured.comparison.as_ref()?;
    let (least, most) = comparison.interval();
    let mut text = format!(
        "{} points on {}, 95 % interval {} to {}",
        points(comparison.gain),
        plural(comparison.tasks as u64, "task", "tasks"),
        points(least),
        points(most)
    );
    if let Some((least, most)) = measured.on_new_tasks {
        text.push_str(&format!("; on new tasks like these {} to {}", points(least), points(most)));
    }
    text.push_str(&format!(
        ". Flips +{} −{}: McNemar p {} (mid-p {})",
        comparison.gained,
        comparison.lost,
        with_sign(comparison.mcnemar()),
        with_sign(comparison.mcnemar_mid())
    ));
    text.push_str(&format!(
        ". Baseline ×{}, candidate ×{}: {}",
        measured.baseline_repeats,
        measured.repeats,
        power(comparison, measured.repeats)
    ));
    Some(text)
}

fn with_sign(p: f64) -> String {
    let text = chance(p);
    if text.starts_with('<') { text } else { format!("= {text}") }
}

/// What the trials of a comparison can show.
fn power(comparison: &Comparison, repeats: u32) -> String {
    let least = points(comparison.least_seen());
    match comparison.repeats_needed(repeats) {
        Some(needed) => format!(
            "a gain of this size cannot be told from noise with these tasks; four of five comparisons would show {least} points, or this gain with about ×{needed}"
        ),
        None => format!("a gain of {least} points is seen in four of five comparisons"),
    }
}

/// How much of a candidate was run: `41 of 48 trials`.
#[must_use]
pub fn run_of(measured: &Measured) -> String {
    format!("{} of {} trials", measured.trials, measured.slots)
}

/// The gate's name.
#[must_use]
pub fn gate(rules: &Rules) -> &'static str {
    match rules.gate {
        Gate::Certified => "certified",
        Gate::Exact => "exact",
        Gate::Paper => "paper",
    }
}

/// A decision in a word, with why: `rejected (screen-held-out)`.
#[must_use]
pub fn decision(decision: Option<Decision>) -> String {
    match decision {
        None => String::from("no decision yet"),
        Some(decision) if decision.why().is_empty() => decision.word().to_owned(),
        Some(decision) => format!("{} ({})", decision.word(), decision.why()),
    }
}

/// The score of a proposal, or why there is none.
#[must_use]
pub fn outcome(proposal: &Proposal) -> String {
    match (&proposal.measured, proposal.decision) {
        (Some(of), decision) => {
            let with = match proposal.with.as_slice() {
                [] => String::new(),
                with => format!("with {}: ", names(with)),
            };
            format!("{with}{}", measured(of, decision, proposal.look))
        }
        (None, _) if proposal.is_hidden => String::from("its scores are shown when the run is over"),
        (None, Some(Decision::Rejected(Reason::Smoke))) => {
            String::from("stopped after two quick trials of one task")
        }
        (None, Some(Decision::Rejected(Reason::Screen(Loss::NoGain)))) => {
            String::from("no trial was run: the baseline passes so much that no gain could be shown")
        }
        (None, _) => String::from("no trial was run"),
    }
}

/// Drafts that became no proposal, equal ones together, with how many there are of each.
#[must_use]
pub fn drafts(refused: &[Refused]) -> Vec<(&Refused, u64)> {
    let mut drafts: Vec<(&Refused, u64)> = Vec::new();
    for draft in refused {
        match drafts.iter_mut().find(|(other, _)| *other == draft) {
            Some((_, count)) => *count += 1,
            None => drafts.push((draft, 1)),
        }
    }
    drafts
}

/// How many there are, if there are several: ` ×3`.
#[must_use]
pub fn times(count: u64) -> String {
    if count == 1 { String::new() } else { format!(" ×{count}") }
}

/// What was spent: `96 trials, 1.2M tokens, $0.41`.
#[must_use]
pub fn spent(spent: &Spent) -> String {
    let trials = plural(spent.trials, "trial", "trials");
    format!("{trials}, {} tokens, {}", tokens(spent.tokens), score::money(spent.cost))
}

/// Tokens in three digits: `940`, `12.4k`, `1.2M`.
#[must_use]
pub fn tokens(tokens: u64) -> String {
    match tokens {
        0..=999 => tokens.to_string(),
        1_000..=999_949 => format!("{}k", score::number(tokens as f64 / 1e3)),
        _ => format!("{}M", score::number(tokens as f64 / 1e6)),
    }
}

/// What was saved, line by line; nothing where nothing was.
#[must_use]
pub fn savings(report: &Report) -> Vec<String> {
    let savings = &report.savings;
    let mut lines = Vec::new();
    let mut avoided = |count: u32, how: &str| {
        if 0 < count {
            lines.push(format!("{} {how}", plural(count.into(), "trial", "trials")));
        }
    };
    avoided(savings.reused, "known before, and not paid again");
    avoided(savings.stopped, "never run, because nothing that they could say would change a decision");
    avoided(savings.inert, "never run, because the edit cannot act on their tasks");
    if !lines.is_empty() {
        let all = match (report.spent.cost, savings.cost_of_all) {
            (Some(spent), Some(all)) if 0.0 < all => {
                format!(
                    "every slot would have cost about {} instead of {}",
                    score::money(Some(all)),
                    score::money(Some(spent))
                )
            }
            _ => format!(
                "every slot would have taken about {} tokens instead of {}",
                tokens(savings.tokens_of_all),
                tokens(report.spent.tokens)
            ),
        };
        lines.push(all);
    }
    if let Some(share) = savings.as_retries.filter(|_| report.rules.is_some()) {
        lines.push(format!(
            "the same trials as retries of the first harness would pass about {} of the tasks, if somebody knew which try to keep",
            percent(share)
        ));
    }
    lines
}

/// How often the gate accepts the first harness against itself.
#[must_use]
pub fn against_itself(share: f64) -> String {
    format!(
        "the rule of the gate accepts the first harness against itself in {} of comparisons",
        percent(share)
    )
}

/// A day, from milliseconds since 1970: `2026-11-26` (civil calendar, UTC).
#[must_use]
pub fn day(ms: u64) -> String {
    // Days since 0000-03-01, in eras of 400 years (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let days = ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + later)
}

/// The beginning of a digest, as an id is written: `h-9c1e`.
#[must_use]
pub fn id(letter: &str, digest: &str) -> String {
    let start: String = digest
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(if letter.is_empty() { 8 } else { 4 })
        .collect();
    if start.is_empty() { String::from("–") } else { format!("{letter}{start}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_values_are_kept_apart() {
        let written = |one, other| {
            let (one, other) = apart(one, other);
            format!("{one} {other}")
        };
        assert_eq!(written(15.5, 18.0), "15.5 18");
        assert_eq!(written(15.5, 15.25), "15.5 15.25");
        assert_eq!(written(7.0, 7.0), "7 7");
        assert_eq!(written(-0.0, 10.0), "0 10");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0.75, 2.0 / 3.0].map(percent), ["75 %", "66.7 %"]);
        assert_eq!([0.083, -0.02, 0.0, -0.0001].map(points), ["+8.3", "−2", "0", "0"]);
        assert_eq!([0.13, 0.0312, 0.0001].map(chance), ["0.13", "0.031", "< 0.001"]);
        assert_eq!([940, 12_400, 1_200_000].map(tokens), ["940", "12.4k", "1.2M"]);
        assert_eq!(
            [0, 951_782_400_000, 1_795_651_200_000].map(day),
            ["1970-01-01", "2000-02-29", "2026-11-26"]
        );
        assert_eq!((id("h-", "9c1efa"), id("h-", "")), ("h-9c1e".into(), "–".into()));
    }
}
