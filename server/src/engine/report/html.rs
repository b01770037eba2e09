//! A report as one page: no script, nothing that is fetched, light or dark as the reader's system is. Everything that a model or a
//! project wrote is escaped. Without its style sheet it reads from top to bottom.

use super::markdown::{first_up, looks, or_none};
use super::measured::Measured;
use super::text::html as safe;
use super::{Proposal, Refused, Report, Round, SplitScore, Told, Union, Weakness, picture, words};
use crate::engine::cycle::Decision;
use crate::engine::score;

const STYLE: &str = include_str!("html/style.css");

/// The page.
#[must_use]
pub fn html(report: &Report) -> String {
    let about = &report.about;
    let title = safe(&format!("{} {}: {}", about.verb, about.run, about.harness));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    header(report, &mut out);
    out.push_str("<main>\n");
    figures(report, &mut out);
    for (at, round) in report.rounds.iter().enumerate() {
        of_round(at, round, &mut out);
    }
    cost(report, &mut out);
    unmeasured(report, &mut out);
    out.push_str("</main>\n");
    footer(report, &mut out);
    out.push_str("</body>\n</html>\n");
    out
}

fn header(report: &Report, out: &mut String) {
    let about = &report.about;
    out.push_str(&format!(
        "<header>\n<p class=\"over\">{} {} · {}</p>\n<h1>{}</h1>\n<p class=\"ending\">{}</p>\n",
        safe(&about.verb),
        safe(&about.run),
        words::day(about.started_ms),
        safe(&about.harness),
        safe(&about.ending)
    ));
    for remark in &about.remarks {
        out.push_str(&format!("<p class=\"remark\">{}</p>\n", safe(remark)));
    }
    out.push_str("<dl class=\"tiles\">\n");
    for split in &report.splits {
        split_tile(split, out);
    }
    if let Some(rules) = &report.rules {
        let tried = report.proposals().count();
        let note = format!("by the {} gate", words::gate(rules));
        tile("proposals accepted", &format!("{} of {tried}", report.accepted()), &note, out);
    }
    let trials = words::plural(report.spent.trials, "trial", "trials");
    let time = score::time(report.spent.time.as_secs());
    tile(
        "spent",
        &score::money(report.spent.cost),
        &format!("{trials}, {} tokens, {time}", words::tokens(report.spent.tokens)),
        out,
    );
    out.push_str("</dl>\n</header>\n");
}

fn tile(name: &str, value: &str, note: &str, out: &mut String) {
    out.push_str(&format!(
        "<div><dt>{}</dt><dd><b>{}</b><small>{}</small></dd></div>\n",
        safe(name),
        safe(value),
        // No line ends between a number and its sign.
        safe(note).replace(" %", "\u{a0}%")
    ));
}

fn split_tile(split: &SplitScore, out: &mut String) {
    let text = words::split(split);
    let value = text.strip_prefix(split.split.word()).unwrap_or(&text).trim();
    // The repeats and the marks stand below the number.
    let (value, marks) = value.split_once(" ×").unwrap_or((value, ""));
    let marks = if marks.is_empty() { String::new() } else { format!("×{marks}") };
    let point = split.last.as_ref().or(split.first.as_ref());
    let rate = point.filter(|point| point.bounds().is_none()).map(|point| {
        let interval =
            point.interval.map(|interval| format!(" (95 % interval {})", words::interval(interval)));
        format!("{} of tasks{}", words::percent(point.rate()), interval.unwrap_or_default())
    });
    let mut note: Vec<String> =
        [Some(marks), rate].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    if point.is_some_and(|point| point.is_flattering) {
        note.push(String::from("by the trials that it was chosen by, which flatter"));
    }
    tile(split.split.word(), value, &note.join(" · "), out);
}

fn figures(report: &Report, out: &mut String) {
    out.push_str("<div class=\"figures\">\n");
    if let Some(picture) = picture::lineage(report) {
        let caption = if 1 < report.steps.len() {
            "Each step is a harness that was accepted; the bars are 95 % intervals on these tasks."
        } else {
            "The harness that the run began with; the bars are 95 % intervals on these tasks."
        };
        figure("Lineage", &picture, caption, &best(report), out);
    }
    if let Some(picture) = picture::grid(report) {
        let mut caption = String::from("Filled: pass. Empty: fail. Dash: void.");
        if !report.grid.held_out.is_empty() {
            caption.push_str(" Held-out tasks have no name here, and stand in the order of their outcomes.");
        }
        figure("Every trial", &picture, &caption, &[], out);
    }
    out.push_str("</div>\n");
}

