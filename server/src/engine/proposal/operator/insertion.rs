//! Where a sentence goes in a text, and how it is written there: as a bullet after the last one of a list of demands, else as a line
//! or a paragraph at the end.

use super::super::reply::{DraftEdit, Edge};
use crate::engine::weakness::words;

/// A list of bullets at one depth.
struct List {
    indent: usize,
    bullet: char,
    /// The lines of the last item, half open.
    last: (usize, usize),
    /// Whether blank lines stand between its items.
    is_loose: bool,
    /// How many of its items demand something.
    demands: usize,
}

/// The edit that adds a sentence to a value.
pub(super) fn of(surface: &str, value: &str, sentence: &str) -> DraftEdit {
    let lines: Vec<&str> = value.lines().collect();
    let edit = |find: String, at, replace| DraftEdit { surface: surface.to_owned(), find, at, replace };
    let lists = lists(&lines);
    let list = lists.iter().rev().find(|list| 0 < list.demands).or(lists.last());
    if let Some(list) = list {
        let find = lines.get(list.last.0..list.last.1).unwrap_or_default().join("\n");
        let gap = if list.is_loose { "\n\n" } else { "\n" };
        // What stands there twice has no place; and what ends in CRLF is another text than its lines.
        if value.matches(find.as_str()).count() == 1 {
            let bullet = format!("{}{} {sentence}", " ".repeat(list.indent), list.bullet);
            return edit(find.clone(), None, format!("{find}{gap}{bullet}"));
        }
    }
    let has_paragraphs = lines
        .windows(2)
        .any(|pair| matches!(pair, [one, other] if one.trim().is_empty() != other.trim().is_empty()));
    let between = match (lines.len(), has_paragraphs, value.ends_with('\n')) {
        (0 | 1, _, false) => " ",
        (0 | 1, _, true) | (_, true, true) => "\n",
        (_, true, false) => "\n\n",
        (_, false, true) => "",
        (_, false, false) => "\n",
    };
    edit(String::new(), Some(Edge::End), format!("{between}{sentence}"))
}

/// The lists of a text, outside of fences and of loops that a template writes.
fn lists(lines: &[&str]) -> Vec<List> {
    let mut lists: Vec<List> = Vec::new();
    let (mut is_fenced, mut loops, mut is_open, mut was_blank) = (false, 0_usize, false, false);
    for (at, line) in lines.iter().enumerate() {
        let text = line.trim();
        if text.starts_with("```") || text.starts_with("~~~") {
            is_fenced = !is_fenced;
        }
        loops = (loops + line.matches("{% for").count() + line.matches("{%- for").count())
            .saturating_sub(line.matches("endfor").count());
        if text.is_empty() {
            was_blank = true;
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let bullet = text
            .chars()
            .next()
            .filter(|bullet| ['-', '*', '+'].contains(bullet) && text.get(1..2) == Some(" "));
        let is_list = !is_fenced && loops == 0;
        match (bullet.filter(|_| is_list), lists.last_mut().filter(|_| is_open)) {
            (Some(_), Some(list)) if list.indent < indent => list.last.1 = at + 1,
            (Some(bullet), Some(list)) if list.indent == indent && list.bullet == bullet => {
                list.last = (at, at + 1);
                list.is_loose |= was_blank;
                list.demands += usize::from(words::polarity(text).is_some());
            }
            (Some(bullet), _) => {
                let demands = usize::from(words::polarity(text).is_some());
                lists.push(List { indent, bullet, last: (at, at + 1), is_loose: false, demands });
                is_open = true;
            }
            // What is indented, or follows without a blank line, belongs to the item.
            (None, Some(list))
                if list.indent < indent || (!was_blank && is_list && !text.starts_with('#')) =>
            {
                list.last.1 = at + 1;
            }
            (None, _) => is_open = false,
        }
        was_blank = false;
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let edit = of("s", value, "Do it.");
        match edit.at {
            None => value.replacen(&edit.find, &edit.replace, 1),
            Some(_) => format!("{value}{}", edit.replace),
        }
    }

    #[test]
    fn a_sentence_is_written_as_its_neighbours_are() {
        for (value, after) in [
            ("- Look.\n- Work.\n", "- Look.\n- Work.\n- Do it.\n"),
            ("- Look.\n- Work.", "- Look.\n- Work.\n- Do it."),
            (
                "* Look.\n\n* Work\n  hard.\n\nThe end.\n",
                "* Look.\n\n* Work\n  hard.\n\n* Do it.\n\nThe end.\n",
            ),
            ("- Look.\n  - Deep.\n\n# More\n", "- Look.\n  - Deep.\n- Do it.\n\n# More\n"),
            (
                "- Check it.\n\nFiles:\n\n- a.txt\n- b.txt\n",
                "- Check it.\n- Do it.\n\nFiles:\n\n- a.txt\n- b.txt\n",
            ),
            (
                "{% for t in tools %}\n- {{ t.name }}\n{% endfor %}\n\nWork.\n",
                "{% for t in tools %}\n- {{ t.name }}\n{% endfor %}\n\nWork.\n\nDo it.",
            ),
            ("```\n- x\n```\n", "```\n- x\n```\nDo it."),
            ("Runs a command.", "Runs a command. Do it."),
            ("{{ task.instruction }}\n", "{{ task.instruction }}\n\nDo it."),
            ("Look.\nWork.", "Look.\nWork.\nDo it."),
            ("Look.\n\nWork.", "Look.\n\nWork.\n\nDo it."),
            ("1. Look.\n2. Finish.\n", "1. Look.\n2. Finish.\nDo it."),
            ("- Same.\n- Same.\n", "- Same.\n- Same.\nDo it."),
        ] {
            assert_eq!(written(value), after, "{value:?}");
        }
    }
}
