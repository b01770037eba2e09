//! Patterns for paths and ids, in the one dialect of all documents: `*` and `?` within one part of a path, `**` over
//! parts, `[…]` and `{a,b}`. What has none of these signs is a name.

use ecow::EcoString;
use globset::GlobBuilder;
use regex::bytes::{Regex, RegexBuilder};

/// A name, or a pattern for names.
#[derive(Clone, Debug)]
pub struct Glob {
    written: EcoString,
    matcher: Option<Regex>,
}

/// What makes a name a pattern.
const SIGNS: [char; 4] = ['*', '?', '[', '{'];

impl Glob {
    /// A pattern as written. One that does not compile is a name: it matches its own text only.
    #[must_use]
    pub fn new(written: &str) -> Self {
        let glob = written.contains(SIGNS).then(|| GlobBuilder::new(written).literal_separator(true).build());
        // The expression itself: a matcher of globset takes each name apart first, which costs as much as matching.
        let matcher = glob
            .and_then(Result::ok)
            .and_then(|glob| RegexBuilder::new(glob.regex()).dot_matches_new_line(true).build().ok());
        Self { written: written.into(), matcher }
    }

    /// Whether it can match more than its own text.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.matcher.is_some()
    }

    /// Whether it matches `name`. Its own text always does: a file may well be called `app/[id]/page.md`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.written == name || self.matcher.as_ref().is_some_and(|matcher| matcher.is_match(name.as_bytes()))
    }

    /// The directory that everything it matches is below: `tools/sub` of `tools/sub/*.py`; empty for the root.
    #[must_use]
    pub fn directory(&self) -> &str {
        let fixed = self.written.split(SIGNS).next().unwrap_or_default();
        fixed.rsplit_once('/').map_or("", |(directory, _)| directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_one_part() {
        let matches = |pattern: &str, name: &str| Glob::new(pattern).matches(name);
        assert!(matches("prompts/*.md", "prompts/a.md") && !matches("prompts/*.md", "prompts/sub/a.md"));
        assert!(matches("prompts/**/*.md", "prompts/sub/a.md") && matches("prompts/**/*.md", "prompts/a.md"));
        assert!(matches("a[0-9].md", "a1.md") && matches("{a,b}.md", "b.md") && !matches("a?.md", "a/.md"));
        assert!(!matches("*", "suite/t-01"));
    }

    #[test]
    fn a_name_matches_itself() {
        assert!(Glob::new("app/[id]/page.md").matches("app/[id]/page.md"));
        let broken = Glob::new("a[.md");
        assert!(broken.matches("a[.md") && !broken.is_pattern() && !broken.matches("a.md"));
        assert!(!Glob::new("a.md").is_pattern());
    }

    #[test]
    fn what_is_fixed_is_a_directory() {
        assert_eq!(Glob::new("tools/sub-*/x.py").directory(), "tools");
        assert_eq!(Glob::new("*.md").directory(), "");
        assert_eq!(Glob::new("tools/x.py").directory(), "tools");
    }
}
