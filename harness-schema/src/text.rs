//! Text and places in it. Inside, a place is a byte offset; a protocol's columns exist only in [`Position`].
//!
//! Lines end at LF, CRLF or CR and nowhere else (LSP 3.17, "Text Documents"). A byte order mark stays part of the text.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ropey::Rope;
/// The largest text that is read as a document, in bytes. A larger one is a problem (SH010), not an error.
pub const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// A range of bytes in one text, half open. Texts are at most [`MAX_TEXT_BYTES`] long, so 32 bits suffice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span from byte offsets; `end` is raised to `start` if it is less.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        Self { start, end: end.max(start) }
    }

    /// An empty span.
    #[must_use]
    pub fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    /// The span as a range of indices.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the span holds no byte.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `offset` is inside, or at the end.
    #[must_use]
    pub fn touches(self, offset: usize) -> bool {
        self.start as usize <= offset && offset <= self.end as usize
    }

    /// Whether `other` lies wholly inside.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether the two share at least one byte.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The span moved right by `bytes`.
    #[must_use]
    pub fn offset(self, bytes: usize) -> Self {
        Self::new(self.start as usize + bytes, self.end as usize + bytes)
    }

    /// The bytes of the span in `text`; empty if the span does not fit.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// A replacement of one span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// What is replaced.
    pub span: Span,
    /// What stands there afterwards.
    pub new_text: String,
}

/// How a protocol counts columns (LSP `PositionEncodingKind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, the protocol's default.
    Utf16,
    /// Unicode scalar values.
    Utf32,
}

/// A line and a column, both from zero, the column in units of an [`Encoding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// An immutable text with cheap copies, cheap edits and fast positions.
///
/// It is held as one string, as a rope, or both: a file that nobody edits never pays for a rope. One of the two is set.
#[derive(Clone, Debug, Default)]
pub struct Text {
    rope: OnceLock<Rope>,
    flat: OnceLock<Arc<str>>,
}