/// What has to be known of the held-out numbers.
fn best(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if report.rules.is_none() {
        return lines;
    }
    if let [.., last] = report.steps.as_slice()
        && 1 < report.steps.len()
        && let Some(best) = &last.best_held_out
    {
        lines.push(format!(
            "best held-out score that may be claimed: {}; it moves only by more than one standard error",
            words::claim(best)
        ));
    }
    lines.push(looks(report));
    lines.extend(report.against_itself.map(words::against_itself));
    lines
}

fn figure(heading: &str, picture: &str, caption: &str, lines: &[String], out: &mut String) {
    out.push_str(&format!("<section>\n<h2>{}</h2>\n<figure>\n", safe(heading)));
    let label = safe(heading);
    out.push_str(&format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n{picture}</div>\n"
    ));
    out.push_str(&format!("<figcaption>{}</figcaption>\n</figure>\n", safe(caption)));
    list(lines, out);
    out.push_str("</section>\n");
}

fn list(lines: &[String], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", safe(&first_up(line)))).collect();
    out.push_str(&format!("<ul class=\"notes\">\n{items}</ul>\n"));
}

fn of_round(at: usize, round: &Round, out: &mut String) {
    out.push_str(&format!("<section class=\"round\">\n<h2>Round {}</h2>\n", at + 1));
    if !round.weaknesses.is_empty() {
        out.push_str("<h3>Weaknesses</h3>\n<ul class=\"weaknesses\">\n");
        for weakness in &round.weaknesses {
            of_weakness(weakness, out);
        }
        out.push_str("</ul>\n");
    }
    if !round.proposals.is_empty() {
        out.push_str("<h3>Proposals</h3>\n");
    }
    for proposal in &round.proposals {
        of_proposal(proposal, out);
    }
    for union in &round.unions {
        of_union(union, out);
    }
    refused(&round.refused, out);
    out.push_str("</section>\n");
}

fn of_weakness(weakness: &Weakness, out: &mut String) {
    let actionable = if weakness.actionable == "yes" {
        String::new()
    } else {
        format!(" · no edit could help: {}", safe(&weakness.actionable))
    };
    let places: Vec<String> =
        weakness.places.iter().take(3).map(|place| format!("<code>{}</code>", safe(place))).collect();
    let places = if places.is_empty() { String::new() } else { format!(" · {}", places.join(", ")) };
    out.push_str(&format!(
        "<li><b>{} of {}</b> failing held-in tasks: {} <span class=\"id\">{}</span>{places}{actionable}</li>\n",
        weakness.support,
        weakness.failed,
        safe(&weakness.words),
        safe(&weakness.cluster)
    ));
}

fn badge(decision: Option<Decision>) -> String {
    let class = decision.map_or("none", Decision::word);
    format!("<span class=\"badge {class}\">{}</span>", safe(&words::decision(decision)))
}

fn of_proposal(proposal: &Proposal, out: &mut String) {
    let number = proposal.number;
    out.push_str(&format!(
        "<article id=\"P{number}\">\n<h4><span class=\"id\">P{number}</span> {}",
        badge(proposal.decision)
    ));
    if let Some(told) = &proposal.told {
        if told.is_dismissed {
            out.push_str(" <span class=\"badge none\">dismissed</span>");
        }
        out.push_str(&format!(" <span class=\"summary\">{}</span>", safe(&told.summary)));
    }
    out.push_str("</h4>\n");
    out.push_str(&format!("<p class=\"score\">{}</p>\n", safe(&words::outcome(proposal))));
    if let Some(decision) = proposal.decision {
        let run = proposal.measured.as_ref().map(|measured| format!("; {}", words::run_of(measured)));
        out.push_str(&format!("<p>{}{}.</p>\n", safe(&first_up(decision.words())), run.unwrap_or_default()));
    }
    details(proposal.told.as_ref(), proposal.measured.as_ref().filter(|_| proposal.with.is_empty()), out);
    out.push_str("</article>\n");
}

fn of_union(union: &Union, out: &mut String) {
    out.push_str(&format!(
        "<article>\n<h4><span class=\"id\">{}</span> {} <span class=\"summary\">together as one harness</span></h4>\n",
        words::names(&union.members),
        badge(union.decision)
    ));
    if let Some(measured) = &union.measured {
        let score = words::measured(measured, union.decision, union.look);
        out.push_str(&format!("<p class=\"score\">{}</p>\n", safe(&score)));
    }
    details(None, union.measured.as_ref(), out);
    out.push_str("</article>\n");
}

