//! What a surface's value must keep to, and how a value breaks it. The same answer serves the check of the present
//! text and the refusal of an edit.

use std::fmt;

use super::Dialect;
use crate::selector::ValueKind;

/// The limits of a surface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// What kind of value it must be; as now if none is set.
    pub kind: Option<ValueKind>,
    /// The least number.
    pub min: Option<f64>,
    /// The greatest number.
    pub max: Option<f64>,
    /// The only values; empty for any.
    pub one_of: Vec<Choice>,
    /// How many tokens the value may have, by [`approx_tokens`].
    pub max_tokens: Option<usize>,
    /// How many lines the value may have.
    pub max_lines: Option<usize>,
    /// Placeholders that must stay.
    pub requires: Vec<String>,
    /// The template language that an edit must keep compiling in; [`super::template_error`] says so of a text.
    pub template: Option<Dialect>,
    /// Whether the value is a JSON Schema that an edit may only tighten ([`super::loosened`]).
    pub only_tighten: bool,
}

/// A value of `one_of`.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// A text.
    String(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
        }
    }
}

/// One way in which a value breaks its limits.
#[derive(Clone, Debug, PartialEq)]
pub enum Breach {
    /// A placeholder is not there (SH025).
    Lost(String),
    /// Too many tokens.
    Tokens {
        /// How many there are, approximately.
        have: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Too many lines.
    Lines {
        /// How many there are.
        have: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A number below the least.
    Below {
        /// The number.
        have: f64,
        /// The least.
        limit: f64,
    },
    /// A number above the greatest.
    Above {
        /// The number.
        have: f64,
        /// The greatest.
        limit: f64,
    },
    /// None of the choices.
    Choice {
        /// The value.
        have: String,
        /// The choices.
        choices: Vec<String>,
    },
    /// Another kind of value.
    Kind {
        /// What it is.
        have: ValueKind,
        /// What it must be.
        want: ValueKind,
    },
    /// A template that does not compile (SH103).
    Template(String),
}

impl fmt::Display for Breach {
    /// In words after ``surface `id` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(placeholder) => write!(f, "must keep `{placeholder}` and does not have it"),
            Self::Tokens { have, limit } => write!(f, "has ≈{have} tokens, limit {limit}"),
            Self::Lines { have, limit } => write!(f, "has {have} lines, limit {limit}"),
            Self::Below { have, limit } => write!(f, "is {have}, at least {limit} is allowed"),
            Self::Above { have, limit } => write!(f, "is {have}, at most {limit} is allowed"),
            Self::Choice { have, choices } => {
                let choices: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                write!(f, "is `{have}`, not {}", crate::selector::in_words(&choices, "or"))
            }
            Self::Kind { have, want } => write!(f, "is {}, not {}", have.name(), want.name()),
            Self::Template(message) => write!(f, "is no template that compiles: {message}"),
        }
    }
}

impl Limits {
    /// How `value`, of kind `kind`, breaks these limits; in the order of the fields.
    #[must_use]
    pub fn breaches(&self, value: &str, kind: ValueKind) -> Vec<Breach> {
        let mut breaches = Vec::new();
        if let Some(want) = self.kind
            && !fits(kind, want)
        {
            breaches.push(Breach::Kind { have: kind, want });
        }
        if let Some(have) = number(value, kind) {
            let below = self.min.filter(|limit| have < *limit);
            let above = self.max.filter(|limit| *limit < have);
            breaches.extend(below.map(|limit| Breach::Below { have, limit }));
            breaches.extend(above.map(|limit| Breach::Above { have, limit }));
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|choice| is_choice(choice, value, kind)) {
            let choices = self.one_of.iter().map(Choice::to_string).collect();
            breaches.push(Breach::Choice { have: value.to_owned(), choices });
        }
        if let Some(limit) = self.max_tokens {
            let have = approx_tokens(value);
            breaches.extend((limit < have).then_some(Breach::Tokens { have, limit }));
        }
        if let Some(limit) = self.max_lines {
            let have = value.lines().count();
            breaches.extend((limit < have).then_some(Breach::Lines { have, limit }));
        }
        let lost = self.requires.iter().filter(|placeholder| !self.keeps(value, placeholder));
        breaches.extend(lost.map(|placeholder| Breach::Lost(placeholder.clone())));
        breaches
    }

