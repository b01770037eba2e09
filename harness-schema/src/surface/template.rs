//! Template languages of surfaces: whether a text still compiles in its own. Rendering is not done here.
//!
//! Only what no version of a language accepts is an error. What an extension of Jinja or a later Mustache might read is
//! left to the program that does.

use minijinja::machinery::{WhitespaceConfig, parse};
use minijinja::syntax::SyntaxConfig;

use crate::syntax::data::SyntaxError;
use crate::syntax::template::{self, TagKind};
use crate::text::Span;

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
    compile_error(dialect, text).map(|error| error.message)
}

/// The first thing in a text that does not compile, with its place in the text.
#[must_use]
pub fn compile_error(dialect: Dialect, text: &str) -> Option<SyntaxError> {
    match dialect {
        Dialect::Native => template::Tree::parse(text).errors.into_iter().next(),
        Dialect::Jinja => jinja_error(text),
        Dialect::StrFormat => format_error(text, format_field),
        Dialect::FString => format_error(text, f_string_field),
        Dialect::Mustache => mustache_error(text),
    }
}

fn error(start: usize, end: usize, message: impl Into<String>) -> SyntaxError {
    let span = Span::new(start, end);
    SyntaxError { span, region: span, message: message.into() }
}

/// Words of statements that every Jinja knows, so that one of them in a wrong place is wrong everywhere.
const JINJA_ENDS: [&str; 10] =
    ["elif", "else", "endblock", "endcall", "endfilter", "endfor", "endif", "endmacro", "endset", "endwith"];

fn jinja_error(text: &str) -> Option<SyntaxError> {
    let config = WhitespaceConfig::default();
    let found = parse(text, "template", SyntaxConfig, config).err()?;
    // Python has escapes that minijinja does not read, and joins strings that stand side by side.
    let detail = found.detail().unwrap_or_default();
    if found.kind() != minijinja::ErrorKind::SyntaxError || detail.starts_with("unexpected string") {
        return None;
    }
    let tree = template::Tree::parse(text);
    let error = tree.errors.first()?;
    let certain = match detail.strip_prefix("unknown statement ") {
        // An extension may bring statements.
        Some(word) => JINJA_ENDS.contains(&word),
        // Statements have forms that minijinja does not read (`import … with context`); expressions hardly do.
        None => {
            let tag = tree.tags.iter().find(|tag| tag.span.contains(error.span));
            tag.is_some_and(|tag| tag.kind == TagKind::Expression)
                || error.message.ends_with("is never closed")
        }
    };
    certain.then(|| error.clone())
}

/// Where a field ends whose inside starts at an offset, or what is wrong with it.
type Field = fn(&[u8], usize) -> Result<usize, SyntaxError>;

/// Python, "Format String Syntax": braces are fields, doubled braces are braces.
fn format_error(text: &str, field: Field) -> Option<SyntaxError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let brace = at + memchr::memchr2(b'{', b'}', bytes.get(at..)?)?;
        let is_open = bytes.get(brace) == Some(&b'{');
        if bytes.get(brace) == bytes.get(brace + 1) {
            at = brace + 2;
        } else if is_open {
            match field(bytes, brace + 1) {
                Ok(end) => at = end,
                Err(error) => return Some(error),
            }
        } else {
            return Some(error(brace, brace + 1, "`}` stands alone; write `}}` for a brace"));
        }
    }
}

fn never_closed(from: usize) -> SyntaxError {
    error(from.saturating_sub(1), from, "`{` is never closed; write `{{` for a brace")
}

/// A field as CPython's `MarkupIterator` reads it: a name, `!` and a letter, `:` and a specification with fields.
fn format_field(bytes: &[u8], from: usize) -> Result<usize, SyntaxError> {
    let mut at = from;
    let end_of_name = loop {
        match bytes.get(at) {
            None => return Err(never_closed(from)),
            Some(b'{') => return Err(error(at, at + 1, "`{` inside of a field; write `{{` for a brace")),
            Some(b'[') => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += memchr::memchr(b']', rest).ok_or_else(|| never_closed(from))?;
            }
            Some(b'}') => return Ok(at + 1),
            Some(b':' | b'!') => break at,
            Some(_) => {}
        }
        at += 1;
    };
    let mut at = end_of_name + 1;
    if bytes.get(end_of_name) == Some(&b'!') {
        match bytes.get(at + 1) {
            None => return Err(never_closed(from)),
            Some(b'}') => return Ok(at + 2),
            Some(b':') => at += 2,
            Some(_) => {
                return Err(error(
                    end_of_name,
                    end_of_name + 1,
                    "behind `!` stands one letter, then `:` or `}`",
                ));
            }
        }
    }
    let mut depth = 1_usize;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Ok(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err(never_closed(from))
}

