//! What every problem is made ready with, whichever rule found it: messages have one line and no key, and what fixes insert
//! has the line ends of its file.

use std::borrow::Cow;

use super::keys;
use crate::harness::Harness;
use crate::problem::{Change, Problem};

/// The longest part in backticks that a message repeats, in characters.
const MAX_QUOTED: usize = 80;

/// Makes a problem ready to be shown and applied.
pub(super) fn finish(harness: &Harness, problem: &mut Problem) {
    for text in [&mut problem.message, &mut problem.symbol] {
        if let Cow::Owned(masked) = keys::masked(text) {
            *text = masked;
        }
    }
    problem.message = short(&problem.message).into_owned();
    for related in &mut problem.related {
        related.message = short(&keys::masked(&related.message)).into_owned();
    }
    for fix in &mut problem.fixes {
        fix.title = short(&keys::masked(&fix.title)).into_owned();
        for change in &mut fix.changes {
            let Change::Edit { file, edit } = change else { continue };
            let end = harness.document(file).map_or("\n", |document| document.text().line_ending());
            if end != "\n" && edit.new_text.contains('\n') {
                edit.new_text = edit.new_text.replace("\r\n", "\n").replace('\n', end);
            }
        }
    }
}

/// A text of one line, in which nothing that is quoted is longer than a line has room for.
fn short(text: &str) -> Cow<'_, str> {
    let has_breaks = text.contains(['\n', '\r', '\t']);
    if !has_breaks && text.len() <= MAX_QUOTED {
        return Cow::Borrowed(text);
    }
    let parts = text.split('`').enumerate().map(|(at, part)| {
        let line =
            part.split(['\n', '\r', '\t']).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        let line = if has_breaks { line } else { part.to_owned() };
        let is_quoted = at % 2 == 1;
        if is_quoted && MAX_QUOTED < line.chars().count() {
            let kept: String = line.chars().take(MAX_QUOTED - 1).collect();
            return format!("{}…", kept.trim_end());
        }
        line
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_one_line_and_short_quotes() {
        assert_eq!(short("`a` is `b\nc`, not `d`"), "`a` is `b c`, not `d`");
        let long = format!("no file `{}`; did you mean `x`?", "word ".repeat(40));
        assert!(short(&long).chars().count() < 120);
        assert!(short(&long).ends_with("…`; did you mean `x`?"));
    }
}
