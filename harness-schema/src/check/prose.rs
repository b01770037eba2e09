//! What stands in texts that reach the model: names of tools that are none (SH104), characters that nobody sees (SH107),
//! comments that are sent (SH108).

mod words;

use rustc_hash::FxHashMap;

use self::words::{ABOUT_TOOLS, SHELL_COMMANDS};
use super::fixes::{did_you_mean, replace_with};
use crate::harness::{Harness, HarnessText, SymbolKind, TextRole};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity, distance, within};
use crate::syntax::template::TagKind;
use crate::text::Span;

/// Inline code that reads as a tool and is none.
pub static UNKNOWN_TOOL: Rule =
    Rule::new("SH104", "unknown-tool", Severity::Warning, include_str!("rules/SH104-unknown-tool.md"))
        .prose();

/// Zero-width, bidi and tag characters.
pub static INVISIBLE_CHARACTER: Rule = Rule::new(
    "SH107",
    "invisible-character",
    Severity::Warning,
    include_str!("rules/SH107-invisible-character.md"),
);

/// An HTML comment or front matter in a native text.
pub static COMMENT_IS_SENT: Rule = Rule::new(
    "SH108",
    "comment-is-sent",
    Severity::Information,
    include_str!("rules/SH108-comment-is-sent.md"),
);

/// The tool by which a model chooses among several `next` states (`formats` 1.4).
pub(super) const GO_TO: &str = "go_to";

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let mut whole_file_seen = false;
    for text in harness.texts_in(file) {
        let is_whole = text.document(harness.files()).is_some();
        // A file that the manifest names twice is still one text.
        if is_whole && std::mem::replace(&mut whole_file_seen, true) {
            continue;
        }
        invisible(harness, text, problems);
        if is_whole && text.role != TextRole::Variable {
            unknown_tools(harness, text, problems);
            comments(harness, text, problems);
        }
    }
    if !whole_file_seen {
        invisible_in_surfaces(harness, file, problems);
    }
}

fn unknown_tools(harness: &Harness, text: &HarnessText, problems: &mut Vec<Problem>) {
    let Some(document) = text.document(harness.files()) else { return };
    let Some(tree) = document.markdown() else { return };
    let tools: Vec<&str> =
        harness.tools().iter().map(|tool| tool.name.as_str()).filter(|name| !name.is_empty()).collect();
    // What a tool is called whose file could not be read is not known.
    if tools.is_empty() || harness.has_unread_tools() {
        return;
    }
    let source = document.source();
    let unsent = unsent(harness, text);
    // Long texts repeat their words: each is judged once.
    let mut judged: FxHashMap<&str, Judgement<'_>> = FxHashMap::default();
    for code in tree.code.iter().filter(|code| !holds(&unsent, code.span)) {
        let name = code.content.of(source).trim();
        let judgement = judged.entry(name).or_insert_with(|| judge(harness, &tools, name));
        let near = match judgement {
            Judgement::Fine => continue,
            Judgement::Near(near) => Some(*near),
            Judgement::NoTool(near) if is_called_tool(source, code.span) => *near,
            Judgement::NoTool(_) => continue,
        };
        let start = code.content.start as usize + code.content.of(source).len()
            - code.content.of(source).trim_start().len();
        let span = Span::new(start, start + name.len());
        let at = Location::new(text.file(), span);
        let message = format!("unknown tool `{name}`{}", did_you_mean(near));
        let problem = Problem::new(&UNKNOWN_TOOL, span, message)
            .why("the model is told to call what it does not have")
            .about(name);
        problems.push(problem.fixes(near.map(|near| replace_with(FixClass::Preview, &at, near))));
    }
}

/// From so many characters on two edits are a slip.
const LONG_NAME: usize = 12;

/// What inline code is, wherever it stands.
enum Judgement<'a> {
    /// Certainly no mistaken tool.
    Fine,
    /// A slip of this tool's name.
    Near(&'a str),
    /// No tool; whether it is meant as one depends on the words beside it.
    NoTool(Option<&'a str>),
}

fn judge<'a>(harness: &Harness, tools: &[&'a str], name: &str) -> Judgement<'a> {
    let is_name = !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'))
        && name.starts_with(|char: char| char.is_ascii_alphabetic());
    if !is_name || tools.contains(&name) || is_otherwise_known(harness, name) {
        return Judgement::Fine;
    }
    let near = within(name, tools.iter().copied(), 2);
    // Ordinary words are near to short names: only a name that is spelled as one, and nearer the shorter it is, is a slip.
    let is_slip = |tool: &str| {
        5 <= name.len()
            && name.contains(['_', '-'])
            && distance(name, tool) <= if name.len() < LONG_NAME { 1 } else { 2 }
    };
    match near.as_slice() {
        [only] if is_slip(only) => Judgement::Near(only),
        [first, ..] => Judgement::NoTool(Some(first)),
        [] => Judgement::NoTool(None),
    }
}

