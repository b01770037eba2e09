//! What stands in texts that reach the model: names of tools that are none (SH104), characters that nobody sees (SH107),
//! comments that are sent (SH108).

use std::cell::OnceCell;

use rustc_hash::FxHashMap;

use super::commands;
use super::fixes::{did_you_mean, near, replace_with};
use crate::harness::{GO_TO, Harness, HarnessText, SymbolKind, TextRole};
use crate::path::FilePath;
use crate::problem::{Fix, FixClass, Location, Problem, Rule, Severity, distance_within};
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

pub(super) fn check(harness: &Harness, file: &FilePath, problems: &mut Vec<Problem>) {
    let mut whole_file_seen = false;
    let mut tools = ToolNames { harness, known: OnceCell::new(), judged: FxHashMap::default() };
    for text in harness.texts_in(file) {
        let is_whole = text.document(harness.files()).is_some();
        // A file that the manifest names twice is still one text.
        if is_whole && std::mem::replace(&mut whole_file_seen, true) {
            continue;
        }
        invisible(harness, text, problems);
        if text.role != TextRole::Variable {
            unknown_tools(&mut tools, text, problems);
            comments(harness, text, problems);
        }
    }
    if !whole_file_seen {
        invisible_in_surfaces(harness, file, problems);
    }
}

/// The comments of a template, which are not sent.
fn unsent(harness: &Harness, text: &HarnessText) -> Vec<Span> {
    if !text.role.is_template() {
        return Vec::new();
    }
    let tags = text.template(harness.files()).tags.iter();
    tags.filter(|tag| tag.kind == TagKind::Comment).map(|tag| tag.span).collect()
}

/// Spans in order, those that share a byte as one.
fn apart(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut all: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match all.last_mut() {
            Some(last) if span.start < last.end => *last = last.cover(span),
            _ => all.push(span),
        }
    }
    all
}

/// Whether a place is inside of one of these spans, which are in order and apart.
fn is_within(spans: &[Span], place: Span) -> bool {
    let after = spans.partition_point(|span| span.start <= place.start);
    after.checked_sub(1).and_then(|at| spans.get(at)).is_some_and(|span| span.contains(place))
}

/// The tools of a harness, and what the words of its texts are. Long texts repeat their words, and there may be thousands of
/// texts: each word is judged once.
struct ToolNames<'a> {
    harness: &'a Harness,
    /// None where nothing can be said: what a tool is called whose file could not be read is not known.
    known: OnceCell<Option<Vec<&'a str>>>,
    judged: FxHashMap<&'a str, Judgement<'a>>,
}

fn unknown_tools<'a>(names: &mut ToolNames<'a>, text: &'a HarnessText, problems: &mut Vec<Problem>) {
    let harness = names.harness;
    let Some(tree) = text.markdown(harness.files()).filter(|tree| !tree.code.is_empty()) else { return };
    let known = names.known.get_or_init(|| {
        let tools = harness.tools().iter().map(|tool| tool.name.as_str()).filter(|name| !name.is_empty());
        Some(tools.collect::<Vec<_>>()).filter(|tools| !tools.is_empty() && !harness.has_unread_tools())
    });
    let Some(tools) = known else { return };
    let source = text.text(harness.files()).unwrap_or_default();
    let unsent = unsent(harness, text);
    for code in tree.code.iter().filter(|code| !is_within(&unsent, code.span)) {
        let name = code.content.of(source).trim();
        let judgement = names.judged.entry(name).or_insert_with(|| judge(harness, tools, name));
        let near = match judgement {
            Judgement::Fine => continue,
            Judgement::Near(near) => Some(*near),
            Judgement::NoTool(near) if is_called_tool(source, code.span) => *near,
            Judgement::NoTool(_) => continue,
        };
        let start = code.content.start as usize + code.content.of(source).len()
            - code.content.of(source).trim_start().len();
        let span = text.place(Span::new(start, start + name.len()));
        let message = format!("unknown tool `{name}`{}", did_you_mean(near));
        let problem = Problem::new(&UNKNOWN_TOOL, span, message)
            .why("the model is told to call what it does not have")
            .about(name);
        let at = Location::new(text.file(), span);
        let fix = near.filter(|_| text.is_exact()).map(|near| replace_with(FixClass::Preview, &at, near));
        problems.push(problem.fixes(fix));
    }
}

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
    if !is_name || harness.tool(name).0.is_some() || is_otherwise_known(harness, name) {
        return Judgement::Fine;
    }
    let slips: Vec<&str> = tools.iter().copied().filter(|tool| is_slip(name, tool)).collect();
    match slips.as_slice() {
        [only] => Judgement::Near(only),
        _ => {
            let near = near(name, tools.iter().copied());
            // Of one word nobody can tell whether a tool or a program is meant; `web_search` is no program.
            let is_telling = near.is_some() || (name.contains('_') && !name.contains(char::is_uppercase));
            if is_telling { Judgement::NoTool(near) } else { Judgement::Fine }
        }
    }
}

