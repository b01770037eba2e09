//! Takes a line out of a text, or of a line what brings a mechanism about; and finds lines that say the same twice.

use std::collections::BTreeSet;

use super::super::reply::DraftEdit;
use crate::engine::weakness::lines::Line;
use crate::engine::weakness::words;

/// Lines as much alike say the same (`method` 4.7).
const ALIKE: f64 = 0.6;
/// So many lines are compared with each other.
const MAX_LINES: usize = 400;
/// So many pairs are told of.
const MAX_TWINS: usize = 4;
/// A line of fewer terms says too little to be compared.
const LEAST_TERMS: usize = 3;

/// Words that begin a clause which says nothing alone.
const LEADING: [&str; 11] =
    ["when", "if", "before", "after", "once", "while", "until", "unless", "as", "since", "whenever"];

/// The edit after which a value no longer has a line, or no longer the clause of it that says one of some phrases; with what is gone.
/// None if the line stands there twice, holds a placeholder, or is all there is.
pub(super) fn without(
    surface: &str,
    value: &str,
    line: &str,
    causing: &[&str],
) -> Option<(DraftEdit, String)> {
    let edit =
        |find: String, replace: String| DraftEdit { surface: surface.to_owned(), find, at: None, replace };
    let is_once = |find: &str| value.matches(find).count() == 1;
    if let Some(rest) = without_clause(line, causing).filter(|_| is_once(line)) {
        let gone = line.get(rest.0..rest.1)?.trim_matches([' ', ',', ';', '.']);
        let gone = gone.strip_prefix("and ").or_else(|| gone.strip_prefix("but ")).unwrap_or(gone).to_owned();
        let kept = format!("{}{}", line.get(..rest.0)?, line.get(rest.1..)?);
        return has_no_placeholder(&gone).then(|| (edit(line.to_owned(), kept), gone));
    }
    let whole = value.lines().find(|whole| whole.trim() == line)?;
    let others = value
        .lines()
        .filter(|other| other.trim() != line && !other.trim().is_empty() && !other.starts_with('#'));
    if !has_no_placeholder(line) || others.count() == 0 {
        return None;
    }
    let find = [format!("\n{whole}"), format!("{whole}\n")].into_iter().find(|find| is_once(find))?;
    // Of `\n- a` and a line `- ab` only the beginning would be found.
    let is_line = value.lines().filter(|other| other.starts_with(whole)).count() == 1;
    is_line.then(|| (edit(find, String::new()), line.to_owned()))
}

fn has_no_placeholder(text: &str) -> bool {
    !text.contains(['{', '}'])
}

/// The bytes of the last clause of a sentence, if it says one of some phrases and something else stands before it.
fn without_clause(line: &str, causing: &[&str]) -> Option<(usize, usize)> {
    let (at, phrase) = words::says(line, causing)?;
    let before = line.get(..at)?;
    let from = [", and ", "; ", ", but ", ", "].iter().filter_map(|mark| before.rfind(mark)).max()?;
    let rest = line.get(at + phrase.len()..)?;
    let end = at + phrase.len() + rest.find(['.', ';', ',', '!']).unwrap_or(rest.len());
    // Before the clause there is a sentence of its own, and behind it there is its end.
    let is_last = matches!(line.get(end..).map(str::trim), Some("" | "." | "!"));
    let words = line.get(..from)?.split(|each: char| !each.is_alphabetic()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let is_sentence =
        1 < words.len() && words.first().is_some_and(|first| !LEADING.contains(&first.as_str()));
    (is_last && is_sentence).then_some((from, end))
}

/// Pairs of lines of one surface that say the same, with the one that is kept first: the longer one, of equals the earlier one. Of a
/// long prompt only the beginning is compared.
pub(super) fn twins(lines: &[Line]) -> impl Iterator<Item = (&Line, &Line)> {
    let lines = lines.get(..MAX_LINES).unwrap_or(lines);
    let sets: Vec<(&Line, BTreeSet<&str>)> =
        lines.iter().map(|line| (line, line.terms.iter().map(String::as_str).collect())).collect();
    let says_same = |(one, ours): &(&Line, BTreeSet<&str>), (other, theirs): &(&Line, BTreeSet<&str>)| {
        one.surface == other.surface
            && one.text != other.text
            && LEAST_TERMS <= ours.len().min(theirs.len())
            && ALIKE <= words::shared(ours, theirs)
            && words::polarity(&one.text) == words::polarity(&other.text)
    };
    let mut found = Vec::new();
    for (at, one) in sets.iter().enumerate() {
        let others = sets.iter().skip(at + 1).filter(|other| says_same(one, other));
        found.extend(others.map(|other| match one.0.text.len() < other.0.text.len() {
            true => (other.0, one.0),
            false => (one.0, other.0),
        }));
        if MAX_TWINS <= found.len() {
            break;
        }
    }
    found.into_iter().take(MAX_TWINS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(value: &str, line: &str, causing: &[&str]) -> Option<(String, String)> {
        let (edit, gone) = without("s", value, line, causing)?;
        assert_eq!(value.matches(&edit.find).count(), 1);
        Some((value.replacen(&edit.find, &edit.replace, 1), gone))
    }

    #[test]
    fn a_clause_goes_before_a_line_does() {
        let value = "- Look.\n- Take one step at a time, and be brief.\n";
        let (text, gone) = after(value, "- Take one step at a time, and be brief.", &["be brief"]).unwrap();
        assert_eq!((text.as_str(), gone.as_str()), ("- Look.\n- Take one step at a time.\n", "be brief"));
        let value = "- Look.\n- When it works, be brief.\n";
        let (text, gone) = after(value, "- When it works, be brief.", &["be brief"]).unwrap();
        assert_eq!((text.as_str(), gone.as_str()), ("- Look.\n", "- When it works, be brief."));
        let value = "- Look.\n- Be brief.\n- Work.\n";
        let (text, gone) = after(value, "- Be brief.", &["be brief"]).unwrap();
        assert_eq!((text.as_str(), gone.as_str()), ("- Look.\n- Work.\n", "- Be brief."));
    }

    #[test]
    fn what_cannot_go_stays() {
        assert_eq!(after("Be brief.", "Be brief.", &["be brief"]), None);
        assert_eq!(
            after("- Be brief in {{ workdir }}.\n- Look.\n", "- Be brief in {{ workdir }}.", &[]),
            None
        );
        assert_eq!(after("- Look.\n- Look.\n- Work.\n", "- Look.", &[]), None);
        assert_eq!(after("- Look.\n- Look. Then look.\n", "- Look.", &[]), None);
        assert_eq!(after("- Look.\n- Work.", "- Work.", &[]).unwrap().0, "- Look.");
    }

    #[test]
    fn twins_are_alike_in_what_they_want() {
        let line = |text: &str| Line {
            surface: String::from("s"),
            role: harness_schema::surface::Role::Prompt,
            file: harness_schema::path::FilePath::root(),
            span: harness_schema::text::Span::default(),
            text: text.to_owned(),
            terms: words::terms(text),
        };
        let lines = [
            line("- Check the result before you finish."),
            line("- Do not check the result before you finish."),
            line("- Before you finish, check the result carefully."),
            line("- Look around in the directory."),
        ];
        let found: Vec<_> =
            twins(&lines).map(|(kept, dropped)| (kept.text.as_str(), dropped.text.as_str())).collect();
        assert_eq!(
            found,
            [("- Before you finish, check the result carefully.", "- Check the result before you finish.")]
        );
    }
}
