//! Wrong values (SH003): another kind, out of range, no choice, or of another form. A value is never repeated in a
//! message: it may be a secret in the wrong place.

use regex::Regex;

use super::{Checker, WRONG_VALUE, repair};
use crate::manifest::Duration;
use crate::problem::{Fix, FixClass, Problem, nearest};
use crate::shape::{Field, Form, Format, Shape, Text};
use crate::syntax::data::{Entry, Kind, Scalar, Style, Value};

/// Whether a value is of a kind that a form may be.
pub(super) fn is_kind(value: &Value, form: &Form) -> bool {
    match form {
        Form::Any => true,
        Form::Boolean => matches!(value.kind, Kind::Boolean(_)),
        Form::Integer(_) => value.as_integer().is_some(),
        Form::Number(_) => matches!(value.kind, Kind::Integer(_) | Kind::Float(_)),
        Form::Text(_) => matches!(value.kind, Kind::Text(_)),
        Form::List(_) => matches!(value.kind, Kind::List(_)),
        Form::Table(_) => matches!(value.kind, Kind::Table(_)),
        Form::OneOf(shapes) => shapes.iter().any(|shape| is_kind(value, &shape.form)),
    }
}

/// Checks a value whose kind is right and that holds no others.
pub(super) fn scalar(checker: &mut Checker<'_>, value: &Value, shape: &Shape, field: Option<&Field>) {
    match (&shape.form, &value.kind) {
        (Form::Integer(range) | Form::Number(range), Kind::Integer(_) | Kind::Float(_)) => {
            let number = number(value);
            if !range.holds(number) {
                let message = format!("{} must be {}, not {number}", name(checker), shape.in_words());
                checker.wrong(value, message, Vec::new());
            }
        }
        // Another rule speaks about its texts.
        (Form::Text(_), Kind::Text(_)) if field.is_some_and(|field| field.rule.is_some()) => {}
        (Form::Text(form), Kind::Text(scalar)) => text(checker, value, scalar, shape, form),
        _ => {}
    }
}

fn number(value: &Value) -> f64 {
    match value.kind {
        Kind::Integer(integer) => integer as f64,
        Kind::Float(number) => number,
        _ => f64::NAN,
    }
}

