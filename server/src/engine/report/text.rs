//! Texts that a model or a project wrote, made fit for a page: one line, nothing that hides or turns other text around, nothing
//! that the format would read as its own.

use crate::engine::unseen::is_hidden;

/// One line in which everything is seen: line breaks are spaces, and what hides or steers is written as `\u{…}`.
#[must_use]
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.trim().chars() {
        match char {
            '\n' | '\r' | '\t' => out.push(' '),
            _ if char.is_control() || is_hidden(char) => out.extend(char.escape_unicode()),
            _ => out.push(char),
        }
    }
    out
}

/// For HTML and SVG, in a text or in a quoted attribute.
#[must_use]
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in line(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(char),
        }
    }
    out
}

/// For Markdown, inside of a line or of a cell of a table: no emphasis, link, image, HTML, mention or address comes out of it.
#[must_use]
pub fn markdown(text: &str) -> String {
    let text = line(text);
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A name behind it would be told on some sites.
            '@' => out.push_str("&#64;"),
            // Addresses are links without any brackets.
            '/' if before == ':' => out.push_str("\\/"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(char);
            }
            _ => out.push(char),
        }
        before = char;
    }
    // `www.` is one too.
    out.replace("www.", "www\\.").replace("WWW.", "WWW\\.")
}

/// At most so many characters; what is left out is seen.
#[must_use]
pub fn short(text: &str, most: usize) -> String {
    let text = line(text);
    if text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_as_the_format() {
        let hostile = "a<b>&\"'\n[x](http://y)\u{202e}\u{1b}[31m @you www.z |`*_#";
        let page = html(hostile);
        assert!(!page.contains(['<', '>', '"', '\'', '\n', '\u{202e}', '\u{1b}']), "{page}");
        let page = markdown(hostile);
        assert_eq!(
            page,
            "a&lt;b&gt;&amp;\"' \\[x\\](http:\\//y)\\\\u\\{202e\\}\\\\u\\{1b\\}\\[31m &#64;you www\\.z \\|\\`\\*\\_\\#"
        );
        assert_eq!(line("a\u{200b}b\r\nc"), "a\\u{200b}b  c");
        assert_eq!(line("naïve 👩‍💻 漢字"), "naïve 👩‍💻 漢字");
    }

    #[test]
    fn what_is_too_long_ends_in_dots() {
        assert_eq!([short("abc", 3), short("abcd", 3)], ["abc", "ab…"]);
    }
}
