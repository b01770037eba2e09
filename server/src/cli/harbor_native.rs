//! `__harbor-native`, hidden: the native agent in an environment of Harbor's. Our agent in Python, which Harbor imports, starts it and
//! talks to it on its standard input and output.

use std::io::{BufReader, stdin, stdout};

use crate::failure::Failure;
use crate::host::jobs;

/// Works until the work is done.
///
/// # Errors
/// A [`Failure`] if what there is to do cannot be understood.
pub fn run() -> Result<u8, Failure> {
    jobs::bridge(BufReader::new(stdin()), stdout())?;
    Ok(0)
}
