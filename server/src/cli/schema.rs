//! `schema`: the JSON Schema of the manifest, from the types that read it.

use harness_schema::manifest::json_schema;

use super::print;
use crate::failure::Failure;

/// Prints the schema.
///
/// # Errors
/// If it cannot be written.
pub fn run() -> Result<u8, Failure> {
    print(&format!("{:#}\n", json_schema()))?;
    Ok(0)
}
