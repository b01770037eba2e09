//! The lineage: rates on both splits, step by step, with their 95 % intervals.

use harness_schema::split::Split;

use super::{Anchor, Canvas};
use crate::engine::report::standing::Point;
use crate::engine::report::{Report, Step, words};
use crate::engine::score;

const LEFT: f64 = 38.0;
const RIGHT: f64 = 92.0;
const TOP: f64 = 14.0;
const PLOT: f64 = 168.0;
const BELOW: f64 = 40.0;
/// Room of one step at least.
const STEP: f64 = 76.0;
/// Room of a letter of its name.
const LETTER: f64 = 6.6;
const NARROW: f64 = 356.0;
/// Both splits of a step stand so far beside its middle.
const BESIDE: f64 = 5.0;

/// Draws it; `None` if nothing was measured.
pub(in crate::engine::report) fn lineage(report: &Report) -> Option<String> {
    let steps = &report.steps;
    let (least, most) = range(steps)?;
    let gaps = steps.len().saturating_sub(1) as f64;
    let names = steps.iter().map(name);
    let longest = names.map(|name| name.chars().count()).max().unwrap_or_default();
    let width = NARROW.max(LEFT + RIGHT + 24.0 + gaps * STEP.max(LETTER * longest as f64));
    let mut canvas = Canvas::new(width, TOP + PLOT + BELOW);
    let y = |rate: f64| TOP + PLOT * (1.0 - (rate - least) / (most - least));
    let x = |step: usize| match gaps {
        0.0 => LEFT + (width - LEFT - RIGHT) / 2.0,
        gaps => LEFT + 14.0 + (width - LEFT - RIGHT - 28.0) * step as f64 / gaps,
    };
    axes(&mut canvas, (least, most), width, y);
    for (at, step) in steps.iter().enumerate() {
        canvas.text((x(at), TOP + PLOT + 16.0), Anchor::Middle, "label", &name(step));
        if !step.strength.is_empty() {
            canvas.text((x(at), TOP + PLOT + 30.0), Anchor::Middle, "faint", step.strength);
        }
    }
    let mut ends = Vec::new();
    for split in [Split::HeldIn, Split::HeldOut] {
        let beside = if split == Split::HeldIn { -BESIDE } else { BESIDE };
        let points =
            steps.iter().enumerate().filter_map(|(at, step)| Some((x(at) + beside, of(step, split)?)));
        let points: Vec<(f64, &Point)> = points.collect();
        series(&mut canvas, split, &points, y);
        if let Some((_, last)) = points.last() {
            // Of one that was stopped early the middle of its bar is labelled, with no number.
            let (least, most) = last.span();
            match last.bounds() {
                None => ends.push((y(last.rate()), split, Some(last.rate()))),
                Some(_) => ends.push((y((least + most) / 2.0), split, None)),
            }
        }
    }
    labels(&mut canvas, ends, width - RIGHT + 6.0);
    let description = steps.iter().map(told).collect::<Vec<_>>().join("; ");
    Some(canvas.finish("lineage", "Share of tasks that pass, step by step", &description))
}

fn name(step: &Step) -> String {
    if step.proposals.is_empty() { String::from("start") } else { words::names(&step.proposals) }
}

fn of(step: &Step, split: Split) -> Option<&Point> {
    step.points.iter().find(|point| point.split == split && 0 < point.tasks)
}

fn told(step: &Step) -> String {
    let points = step.points.iter().map(told_of).collect::<Vec<_>>();
    format!("{}: {}", name(step), points.join(", "))
}

fn told_of(point: &Point) -> String {
    if point.bounds().is_some() {
        return words::point(point);
    }
    let interval = point.interval.map(|interval| format!(", 95 % interval {}", words::interval(interval)));
    format!(
        "{} {}/{} = {}{}",
        point.split.word(),
        score::number(point.value),
        point.tasks,
        words::percent(point.rate()),
        interval.unwrap_or_default()
    )
}

