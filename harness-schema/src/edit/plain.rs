//! Writes text as it stands: files, regions, and what blocks of Markdown share with them.

use super::Writing;
use crate::selector::without_blank_lines;
use crate::text::Span;

/// A text without blank lines at its start and end, which belong to what is around.
pub(super) fn block(text: &str) -> String {
    without_blank_lines(text, Span::new(0, text.len())).of(text).to_owned()
}

/// A block with the line ends that keep it apart from the lines around.
pub(super) fn in_block(place: &Writing<'_>) -> String {
    let mut text = place.lines(place.new);
    if !place.resolved.span.is_empty() || text.is_empty() {
        return text;
    }
    let end = place.document.text().line_ending();
    let before = place.source.get(..place.resolved.span.start as usize).unwrap_or_default();
    let after = place.source.get(place.resolved.span.end as usize..).unwrap_or_default();
    if !before.is_empty() && !before.ends_with(['\n', '\r', '\u{feff}']) {
        text.insert_str(0, end);
    }
    if !after.is_empty() {
        text.push_str(end);
    }
    text
}
