//! What somebody who edits wants to see (`editor` 4.2). None of it starts anything, and none of it changes a number.

/// The switches of an editor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switches {
    /// `diagnostics.evidence`: whether weaknesses and proposals are problems.
    pub evidence: bool,
    /// `diagnostics.showOld`: whether a weakness stays a problem when its line was edited.
    pub show_old: bool,
    /// `inlayHints.enable`.
    pub hints: bool,
    /// `inlayHints.weaknesses`.
    pub weaknesses: bool,
    /// `inlayHints.proposals`.
    pub proposals: bool,
    /// `inlayHints.tokens`.
    pub tokens: bool,
    /// `codeLens.enable`.
    pub lenses: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            evidence: true,
            show_old: false,
            hints: true,
            weaknesses: true,
            proposals: true,
            tokens: false,
            lenses: true,
        }
    }
}
