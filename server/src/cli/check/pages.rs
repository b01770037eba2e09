//! `--explain` and `--render`: what a rule is about, and what a prompt becomes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use harness_schema::check::{self, RULES};
use harness_schema::harness::{Harness, HarnessText, TextSource};
use harness_schema::path::FilePath;
use harness_schema::problem::{Problem, Rule, Severity, nearest};
use harness_schema::text::Span;

use super::targets;
use crate::cli::report::{Found, Report, page, text};
use crate::cli::terminal;
use crate::failure::Failure;
use crate::host::render::with_samples;
use crate::ide::evidence::rules;

/// Prints the page of a rule.
///
/// # Errors
/// A [`Failure`] if there is no such rule.
pub fn explain(word: &str) -> Result<u8, Failure> {
    let word = word.trim();
    let Some(rule) = check::rule(word).or_else(|| rules::rule(word)) else {
        let names = RULES.iter().chain(&rules::RULES).flat_map(|rule| [rule.id, rule.name]);
        let hint = match nearest(word, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::from("a rule has an id such as `SH104` and a name such as `unknown-tool`"),
        };
        return Err(Failure::user(format!("there is no rule `{word}`"), hint));
    };
    terminal::print(&page::render(rule.page, terminal::width().unwrap_or(usize::MAX)))?;
    Ok(0)
}

/// A text that has no problem of a rule and still does not render with the sample values: no rule of its own, so it has no
/// page.
static NOT_RENDERED: Rule = Rule::new("", "not-rendered", Severity::Error, "");

/// Prints the texts of a file as the native agent would send them; the answer is 1 if one of them does not render.
///
/// # Errors
/// A [`Failure`] if the file is no text of a harness that the native agent runs.
pub fn render(path: &Path) -> Result<u8, Failure> {
    let (target, file) = targets::owner(path)?;
    let harness = &target.harness;
    let texts = texts(harness, &file);
    if texts.is_empty() {
        let why = if harness.is_native() {
            "name a file of `[prompt]`, of a state, of a tool or of a runtime rule, or the manifest"
        } else {
            "only the texts of the native agent are rendered; other agents read their files themselves"
        };
        return Err(Failure::user(format!("`{}` holds no text to render", path.display()), why));
    }
    let mut rendered = Vec::new();
    let mut problems = template_errors(harness, &file);
    if problems.is_empty() {
        for (text, source) in &texts {
            match rendered_text(harness, text, source) {
                Ok(one) => rendered.push((text.id.as_str(), one)),
                Err(error) => problems.push(not_rendered(text, source, &error)),
            }
        }
    }
    if !problems.is_empty() {
        let problems = BTreeMap::from([(file.clone(), problems)]);
        let found = Found { root: target.shown, harness: Arc::clone(harness), files: vec![file], problems };
        let report = Report { harnesses: vec![found], ..Report::default() };
        terminal::print_aside(&text::problems(&report, terminal::width()));
        return Ok(1);
    }
    terminal::print_exactly(&joined(&rendered))?;
    terminal::print_aside(&note(texts.iter().map(|(text, _)| *text)));
    Ok(0)
}

/// The texts of a file, each once: one file may be the prompt of several states.
fn texts<'a>(harness: &'a Harness, file: &'a FilePath) -> Vec<(&'a HarnessText, &'a str)> {
    let mut texts: Vec<(&HarnessText, &str)> = Vec::new();
    for text in harness.texts_in(file) {
        let Some(source) = text.text(harness.files()) else { continue };
        let is_file = matches!(text.source, TextSource::File(_));
        if !(is_file && texts.iter().any(|(other, _)| matches!(other.source, TextSource::File(_)))) {
            texts.push((text, source));
        }
    }
    texts
}

/// What the rules say about the templates of a file; nothing of it would render.
fn template_errors(harness: &Harness, file: &FilePath) -> Vec<Problem> {
    let mut problems = check::file(harness, file);
    problems.retain(|problem| {
        problem.severity == Severity::Error
            && matches!(problem.rule.id, "SH001" | "SH101" | "SH103" | "SH106")
    });
    problems
}

fn rendered_text(harness: &Harness, text: &HarnessText, source: &str) -> Result<String, minijinja::Error> {
    if text.role.is_template() { with_samples(harness, source) } else { Ok(source.to_owned()) }
}

/// The error of a template as a problem at its place.
fn not_rendered(text: &HarnessText, source: &str, error: &minijinja::Error) -> Problem {
    let range = error.range().unwrap_or(0..source.len());
    let span = text.place(Span::new(range.start, range.end));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Problem::new(&NOT_RENDERED, span, format!("does not render with sample values: {detail}"))
        .why("a run would stop at this text")
}

/// One text as it is; several below headings that say which is which.
fn joined(rendered: &[(&str, String)]) -> String {
    match rendered {
        [(_, only)] => format!("{only}\n"),
        several => several.iter().map(|(id, text)| format!("==> {id} <==\n{text}\n")).collect(),
    }
}

/// What must not be mistaken for the real thing.
fn note<'a>(mut texts: impl Iterator<Item = &'a HarnessText>) -> String {
    let is_template = texts.any(|text| text.role.is_template());
    let samples = "`‹…›` stands where a run puts its own text; `workdir`, `step`, `steps_left` and `output` have sample values";
    let plain = "sent as it is: tool descriptions and variables are no templates";
    format!("note: {}\n", if is_template { samples } else { plain })
}
