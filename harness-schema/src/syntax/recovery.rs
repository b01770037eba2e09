//! What tolerant parsers share: blanking what does not parse, and showing where it was.

use crate::text::Span;

/// The text with a region turned into blanks; line breaks stay, so all other offsets stay too.
pub(super) fn blank(text: &str, region: Span) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in bytes.get_mut(region.range()).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The line that holds an offset, without its line break.
pub(super) fn line_around(source: &str, at: usize) -> Span {
    let bytes = source.as_bytes();
    let at = at.min(bytes.len());
    let start = memchr::memrchr(b'\n', bytes.get(..at).unwrap_or_default()).map_or(0, |found| found + 1);
    let end =
        memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()).map_or(bytes.len(), |found| at + found);
    let end = if start < end && bytes.get(end - 1) == Some(&b'\r') { end - 1 } else { end };
    Span::new(start, end)
}

/// The number of the line that holds an offset, from 1.
pub(super) fn line_number(source: &str, at: usize) -> usize {
    source.as_bytes().get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where an error is shown: the unexpected bytes, or, if there is nothing to see, the last character before them on the
/// line, or the line.
pub(super) fn visible(source: &str, unexpected: Span, line: Span) -> Span {
    let text = unexpected.of(source);
    if !text.trim().is_empty() && !text.contains('\n') {
        return unexpected;
    }
    let before = source.get(line.start as usize..unexpected.start as usize).unwrap_or_default();
    let kept = before.trim_end();
    match kept.char_indices().next_back() {
        Some((at, _)) => Span::new(line.start as usize + at, line.start as usize + kept.len()),
        None => line,
    }
}