    fn keeps(&self, value: &str, placeholder: &str) -> bool {
        if self.template == Some(Dialect::StrFormat) {
            // Doubled braces are text there, so what they enclose is no placeholder.
            return has_placeholder(&without_doubled_braces(value), placeholder);
        }
        has_placeholder(value, placeholder)
    }
}

/// How many tokens a text has, about, in one count for all models: ASCII characters by four plus all others, rounded
/// up. Shown with `≈`.
#[must_use]
pub fn approx_tokens(text: &str) -> usize {
    // Most texts are, and this is asked of every one at each keystroke.
    if text.is_ascii() {
        return text.len().div_ceil(4);
    }
    // A byte counts as far as that, and bytes are summed sixteen at once.
    let ascii = |part: &[u8]| usize::from(part.iter().map(|byte| u8::from(byte.is_ascii())).sum::<u8>());
    let ascii = text.as_bytes().chunks(usize::from(u8::MAX)).map(ascii).sum::<usize>();
    let others = text.chars().count() - ascii;
    (ascii + others * 4).div_ceil(4)
}

/// Whether `text` has `placeholder`, where blanks inside braces do not count: `{{task}}` is `{{ task }}`.
#[must_use]
pub fn has_placeholder(text: &str, placeholder: &str) -> bool {
    if !placeholder.contains('{') {
        return text.contains(placeholder);
    }
    let Some(first) = placeholder.chars().next() else { return true };
    text.char_indices().any(|(at, character)| {
        character == first && text.get(at..).is_some_and(|rest| starts_with_placeholder(rest, placeholder))
    })
}

fn starts_with_placeholder(text: &str, placeholder: &str) -> bool {
    let mut text = text.chars().peekable();
    let mut wanted = placeholder.chars().peekable();
    let mut depth = 0_usize;
    let mut before = None;
    let word = |character: Option<char>| character.is_some_and(|one| one.is_alphanumeric() || one == '_');
    loop {
        if 0 < depth {
            let skip = |characters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                let mut any = false;
                while characters.next_if(|one| one.is_whitespace()).is_some() {
                    any = true;
                }
                any
            };
            let (in_text, in_wanted) = (skip(&mut text), skip(&mut wanted));
            // A blank between two words is what keeps them apart.
            if word(before) && word(wanted.peek().copied()) && in_text != in_wanted {
                return false;
            }
        }
        let Some(character) = wanted.next() else { return true };
        if text.next() != Some(character) {
            return false;
        }
        before = Some(character);
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// A `str.format` text without the doubled braces that stand for literal ones (Python, "Format String Syntax").
fn without_doubled_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut in_field = false;
    while let Some(character) = characters.next() {
        match character {
            '{' | '}' if !in_field && characters.peek() == Some(&character) => {
                characters.next();
                // Something that no placeholder has, so that what is around does not grow together.
                out.push('\0');
            }
            _ => {
                match character {
                    '{' => in_field = true,
                    '}' => in_field = false,
                    _ => {}
                }
                out.push(character);
            }
        }
    }
    out
}

/// Whether a value of kind `have` does where `want` is asked for: a whole number is a number.
pub(crate) fn fits(have: ValueKind, want: ValueKind) -> bool {
    have == want || (have == ValueKind::Integer && want == ValueKind::Number)
}