/// A state, variable, parameter, file of the project or usual shell command.
fn is_otherwise_known(harness: &Harness, name: &str) -> bool {
    let symbols = harness.symbols();
    let is_parameter = || {
        symbols
            .names(SymbolKind::Parameter)
            .any(|full| full.rsplit_once('.').is_some_and(|(_, last)| last == name))
    };
    symbols.find(SymbolKind::State, name).is_some()
        || symbols.find(SymbolKind::Variable, name).is_some()
        || is_parameter()
        || name == GO_TO
        || ABOUT_TOOLS.binary_search(&name).is_ok()
        || super::prompts::DEFINED.iter().any(|(defined, _)| *defined == name)
        || FilePath::parse(name).is_ok_and(|path| harness.files().is_file(&path))
        || SHELL_COMMANDS.binary_search(&name).is_ok()
}

/// Whether the word *tool* stands directly before or after inline code.
fn is_called_tool(source: &str, code: Span) -> bool {
    let before = source.get(..code.start as usize).unwrap_or_default();
    let after = source.get(code.end as usize..).unwrap_or_default();
    let is_tool = |word: &str| {
        let word = word.trim_matches(|char: char| !char.is_alphanumeric());
        ["tool", "tools"].iter().any(|tool| word.eq_ignore_ascii_case(tool))
    };
    let previous = before.strip_suffix(' ').and_then(|before| before.rsplit(char::is_whitespace).next());
    let next = after.strip_prefix(' ').and_then(|after| after.split(char::is_whitespace).next());
    // `the tool. `grep`` is another sentence.
    let ends = |word: &str| word.ends_with(['.', ':', ';', ',', '!', '?', ')']);
    previous.is_some_and(|word| is_tool(word) && !ends(word)) || next.is_some_and(is_tool)
}

fn comments(harness: &Harness, text: &HarnessText, problems: &mut Vec<Problem>) {
    let Some(document) = text.document(harness.files()) else { return };
    let (Some(tree), true) = (document.markdown(), text.role.is_template()) else { return };
    let source = document.source();
    let unsent = unsent(harness, text);
    for span in tree.comments.iter().filter(|span| !holds(&unsent, **span)) {
        let inner = span.of(source).trim_start_matches("<!--").trim_end_matches("-->");
        let as_template = (!inner.contains("#}")).then(|| format!("{{#{inner}#}}"));
        problems.push(sent(text, *span, "comment", as_template));
    }
    if let Some(front) = &tree.front_matter {
        let content = front.content.of(source);
        let as_template = (!content.contains("#}")).then(|| format!("{{#\n{content}#}}\n"));
        problems.push(sent(text, front.span, "front matter", as_template));
    }
}

/// What rendering leaves out: `{# … #}`.
fn unsent(harness: &Harness, text: &HarnessText) -> Vec<Span> {
    if !text.role.is_template() {
        return Vec::new();
    }
    let tags = text.template(harness.files()).tags.iter();
    tags.filter(|tag| tag.kind == TagKind::Comment).map(|tag| tag.span).collect()
}

fn holds(spans: &[Span], part: Span) -> bool {
    let after = spans.partition_point(|span| span.start <= part.start);
    after.checked_sub(1).and_then(|at| spans.get(at)).is_some_and(|span| span.contains(part))
}

fn sent(text: &HarnessText, span: Span, what: &str, as_template: Option<String>) -> Problem {
    let at = Location::new(text.file(), span);
    let problem = Problem::new(&COMMENT_IS_SENT, span, format!("this {what} is sent to the model"))
        .why("prompt text is payload: only `{# … #}` is left out when it is rendered")
        .about(what);
    let problem = problem.fixes(
        as_template
            .map(|comment| Fix::replace(FixClass::Preview, "Make it a template comment", &at, comment)),
    );
    problem.fix(Fix::replace(FixClass::Preview, format!("Remove the {what}"), &at, ""))
}

fn invisible(harness: &Harness, text: &HarnessText, problems: &mut Vec<Problem>) {
    let Some(source) = text.text(harness.files()) else { return };
    let unsent = unsent(harness, text);
    for (at, char) in hidden_characters(source) {
        let span = Span::new(at, at + char.len_utf8());
        if !holds(&unsent, span) {
            problems.push(hidden(text.file(), text.place(span), char, text.is_exact()));
        }
    }
}