/// A field with an expression: strings and brackets in it may hold braces.
fn f_string_field(bytes: &[u8], from: usize) -> Result<usize, SyntaxError> {
    let mut at = from;
    let mut depth = 0_usize;
    let mut in_specification = false;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'}' if depth == 0 => return Ok(at),
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b'(' | b'[' if !in_specification => depth += 1,
            b')' | b']' if !in_specification => depth = depth.saturating_sub(1),
            b':' if depth == 0 => in_specification = true,
            b'"' | b'\'' if !in_specification => {
                // A quote without its other one on the same line is no string.
                let rest = bytes.get(at..).unwrap_or_default();
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                at += memchr::memchr(*byte, line).map_or(0, |end| end + 1);
            }
            _ => {}
        }
    }
    Err(never_closed(from))
}

fn mustache_error(text: &str) -> Option<SyntaxError> {
    let mut open: Vec<(&str, usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..)?.find("{{").map(|found| at + found) {
        let tag = text.get(start + 2..)?;
        let Some(length) = tag.find("}}") else {
            return Some(error(start, start + 2, "`{{` is never closed"));
        };
        let end = start + 2 + length + 2;
        let inner = tag.get(..length)?.trim().trim_matches('~');
        // Handlebars, which reads Mustache too, says more behind the name: `{{#if name}}`.
        let name = inner.get(1..).unwrap_or_default().split_whitespace().next().unwrap_or_default();
        match inner.chars().next() {
            Some('#' | '^') if !name.is_empty() => open.push((name, start, end)),
            Some('/') if open.pop().map(|(name, ..)| name) != Some(name) => {
                return Some(error(start, end, format!("`{name}` is closed and not open")));
            }
            // From here on other marks are tags.
            Some('=') => return None,
            _ => {}
        }
        at = end;
    }
    let (name, start, end) = open.pop()?;
    Some(error(start, end, format!("`{name}` is never closed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message, and the text that it is about.
    fn found(dialect: Dialect, text: &str) -> (String, &str) {
        compile_error(dialect, text).map(|error| (error.message, error.span.of(text))).unwrap_or_default()
    }

    #[test]
    fn the_native_agent_reads_less_than_jinja() {
        assert_eq!(found(Dialect::Native, "{{ task.instruction }}"), Default::default());
        assert_eq!(found(Dialect::Native, "Hi {{ task"), ("`{{` is never closed".into(), "{{"));
        assert_ne!(found(Dialect::Native, "{{ output | truncate(5) }}"), Default::default());
    }

    #[test]
    fn jinja_is_wrong_only_where_every_jinja_is() {
        for good in [
            "{{ output | truncate(5) }}",
            "{% include 'x' ignore missing without context %}",
            "{% trans %}a{% endtrans %}",
            "{{ x | regex_replace('\\d+', '') }}",
            "{% break %}",
        ] {
            assert_eq!(found(Dialect::Jinja, good), Default::default(), "{good}");
        }
        assert_eq!(found(Dialect::Jinja, "Hi {{ task"), ("`{{` is never closed".into(), "{{"));
        assert_eq!(found(Dialect::Jinja, "a {% if x %}"), ("`if` is never closed".into(), "{% if x %}"));
        assert_eq!(found(Dialect::Jinja, "{% if x %}{% endfor %}").1, "endfor");
        assert_eq!(found(Dialect::Jinja, "{{ a b }}").1, "b");
    }

    #[test]
    fn formats_are_read_as_python_reads_them() {
        let format = |text| found(Dialect::StrFormat, text);
        for good in ["{{\"a\"}} {x:>{width}}", "{x!r:>8} {a[}]} {}", "{}"] {
            assert_eq!(format(good), Default::default(), "{good}");
        }
        let never = "`{` is never closed; write `{{` for a brace";
        assert_eq!(format("{\"a\": {x}"), (never.into(), "{"));
        assert_eq!(format("Hi {task"), (never.into(), "{"));
        assert_eq!(format("{a{b}}"), ("`{` inside of a field; write `{{` for a brace".into(), "{"));
        assert_eq!(format("{x!rr}"), ("behind `!` stands one letter, then `:` or `}`".into(), "!"));
        let f_string = |text| found(Dialect::FString, text);
        for good in ["{d[\"}\"]} {x!r} {x:>{width}} {{a}}", "{f({'a': 1})}", "{don't}"] {
            assert_eq!(f_string(good), Default::default(), "{good}");
        }
        assert_eq!(f_string("a } b"), ("`}` stands alone; write `}}` for a brace".into(), "}"));
        assert_eq!(f_string("Hi {task"), (never.into(), "{"));
    }

    #[test]
    fn mustache_sections_close_in_order() {
        let mustache = |text| found(Dialect::Mustache, text);
        for good in ["{{#a}}{{b}}{{/a}}{{{c}}}", "{{=<% %>=}}<%a%>{{", "{{#if a}}b{{else}}c{{^}}{{/if}}"] {
            assert_eq!(mustache(good), Default::default(), "{good}");
        }
        assert_eq!(mustache("a {{#b}}"), ("`b` is never closed".into(), "{{#b}}"));
        assert_eq!(mustache("{{#a}}{{/b}}"), ("`b` is closed and not open".into(), "{{/b}}"));
        assert_eq!(mustache("Hi {{task"), ("`{{` is never closed".into(), "{{"));
    }
}