/// Whether a name is a tool's with a slip, and no word of its own: one edit, or two of a long name. A tool that is one
/// word has many words near it, so there two letters must be swapped.
fn is_slip(name: &str, tool: &str) -> bool {
    let edits = distance_within(name, tool, 2);
    let is_compound = tool.contains(['_', '-']);
    match edits {
        Some(1) if !is_compound => 5 <= name.len() && name.len() == tool.len() && is_swap(name, tool),
        Some(edits) => is_compound && edits * 6 <= name.len(),
        None => false,
    }
}

fn is_swap(name: &str, tool: &str) -> bool {
    let (mut a, mut b): (Vec<char>, Vec<char>) = (name.chars().collect(), tool.chars().collect());
    a.sort_unstable();
    b.sort_unstable();
    a == b
}

/// A state, variable, parameter, file of the project, part of a tool's call, or usual shell command.
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
        || super::prompts::DEFINED.iter().any(|(defined, _)| *defined == name)
        || (name == GO_TO && harness.offers_go_to())
        || FilePath::parse(name).is_ok_and(|path| harness.files().is_file(&path))
        || commands::is_usual(name)
        || CALL_PARTS.contains(&name)
}

/// Words for what a call has, which stand at the word *tool* without being one.
const CALL_PARTS: &[&str] = &[
    "any",
    "args",
    "argument",
    "arguments",
    "auto",
    "call",
    "call_id",
    "calls",
    "code",
    "content",
    "description",
    "enabled",
    "error",
    "errors",
    "exit_code",
    "false",
    "function",
    "function_call",
    "id",
    "input",
    "input_schema",
    "inputs",
    "is_error",
    "json",
    "message",
    "messages",
    "name",
    "names",
    "none",
    "null",
    "output",
    "outputs",
    "parameter",
    "parameters",
    "params",
    "required",
    "response",
    "responses",
    "result",
    "results",
    "role",
    "schema",
    "status",
    "stderr",
    "stdin",
    "stdout",
    "system",
    "text",
    "timeout",
    "tool",
    "tool_call",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tool_name",
    "tool_result",
    "tool_results",
    "tool_use",
    "tool_use_id",
    "tools",
    "true",
    "type",
    "user",
];

/// Words that turn *tool* into a part of something else: a tool result, the tool list.
const TOOL_THINGS: &[&str] = &[
    "argument",
    "arguments",
    "block",
    "call",
    "calls",
    "chain",
    "choice",
    "definition",
    "definitions",
    "description",
    "error",
    "errors",
    "input",
    "list",
    "message",
    "messages",
    "name",
    "names",
    "output",
    "outputs",
    "parameter",
    "parameters",
    "response",
    "responses",
    "result",
    "results",
    "role",
    "schema",
    "schemas",
    "use",
    "uses",
];

/// Words before *tool* and a name that say that it is to be called.
const CALLING: &[&str] =
    &["call", "calling", "invoke", "invoking", "run", "running", "use", "using", "via", "with"];

/// Whether inline code is called a tool: ``the `x` tool``, ``use the tool `x` ``. A mark between ends the thought.
fn is_called_tool(source: &str, code: Span) -> bool {
    let before = source.get(..code.start as usize).unwrap_or_default();
    let after = source.get(code.end as usize..).unwrap_or_default();
    let is = |word: &str, other: &str| word.eq_ignore_ascii_case(other);
    let is_one = |word: &str, words: &[&str]| words.iter().any(|other| is(word, other));
    let is_tool = |word: &str| is_one(word, &["tool", "tools"]);
    let bare = |word: &str| word.trim_end_matches(|char: char| !char.is_alphanumeric()).to_owned();
    if let Some(rest) = after.strip_prefix(' ') {
        let mut words = rest.split_whitespace();
        let next = words.next().unwrap_or_default();
        let ends = !next.ends_with(char::is_alphanumeric);
        let thing = words.next().is_some_and(|word| is_one(&bare(word), TOOL_THINGS));
        if is_tool(&bare(next)) && (ends || !thing) {
            return true;
        }
    }
    let Some(before) = before.strip_suffix(' ') else { return false };
    let line = before.rsplit('\n').next().unwrap_or_default();
    let mut words = line.split_whitespace().rev();
    if !words.next().is_some_and(is_tool) {
        return false;
    }
    let verb = words.find(|word| !is_one(word, &["the", "a", "an", "this"]));
    verb.is_some_and(|word| is_one(word, CALLING))
}

