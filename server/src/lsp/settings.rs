//! What a user has set in the editor (`editor` 4.2): which of our marks are shown, and how many trials run side by side. Nothing in it
//! grants a right, starts a run or changes what a gate says.

use serde_json::Value;

use crate::ide::switches::Switches;

/// The section of the settings.
pub const SECTION: &str = "selfHarness";

/// The settings of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `run.maxParallel`: how many trials run side by side, at most what the manifest allows.
    pub max_parallel: usize,
    /// `codeLens.enable`.
    pub lenses: bool,
    /// `inlayHints.enable` and `inlayHints.weaknesses`.
    pub weaknesses: bool,
    /// `inlayHints.enable` and `inlayHints.proposals`.
    pub proposals: bool,
    /// `inlayHints.enable` and `inlayHints.tokens`.
    pub tokens: bool,
    /// `diagnostics.evidence`.
    pub evidence: bool,
    /// `diagnostics.showOld`.
    pub show_old: bool,
    /// `testing.enable`.
    pub testing: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_parallel: 4,
            lenses: true,
            weaknesses: true,
            proposals: true,
            tokens: false,
            evidence: true,
            show_old: false,
            testing: true,
        }
    }
}

impl Settings {
    /// What is to be shown.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Switches {
            evidence: self.evidence,
            show_old: self.show_old,
            hints: self.weaknesses || self.proposals || self.tokens,
            weaknesses: self.weaknesses,
            proposals: self.proposals,
            tokens: self.tokens,
            lenses: self.lenses,
        }
    }

    /// Reads the section `selfHarness`: nested tables, or names with dots. What is missing, or of another kind, is as if nobody had
    /// set it.
    #[must_use]
    pub fn read(section: &Value) -> Self {
        let of = |name: &str| {
            let nested = section.pointer(&format!("/{}", name.replace('.', "/")));
            nested.or_else(|| section.get(name)).or_else(|| section.get(format!("{SECTION}.{name}")))
        };
        let is_on = |name: &str, otherwise: bool| of(name).and_then(Value::as_bool).unwrap_or(otherwise);
        let standard = Self::default();
        let hints = is_on("inlayHints.enable", true);
        let parallel =
            of("run.maxParallel").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
        Self {
            max_parallel: parallel.filter(|most| 0 < *most).unwrap_or(standard.max_parallel),
            lenses: is_on("codeLens.enable", standard.lenses),
            weaknesses: hints && is_on("inlayHints.weaknesses", standard.weaknesses),
            proposals: hints && is_on("inlayHints.proposals", standard.proposals),
            tokens: hints && is_on("inlayHints.tokens", standard.tokens),
            evidence: is_on("diagnostics.evidence", standard.evidence),
            show_old: is_on("diagnostics.showOld", standard.show_old),
            testing: is_on("testing.enable", standard.testing),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_nested_or_with_dots_and_what_is_wrong_is_not_set() {
        assert_eq!(Settings::read(&Value::Null), Settings::default());
        let nested =
            json!({"run": {"maxParallel": 2}, "inlayHints": {"tokens": true}, "codeLens": {"enable": false}});
        let read = Settings::read(&nested);
        assert_eq!((read.max_parallel, read.tokens, read.lenses), (2, true, false));
        let dotted = json!({"inlayHints.enable": false, "inlayHints.tokens": true, "selfHarness.diagnostics.showOld": true});
        let read = Settings::read(&dotted);
        assert_eq!((read.tokens, read.weaknesses, read.show_old), (false, false, true));
        let wrong = json!({"run": {"maxParallel": 0}, "codeLens": {"enable": "no"}});
        assert_eq!(Settings::read(&wrong), Settings::default());
    }

    #[test]
    fn ux_04_no_key_of_the_machine_is_read_from_settings() {
        let machine =
            json!({"sandbox": "none", "programs": {"bwrap": "/x"}, "keys": {"a": "b"}, "max_cost_usd": 9e9});
        assert_eq!(Settings::read(&machine), Settings::default());
    }
}