impl Text {
    /// A text from a string.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { rope: OnceLock::new(), flat: OnceLock::from(Arc::from(text)) }
    }

    /// The whole text as one string, made once per text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.flat.get_or_init(|| self.rope.get().map(String::from).unwrap_or_default().into())
    }

    /// The whole text as a shared string.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        let _ = self.as_str();
        self.flat.get().cloned().unwrap_or_default()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flat.get().map_or_else(|| self.rope().len_bytes(), |flat| flat.len())
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of lines; a text that ends with a line break has an empty last line.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.rope().len_lines()
    }

    /// The line that holds `offset`, from zero.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        self.rope().byte_to_line(self.floor(offset))
    }

    /// Where a line starts; the end of the text for a line that does not exist.
    #[must_use]
    pub fn line_start(&self, line: usize) -> usize {
        if line < self.line_count() { self.rope().line_to_byte(line) } else { self.len() }
    }

    /// A line without its line break.
    #[must_use]
    pub fn line_span(&self, line: usize) -> Span {
        let start = self.line_start(line);
        let end = self.line_start(line + 1);
        let text = self.slice(start, end);
        Span::new(start, end - (text.len() - text.trim_end_matches(['\r', '\n']).len()))
    }

    /// The line break that the text uses, by its first one; `\n` if it has none.
    #[must_use]
    pub fn line_ending(&self) -> &'static str {
        let first = self.slice(0, self.line_start(1));
        if first.ends_with("\r\n") {
            "\r\n"
        } else if first.ends_with('\r') {
            "\r"
        } else {
            "\n"
        }
    }

    /// The position of a byte offset. An offset inside a character, or inside CRLF, moves back to its start.
    #[must_use]
    pub fn position(&self, offset: usize, encoding: Encoding) -> Position {
        let offset = self.floor(offset);
        let line = self.rope().byte_to_line(offset);
        let start = self.rope().line_to_byte(line);
        let column = match encoding {
            Encoding::Utf8 => offset - start,
            Encoding::Utf32 => self.rope().byte_to_char(offset) - self.rope().byte_to_char(start),
            Encoding::Utf16 => {
                let code_unit = |byte| self.rope().char_to_utf16_cu(self.rope().byte_to_char(byte));
                code_unit(offset) - code_unit(start)
            }
        };
        Position { line: small(line), column: small(column) }
    }

    /// The byte offset of a position. A column past the end of its line is the line's end, a line past the end of the
    /// text is the text's end, and a column inside a character moves back to its start (LSP 3.17, "Position").
    #[must_use]
    pub fn offset(&self, position: Position, encoding: Encoding) -> usize {
        let line = position.line as usize;
        if self.line_count() <= line {
            return self.len();
        }
        let span = self.line_span(line);
        let (start, end) = (span.start as usize, span.end as usize);
        let column = position.column as usize;
        match encoding {
            Encoding::Utf8 => self.floor(start.saturating_add(column).min(end)),
            Encoding::Utf32 => {
                let last = self.rope().byte_to_char(end);
                self.rope().char_to_byte(self.rope().byte_to_char(start).saturating_add(column).min(last))
            }
            Encoding::Utf16 => {
                let unit = |byte| self.rope().char_to_utf16_cu(self.rope().byte_to_char(byte));
                let at = unit(start).saturating_add(column).min(unit(end));
                self.rope().char_to_byte(self.rope().utf16_cu_to_char(at))
            }
        }
    }

    /// The text with one span replaced. A span that does not fit is clamped to the text.
    #[must_use]
    pub fn edited(&self, edit: &TextEdit) -> Self {
        let mut rope = self.rope().clone();
        let start = rope.byte_to_char(self.floor(edit.span.start as usize));
        let end = rope.byte_to_char(self.floor(edit.span.end as usize));
        rope.remove(start..end.max(start));
        rope.insert(start, &edit.new_text);
        Self { rope: OnceLock::from(rope), flat: OnceLock::new() }
    }

    fn rope(&self) -> &Rope {
        self.rope.get_or_init(|| self.flat.get().map(|flat| Rope::from_str(flat)).unwrap_or_default())
    }

    /// The start of the character that holds `offset`, at most the text's length.
    fn floor(&self, offset: usize) -> usize {
        let offset = offset.min(self.len());
        let at = self.rope().char_to_byte(self.rope().byte_to_char(offset));
        // Between CR and LF there is no position either.
        if 0 < at && at < self.len() && self.rope().byte(at) == b'\n' && self.rope().byte(at - 1) == b'\r' {
            at - 1
        } else {
            at
        }
    }

    fn slice(&self, start: usize, end: usize) -> String {
        self.rope().byte_slice(start..end).to_string()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// The text after several edits of one version, which must not overlap; `None` if they do or do not fit.
#[must_use]
pub fn apply_all(text: &str, edits: &[TextEdit]) -> Option<String> {
    let mut edits: Vec<&TextEdit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.span);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for edit in edits {
        out.push_str(text.get(done..edit.span.start as usize)?);
        out.push_str(&edit.new_text);
        text.get(edit.span.range())?;
        done = edit.span.end as usize;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_at_lf_crlf_and_cr_only() {
        let text = Text::new("a\nb\r\nc\rd\u{2028}e\u{85}f\u{b}g");
        assert_eq!(text.line_count(), 4);
        assert_eq!(text.line_span(1), Span::new(2, 3));
        assert_eq!(text.line_span(3).of(text.as_str()), "d\u{2028}e\u{85}f\u{b}g");
    }

    #[test]
    fn columns_past_the_end_are_clamped() {
        let text = Text::new("ab\r\ncd");
        let at = |line, column| text.offset(Position { line, column }, Encoding::Utf16);
        assert_eq!((at(0, 99), at(9, 0), at(1, 9)), (2, 6, 6));
    }

    #[test]
    fn overlapping_edits_are_refused() {
        let edit = |start, end| TextEdit { span: Span::new(start, end), new_text: "x".into() };
        assert_eq!(apply_all("abcd", &[edit(2, 3), edit(0, 1)]).as_deref(), Some("xbxd"));
        assert_eq!(apply_all("abcd", &[edit(0, 3), edit(2, 4)]), None);
    }

    fn any_text() -> impl Strategy<Value = String> {
        let piece =
            prop::sample::select(vec!["a", "\n", "\r\n", "\r", "é", "e\u{301}", "漢", "😀", "\u{2028}", " "]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn positions_round_trip(text in any_text()) {
            let rope = Text::new(&text);
            for (offset, _) in text.char_indices() {
                let inside_crlf = text[..offset].ends_with('\r') && text[offset..].starts_with('\n');
                for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
                    let back = rope.offset(rope.position(offset, encoding), encoding);
                    prop_assert_eq!(back, if inside_crlf { offset - 1 } else { offset });
                }
            }
        }

        #[test]
        fn edits_equal_string_edits(text in any_text(), new in any_text(), a in 0usize..200, b in 0usize..200) {
            let rope = Text::new(&text);
            let span = Span::new(rope.floor(a.min(b)), rope.floor(a.max(b)));
            let mut expected = text.clone();
            expected.replace_range(span.range(), &new);
            let edited = rope.edited(&TextEdit { span, new_text: new });
            prop_assert_eq!(edited.as_str(), expected.as_str());
            prop_assert_eq!(edited.line_count(), Text::new(&expected).line_count());
        }
    }
}
