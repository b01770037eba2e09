//! Lines and blank lines, as values of surfaces see them.

use crate::syntax::Document;
use crate::text::Span;

/// The whole text without its byte order mark.
pub(crate) fn whole(document: &Document) -> Span {
    let source = document.source();
    Span::new(if source.starts_with('\u{feff}') { 3 } else { 0 }, source.len())
}

/// `text` with LF as its only line end, so that a value does not change when a file's line ends do.
pub(crate) fn unix(text: &str, document: &Document) -> String {
    let text = text.replace("\r\n", "\n");
    if document.text().line_ending() == "\r" { text.replace('\r', "\n") } else { text }
}

/// The lines of a text with their ends: LF, CRLF or CR.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(['\n', '\r']).map(|at| {
            let crlf = rest.get(at..).is_some_and(|end| end.starts_with("\r\n"));
            at + if crlf { 2 } else { 1 }
        });
        let (line, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// What remains of a span without the blank lines at its start and end.
pub(crate) fn without_blank_lines(source: &str, span: Span) -> Span {
    let text = span.of(source);
    let blank = |line: &str| line.trim_matches([' ', '\t', '\r', '\n']).is_empty();
    let mut start = 0;
    for line in lines(text) {
        if !blank(line) {
            break;
        }
        start += line.len();
    }
    let mut end = text.len();
    while start < end {
        let kept = text.get(start..end).unwrap_or_default();
        let line = kept.trim_end_matches([' ', '\t']);
        match line.strip_suffix("\r\n").or_else(|| line.strip_suffix(['\n', '\r'])) {
            Some(shorter) => end = start + shorter.len(),
            None => break,
        }
    }
    if end <= start {
        // Only blank lines: the place for new text is before them.
        return Span::at(span.start as usize);
    }
    Span::new(span.start as usize + start, span.start as usize + end)
}

/// The line of an offset in the editor's count, from 1.
pub(crate) fn line(document: &Document, offset: u32) -> usize {
    document.text().line_of(offset as usize) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_around_are_not_part_of_a_place() {
        let trimmed = |text: &str| without_blank_lines(text, Span::new(0, text.len())).of(text).to_owned();
        assert_eq!(trimmed("\n \n    code\n\nend  \n\t\n"), "    code\n\nend  ");
        assert_eq!(trimmed("\r\na\r\n\r\n"), "a");
        assert_eq!(trimmed("\n \n"), "");
    }
}
