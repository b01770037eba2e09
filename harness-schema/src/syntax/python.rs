//! Placeholder.
/// Tree.
#[derive(Clone, Debug, Default)]
pub struct Tree;
impl Tree {
    /// parse
    #[must_use]
    pub fn parse(_source: &str) -> Self {
        Self
    }
}