/// The same for the surfaces of a file that another agent sends.
fn invisible_in_surfaces(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let Some(document) = harness.document(file) else { return };
    let source = document.source();
    if hidden_characters(source).next().is_none() {
        return;
    }
    let spans: Vec<Span> = harness
        .surfaces()
        .iter()
        .filter(|placed| placed.surface.origin == crate::surface::Origin::Declared)
        .flat_map(|placed| placed.spans())
        .filter(|(other, _)| *other == file)
        .map(|(_, span)| span)
        .collect();
    // A native text that is a declared surface too was looked at already.
    let texts: Vec<Span> = harness.texts_in(file).map(|text| text.span(harness.files())).collect();
    for (at, char) in hidden_characters(source) {
        let span = Span::new(at, at + char.len_utf8());
        if texts.iter().any(|text| text.contains(span)) {
            continue;
        }
        if spans.iter().any(|surface| surface.contains(span)) {
            problems.push(hidden(file, span, char, true));
        }
    }
}

fn hidden(file: &FilePath, span: Span, char: char, exact: bool) -> Problem {
    let code = format!("U+{:04X}", u32::from(char));
    let message = format!("{code} ({}) is sent to the model", name_of(char));
    let problem = Problem::new(&INVISIBLE_CHARACTER, span, message)
        .why("nobody who reads the text sees it, and the model does")
        .about(code);
    let at = Location::new(file, span);
    problem.fixes(exact.then(|| Fix::replace(FixClass::Preview, "Remove the character", &at, "")))
}

/// Characters that nobody sees and that no script or emoji needs where they stand.
fn hidden_characters(source: &str) -> impl Iterator<Item = (usize, char)> {
    // All of them start with one of three bytes.
    memchr::memchr3_iter(0xE2, 0xEF, 0xF3, source.as_bytes()).filter_map(move |at| {
        let char = source.get(at..)?.chars().next()?;
        (is_hidden(char) && !is_needed(source, at, char)).then_some((at, char))
    })
}

fn is_hidden(char: char) -> bool {
    matches!(char, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

fn is_needed(source: &str, at: usize, char: char) -> bool {
    let before = source.get(..at).and_then(|before| before.chars().next_back());
    let after = source.get(at + char.len_utf8()..).and_then(|after| after.chars().next());
    match char {
        // A byte order mark.
        '\u{FEFF}' => at == 0,
        '\u{200C}' | '\u{200D}' => {
            let joins = |char: Option<char>| char.is_some_and(|char| is_emoji(char) || needs_joiners(char));
            joins(before) && joins(after) || before.is_some_and(needs_joiners)
        }
        // Tags spell the region of a flag behind a black flag.
        '\u{E0020}'..='\u{E007F}' => {
            // A region has at most six characters and an end mark.
            let mut before = source.get(..at).unwrap_or_default().chars().rev().take(8);
            let is_tag = |char: &char| ('\u{E0020}'..='\u{E007F}').contains(char);
            before.find(|char| !is_tag(char)) == Some('\u{1F3F4}')
        }
        _ => false,
    }
}

fn is_emoji(char: char) -> bool {
    matches!(char, '\u{1F000}'..='\u{1FAFF}' | '\u{2190}'..='\u{21FF}' | '\u{2600}'..='\u{27BF}' | '\u{2B00}'..='\u{2BFF}' | '\u{FE0F}')
}

/// Scripts in which joiners change how letters are shaped: Arabic and its neighbours, Indic, Khmer, Mongolian.
fn needs_joiners(char: char) -> bool {
    matches!(char, '\u{0600}'..='\u{08FF}' | '\u{0900}'..='\u{0DFF}' | '\u{0F00}'..='\u{109F}'
        | '\u{1780}'..='\u{18AF}' | '\u{A840}'..='\u{A87F}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}

fn name_of(char: char) -> &'static str {
    match char {
        '\u{200B}' => "zero width space",
        '\u{200C}' => "zero width non-joiner",
        '\u{200D}' => "zero width joiner",
        '\u{200E}' => "left-to-right mark",
        '\u{200F}' => "right-to-left mark",
        '\u{202A}' => "left-to-right embedding",
        '\u{202B}' => "right-to-left embedding",
        '\u{202C}' => "pop directional formatting",
        '\u{202D}' => "left-to-right override",
        '\u{202E}' => "right-to-left override",
        '\u{2060}' => "word joiner",
        '\u{2061}'..='\u{2064}' => "invisible operator",
        '\u{2066}' => "left-to-right isolate",
        '\u{2067}' => "right-to-left isolate",
        '\u{2068}' => "first strong isolate",
        '\u{2069}' => "pop directional isolate",
        '\u{FEFF}' => "zero width no-break space",
        _ => "tag character",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_of_emoji_and_scripts_stay() {
        let hidden = |text: &str| hidden_characters(text).map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(hidden("👩\u{200D}💻 نمی\u{200C}خواهم"), Vec::<usize>::new());
        assert_eq!(hidden("\u{FEFF}a\u{200B}b\u{202E}c"), [4, 8]);
        assert_eq!(hidden("no\u{200D}des"), [2]);
    }
}
