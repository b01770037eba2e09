//! Markdown documents, and plain texts with regions.

use super::sample::{Choices, Node, Sample, Takes, varied};
use super::yaml;
use crate::selector::Selector;

const TITLES: &[&str] =
    &["Rules", "Style", "T", "Cafe\u{301}", "作業原則", "Rules", "a / b", "1. One", "😀 x"];

const BLOCKS: &[&str] = &[
    "Some words.\n",
    "```sh\n# Rules\necho\n```\n",
    "~~~~\n## T\n~~~\n~~~~\n",
    "- one\n- two\n\n  # Style\n- three\n",
    "1. first\n2. second\n   - deep\n",
    "<!-- # hidden -->\n",
    "<!--\n# T\n\n## Rules\n-->\n",
    "> # quoted\n> text\n",
    "    # indented code\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "two  \nlines with `code` and [link](x.md)\n",
    "***\n",
    "`# T` é 漢 😀\n",
    "<div>\n# T in no\n</div>\n",
];

/// A heading while its section is written.
struct Heading {
    level: usize,
    title: String,
    path: Vec<String>,
    /// Where its own first line starts, and where what is below it starts.
    start: usize,
    below: usize,
}

/// A Markdown document.
pub(super) fn markdown(choices: &mut Choices) -> Sample {
    let (mut text, mut nodes) = match choices.once_in(2) {
        true => yaml::front_matter(choices),
        false => (String::new(), Vec::new()),
    };
    let body = text.len();
    let mut headings: Vec<Heading> = Vec::new();
    content(choices, &mut text);
    for _ in 0..1 + choices.below(6) {
        let deepest = headings.last().map_or(1, |last| (last.level + 1).min(6));
        let level = 1 + choices.below(deepest + 1).min(5);
        let title = choices.one(TITLES);
        let start = text.len();
        heading(choices, &mut text, level, title);
        let mut path: Vec<String> = Vec::new();
        let mut above = level;
        for outer in headings.iter().rev() {
            if outer.level < above {
                path.insert(0, outer.title.clone());
                above = outer.level;
            }
        }
        path.push(title.to_owned());
        headings.push(Heading { level, title: title.to_owned(), path, start, below: text.len() });
        content(choices, &mut text);
    }
    nodes.extend(sections(choices, &headings, &text));
    let value = without_blank_lines(&text[body..]);
    nodes.push(Node { select: Selector::Body, text: Some(value), takes: Takes::SomeText });
    nodes.push(Node { select: Selector::File, text: Some(text.clone()), takes: Takes::SomeText });
    // A file that ends inside of front matter has none.
    let may_lose_end = body < text.trim_end().len();
    let text = varied(choices, text, may_lose_end);
    if let Some(file) = nodes.last_mut() {
        file.text = Some(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"));
    }
    Sample { path: "a.md", text, nodes }
}

fn heading(choices: &mut Choices, text: &mut String, level: usize, title: &str) {
    let underline = if level == 1 { "===" } else { "---" };
    match choices.below(4) {
        0 | 1 => text.push_str(&format!("{} {title}\n", "#".repeat(level))),
        2 => text.push_str(&format!(" {}   {title}  ##\n", "#".repeat(level))),
        // `1. One` would be a list.
        _ if level < 3 && !title.starts_with('1') => text.push_str(&format!("{title}\n{underline}\n")),
        _ => text.push_str(&format!("{} {title}\n", "#".repeat(level))),
    }
    text.push_str(choices.one(&["\n", "", "\n\n"]));
}

/// Blocks that end with a blank line, so that none goes on in the next.
fn content(choices: &mut Choices, text: &mut String) {
    for _ in 0..choices.below(4) {
        text.push_str(choices.one(BLOCKS));
        text.push('\n');
    }
}

fn sections(choices: &mut Choices, headings: &[Heading], text: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (at, heading) in headings.iter().enumerate() {
        let later = headings.iter().skip(at + 1).find(|later| later.level <= heading.level);
        let end = later.map_or(text.len(), |later| later.start);
        let full = heading.path.len();
        let length = if choices.once_in(2) { full } else { 1 };
        let path = heading.path[full - length..].to_vec();
        let same = |other: &&Heading| other.path.ends_with(&path);
        let count = headings.iter().filter(same).count();
        let number = headings.iter().take(at + 1).filter(same).count();
        let occurrence = (1 < count || choices.once_in(4)).then_some(number);
        nodes.push(Node {
            select: Selector::Section { path, occurrence },
            text: Some(without_blank_lines(&text[heading.below..end])),
            takes: Takes::SomeText,
        });
    }
    nodes
}

fn without_blank_lines(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let is_blank = |line: &&str| line.trim().is_empty();
    let start = lines.iter().take_while(|line| is_blank(line)).count();
    let end = lines.len() - lines.iter().rev().take_while(|line| is_blank(line)).count();
    if end <= start { String::new() } else { lines[start..end].join("\n") }
}

/// A text with regions, one perhaps inside another.
pub(super) fn regions(choices: &mut Choices) -> Sample {
    let mut text = String::new();
    let mut nodes = Vec::new();
    for at in 0..1 + choices.below(3) {
        lines(choices, &mut text);
        region(choices, &mut text, &mut nodes, &format!("r{at}"), 2);
    }
    lines(choices, &mut text);
    nodes.push(Node { select: Selector::File, text: None, takes: Takes::SomeText });
    let path = choices.one(&["a.txt", "a.sh", "a.cfg"]);
    Sample { path, text: varied(choices, text, true), nodes }
}

fn lines(choices: &mut Choices, text: &mut String) {
    for _ in 0..choices.below(3) {
        text.push_str(choices.one(&[
            "word\n",
            "\n",
            "  indented 漢\n",
            "# comment\n",
            " \t\n",
            "echo self-harness:begin\n",
        ]));
    }
}

fn region(choices: &mut Choices, text: &mut String, nodes: &mut Vec<Node>, name: &str, depth: usize) {
    let styles = [
        ("#", ""),
        ("//", ""),
        ("<!--", " -->"),
        ("/*", " */"),
        ("--", ""),
        (";", ""),
        ("{#", " #}"),
        ("  #", ""),
    ];
    let (open, close) = styles[choices.below(styles.len())];
    text.push_str(&format!("{open} self-harness:begin {name}{close}\n"));
    let start = text.len();
    lines(choices, text);
    if 0 < depth && choices.once_in(3) {
        region(choices, text, nodes, &format!("{name}.in"), depth - 1);
        lines(choices, text);
    }
    let value = without_blank_lines(&text[start..]);
    text.push_str(&format!("{open} self-harness:end {name}{close}\n"));
    nodes.push(Node { select: Selector::Region(name.to_owned()), text: Some(value), takes: Takes::SomeText });
}
