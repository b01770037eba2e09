//! Characters that a reader does not see. Whatever shows or accepts a text asks here, so that there is one list.

use std::borrow::Cow;

/// Characters beyond ASCII that are not seen or that change how others are seen. Joiners are left alone: emoji and some
/// scripts need them.
#[must_use]
pub fn is_hidden(char: char) -> bool {
    matches!(char,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// A text for a line of its own: what would steer the terminal or hide is written as `\u{…}`. Line breaks stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let is_bad = |char: char| char != '\n' && (char.is_control() || is_hidden(char));
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if is_bad(char) {
            out.extend(char.escape_unicode());
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}
