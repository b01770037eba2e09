//! Any text with any edits against a plain string: the same text, the same lines, and positions that lead back, in every
//! encoding.
//!
//! The first piece is the text, each further one an edit.

#![no_main]

use fuzz::{edit, pieces, text};
use harness_schema::text::{Encoding, Position, Span, Text, TextEdit, apply_all};
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

/// Characters are looked at one by one so far before and behind an edit, in bytes.
const NEAR: usize = 24;

fuzz_target!(|data: &[u8]| {
    let mut pieces = pieces(data);
    let first = text(pieces.next().unwrap_or_default());
    let (mut rope, mut model) = (Text::new(&first), first.clone());
    look(&rope, &model, 0);
    let mut edits = Vec::new();
    for piece in pieces.take(4) {
        let edit = edit(&model, piece);
        edits.push(TextEdit { ..edit.clone() });
        // An edit of text inside of a CRLF starts before it, as a position would.
        let span = Span::new(before_break(&model, edit.span.start), before_break(&model, edit.span.end));
        model.replace_range(span.range(), &edit.new_text);
        rope = rope.edited(&edit);
        assert_eq!(rope.as_str(), model);
        look(&rope, &model, span.start as usize);
        look(&rope, &model, span.start as usize + edit.new_text.len());
    }
    all_at_once(&first, &edits);
});

/// Where an offset is once it is moved out of a CRLF.
fn before_break(text: &str, offset: u32) -> usize {
    let offset = offset as usize;
    offset - usize::from(text[..offset].ends_with('\r') && text[offset..].starts_with('\n'))
}

/// The lines of a string: where each starts, where it ends, and where the next one starts.
fn lines(text: &str) -> Vec<(usize, usize, usize)> {
    let bytes = text.as_bytes();
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let length = match (bytes[at], bytes.get(at + 1)) {
            (b'\r', Some(b'\n')) => 2,
            (b'\r' | b'\n', _) => 1,
            _ => 0,
        };
        if 0 < length {
            lines.push((start, at, at + length));
            start = at + length;
        }
        at += length.max(1);
    }
    lines.push((start, text.len(), text.len()));
    lines
}

fn width(text: &str, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => text.len(),
        Encoding::Utf16 => text.encode_utf16().count(),
        Encoding::Utf32 => text.chars().count(),
    }
}

fn look(rope: &Text, model: &str, around: usize) {
    assert_eq!(rope.len(), model.len());
    let lines = lines(model);
    assert_eq!(rope.line_count(), lines.len(), "{model:?}");
    let near = around.saturating_sub(NEAR)..around + NEAR;
    for (number, (start, end, next)) in lines.iter().copied().enumerate() {
        assert_eq!(rope.line_start(number), start, "{model:?}");
        assert_eq!(rope.line_span(number), Span::new(start, end), "{model:?}");
        for (at, character) in model[start..next].char_indices() {
            let offset = start + at;
            if !near.contains(&offset) {
                continue;
            }
            let place = offset.min(end);
            assert_eq!(rope.line_of(offset), number, "{offset} in {model:?}");
            for encoding in ENCODINGS {
                let column = width(&model[start..place], encoding);
                let position = rope.position(offset, encoding);
                assert_eq!(
                    (position.line as usize, position.column as usize),
                    (number, column),
                    "{offset} {encoding:?} {model:?}"
                );
                assert_eq!(rope.offset(position, encoding), place, "{offset} {encoding:?} {model:?}");
                // Inside of a character there is no position.
                for inside in 1..character.len_utf8() {
                    assert_eq!(rope.position(offset + inside, encoding), position, "{offset} {model:?}");
                }
                if offset < end && 1 < width(character.encode_utf8(&mut [0; 4]), encoding) {
                    let within = Position { column: position.column + 1, ..position };
                    assert_eq!(rope.offset(within, encoding), offset, "{offset} {encoding:?} {model:?}");
                }
            }
        }
        for encoding in ENCODINGS {
            let far = Position { line: u32::try_from(number).unwrap_or(u32::MAX), column: u32::MAX };
            assert_eq!(rope.offset(far, encoding), end, "{model:?}");
        }
    }
    for encoding in ENCODINGS {
        let below = Position { line: u32::MAX, column: 3 };
        assert_eq!(rope.offset(below, encoding), model.len());
        let last = rope.position(usize::MAX, encoding);
        assert_eq!(rope.offset(last, encoding), model.len(), "{model:?}");
    }
}

/// Edits of one version: applied from the last to the first they need no shift.
fn all_at_once(text: &str, edits: &[TextEdit]) {
    let mut edits: Vec<TextEdit> =
        edits.iter().filter(|edit| text.get(edit.span.range()).is_some()).cloned().collect();
    edits.sort_by_key(|edit| edit.span);
    let overlap = edits.windows(2).any(|pair| pair[1].span.start < pair[0].span.end);
    let expected = (!overlap).then(|| {
        edits.iter().rev().fold(text.to_owned(), |mut text, edit| {
            text.replace_range(edit.span.range(), &edit.new_text);
            text
        })
    });
    assert_eq!(apply_all(text, &edits), expected, "{text:?} {edits:?}");
}
