//! What a document is by itself: whether it parses (SH001).

use crate::harness::{Harness, Role};
use crate::path::FilePath;
use crate::problem::{Problem, Rule, Severity};
use crate::syntax::Syntax;
use crate::syntax::data::SyntaxError;

/// TOML, YAML, JSON, front matter or a surface's Python does not parse.
pub static SYNTAX_ERROR: Rule =
    Rule::new("SH001", "syntax-error", Severity::Error, include_str!("rules/SH001-syntax-error.md"));

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    // Programs and verifiers are not ours to judge.
    if matches!(harness.role(file), Some(Role::Program | Role::Verifier) | None) {
        return;
    }
    let Some(document) = harness.document(file) else { return };
    let errors: &[SyntaxError] = match document.syntax() {
        Syntax::Data(tree) => &tree.errors,
        Syntax::Markdown(_) if !harness.reads_front_matter(file) => &[],
        Syntax::Markdown(tree) => {
            tree.front_matter.as_ref().map(|front| front.data.errors.as_slice()).unwrap_or_default()
        }
        Syntax::Python(tree) => &tree.errors,
        Syntax::Plain => &[],
    };
    problems.extend(errors.iter().map(|error| {
        Problem::new(&SYNTAX_ERROR, error.span, error.message.as_str())
            .why("what does not parse cannot be read, and nothing else is checked inside of it")
            .about(error.message.as_str())
    }));
}
