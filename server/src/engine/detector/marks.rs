//! What kinds of bytes a text has in it, as bits: one look at each byte answers all that is asked of a token.

/// Between words.
pub(super) const END: u8 = 1;
pub(super) const BLANK: u8 = 2;
pub(super) const POINT: u8 = 4;
pub(super) const SLASH: u8 = 8;
pub(super) const COLON: u8 = 16;
pub(super) const DOLLAR: u8 = 32;
/// A letter or digit of ASCII.
pub(super) const LETTER: u8 = 64;
/// A part of a character beyond ASCII.
pub(super) const BEYOND: u8 = 128;

const OF_BYTE: [u8; 256] = {
    let mut marks = [0; 256];
    let mut byte = 0_u8;
    loop {
        marks[byte as usize] = match byte {
            b' ' => END | BLANK,
            b'\'' | b'"' | b'`' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' => END,
            b',' | b';' | b'|' | b'&' | b'=' | b'*' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c' => END,
            b'.' => POINT,
            b'/' => SLASH,
            b':' => COLON,
            b'$' => DOLLAR,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => LETTER,
            128.. => BEYOND,
            _ => 0,
        };
        if byte == u8::MAX {
            break marks;
        }
        byte += 1;
    }
};

/// What a byte is.
pub(super) fn of_byte(byte: u8) -> u8 {
    OF_BYTE.get(usize::from(byte)).copied().unwrap_or_default()
}

/// What is in a text.
pub(super) fn of(text: &str) -> u8 {
    text.bytes().fold(0, |marks, byte| marks | of_byte(byte))
}

/// So many bytes are looked at together.
pub(super) const BLOCK: usize = 64;

/// Where [words end](END).
pub(super) const ENDS: [(u8, u8); 10] = [
    (b'\t', b'\r'),
    (b' ', b' '),
    (b'"', b'"'),
    (b'&', b'*'),
    (b',', b','),
    (b';', b'>'),
    (b'[', b'['),
    (b']', b']'),
    (b'`', b'`'),
    (b'{', b'}'),
];

/// Points, slashes and colons.
pub(super) const POINTS: [(u8, u8); 2] = [(b'.', b'/'), (b':', b':')];

/// Digits.
pub(super) const DIGITS: [(u8, u8); 1] = [(b'0', b'9')];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::places::places;

    #[test]
    fn places_are_those_of_the_marks() {
        for byte in 0..=u8::MAX {
            for at in [0, 7, 8, 63] {
                let mut block = [b'x'; BLOCK];
                block[at] = byte;
                let bit = |marks: u8| u64::from(of_byte(byte) & marks != 0) << at;
                assert_eq!(places(&block, &ENDS), bit(END), "{byte} at {at}");
                assert_eq!(places(&block, &POINTS), bit(POINT | SLASH | COLON), "{byte} at {at}");
                assert_eq!(places(&block, &DIGITS), u64::from(byte.is_ascii_digit()) << at, "{byte} at {at}");
            }
        }
    }
}
