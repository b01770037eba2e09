//! Placeholder.
use crate::text::TextEdit;
/// Tree.
#[derive(Clone, Debug, Default)]
pub struct Tree;
impl Tree {
    /// parse
    #[must_use]
    pub fn parse(_source: &str) -> Self {
        Self
    }
    /// edited
    #[must_use]
    pub fn edited(&self, _before: &str, _edit: &TextEdit, _after: &str) -> Self {
        Self
    }
}