fn details(told: Option<&Told>, measured: Option<&Measured>, out: &mut String) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(told) = told {
        let surfaces = told
            .surfaces
            .iter()
            .map(|(surface, file)| format!("<code>{}</code> in <code>{}</code>", safe(surface), safe(file)));
        rows.push(("why", safe(&told.why)));
        rows.push(("changes", surfaces.collect::<Vec<_>>().join(", ")));
        rows.push(("acts", safe(&told.scope)));
        rows.push(("cost", format!("{} tokens", score::number(told.cost))));
        rows.push(("by", safe(&told.author)));
        rows.push(("answers", safe(&told.cluster)));
    }
    if let Some(certainty) = measured.and_then(words::certainty) {
        rows.push(("how sure", format!("{}.", safe(&certainty))));
    }
    rows.retain(|(_, text)| !text.is_empty());
    if rows.is_empty() {
        return;
    }
    let rows: String = rows.iter().map(|(name, text)| format!("<dt>{name}</dt><dd>{text}</dd>\n")).collect();
    out.push_str(&format!("<details>\n<summary>Details</summary>\n<dl>\n{rows}</dl>\n</details>\n"));
}

fn refused(refused: &[Refused], out: &mut String) {
    if refused.is_empty() {
        return;
    }
    let count = words::plural(refused.len() as u64, "draft became no proposal", "drafts became no proposal");
    out.push_str(&format!("<details>\n<summary>{count}</summary>\n<ul>\n"));
    for (draft, count) in words::drafts(refused) {
        let summary =
            if draft.summary.is_empty() { String::new() } else { format!(" — {}", safe(&draft.summary)) };
        let (guard, times) = (safe(&draft.guard), words::times(count));
        out.push_str(&format!("<li><b>{guard}</b>: {}{summary}{times}</li>\n", safe(&draft.why)));
    }
    out.push_str("</ul>\n</details>\n");
}

fn cost(report: &Report, out: &mut String) {
    if report.spending.is_empty() {
        return;
    }
    out.push_str("<div class=\"figures\">\n");
    if let Some(picture) = picture::bars(report) {
        figure("What it cost", &picture, "By what it was paid for; × counts trials.", &[], out);
    }
    out.push_str(
        "<section>\n<h2>In numbers</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Cost\"><table>\n\
         <thead><tr><th>for</th><th>trials</th><th>tokens</th><th>cost</th></tr></thead>\n<tbody>\n",
    );
    for (purpose, spent) in &report.spending {
        out.push_str(&format!(
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            purpose.word(),
            spent.trials,
            words::tokens(spent.tokens),
            safe(&score::money(spent.cost))
        ));
    }
    out.push_str("</tbody>\n</table></div>\n");
    if 0 < report.voids {
        let voids = words::plural(
            report.voids.into(),
            "trial was void and repeated",
            "trials were void and repeated",
        );
        out.push_str(&format!("<p>{voids}.</p>\n"));
    }
    list(&words::savings(report), out);
    out.push_str("</section>\n</div>\n");
}

fn unmeasured(report: &Report, out: &mut String) {
    let about = &report.about;
    if about.unmeasured.is_empty() && about.unmeasured_others == 0 {
        return;
    }
    out.push_str("<section>\n<h2>Not measured</h2>\n<ul>\n");
    for (task, why) in &about.unmeasured {
        out.push_str(&format!("<li><b>{}</b>: {}</li>\n", safe(task), safe(why)));
    }
    if 0 < about.unmeasured_others {
        let others = words::plural(about.unmeasured_others.into(), "task that judges", "tasks that judge");
        out.push_str(&format!("<li>{others}</li>\n"));
    }
    out.push_str("</ul>\n</section>\n");
}

fn footer(report: &Report, out: &mut String) {
    let about = &report.about;
    out.push_str(&format!(
        "<footer>\n<p>Model {} · sandbox {} · harness <code>{}</code> · contract <code>{}</code></p>\n</footer>\n",
        safe(or_none(&about.model)),
        safe(or_none(&about.sandbox)),
        safe(&words::id("h-", &about.harness_digest)),
        safe(&words::id("", &about.contract))
    ));
}
