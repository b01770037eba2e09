//! A small reader of Rust sources: enough to know which module names which path. Not a parser: it sees tokens, braces,
//! `mod` and `use`, and nothing inside comments and literals.

/// The source with comments and the insides of literals blanked; lines keep their numbers.
pub(crate) fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match (at(i), at(i + 1)) {
            ('/', '/') => end_of_line(&chars, i),
            ('/', '*') => end_of_block_comment(&chars, i),
            ('"', _) => end_of_string(&chars, i + 1),
            ('r', '"' | '#') if !follows_word(&chars, i) => match end_of_raw_string(&chars, i + 1) {
                Some(end) => end,
                None => i,
            },
            ('b' | 'c', 'r') if !follows_word(&chars, i) && matches!(at(i + 2), '"' | '#') => {
                end_of_raw_string(&chars, i + 2).unwrap_or(i)
            }
            ('\'', _) => end_of_char(&chars, i),
            _ => i,
        };
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

fn follows_word(chars: &[char], i: usize) -> bool {
    i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_')
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut i = from;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// `i` stands on the first `#` or `"`. `None`: it is a raw identifier (`r#type`), not a string.
fn end_of_raw_string(chars: &[char], mut i: usize) -> Option<usize> {
    let start = i;
    while chars.get(i) == Some(&'#') {
        i += 1;
    }
    let hashes = i - start;
    if chars.get(i) != Some(&'"') {
        return None;
    }
    i += 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(chars.len())
}

/// The end of a character literal; `from` itself for a lifetime or a label.
fn end_of_char(chars: &[char], from: usize) -> usize {
    if chars.get(from + 1) == Some(&'\\') {
        let close = (from + 3..chars.len()).find(|&i| chars[i] == '\'');
        return close.map_or(chars.len(), |i| i + 1);
    }
    if chars.get(from + 2) == Some(&'\'') { from + 3 } else { from }
}

/// A declared child module: `mod name;` or `mod name { … }`.
pub(crate) struct Declared {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is compiled for tests alone.
    pub(crate) for_tests: bool,
    /// Whether its body stands in this file.
    pub(crate) inline: bool,
}

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// Its segments, as written, globs and renames dropped: `["crate", "ide", "hover"]`.
    pub(crate) segments: Vec<String>,
    /// Names of the inline modules around it.
    pub(crate) inside: Vec<String>,
    /// One-based line.
    pub(crate) line: usize,
    /// Whether it is a re-export (`pub use`).
    pub(crate) exported: bool,
    /// Whether it stands in code that is compiled for tests alone.
    pub(crate) for_tests: bool,
}

/// What tidy knows of one Rust file.
pub(crate) struct RustFile {
    /// Child modules, in reading order.
    pub(crate) modules: Vec<Declared>,
    /// Every path of two segments or more, and every import.
    pub(crate) paths: Vec<NamedPath>,
}

/// Reads one file.
pub(crate) fn read(source: &str) -> RustFile {
    let tokens = tokens(&code_only(source));
    let mut file = RustFile { modules: Vec::new(), paths: Vec::new() };
    let mut braces: Vec<Brace> = Vec::new();
    // The next brace opens an item that is compiled for tests alone.
    let mut opens_tests = false;
    let mut i = 0;
    while i < tokens.len() {
        let inside: Vec<String> = braces.iter().filter_map(|brace| brace.module.clone()).collect();
        let in_tests = braces.iter().any(|brace| brace.for_tests);
        let place = |exported: bool, for_tests: bool| Place { inside: &inside, exported, for_tests };
        match tokens[i].text.as_str() {
            "mod" if is_word(tokens.get(i + 1)) => {
                let name = tokens[i + 1].text.clone();
                let inline = tokens.get(i + 2).is_some_and(|token| token.text == "{");
                let for_tests = in_tests || has_test_attribute(&tokens, i);
                if inside.is_empty() {
                    file.modules.push(Declared { name: name.clone(), for_tests, inline });
                }
                if inline {
                    braces.push(Brace { module: Some(name), for_tests });
                }
                i += 3;
            }
            // `impl Trait + use<'a>` captures; it imports nothing.
            "use" if tokens.get(i + 1).is_none_or(|token| token.text != "<") => {
                let exported = i > 0 && matches!(tokens[i - 1].text.as_str(), "pub" | ")");
                let for_tests = in_tests || has_test_attribute(&tokens, i);
                i = use_tree(&tokens, i + 1, &[], &place(exported, for_tests), &mut file.paths);
            }
            "{" => {
                braces.push(Brace { module: None, for_tests: std::mem::take(&mut opens_tests) });
                i += 1;
            }
            "}" => {
                braces.pop();
                i += 1;
            }
            ";" => {
                opens_tests = false;
                i += 1;
            }
            "fn" | "impl" | "struct" | "enum" | "trait" if has_test_attribute(&tokens, i) => {
                opens_tests = true;
                i += 1;
            }
            _ if is_word(tokens.get(i)) && follows_nothing(&tokens, i) => {
                let (segments, end) = plain_path(&tokens, i);
                if 1 < segments.len() {
                    let line = tokens[i].line;
                    file.paths.push(NamedPath {
                        segments,
                        inside,
                        line,
                        exported: false,
                        for_tests: in_tests || has_test_attribute(&tokens, i),
                    });
                }
                i = end;
            }
            _ => i += 1,
        }
    }
    file
}

