//! Where bytes of some kinds stand among others: sixteen are looked at at once.

use wide::u8x16;

/// Kinds of bytes, each from its first to its last.
pub type Kinds = [(u8, u8)];

/// The places of bytes of these kinds, as bits, the first byte lowest. At most 64 bytes can be looked at together.
#[inline(always)]
#[must_use]
pub fn places(bytes: &[u8], kinds: &Kinds) -> u64 {
    let (sixteens, _) = bytes.as_chunks();
    sixteens.iter().rev().fold(0, |all, sixteen| all << 16 | u64::from(of_sixteen(*sixteen, kinds)))
}

#[inline(always)]
fn of_sixteen(bytes: [u8; 16], kinds: &Kinds) -> u16 {
    let bytes = u8x16::new(bytes);
    let is_there = kinds.iter().fold(u8x16::splat(0), |is_there, (first, last)| {
        let above = bytes - u8x16::splat(*first);
        is_there | above.simd_eq(above.min(u8x16::splat(last - first)))
    });
    // One bit of each byte.
    is_there.to_bitmask() as u16
}

/// The places of bits, the lowest first.
#[inline(always)]
pub fn bits(bits: u64) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
        .take_while(|bits| *bits != 0)
        .map(|bits| bits.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_their_places() {
        assert_eq!(bits(0).count(), 0);
        assert_eq!(bits(1 | 1 << 7 | 1 << 63).collect::<Vec<_>>(), [0, 7, 63]);
        assert_eq!(places(b"a.b/c.d:a.b/c.d:a.b/c.d:a.b/c.d:", &[(b'.', b'/')]).count_ones(), 12);
    }
}
