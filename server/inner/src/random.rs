//! Random names and tokens, from the system.

use std::io;

/// Random bytes as hexadecimal digits, two each.
///
/// # Errors
/// The system's.
pub fn digits<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name that nobody else has: thirty-two digits.
///
/// # Errors
/// The system's.
pub fn name() -> io::Result<String> {
    digits::<16>()
}
