//! The token of a trial: random, and compared in a time that tells nothing about it.

use std::io;

use subtle::ConstantTimeEq;

use crate::host::random;
use crate::host::redact::SecretString;

/// A new token of 256 random bits. It begins as keys do, because some clients look at that, and because the redactor then
/// finds it in whatever is recorded.
pub(super) fn fresh() -> io::Result<SecretString> {
    Ok(SecretString::new(format!("sk-trial-{}", random::digits::<32>()?)))
}

/// Whether something shown is the token.
pub(super) fn fits(token: &SecretString, shown: &[u8]) -> bool {
    token.expose().as_bytes().ct_eq(shown).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::redact::Redactor;

    #[test]
    fn tokens_are_fresh_and_fit_themselves_alone() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert!(fits(&one, one.expose().as_bytes()));
        for shown in [other.expose(), "", &one.expose()[1..], &format!("{}0", one.expose())] {
            assert!(!fits(&one, shown.as_bytes()));
        }
        assert!(!Redactor::new([]).text(&format!("it is {}", one.expose())).contains(one.expose()));
    }
}