fn comments(harness: &Harness, text: &HarnessText, problems: &mut Vec<Problem>) {
    let Some(tree) = text.markdown(harness.files()) else { return };
    let source = text.text(harness.files()).unwrap_or_default();
    let unsent = unsent(harness, text);
    // Only where the text is rendered can a comment be left out of it.
    let as_template = |inner: String| {
        let can_be = text.role.is_template() && text.is_exact() && !inner.contains("#}");
        can_be.then(|| format!("{{#{inner}#}}"))
    };
    for span in tree.comments.iter().filter(|span| !is_within(&unsent, **span)) {
        let inner = span.of(source).trim_start_matches("<!--").trim_end_matches("-->");
        problems.push(sent(text, *span, "comment", as_template(inner.to_owned())));
    }
    // What a tool file or a variable says is one text; front matter is a thing of files.
    let front = tree.front_matter.as_ref().filter(|_| text.role.is_template());
    if let Some(front) = front {
        let comment = as_template(format!("\n{}", front.content.of(source)));
        problems.push(sent(text, front.span, "front matter", comment.map(|comment| format!("{comment}\n"))));
    }
}

fn sent(text: &HarnessText, span: Span, what: &str, as_template: Option<String>) -> Problem {
    let at = Location::new(text.file(), text.place(span));
    let problem = Problem::new(&COMMENT_IS_SENT, at.span, format!("this {what} is sent to the model"))
        .why("prompt text is payload: only `{# … #}` is left out when it is rendered")
        .about(what);
    let as_comment = as_template
        .map(|comment| Fix::replace(FixClass::Preview, "Make it a template comment", &at, comment));
    let removed = Fix::replace(FixClass::Preview, format!("Remove the {what}"), &at, "");
    problem.fixes(as_comment).fixes(text.is_exact().then_some(removed))
}

fn invisible(harness: &Harness, text: &HarnessText, problems: &mut Vec<Problem>) {
    let Some(source) = text.text(harness.files()) else { return };
    let unsent = unsent(harness, text);
    for (at, char) in hidden_characters(source) {
        let span = Span::new(at, at + char.len_utf8());
        if !is_within(&unsent, span) {
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
    let surfaces: Vec<Span> = harness
        .surfaces()
        .iter()
        .filter(|placed| placed.surface.origin == crate::surface::Origin::Declared)
        .flat_map(|placed| placed.spans())
        .filter(|(other, _)| *other == file)
        .map(|(_, span)| span)
        .collect();
    let surfaces = apart(surfaces);
    // What is a text of the native agent too was said there.
    let native = apart(harness.texts_in(file).map(|text| text.span(harness.files())).collect());
    for (at, char) in hidden_characters(source) {
        let span = Span::new(at, at + char.len_utf8());
        if !is_within(&native, span) && is_within(&surfaces, span) {
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
    // Where the last tag character ended, and whether it is one of a flag: a row of them is judged by its first.
    let mut tags = (usize::MAX, false);
    // All of them start with one of three bytes.
    memchr::memchr3_iter(0xE2, 0xEF, 0xF3, source.as_bytes()).filter_map(move |at| {
        let char = source.get(at..)?.chars().next()?;
        let is_needed = match char {
            // Tags spell the region of a flag behind a black flag.
            '\u{E0020}'..='\u{E007F}' => {
                let is_flag = if tags.0 == at { tags.1 } else { source.get(..at)?.ends_with('\u{1F3F4}') };
                tags = (at + char.len_utf8(), is_flag);
                is_flag
            }
            _ => is_needed(source, at, char),
        };
        (is_hidden(char) && !is_needed).then_some((at, char))
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
        let tags = "\u{E0067}".repeat(3);
        assert_eq!(hidden(&format!("\u{1F3F4}{tags} {tags}")), [17, 21, 25]);
    }
}