fn text(checker: &mut Checker<'_>, value: &Value, scalar: &Scalar, shape: &Shape, form: &Text) {
    let written = &*scalar.value;
    if !form.choices.is_empty() && !form.choices.iter().any(|choice| choice.value == written) {
        let near = nearest(written, form.choices.iter().map(|choice| choice.value.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let quoted = near.map(|near| format!("\"{near}\""));
        let fixes = quoted.map(|quoted| {
            Fix::replace(
                FixClass::Preview,
                format!("Replace with `{}`", near.unwrap_or_default()),
                &checker.at(value.span),
                quoted,
            )
        });
        let message = format!("{} must be {}{hint}", name(checker), shape.in_words());
        return checker.wrong(value, message, fixes.into_iter().collect());
    }
    if form.reserved.iter().any(|reserved| reserved == written) {
        return checker.wrong(
            value,
            format!("{} cannot be `{written}`, which has a meaning of its own", name(checker)),
            Vec::new(),
        );
    }
    if form.is_filled && written.trim().is_empty() {
        return checker.wrong(value, format!("{} must not be empty", name(checker)), Vec::new());
    }
    match form.format {
        Some(Format::Duration) if written.parse::<Duration>().is_err() => {
            return checker.wrong(
                value,
                format!("{} must be {}", name(checker), shape.in_words()),
                Vec::new(),
            );
        }
        Some(Format::Regex) => {
            if let Err(error) = Regex::new(written) {
                let message = format!("{} must be a regular expression: {}", name(checker), in_short(&error));
                checker.wrong(value, message, Vec::new());
            }
            return;
        }
        _ => {}
    }
    if form.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(written)) {
        checker.wrong(value, format!("{} must be {}", name(checker), shape.in_words()), Vec::new());
    }
}

/// The last line of what the parser of regular expressions says, which does not quote the expression.
fn in_short(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// A name of the author's choice that is of another form.
pub(super) fn wrong_name(checker: &mut Checker<'_>, entry: &Entry) {
    checker.bad.insert(entry.value.span);
    let message = format!("`{}` is no name: letters, digits and `_`, the first no digit", entry.key.name);
    let problem = Problem::new(&WRONG_VALUE, entry.key.span, message)
        .why("a variable of such a name cannot be used")
        .about(checker.place.path());
    checker.report(problem);
}

/// A name that the agent itself defines.
pub(super) fn reserved_name(checker: &mut Checker<'_>, entry: &Entry) {
    checker.bad.insert(entry.value.span);
    let message = format!("`{}` has a meaning of its own: the agent defines it", entry.key.name);
    let problem = Problem::new(&WRONG_VALUE, entry.key.span, message)
        .why("templates would get the agent's value and never this one")
        .about(checker.place.path());
    checker.report(problem);
}

/// A value that JSON does not have, at any depth.
pub(super) fn no_json(checker: &mut Checker<'_>, value: &Value) {
    match &value.kind {
        Kind::Table(table) => table.entries.iter().for_each(|entry| no_json(checker, &entry.value)),
        Kind::List(list) => list.items.iter().for_each(|item| no_json(checker, item)),
        Kind::Date => {
            let written = value.span.of(checker.source);
            let fix = checker.replace(FixClass::Preview, value.span, &format!("\"{written}\""));
            let message = format!("{} holds a date, which JSON does not have", name(checker));
            checker.wrong(value, message, vec![fix]);
        }
        Kind::Float(number) if !number.is_finite() => {
            let message = format!("{} holds `{number}`, which JSON does not have", name(checker));
            checker.wrong(value, message, Vec::new());
        }
        _ => {}
    }
}

/// A list with too few items.
pub(super) fn too_few(checker: &mut Checker<'_>, value: &Value) {
    let message = format!("{} must not be empty", name(checker));
    checker.wrong(value, message, Vec::new());
}

/// A value of another kind.
pub(super) fn wrong_kind(checker: &mut Checker<'_>, value: &Value, shape: &Shape) {
    let found = match value.kind {
        Kind::Float(number) if matches!(shape.form, Form::Integer(_)) => number.to_string(),
        _ => value.kind_name().to_owned(),
    };
    let message = format!("{} must be {}, not {found}", name(checker), shape.kind_in_words());
    let fixes = repairs(checker, value, shape);
    checker.wrong(value, message, fixes);
}

/// The present key, or an item of it, in words.
fn name(checker: &Checker<'_>) -> String {
    match checker.place.key() {
        "" => format!("`{}`", checker.file.name()),
        key if checker.place.is_item() => format!("an item of `{key}`"),
        key => format!("`{key}`"),
    }
}

/// What a value of another kind was perhaps meant to be.
fn repairs(checker: &Checker<'_>, value: &Value, shape: &Shape) -> Vec<Fix> {
    let written = value.span.of(checker.source);
    let fix = match (&shape.form, &value.kind) {
        (Form::Boolean | Form::Integer(_) | Form::Number(_), Kind::Text(scalar)) => {
            unquoted(&scalar.value, &shape.form)
                .map(|bare| Fix::replace(FixClass::Safe, "Remove the quotes", &checker.at(value.span), bare))
        }
        (Form::Text(Text { format: Some(Format::Duration), .. }), Kind::Integer(seconds)) if 0 < *seconds => {
            Some(checker.replace(FixClass::Preview, value.span, &format!("\"{seconds}s\"")))
        }
        (Form::Text(form), Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_) | Kind::Date)
            if form.choices.is_empty() && form.format.is_none() =>
        {
            Some(checker.replace(FixClass::Preview, value.span, &format!("\"{written}\"")))
        }
        (Form::List(list), Kind::Text(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Boolean(_))
            if is_kind(value, &list.item.form) =>
        {
            Some(checker.replace(FixClass::Preview, value.span, &format!("[{written}]")))
        }
        (Form::List(list), Kind::Table(table))
            if list.item.table().is_some() && table.style == Style::Header =>
        {
            let edits = repair::as_list_header(checker.source, table);
            let title = "Make it an entry of a list: `[[…]]`";
            edits.map(|edits| repair::fix(checker.file, FixClass::Preview, title, edits))
        }
        _ => None,
    };
    fix.into_iter().collect()
}

/// The number or truth value that stands between quotes.
fn unquoted<'t>(text: &'t str, form: &Form) -> Option<&'t str> {
    let is_number = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let parts: Vec<&str> = digits.splitn(2, '.').collect();
        let is_canonical = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = parts.first().is_some_and(|whole| 1 < whole.len() && whole.starts_with('0'));
        parts.iter().all(is_canonical) && !leading_zero
    };
    let fits = match form {
        Form::Boolean => matches!(text, "true" | "false"),
        Form::Integer(range) => {
            is_number(text) && text.parse::<i64>().is_ok_and(|number| range.holds(number as f64))
        }
        Form::Number(range) => is_number(text) && text.parse().is_ok_and(|number| range.holds(number)),
        _ => false,
    };
    fits.then_some(text)
}