/// An open brace.
struct Brace {
    /// The inline module that it opened, if it did.
    module: Option<String>,
    for_tests: bool,
}

struct Token {
    text: String,
    line: usize,
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text: text.to_owned(), line: number + 1 });
            rest = after.trim_start();
        }
    }
    tokens
}

fn is_word(token: Option<&Token>) -> bool {
    token.is_some_and(|token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// A path starts here: what stands before is no `::` and no `.`.
fn follows_nothing(tokens: &[Token], i: usize) -> bool {
    i == 0 || !matches!(tokens[i - 1].text.as_str(), "::" | "." | "'")
}

/// Whether the item at `i` carries `#[cfg(test)]` or `#[test]`.
fn has_test_attribute(tokens: &[Token], i: usize) -> bool {
    let mut end = i;
    // Steps back over `pub`, `pub(crate)` and over each attribute.
    loop {
        let Some(previous) = end.checked_sub(1) else { return false };
        match tokens[previous].text.as_str() {
            "pub" | "crate" | "super" | "(" | ")" | "async" | "const" | "unsafe" => end = previous,
            "]" => {
                let Some(open) = (0..previous).rev().find(|&j| tokens[j].text == "#") else { return false };
                let words: Vec<&str> =
                    tokens[open..previous].iter().map(|token| token.text.as_str()).collect();
                if words.contains(&"test") && !words.contains(&"not") {
                    return true;
                }
                end = open;
            }
            _ => return false,
        }
    }
}

struct Place<'a> {
    inside: &'a [String],
    exported: bool,
    for_tests: bool,
}

/// Reads a use tree from `i` on, behind `prefix`; returns the index after it.
fn use_tree(
    tokens: &[Token],
    mut i: usize,
    prefix: &[String],
    place: &Place,
    out: &mut Vec<NamedPath>,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(i).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(i) {
        match token.text.as_str() {
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|token| token.text != "}") {
                    i = use_tree(tokens, i, &segments, place, out);
                    if tokens.get(i).is_some_and(|token| token.text == ",") {
                        i += 1;
                    }
                }
                return i + 1;
            }
            "," | ";" | "}" => break,
            "as" => i += 2,
            "::" | "*" => i += 1,
            // `use a::{self}` names `a`; a leading `self` is a path of its own.
            "self" if !segments.is_empty() => i += 1,
            name => {
                segments.push(name.to_owned());
                i += 1;
            }
        }
    }
    let inside = place.inside.to_vec();
    out.push(NamedPath { segments, inside, line, exported: place.exported, for_tests: place.for_tests });
    i
}

fn plain_path(tokens: &[Token], mut i: usize) -> (Vec<String>, usize) {
    let mut segments = vec![tokens[i].text.clone()];
    while tokens.get(i + 1).is_some_and(|token| token.text == "::") && is_word(tokens.get(i + 2)) {
        segments.push(tokens[i + 2].text.clone());
        i += 2;
    }
    (segments, i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        read(source).paths.iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let source = r##"
            // use crate::a;
            /* crate::b /* crate::c */ crate::d */
            const A: &str = "crate::e \" crate::f";
            const B: &str = r#"crate::g " crate::h"#;
            const C: char = '"';
            fn d<'a>(x: &'a str) -> r#type { crate::i::j }
        "##;
        assert_eq!(paths(source), ["crate::i::j"]);
    }

    #[test]
    fn a_use_tree_is_expanded() {
        let source = "pub(crate) use crate::{a::{B, c::*}, d as e, f::{self, G}};\nuse super::h;";
        assert_eq!(
            paths(source),
            ["crate::a::B", "crate::a::c", "crate::d", "crate::f", "crate::f::G", "super::h"]
        );
    }

    #[test]
    fn modules_for_tests_are_known() {
        let source = "pub mod a;\n#[cfg(test)]\nmod tests { use crate::late::X; }\n\
            mod b { use crate::early::Y; }\n\
            #[cfg(test)]\npub(crate) async fn helper() -> u8 { crate::late::f() }\n\
            fn g() { crate::early::h() }";
        let file = read(source);
        let modules: Vec<_> = file.modules.iter().map(|m| (m.name.as_str(), m.for_tests, m.inline)).collect();
        assert_eq!(modules, [("a", false, false), ("tests", true, true), ("b", false, true)]);
        let paths: Vec<_> = file.paths.iter().map(|p| (p.segments.join("::"), p.for_tests)).collect();
        let named = |path: &str, for_tests| (path.to_owned(), for_tests);
        assert_eq!(
            paths,
            [
                named("crate::late::X", true),
                named("crate::early::Y", false),
                named("crate::late::f", true),
                named("crate::early::h", false),
            ]
        );
    }
}
