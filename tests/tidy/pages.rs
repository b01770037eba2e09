//! Markdown as tidy reads it: links, headings and fenced blocks. Knows no more of Markdown than that.

/// A link to somewhere in the repository.
pub(crate) struct Link {
    /// One-based line.
    pub(crate) line: usize,
    /// What stands in the parentheses, without a title.
    pub(crate) target: String,
}

/// The lines of a page that are neither inside a fence nor the fence itself, with their one-based numbers; inline code
/// is blanked.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fence: Option<String> = None;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let marks: String = start.chars().take_while(|&c| c == '`' || c == '~').collect();
        match &fence {
            Some(open) if marks.starts_with(open.as_str()) && start[marks.len()..].trim().is_empty() => {
                fence = None
            }
            Some(_) => {}
            None if 3 <= marks.len() => fence = Some(marks),
            None => lines.push((number + 1, without_inline_code(line))),
        }
    }
    lines
}

fn without_inline_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // An odd number of backticks leaves the rest as it is.
    let closed = parts.len() - usize::from(parts.len().is_multiple_of(2));
    parts.iter().enumerate().filter(|(i, _)| i % 2 == 0 || closed <= *i).map(|(_, part)| *part).collect()
}

/// Every inline link and link definition whose target is not on another host.
pub(crate) fn local_links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        let mut rest = prose.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let target = after.split(')').next().unwrap_or_default();
            links.push(Link { line, target: target.to_owned() });
            rest = after;
        }
        // A definition, `[label]: target`, but no footnote.
        if let Some((label, target)) = prose.split_once("]: ")
            && label.starts_with('[')
            && !label.starts_with("[^")
        {
            links.push(Link { line, target: target.to_owned() });
        }
    }
    links.retain_mut(|link| {
        let target = link.target.trim().trim_start_matches('<');
        link.target = target.split([' ', '>']).next().unwrap_or_default().to_owned();
        !link.target.contains("://") && !link.target.starts_with("mailto:")
    });
    links
}

/// The anchors of a page's headings, as GitHub makes them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (line, _) in prose(text) {
        let Some(line) = text.lines().nth(line - 1) else { continue };
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        let seen = anchors.iter().filter(|known| **known == anchor).count();
        anchors.push(if seen == 0 { anchor } else { format!("{anchor}-{seen}") });
    }
    anchors
}

/// The info strings of a page's fenced blocks: `bad toml`, `good`.
pub(crate) fn fences(text: &str) -> Vec<String> {
    let mut open: Option<usize> = None;
    let mut fences = Vec::new();
    for line in text.lines() {
        let start = line.trim_start();
        let length = start.chars().take_while(|&c| c == '`').count();
        match open {
            Some(opened) if opened <= length && start[length..].trim().is_empty() => open = None,
            None if 3 <= length => {
                open = Some(length);
                fences.push(start[length..].trim().to_owned());
            }
            _ => {}
        }
    }
    fences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_code_are_none() {
        let text = "see [a](b.md \"title\") and `[c](d.md)` and <x>\n```text\n[e](f.md)\n```\n[g]: ../h.md\n[i](https://j)";
        let targets: Vec<_> = local_links(text).into_iter().map(|link| (link.line, link.target)).collect();
        assert_eq!(targets, [(1, "b.md".to_owned()), (5, "../h.md".to_owned())]);
    }

    #[test]
    fn anchors_are_githubs() {
        let text = "# What `it` is, in 2 words\n## Rules\n```\n# no heading\n```\n## Rules\n#no";
        assert_eq!(anchors(text), ["what-it-is-in-2-words", "rules", "rules-1"]);
    }

    #[test]
    fn fences_have_their_info() {
        assert_eq!(fences("````markdown bad\n```toml\n```\n````\n```good\nx\n```"), ["markdown bad", "good"]);
    }
}
