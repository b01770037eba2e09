//! Fills the placeholders that the manifest may hold in arguments, variables and options of an agent (`formats` 5.2).

/// A text with its placeholders filled by `value`: `{name}`. `{{` is a brace, and so is the `}}` that closes it; other braces are
/// text. Where `has_variables`, `${NAME}` is the program's own.
///
/// # Errors
/// The name of a placeholder that has no value.
pub fn filled(
    text: &str,
    has_variables: bool,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    let mut open = 0_u32;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            out.push('{');
            open += 1;
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}").filter(|_| 0 < open) {
            out.push('}');
            open -= 1;
            rest = after;
        } else if let Some((name, after)) = placeholder(from)
            && !(has_variables && before.ends_with('$'))
        {
            out.push_str(&value(name).ok_or_else(|| name.to_owned())?);
            rest = after;
        } else {
            let (brace, after) = from.split_at(1);
            out.push_str(brace);
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The name between braces that a text begins with, as `check` reads it, and what follows.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(is_part);
    is_name.then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn names_are_filled_and_other_braces_are_text() {
        let value = |name: &str| (name == "a").then(|| String::from("{x}"));
        let text = "{a} {{a}} ${a} {} {\"a\": 1} {1}";
        assert_eq!(filled(text, false, value).as_deref(), Ok("{x} {a} ${x} {} {\"a\": 1} {1}"));
        assert_eq!(filled(text, true, value).as_deref(), Ok("{x} {a} ${a} {} {\"a\": 1} {1}"));
        assert_eq!(filled("{a}{b}", false, value), Err(String::from("b")));
    }
}
