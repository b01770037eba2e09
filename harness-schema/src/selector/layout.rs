//! Where things stand in a text of data: indentation, columns, and the place after the last entry of a list.

use super::{DataFormat, ListEnd};
use crate::syntax::data::{Kind, Quote, Scalar, Value};
use crate::syntax::yaml::dash_before;
use crate::text::Span;

/// What stands before the first visible character of the line that holds `offset`.
pub(crate) fn indentation(source: &str, offset: usize) -> &str {
    let line = line_before(source, offset);
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..blanks).unwrap_or_default()
}

/// `text` with `indent` taken from the start of each line after the first, and the indent that was taken; nothing is
/// taken unless every line has it.
pub(crate) fn dedent(text: &str, indent: &str) -> (String, String) {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        match line.strip_prefix(indent) {
            Some(rest) => out.push_str(rest),
            None if line.trim_start_matches([' ', '\t']).is_empty() => {}
            None => return (text.to_owned(), String::new()),
        }
    }
    (out, indent.to_owned())
}

/// The reverse of [`dedent`]: empty lines stay empty.
pub(crate) fn indented(text: &str, indent: &str) -> String {
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(indent);
        }
        out.push_str(line);
    }
    out
}

/// What stands before the lines of a value between brackets after its first: as its last line has it, which is the
/// value's own, wherever it starts. A value of one line gets that of the line where it starts.
pub(super) fn own_indentation(source: &str, value: Span) -> &str {
    let last = if value.of(source).contains(['\n', '\r']) { value.end } else { value.start };
    indentation(source, last as usize)
}

fn line_before(source: &str, offset: usize) -> &str {
    let before = source.get(..offset).unwrap_or_default();
    let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    line.strip_prefix('\u{feff}').unwrap_or(line)
}

/// The column of `offset` in its line, in characters.
pub(super) fn column(source: &str, offset: usize) -> usize {
    line_before(source, offset).chars().count()
}

/// The column of the dash that starts the list entry at `offset`, which may stand on a line before.
pub(super) fn dash_column(source: &str, offset: usize) -> usize {
    if let Some(dash) = dash_before(source, offset) {
        return column(source, dash);
    }
    let line = line_before(source, offset);
    line.rfind("- ").and_then(|dash| line.get(..dash)).unwrap_or(line).chars().count()
}

/// The place after the last entry between brackets: after its comma and the comment on its line, if it has a comma.
pub(super) fn after_flow(source: &str, last: Span, format: DataFormat) -> (usize, ListEnd) {
    let line = line_before(source, last.start as usize);
    let own_line = line.trim_start_matches([' ', '\t']).is_empty() && source.len() != line.len();
    let indent = own_line.then(|| line.to_owned());
    let rest = source.get(last.end as usize..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let comma = rest.get(blanks..).is_some_and(|rest| rest.starts_with(','));
    let mut place = last.end as usize;
    if comma {
        place += blanks + 1;
        if indent.is_some() && format != DataFormat::Json {
            place = after_line(source, place);
        } else if indent.is_some() {
            place = after_json_comment(source, place);
        }
    }
    (place, ListEnd::Flow { filled: true, comma, indent })
}

/// Whether a value ends with a block scalar whose blank lines are part of it (YAML `|+`).
pub(super) fn keeps_blank_lines(value: &Value, source: &str) -> bool {
    match &value.kind {
        Kind::Table(table) => {
            table.entries.last().is_some_and(|entry| keeps_blank_lines(&entry.value, source))
        }
        Kind::List(list) => list.items.last().is_some_and(|item| keeps_blank_lines(item, source)),
        Kind::Text(Scalar { style: Quote::Literal | Quote::Folded, .. }) => {
            let header = value.span.of(source).split(['\n', ' ', '\t']).next().unwrap_or_default();
            header.contains('+')
        }
        _ => false,
    }
}

/// Before the last of the line ends that follow `offset` with nothing but blanks between them.
pub(super) fn after_blank_lines(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start_matches([' ', '\r', '\n']).len();
    let run = rest.get(..blank).unwrap_or_default();
    let last = run
        .rfind('\n')
        .map_or(0, |at| if run.get(..at).is_some_and(|run| run.ends_with('\r')) { at - 1 } else { at });
    offset + last
}

/// The end of the line at `offset` if nothing but a comment is left of it, else `offset`. A place that starts a line
/// moves to the end of the line before.
pub(super) fn after_line(source: &str, offset: usize) -> usize {
    let before = source.get(..offset).unwrap_or_default();
    if let Some(line) = before.strip_suffix('\n') {
        return line.strip_suffix('\r').unwrap_or(line).len();
    }
    let rest = source.get(offset..).unwrap_or_default();
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let left = line.trim_start_matches([' ', '\t']);
    let comment = left.starts_with('#') && left.len() < line.len() || left.is_empty();
    if comment { offset + line.trim_end_matches([' ', '\t']).len() } else { offset }
}

/// The same for a `//` comment, or a block comment that ends on the line.
fn after_json_comment(source: &str, offset: usize) -> usize {
    let rest = source.get(offset..).unwrap_or_default();
    let line = rest.split(['\n', '\r']).next().unwrap_or_default().trim_end_matches([' ', '\t']);
    let left = line.trim_start_matches([' ', '\t']);
    let block = left.starts_with("/*") && left.find("*/") == left.len().checked_sub(2);
    if left.starts_with("//") || block { offset + line.len() } else { offset }
}
