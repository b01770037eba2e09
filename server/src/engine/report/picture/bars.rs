//! What a run cost, by purpose: in money where every price is known, else in tokens, else in trials.

use super::{Anchor, Canvas};
use crate::engine::budget::Spent;
use crate::engine::report::{Report, words};
use crate::engine::score;

const LABEL: f64 = 66.0;
const BAR: f64 = 170.0;
const WIDTH: f64 = 356.0;
const LINE: f64 = 30.0;
const THICK: f64 = 18.0;

/// Draws it; `None` if nothing was spent.
pub(in crate::engine::report) fn bars(report: &Report) -> Option<String> {
    let amount = unit(report)?;
    let largest = report.spending.iter().map(|(_, spent)| amount(spent)).fold(0.0, f64::max);
    let mut canvas = Canvas::new(WIDTH, report.spending.len() as f64 * LINE + 4.0);
    let mut told = Vec::new();
    for (at, (purpose, spent)) in report.spending.iter().enumerate() {
        let y = at as f64 * LINE + 4.0;
        let length = (BAR * amount(spent) / largest).max(1.0);
        let value = value(spent);
        canvas.text((LABEL - 6.0, y + 13.0), Anchor::End, "label", purpose.word());
        let bar = format!(
            "<rect x=\"{LABEL:.0}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{THICK:.0}\" rx=\"2\" class=\"bar\"/>"
        );
        canvas.shape(&bar, &format!("{}: {}", purpose.word(), words::spent(spent)));
        canvas.text((LABEL + length + 6.0, y + 13.0), Anchor::Start, "label", &value);
        told.push(format!("{}: {}", purpose.word(), words::spent(spent)));
    }
    Some(canvas.finish("cost", "What it cost, by purpose", &told.join("; ")))
}

fn unit(report: &Report) -> Option<fn(&Spent) -> f64> {
    let spending = || report.spending.iter().map(|(_, spent)| spent);
    let money: fn(&Spent) -> f64 = |spent| spent.cost.unwrap_or_default();
    let tokens: fn(&Spent) -> f64 = |spent| spent.tokens as f64;
    let trials: fn(&Spent) -> f64 = |spent| spent.trials as f64;
    let is_priced = spending().all(|spent| spent.cost.is_some());
    let units = [money, tokens, trials];
    let mut units = units.into_iter().skip(usize::from(!is_priced));
    units.find(|unit| spending().any(|spent| 0.0 < unit(spent)))
}

fn value(spent: &Spent) -> String {
    let amount = match spent.cost {
        Some(cost) if 0.0 < cost => score::money(Some(cost)),
        _ => format!("{} tokens", words::tokens(spent.tokens)),
    };
    match spent.trials {
        0 => amount,
        trials => format!("{amount} · {trials}×"),
    }
}
