//! Template languages of surfaces: whether a text still compiles in its own. Rendering is not done here.

use minijinja::machinery::{WhitespaceConfig, parse};
use minijinja::syntax::SyntaxConfig;

use crate::syntax::template;

/// The template languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `{{ name }}`, as the native agent renders it: without files and macros, with a few filters.
    Native,
    /// Jinja of another program, whose filters and functions are not known here.
    Jinja,
    /// Python's `str.format`.
    StrFormat,
    /// Python's f-strings.
    FString,
    /// Mustache (the `mustache(5)` manual).
    Mustache,
}

/// Why a text does not compile, in words.
#[must_use]
pub fn template_error(dialect: Dialect, text: &str) -> Option<String> {
    match dialect {
        Dialect::Native => template::Tree::parse(text).errors.into_iter().next().map(|error| error.message),
        Dialect::Jinja => {
            let parsed = parse(text, "template", SyntaxConfig, WhitespaceConfig::default());
            parsed.err().map(|error| error.detail().map_or_else(|| error.to_string(), str::to_owned))
        }
        Dialect::StrFormat | Dialect::FString => format_error(text),
        Dialect::Mustache => mustache_error(text),
    }
}

/// Python, "Format String Syntax": braces are fields, doubled braces are braces.
fn format_error(text: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '{' | '}' if depth == 0 && characters.peek() == Some(&character) => {
                characters.next();
            }
            '{' => depth += 1,
            '}' if depth == 0 => return Some("`}` stands alone; write `}}` for a brace".to_owned()),
            '}' => depth -= 1,
            _ => {}
        }
    }
    (0 < depth).then(|| "`{` is never closed; write `{{` for a brace".to_owned())
}

fn mustache_error(text: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let tag = rest.get(start + 2..).unwrap_or_default();
        let Some(end) = tag.find("}}") else { return Some("`{{` is never closed".to_owned()) };
        let inner = tag.get(..end).unwrap_or_default().trim();
        let name = inner.get(1..).unwrap_or_default().trim();
        match inner.chars().next() {
            Some('#' | '^') => open.push(name),
            Some('/') if open.pop() != Some(name) => return Some(format!("`{name}` is closed and not open")),
            Some('=') => return Some("other delimiters are not read".to_owned()),
            _ => {}
        }
        rest = tag.get(end + 2..).unwrap_or_default();
    }
    open.pop().map(|name| format!("`{name}` is never closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_says_what_does_not_compile() {
        let error = |dialect, text| template_error(dialect, text).unwrap_or_default();
        assert_eq!(error(Dialect::Native, "{{ task.instruction }}"), "");
        assert_eq!(error(Dialect::Native, "{{ task"), "`{{` is never closed");
        assert_eq!(error(Dialect::Jinja, "{{ output | truncate(5) }}"), "");
        assert_ne!(error(Dialect::Jinja, "{% if x %}"), "");
        assert_eq!(error(Dialect::StrFormat, "{{\"a\"}} {x:>{width}}"), "");
        assert_eq!(error(Dialect::StrFormat, "{\"a\": {x}"), "`{` is never closed; write `{{` for a brace");
        assert_eq!(error(Dialect::FString, "a } b"), "`}` stands alone; write `}}` for a brace");
        assert_eq!(error(Dialect::Mustache, "{{#a}}{{b}}{{/a}}{{{c}}}"), "");
        assert_eq!(error(Dialect::Mustache, "{{#a}}"), "`a` is never closed");
        assert_eq!(error(Dialect::Mustache, "{{#a}}{{/b}}"), "`b` is closed and not open");
    }
}
