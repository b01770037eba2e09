//! What writers of several formats share: keeping the unchanged ends of a literal as they are written, and braces.

/// A piece of a literal as it is written, and what it means.
pub(super) struct Unit<'a> {
    pub(super) raw: &'a str,
    pub(super) text: String,
}

impl<'a> Unit<'a> {
    pub(super) fn new(raw: &'a str, text: char) -> Self {
        Self { raw, text: text.to_string() }
    }

    /// A piece that means nothing, such as a line end after a backslash.
    pub(super) fn silent(raw: &'a str) -> Self {
        Self { raw, text: String::new() }
    }
}

/// A literal's body with `new` in place of `old`, where what both share at the start and end stays as written. `None`
/// if `units` do not mean `old`: then the reader of them and the parser disagree, and nothing of them is used.
pub(super) fn splice(
    units: &[Unit<'_>],
    old: &str,
    new: &str,
    encode: impl Fn(&str) -> String,
) -> Option<String> {
    let meant: String = units.iter().map(|unit| unit.text.as_str()).collect();
    if meant != old {
        return None;
    }
    let mut middle = new;
    let mut first = 0;
    for unit in units {
        let Some(rest) = middle.strip_prefix(unit.text.as_str()) else { break };
        middle = rest;
        first += 1;
    }
    let rest = units.get(first..)?;
    let mut last = rest.len();
    for unit in rest.iter().rev() {
        let Some(shorter) = middle.strip_suffix(unit.text.as_str()) else { break };
        middle = shorter;
        last -= 1;
    }
    let mut out: String = units.get(..first)?.iter().map(|unit| unit.raw).collect();
    out.push_str(&encode(middle));
    out.extend(rest.get(last..)?.iter().map(|unit| unit.raw));
    Some(out)
}

/// `new` as a number with a fraction if it is a whole one, in the notation of `old`: `4` is `4.` where `3.` stood.
pub(super) fn as_float(old: &str, new: &str) -> String {
    let digits = new.strip_prefix(['-', '+']).unwrap_or(new);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return new.to_owned();
    }
    format!("{new}{}", if old.ends_with('.') { "." } else { ".0" })
}

/// `new` with every brace doubled that is neither doubled already nor around a field that `old` has too.
pub(super) fn double_literal_braces(old: &str, new: &str) -> String {
    let known = fields(old);
    let mut out = String::with_capacity(new.len());
    let mut rest = new;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '{' | '}' if after.starts_with(character) => {
                out.push(character);
                out.push(character);
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            '{' => match field(rest).filter(|field| known.contains(field)) {
                Some(field) => {
                    out.push_str(field);
                    rest = rest.get(field.len()..).unwrap_or_default();
                    continue;
                }
                None => out.push_str("{{"),
            },
            '}' => out.push_str("}}"),
            _ => out.push(character),
        }
        rest = after;
    }
    out
}

/// The replacement fields of a `str.format` text or an f-string's own text, braces included.
pub(super) fn fields(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let here = rest.get(at..).unwrap_or_default();
        let doubled = here.starts_with("{{") || here.starts_with("}}");
        let length = match field(here) {
            _ if doubled => 2,
            Some(field) => {
                found.push(field);
                field.len()
            }
            None => 1,
        };
        rest = here.get(length..).unwrap_or_default();
    }
    found
}

/// The field at the start of `text`, to its closing brace; fields inside (in a format specification) are part of it.
fn field(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return if at == 0 { None } else { text.get(..=at) };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_braces_are_doubled_and_fields_are_not() {
        let doubled = |new| double_literal_braces("Do {instruction} at {state:>{width}}", new);
        assert_eq!(doubled("{instruction} as {\"a\": 1}"), "{instruction} as {{\"a\": 1}}");
        assert_eq!(doubled("{state:>{width}} {{kept}} {other}"), "{state:>{width}} {{kept}} {{other}}");
        assert_eq!(doubled("a } b {"), "a }} b {{");
    }

    #[test]
    fn a_whole_number_keeps_its_point() {
        assert_eq!(as_float("3.", "4"), "4.");
        assert_eq!(as_float("0.5", "-2"), "-2.0");
        assert_eq!(as_float("0.5", "1e3"), "1e3");
    }

    #[test]
    fn what_does_not_change_stays_as_it_is_written() {
        let units =
            [Unit::new("\\u0041", 'A'), Unit::new("b", 'b'), Unit::silent("\\\n"), Unit::new("\\n", '\n')];
        let spliced = |new| splice(&units, "Ab\n", new, str::to_uppercase);
        assert_eq!(spliced("Ax\n").as_deref(), Some("\\u0041X\\\n\\n"));
        assert_eq!(spliced("").as_deref(), Some(""));
        assert_eq!(splice(&units, "other", "x", str::to_owned), None);
    }
}
