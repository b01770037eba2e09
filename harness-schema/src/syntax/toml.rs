//! placeholder
use super::data::Tree;
/// parse
#[must_use]
pub fn parse(_source: &str) -> Tree {
    Tree::default()
}
