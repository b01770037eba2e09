//! Every rule's page is its test: the `Bad` examples give exactly the marked problems, the `Good` ones give none of any
//! rule, and the first fix of a bad example turns it into the text below `Fix`, about which the rule is then silent.
//! Every fix of every bad example takes its problem away, breaks nothing and brings no other problem.
//! The examples below `Fix` belong to the first of those below `Bad`, in their order.
//!
//! A fenced block's info string is a file name; the blocks of one example follow each other, `---` separates examples.
//! A line of carets below a line marks a span in it, in characters, and says `severity: message`; a single caret also
//! stands for an empty span. `latin-1` after a file's name makes it a file that is not UTF-8, `executable` sets its
//! execute bit. Files that an example leaves out are those of [`DEFAULTS`] and [`TASKS`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use harness_schema::check;
use harness_schema::files::{Content, File, Files, Opaque};
use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Fix, FixClass, Problem, Rule, Severity};
use harness_schema::syntax::{Document, Syntax};
use harness_schema::text::{Encoding, Text, apply_all};

const DEFAULTS: [(&str, &str); 2] = [
    (
        "harness.toml",
        "schema = 1\n\n[model]\nendpoint = \"http://127.0.0.1:8080/v1\"\nname = \"m\"\n\n[prompt]\nsystem = \"prompts/system.md\"\n\n[budget]\nmax_trials = 100\n",
    ),
    ("prompts/system.md", "You are a careful agent.\n"),
];

/// The suite of an example whose manifest has `[tasks]`, unless it brings these files itself.
const TASKS: [(&str, &str); 6] = [
    ("tasks/t-01/task.toml", "schema_version = \"1.4\"\n"),
    ("tasks/t-01/instruction.md", "Write the number of lines of `data.csv` to `answer.txt`.\n"),
    ("tasks/t-01/tests/test.sh", "echo 1 > /logs/verifier/reward.txt\n"),
    ("tasks/t-02/task.toml", "schema_version = \"1.4\"\n"),
    (
        "tasks/t-02/instruction.md",
        "Sort the names in `people.txt` by the last letter and keep the order of equal ones.\n",
    ),
    ("tasks/t-02/tests/test.sh", "echo 1 > /logs/verifier/reward.txt\n"),
];

/// One example: its files without markers, and what the markers say.
#[derive(Debug, Default)]
struct Example {
    files: BTreeMap<String, Source>,
    expected: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default)]
struct Source {
    text: String,
    latin_1: bool,
    executable: bool,
}

#[test]
fn every_bad_example_gives_exactly_its_problems() {
    for_each_rule(|rule, page| {
        let examples = examples(page, "Bad");
        assert!(!examples.is_empty(), "the page has no bad example");
        for example in examples {
            let found = found(&example);
            assert_eq!(found, example.expected, "\nfiles: {:#?}", example.files);
            let marked = example.expected.values().flatten().count();
            assert!(0 < marked, "a bad example without a marker");
            let problems = problems(&example.files);
            let all = problems.values().flatten();
            assert!(all.clone().any(|problem| problem.rule == rule), "no problem of {}", rule.id);
        }
    });
}

#[test]
fn every_good_example_is_clean() {
    for_each_rule(|_, page| {
        let examples = examples(page, "Good");
        assert!(!examples.is_empty(), "the page has no good example");
        for example in examples {
            assert_eq!(found(&example), BTreeMap::new(), "\nfiles: {:#?}", example.files);
        }
    });
}

#[test]
fn the_first_fix_of_a_bad_example_is_the_one_shown() {
    for_each_rule(|rule, page| {
        let fixed = examples(page, "Fix");
        let bad = examples(page, "Bad");
        // The fixes of a page belong to its first bad examples, in their order.
        for (at, bad) in bad.iter().enumerate().take(fixed.len().max(1)) {
            check_fix(rule, bad, fixed.get(at));
        }
    });
}

