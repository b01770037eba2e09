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

/// Bytes of a text; where something stands among them is a bit for each byte, the first one lowest.
pub(super) type Block = [u8; BLOCK];

// Each of these compares without a branch: a processor does sixteen such comparisons at once, which it cannot do with `of_byte`.

/// Where [words end](END).
pub(super) fn ends(block: &Block) -> u64 {
    places(block, |byte| {
        let is_blank = (byte == b' ') | (byte.wrapping_sub(b'\t') < 5);
        let is_quote = (byte == b'"') | (byte == b'`') | (byte == b'[') | (byte == b']');
        // `&'()*`, `;<=>` and `{|}` are neighbours.
        let is_first = (byte.wrapping_sub(b'&') < 5) | (byte == b',');
        let is_second = (byte.wrapping_sub(b';') < 4) | (byte.wrapping_sub(b'{') < 3);
        is_blank | is_quote | is_first | is_second
    })
}

/// Where there is a point, a slash or a colon.
pub(super) fn points(block: &Block) -> u64 {
    places(block, |byte| (byte == b'.') | (byte == b'/') | (byte == b':'))
}

/// Where there is a digit.
pub(super) fn digits(block: &Block) -> u64 {
    places(block, |byte| byte.wrapping_sub(b'0') < 10)
}

fn places(block: &Block, is_there: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0; BLOCK];
    flags.iter_mut().zip(block).for_each(|(flag, byte)| *flag = u8::from(is_there(*byte)));
    // The product has each of eight bytes, which are 0 or 1, as a bit of its highest byte.
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    flags.as_chunks().0.iter().rev().fold(0, |all, eight| all << 8 | bits(eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_marks() {
        for byte in 0..=u8::MAX {
            for at in [0, 7, 8, 63] {
                let mut block = [b'x'; BLOCK];
                block[at] = byte;
                let bit = |marks: u8| u64::from(of_byte(byte) & marks != 0) << at;
                assert_eq!(ends(&block), bit(END), "{byte} at {at}");
                assert_eq!(points(&block), bit(POINT | SLASH | COLON), "{byte} at {at}");
                assert_eq!(digits(&block), u64::from(byte.is_ascii_digit()) << at, "{byte} at {at}");
            }
        }
    }
}