/// What the axis shows: every interval, in tenths, and three of them at least.
fn range(steps: &[Step]) -> Option<(f64, f64)> {
    let points = steps.iter().flat_map(|step| &step.points).filter(|point| 0 < point.tasks);
    let ends = points.map(Point::span);
    let (least, most) = ends.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))?;
    let (mut least, mut most) = ((least * 10.0 + 1e-9).floor() / 10.0, (most * 10.0 - 1e-9).ceil() / 10.0);
    while most - least < 0.3 - 1e-9 {
        if most < 1.0 - 1e-9 {
            most += 0.1;
        } else {
            least -= 0.1;
        }
    }
    Some((least.max(0.0), most.min(1.0)))
}

fn axes(canvas: &mut Canvas, (least, most): (f64, f64), width: f64, y: impl Fn(f64) -> f64) {
    let tenths = ((most - least) * 10.0).round() as u32;
    let every = if 6 < tenths { 2 } else { 1 };
    for tenth in (0..=tenths).step_by(every) {
        let rate = least + f64::from(tenth) / 10.0;
        canvas.line((LEFT, y(rate)), (width - RIGHT, y(rate)), "rule");
        canvas.text((LEFT - 5.0, y(rate) + 4.0), Anchor::End, "faint", &format!("{:.0} %", 100.0 * rate));
    }
}

fn series(canvas: &mut Canvas, split: Split, points: &[(f64, &Point)], y: impl Fn(f64) -> f64) {
    let class = class(split);
    for pair in points.windows(2) {
        if let [(from, one), (to, other)] = pair
            && one.bounds().is_none()
            && other.bounds().is_none()
        {
            canvas.line((*from, y(one.rate())), (*to, y(other.rate())), &format!("path {class}"));
        }
    }
    for (x, point) in points {
        let middle = y(point.rate());
        let mut shape = String::new();
        let (least, most) = point.span();
        if least < most {
            let (top, bottom, left, right) = (y(most), y(least), x - 3.5, x + 3.5);
            shape.push_str(&format!(
                "<path d=\"M{x:.1} {top:.1}V{bottom:.1}M{left:.1} {top:.1}H{right:.1}M{left:.1} {bottom:.1}H{right:.1}\" class=\"whisker {class}\" fill=\"none\" stroke=\"currentColor\"/>"
            ));
        }
        shape.push_str(&match split {
            _ if point.bounds().is_some() => String::new(),
            Split::HeldIn => {
                format!("<circle cx=\"{x:.1}\" cy=\"{middle:.1}\" r=\"4.5\" class=\"dot {class}\"/>")
            }
            _ => format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" class=\"dot {class}\"/>",
                x - 4.0,
                middle - 4.0
            ),
        });
        canvas.shape(&shape, &told_of(point));
    }
}

fn class(split: Split) -> &'static str {
    if split == Split::HeldIn { "held-in" } else { "held-out" }
}

/// The names at the end of each line, pushed apart where they would meet.
fn labels(canvas: &mut Canvas, mut ends: Vec<(f64, Split, Option<f64>)>, x: f64) {
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    if let [(upper, ..), (lower, ..)] = ends.as_mut_slice() {
        let lacks = (26.0 - (*lower - *upper)).max(0.0);
        *upper -= lacks / 2.0;
        *lower += lacks / 2.0;
        let over = (TOP - 4.0 - *upper).max(0.0);
        *upper += over;
        *lower = lower.max(*upper + 26.0);
    }
    for (y, split, rate) in ends {
        let sign = if split == Split::HeldIn { "●" } else { "■" };
        canvas.text(
            (x, y),
            Anchor::Start,
            &format!("end {}", class(split)),
            &format!("{sign} {}", split.word()),
        );
        canvas.text(
            (x, y + 12.0),
            Anchor::Start,
            "label",
            &rate.map_or_else(|| String::from(words::BOUNDS_ONLY), words::percent),
        );
    }
}