fn check_fix(rule: &Rule, bad: &Example, fixed: Option<&Example>) {
    let problems = problems(&bad.files);
    let edits = |fix: &&Fix| fix.class != FixClass::Command;
    let fix = problems
        .values()
        .flatten()
        .filter(|problem| problem.rule == rule)
        .find_map(|problem| problem.fixes.iter().find(edits));
    let (fix, fixed) = match (fix, fixed) {
        (None, None) => return,
        (Some(fix), None) => panic!("`{}` edits, but the page has no `## Fix` block", fix.title),
        (None, Some(_)) => panic!("the page shows a fix, but the rule offers none that edits"),
        (Some(fix), Some(fixed)) => (fix, fixed),
    };
    let mut after = with_defaults(&bad.files);
    apply(fix, &mut after);
    for (name, source) in &fixed.files {
        let text = after.get(name).map(|source| source.text.as_str());
        assert_eq!(text, Some(source.text.as_str()), "`{name}` after `{}`", fix.title);
    }
    let left = self::problems(&after);
    let same: Vec<_> = left.values().flatten().filter(|problem| problem.rule == rule).collect();
    assert!(same.is_empty(), "after its fix the rule still says {same:#?}");
}

/// Rules whose fixes by nature leave a next step: what is said then, and why.
const NEXT_STEPS: &[(&str, &[&str], &str)] = &[
    ("SH003", &["SH014"], "only under its right name a rule is known to have nothing to allow"),
    ("SH007", &["SH502"], "a step under a name of its own needs an instruction of its own"),
    ("SH008", &["SH506"], "without the tasks that nobody reads there are none"),
    ("SH027", &["SH013"], "without its only surface a harness has nothing that may change"),
    ("SH505", &["SH506"], "the suite of the examples has no other task for that split"),
    ("SH507", &["SH504", "SH506", "SH509"], "what stood beside `split` or `preset` was not meant to be all"),
    ("SH601", &["SH506"], "the suite of the examples has no other held-out task"),
];