/// The number that `value` writes, if it is one: with `_` between digits, `0x`, `0o` and `0b` as TOML, YAML and
/// Python write them.
#[must_use]
pub(crate) fn number(value: &str, kind: ValueKind) -> Option<f64> {
    if !matches!(kind, ValueKind::Integer | ValueKind::Number) {
        return None;
    }
    let text = value.trim().replace('_', "").to_ascii_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    let radix = |prefix: &str, radix| {
        let digits = digits.strip_prefix(prefix)?;
        // Limits are compared as the numbers of the manifest, which have 53 bits.
        u64::from_str_radix(digits, radix).ok().map(|number| number as f64)
    };
    let plain = || match digits {
        ".inf" | "inf" => Some(f64::INFINITY),
        _ if digits.starts_with(|one: char| one.is_ascii_digit() || one == '.') => digits.parse().ok(),
        _ => None,
    };
    let number: f64 = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).or_else(plain)?;
    Some(sign * number)
}

fn is_choice(choice: &Choice, value: &str, kind: ValueKind) -> bool {
    match choice {
        Choice::String(text) => kind == ValueKind::String && text == value,
        Choice::Number(wanted) => number(value, kind) == Some(*wanted),
        Choice::Boolean(truth) => {
            kind == ValueKind::Boolean && value.eq_ignore_ascii_case(if *truth { "true" } else { "false" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_by_four_and_one() {
        assert_eq!(approx_tokens(""), 0);
        assert_eq!(approx_tokens("abcde"), 2);
        assert_eq!(approx_tokens("漢字a"), 3);
        assert_eq!(approx_tokens("漢字"), 2);
        assert_eq!(approx_tokens(&"aaé漢".repeat(999)), (2 * 999 + 2 * 999 * 4_usize).div_ceil(4));
    }

    #[test]
    fn blanks_inside_braces_do_not_count() {
        assert!(has_placeholder("Do {{task}}.", "{{ task }}"));
        assert!(has_placeholder("Do {{  task\n}}.", "{{task}}"));
        assert!(has_placeholder("see output.output here", "output.output"));
        assert!(!has_placeholder("Do {{tasks}}.", "{{task}}"));
        assert!(!has_placeholder("{% if notx %}", "{% if not x %}"));
        assert!(!has_placeholder("a  b", "a b"));
    }

    #[test]
    fn a_doubled_brace_of_str_format_is_no_placeholder() {
        let limits = Limits {
            template: Some(Dialect::StrFormat),
            requires: vec!["{instruction}".to_owned()],
            ..Limits::default()
        };
        assert_eq!(limits.breaches("{{{instruction}}}", ValueKind::String), []);
        let lost = vec![Breach::Lost("{instruction}".to_owned())];
        assert_eq!(limits.breaches("{{instruction}}", ValueKind::String), lost);
        assert_eq!(lost[0].to_string(), "must keep `{instruction}` and does not have it");
    }

    #[test]
    fn every_limit_is_reported() {
        let limits = Limits { max_tokens: Some(1), max_lines: Some(1), ..Limits::default() };
        let messages = |limits: &Limits, value, kind| {
            limits.breaches(value, kind).iter().map(Breach::to_string).collect::<Vec<_>>()
        };
        let text = messages(&limits, "one two\nthree", ValueKind::String);
        assert_eq!(text, ["has ≈4 tokens, limit 1", "has 2 lines, limit 1"]);
        let limits = Limits {
            kind: Some(ValueKind::Number),
            min: Some(1.0),
            max: Some(8.0),
            one_of: vec![Choice::Number(2.0), Choice::Number(4.0)],
            ..Limits::default()
        };
        assert_eq!(messages(&limits, "0x4", ValueKind::Integer), Vec::<String>::new());
        let text = messages(&limits, "9", ValueKind::Integer);
        assert_eq!(text, ["is 9, at most 8 is allowed", "is `9`, not `2` or `4`"]);
        let text = messages(&limits, "two", ValueKind::String);
        assert_eq!(text, ["is a text, not a number", "is `two`, not `2` or `4`"]);
    }
}
