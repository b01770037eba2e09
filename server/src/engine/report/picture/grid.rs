//! Task by task, trial by trial: which tasks turned. A pass is a filled square, a fail an empty one, a void trial a dash.

use super::{Anchor, Canvas};
use crate::engine::report::standing::{Mark, Marks, Row, Turn};
use crate::engine::report::text::short;
use crate::engine::report::{Report, words};

const CELL: f64 = 11.0;
const PITCH: f64 = 14.0;
const LINE: f64 = 18.0;
const LABEL: f64 = 124.0;
const GAP: f64 = 14.0;
const TURN: f64 = 46.0;
const HEAD: f64 = 22.0;
/// More rows than this are counted.
const MOST: usize = 120;
/// Letters of a name that fit.
const LETTERS: usize = 20;

/// Draws it; `None` without a task.
pub(in crate::engine::report) fn grid(report: &Report) -> Option<String> {
    let grid = &report.grid;
    let all = || grid.held_in.iter().chain(&grid.held_out);
    let widest = |marks: fn(&Row) -> &Marks| all().map(|row| marks(row).0.len()).max().unwrap_or_default();
    let (first, last) = (widest(|row| &row.first), widest(|row| &row.last));
    if first == 0 {
        return None;
    }
    let at_last = LABEL + first as f64 * PITCH + GAP;
    let at_turn = at_last + last as f64 * PITCH + 2.0;
    let width = if last == 0 { at_last } else { at_turn + TURN };
    let shown = [&grid.held_in, &grid.held_out].map(|rows| rows.iter().take(MOST).collect::<Vec<_>>());
    let left_out = all().count() - shown.iter().map(Vec::len).sum::<usize>();
    let lines = shown.iter().map(Vec::len).sum::<usize>() + usize::from(0 < left_out);
    let between = if shown.iter().all(|rows| !rows.is_empty()) { 10.0 } else { 0.0 };
    let mut canvas = Canvas::new(width.max(300.0), HEAD + lines as f64 * LINE + between + 4.0);
    canvas.text((LABEL, 12.0), Anchor::Start, "faint", if last == 0 { "trials" } else { "first" });
    if 0 < last {
        canvas.text((at_last, 12.0), Anchor::Start, "faint", "last");
    }
    let mut y = HEAD;
    for (at, rows) in shown.iter().enumerate() {
        if at == 1 {
            y += between;
        }
        for row in rows {
            canvas.text((LABEL - 8.0, y + 10.0), Anchor::End, "label", &short(&row.name, LETTERS));
            let mut shapes = cells(&row.first, LABEL, y);
            shapes.push_str(&cells(&row.last, at_last, y));
            canvas.shape(&shapes, &told(row));
            let (class, word) = match row.turn {
                Turn::Fixed => ("fixed", "▲ fixed"),
                Turn::Broken => ("broken", "▼ broken"),
                Turn::Same => ("", ""),
            };
            if !word.is_empty() {
                canvas.text((at_turn + 2.0, y + 10.0), Anchor::Start, class, word);
            }
            y += LINE;
        }
    }
    if 0 < left_out {
        let more =
            words::plural(left_out as u64, "task more that did not turn", "tasks more that did not turn");
        canvas.text((LABEL - 8.0, y + 10.0), Anchor::Start, "faint", &more);
    }
    let turned = |turn| all().filter(|row| row.turn == turn).count();
    let description = format!(
        "{} tasks; {} fixed, {} broken. A filled square is a pass, an empty one a fail, a dash a void trial.",
        all().count(),
        turned(Turn::Fixed),
        turned(Turn::Broken)
    );
    Some(canvas.finish("grid", "Every trial of every task", &description))
}

fn cells(marks: &Marks, left: f64, y: f64) -> String {
    let cells = marks.0.iter().enumerate().map(|(at, mark)| {
        let x = left + at as f64 * PITCH;
        let square = |class: &str, fill: &str| {
            format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{CELL:.0}\" height=\"{CELL:.0}\" rx=\"2\" class=\"{class}\" fill=\"{fill}\" stroke=\"currentColor\"/>",
                x + 0.5,
                y + 0.5
            )
        };
        match mark {
            Mark::Pass => square("pass", "currentColor"),
            Mark::Fail => square("fail", "none"),
            Mark::Void => {
                format!("<path d=\"M{:.1} {:.1}h8\" class=\"void\" fill=\"none\" stroke=\"currentColor\"/>", x + 2.0, y + 6.0)
            }
            Mark::Open => format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.5\" class=\"void\"/>", x + 6.0, y + 6.0),
        }
    });
    cells.collect()
}

fn told(row: &Row) -> String {
    let of = |marks: &Marks| {
        let (passes, valid) = marks.record();
        format!("{passes} of {valid} trials pass")
    };
    if row.last.0.is_empty() {
        return format!("{}: {}", row.name, of(&row.first));
    }
    format!("{}: first {}, last {}", row.name, of(&row.first), of(&row.last))
}