#[test]
fn every_fix_takes_its_problem_away_and_brings_no_other() {
    let mut wrong = String::new();
    let mut taken = BTreeSet::new();
    for rule in check::RULES {
        let next = NEXT_STEPS.iter().find(|(of, _, _)| *of == rule.id).map_or(&[][..], |(_, next, _)| next);
        for example in examples(rule.page, "Bad") {
            let before = problems(&example.files);
            for (path, problem) in each(&before).filter(|(_, problem)| problem.rule == *rule) {
                let own = saying(path, problem);
                for fix in problem.fixes.iter().filter(|fix| fix.class != FixClass::Command) {
                    let mut files = with_defaults(&example.files);
                    apply(fix, &mut files);
                    let (was, is) = (said(&before), said(&problems(&files)));
                    if was.get(&own) <= is.get(&own) {
                        let _ = writeln!(wrong, "{own}: `{}` leaves it", fix.title);
                    }
                    for (new, count) in &is {
                        let known = was.get(new).copied().unwrap_or_default();
                        let step = next.iter().find(|id| new.contains(&format!(": {id} ")));
                        if *count <= known {
                            continue;
                        }
                        if let Some(step) = step {
                            taken.insert((rule.id, *step));
                        } else {
                            let _ = writeln!(wrong, "{own}: `{}` brings {new}", fix.title);
                        }
                    }
                    for (name, source) in &files {
                        let old = with_defaults(&example.files).remove(name);
                        let old = old.map_or(0, |old| errors(name, &old.text));
                        if old < errors(name, &source.text) {
                            let _ = writeln!(wrong, "{own}: `{}` breaks {name}", fix.title);
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let steps = NEXT_STEPS.iter().flat_map(|(rule, next, _)| next.iter().map(|step| (*rule, *step)));
    assert_eq!(taken, steps.collect(), "steps that fixes leave, and those that they may leave");
}

/// How much of a file does not parse, whether its harness reads it or not.
fn errors(name: &str, text: &str) -> usize {
    let document = Document::new(FilePath::parse(name).unwrap(), Text::new(text));
    match document.syntax() {
        Syntax::Data(tree) => tree.errors.len(),
        Syntax::Markdown(tree) => tree.front_matter.as_ref().map_or(0, |front| front.data.errors.len()),
        Syntax::Python(tree) => tree.errors.len(),
        Syntax::Plain => 0,
    }
}

fn each(problems: &BTreeMap<FilePath, Vec<Problem>>) -> impl Iterator<Item = (&FilePath, &Problem)> {
    problems.iter().flat_map(|(path, all)| all.iter().map(move |problem| (path, problem)))
}

/// What is said of a harness, and how often.
fn said(problems: &BTreeMap<FilePath, Vec<Problem>>) -> BTreeMap<String, usize> {
    let mut said = BTreeMap::new();
    for (path, problem) in each(problems) {
        *said.entry(saying(path, problem)).or_default() += 1;
    }
    said
}

fn saying(path: &FilePath, problem: &Problem) -> String {
    format!("{path}: {} {}", problem.rule.id, problem.message)
}

#[test]
fn ids_and_names_are_unique_and_match_their_pages() {
    let mut seen = BTreeMap::new();
    for rule in check::RULES {
        assert!(rule.page.starts_with(&format!("# {} {}\n", rule.id, rule.name)), "{}: wrong title", rule.id);
        for word in [rule.id, rule.name] {
            assert_eq!(seen.insert(word, rule.id), None, "`{word}` is used twice");
        }
        for section in ["\n## Why\n", "\n## Bad\n", "\n## Good\n", "\nSince 0."] {
            assert!(rule.page.contains(section), "{}: no `{}`", rule.id, section.trim());
        }
    }
}

#[test]
fn all_messages() {
    let mut out = String::new();
    for rule in check::RULES {
        for example in examples(rule.page, "Bad") {
            for problem in problems(&example.files).values().flatten().filter(|problem| problem.rule == *rule)
            {
                let _ = writeln!(out, "{} {}: {}", rule.id, rule.name, problem.message);
                if !problem.why.is_empty() {
                    let _ = writeln!(out, "    why: {}", problem.why);
                }
                for fix in &problem.fixes {
                    let _ = writeln!(out, "    fix: {} ({:?})", fix.title, fix.class);
                }
            }
        }
    }
    insta::assert_snapshot!(out);
}

/// Runs `test` for each rule and says at the end which pages failed, all of them.
fn for_each_rule(test: impl Fn(&'static Rule, &'static str) + std::panic::RefUnwindSafe) {
    let failed: Vec<_> = check::RULES
        .iter()
        .filter(|rule| std::panic::catch_unwind(|| test(rule, rule.page)).is_err())
        .map(|rule| rule.id)
        .collect();
    assert!(failed.is_empty(), "pages that fail: {}", failed.join(" "));
}

fn examples(page: &str, section: &str) -> Vec<Example> {
    let mut all = Vec::new();
    let mut current: Option<Example> = None;
    let mut inside = false;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            inside = title == section;
            all.extend(current.take());
        } else if inside && line == "---" {
            all.extend(current.take());
        } else if inside && line.starts_with("```") {
            let fence = &line[..line.len() - line.trim_start_matches('`').len()];
            let mut info = line[fence.len()..].split_whitespace();
            let name = info.next().unwrap_or_default().to_owned();
            let flags: Vec<_> = info.collect();
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != fence).collect();
            let example = current.get_or_insert_with(Example::default);
            let (text, expected) = read_markers(&body);
            if !expected.is_empty() {
                example.expected.insert(name.clone(), expected);
            }
            let flag = |flag| flags.contains(&flag);
            let source = Source { text, latin_1: flag("latin-1"), executable: flag("executable") };
            example.files.insert(name, source);
        }
    }
    all.extend(current);
    all
}

/// The text without marker lines, and the markers as `line:from-to severity: message`.
fn read_markers(body: &[&str]) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut expected = Vec::new();
    let mut line_number = 0;
    for line in body {
        let trimmed = line.trim_start();
        let carets = trimmed.chars().take_while(|char| *char == '^').count();
        let message = trimmed.trim_start_matches('^');
        if 0 < carets && message.starts_with(' ') && message.contains(": ") {
            let from = line.chars().count() - trimmed.chars().count();
            expected.push(format!("{line_number}:{from}-{} {}", from + carets, message.trim()));
        } else {
            line_number += 1;
            text.push_str(line);
            text.push('\n');
        }
    }
    (text, expected)
}

fn with_defaults(files: &BTreeMap<String, Source>) -> BTreeMap<String, Source> {
    let mut all = files.clone();
    for (name, text) in DEFAULTS {
        all.entry(name.to_owned()).or_insert_with(|| Source { text: text.to_owned(), ..Source::default() });
    }
    let has_suite = all.get("harness.toml").is_some_and(|manifest| manifest.text.contains("\n[tasks]\n"));
    for (name, text) in TASKS.into_iter().filter(|_| has_suite) {
        all.entry(name.to_owned()).or_insert_with(|| Source { text: text.to_owned(), ..Source::default() });
    }
    all
}

fn problems(files: &BTreeMap<String, Source>) -> BTreeMap<FilePath, Vec<Problem>> {
    let files = Files::new(with_defaults(files).into_iter().map(|(name, source)| {
        let path = FilePath::parse(&name).unwrap();
        let wrong = source.text.bytes().position(|byte| !byte.is_ascii());
        let content = match wrong {
            Some(byte) if source.latin_1 => Content::Opaque(Opaque::NotUtf8 { byte: byte as u64 }),
            _ => Content::Text(Document::new(path.clone(), Text::new(&source.text))),
        };
        (path, File { content, executable: source.executable, link: None })
    }))
    .at("/project");
    check::all(&Harness::resolve(&files, None))
}

fn found(example: &Example) -> BTreeMap<String, Vec<String>> {
    let sources = with_defaults(&example.files);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, problems) in problems(&example.files) {
        let text = Text::new(sources.get(path.as_str()).map_or("", |source| &source.text));
        for problem in problems {
            let start = text.position(problem.span.start as usize, Encoding::Utf32);
            let end = text.position(problem.span.end as usize, Encoding::Utf32);
            // A span over several lines is marked on its first line, to the line's end.
            let line_end = text.line_span(start.line as usize).end as usize;
            let to = if start.line == end.line {
                end.column
            } else {
                text.position(line_end, Encoding::Utf32).column
            };
            let to = if to == start.column { to + 1 } else { to };
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information => "information",
                Severity::Hint => "hint",
            };
            let line = format!("{}:{}-{to} {severity}: {}", start.line + 1, start.column, problem.message);
            found.entry(path.to_string()).or_default().push(line);
        }
    }
    found
}

fn apply(fix: &Fix, files: &mut BTreeMap<String, Source>) {
    let mut edits: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for change in &fix.changes {
        match change {
            Change::Edit { file, edit } => edits.entry(file.to_string()).or_default().push(edit.clone()),
            Change::Create { file, text } => {
                files.insert(file.to_string(), Source { text: text.clone(), ..Source::default() });
            }
            Change::Move { from, to } => {
                let moved = files.remove(from.as_str()).expect("a move of a file that is there");
                files.insert(to.to_string(), moved);
            }
        }
    }
    for (name, edits) in edits {
        let source = files.get_mut(&name).expect("an edit of a file that is there");
        source.text = apply_all(&source.text, &edits).expect("edits that do not overlap");
    }
}
