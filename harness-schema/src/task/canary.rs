//! Canaries: the marks by which a benchmark finds its own text in training data. An agent is not shown them.

use std::sync::OnceLock;

use regex::Regex;

/// An instruction as an agent is shown it: without the comment lines with the word *canary* that open it, and without
/// the blank lines after them (as Harbor does it).
#[must_use]
pub fn shown_instruction(instruction: &str) -> &str {
    let mut rest = instruction;
    while let Some((_, after)) = first_line(rest).filter(|(line, _)| is_canary_line(line)) {
        rest = after;
    }
    while let Some((_, after)) = first_line(rest).filter(|(line, _)| line.trim().is_empty()) {
        rest = after;
    }
    rest
}

/// The canary ids (UUIDs) of the comment lines with the word *canary* in a text, wherever they stand, in order and
/// each once.
#[must_use]
pub fn canaries(text: &str) -> Vec<&str> {
    static ID: OnceLock<Option<Regex>> = OnceLock::new();
    let pattern = "(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    let Some(id) = ID.get_or_init(|| Regex::new(pattern).ok()) else { return Vec::new() };
    let mut found = Vec::new();
    for line in text.lines().filter(|line| is_canary_line(line)) {
        for id in id.find_iter(line).map(|found| found.as_str()) {
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

/// `<!-- … canary … -->` or `# … canary …`.
fn is_canary_line(line: &str) -> bool {
    let line = line.trim();
    let is_comment = line.starts_with('#') || (line.starts_with("<!--") && line.ends_with("-->"));
    is_comment && line.to_lowercase().contains("canary")
}

/// A line, and what follows its line break; nothing at the end of the text.
fn first_line(text: &str) -> Option<(&str, &str)> {
    match text.split_once('\n') {
        Some(parts) => Some(parts),
        None if text.is_empty() => None,
        None => Some((text, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "b4d0cf2e-1b2a-4e5f-9c3d-000000000007";

    #[test]
    fn leading_canary_lines_and_blanks_are_not_shown() {
        let text =
            format!("<!-- harbor-canary GUID {ID} -->\r\n# BENCHMARK canary\n\n  \nDo it.\n# canary later\n");
        assert_eq!(shown_instruction(&text), "Do it.\n# canary later\n");
        assert_eq!(canaries(&text), [ID]);
    }

    #[test]
    fn other_lines_are_shown() {
        for text in ["Do it.", "# Title\n\nText", "the canary in the mine", "<!-- canary\n-->\n"] {
            assert_eq!(shown_instruction(text), text);
            assert_eq!(canaries(text), [""; 0]);
        }
        assert_eq!(shown_instruction("\n\nText"), "Text");
        assert_eq!(shown_instruction("# canary"), "");
    }
}
