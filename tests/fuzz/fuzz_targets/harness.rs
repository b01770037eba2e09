//! Any project: it resolves, every file can be checked, every problem has its place, every fix can be applied, and what is
//! known from before gives the same answer as a fresh look.
//!
//! Each piece is a file: a line with its path, then its text. The same path again is a later version, open in an editor. A
//! mark before the path makes something else of a file: `?` nobody read it, `!` it is no text, `>` a link to the path that
//! is its text, `+` it may be executed.

#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use fuzz::{assert_span, errors, first_line, pieces, text};
use harness_schema::check;
use harness_schema::files::{Content, File, Files, Link, Opaque};
use harness_schema::harness::{Harness, MANIFEST};
use harness_schema::path::FilePath;
use harness_schema::problem::{Change, Fix, FixClass, Problem};
use harness_schema::syntax::Document;
use harness_schema::text::{Span, Text, TextEdit, apply_all};
use libfuzzer_sys::fuzz_target;

/// More files are left out.
const MANY_FILES: usize = 16;

/// More fixes are not applied.
const MANY_FIXES: usize = 12;

fuzz_target!(|data: &[u8]| {
    let mut disk = BTreeMap::new();
    let mut later = Vec::new();
    for (number, piece) in pieces(data).take(MANY_FILES).enumerate() {
        let (first, rest) = first_line(piece);
        // So that any text is a manifest.
        let name = if number == 0 { MANIFEST } else { first.trim_start_matches(['?', '!', '>', '+']) };
        let Ok(path) = FilePath::parse(name) else { continue };
        let text = text(if number == 0 { piece } else { rest });
        if disk.contains_key(&path) {
            later.push((path, text));
        } else {
            let mark = if number == 0 { None } else { first.chars().next() };
            disk.insert(path.clone(), file(&path, &text, mark));
        }
    }
    let mut files = Files::new(disk);
    let mut harness = Harness::resolve(&files, None);
    let mut problems = look(&harness);
    apply_fixes(&harness, &problems);
    for (path, text) in later {
        let document = match files.document(&path) {
            Some(before) => before.edited(&[difference(before.source(), &text)]),
            None => Document::new(path, Text::new(&text)),
        };
        files = files.with_open(document);
        harness = Harness::resolve(&files, Some(&harness));
        problems = look(&harness);
        same(&problems, &harness);
    }
    // A file goes away, and all others stay.
    let gone = files.paths().nth(1).cloned();
    if let Some(path) = gone {
        files = files.with_disk([(path, None)]);
        harness = Harness::resolve(&files, Some(&harness));
        problems = look(&harness);
        same(&problems, &harness);
    }
});

type Problems = BTreeMap<FilePath, Vec<Problem>>;

fn file(path: &FilePath, text: &str, mark: Option<char>) -> File {
    let content = match mark {
        Some('?') => Content::Unread,
        Some('!') => Content::Opaque(Opaque::Binary),
        _ => Content::Text(Document::new(path.clone(), Text::new(text))),
    };
    let link = (mark == Some('>')).then(|| FilePath::parse(text.trim()).map_or(Link::Outside, Link::Inside));
    File { content, executable: mark == Some('+') || text.starts_with("#!"), link }
}

/// One edit that makes a text another one.
fn difference(before: &str, after: &str) -> TextEdit {
    let mut same = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    while !before.is_char_boundary(same) || !after.is_char_boundary(same) {
        same -= 1;
    }
    TextEdit { span: Span::new(same, before.len()), new_text: after[same..].to_owned() }
}

/// Checks every file, and what is said about it.
fn look(harness: &Harness) -> Problems {
    let all = check::all(harness);
    for (file, problems) in &all {
        let source = source(harness, file);
        for problem in problems {
            assert_span(&source, problem.span);
            assert!(!problem.message.is_empty());
            for related in &problem.related {
                assert_span(&self::source(harness, &related.location.file), related.location.span);
            }
        }
        let _ = check::uncapped(harness, file);
        for span in harness.broken_regions(file).into_iter().chain(harness.surface_spans(file)) {
            assert_span(&source, span);
        }
        for mention in harness.mentions_in(file) {
            assert_span(&source, mention.span);
        }
    }
    for placed in harness.surfaces() {
        for (file, span) in placed.spans() {
            assert_span(&source(harness, file), span);
        }
    }
    for path in harness.paths() {
        assert_span(&source(harness, &path.at.file), path.at.span);
    }
    for tool in harness.tools() {
        assert_span(&source(harness, &tool.at.file), tool.at.span);
        assert_span(&source(harness, &tool.file), tool.value().span);
    }
    let _ = (harness.manifest(), harness.shortest_task(), harness.word_runs());
    all
}

/// The text of a file; empty if there is none.
fn source(harness: &Harness, file: &FilePath) -> Arc<str> {
    harness.document(file).map(|document| document.text().shared()).unwrap_or_default()
}

/// What a harness that knows the one before says is what a fresh one says.
fn same(problems: &Problems, harness: &Harness) {
    let files = harness.files();
    let paths = files.paths().cloned().map(|path| (path.clone(), files.on_disk(&path).cloned()));
    let fresh = Files::default().with_disk(paths.map(|(path, file)| (path, file.map(renew))));
    let fresh = files.open_documents().fold(fresh, |files, document| files.with_open(copy(document)));
    let fresh = check::all(&Harness::resolve(&fresh, None));
    assert_eq!(*problems, fresh);
}

fn renew(file: File) -> File {
    match &file.content {
        Content::Text(document) => File { content: Content::Text(copy(document)), ..file },
        Content::Unread | Content::Opaque(_) => file,
    }
}

fn copy(document: &Document) -> Arc<Document> {
    Document::new(document.path().clone(), Text::new(document.source()))
}

/// Applies fixes, each alone.
fn apply_fixes(harness: &Harness, problems: &Problems) {
    let fixes = problems.values().flatten().flat_map(|problem| &problem.fixes);
    for fix in fixes.filter(|fix| !fix.changes.is_empty()).take(MANY_FIXES) {
        apply(harness, fix);
    }
}

fn apply(harness: &Harness, fix: &Fix) {
    let mut edits: BTreeMap<&FilePath, Vec<TextEdit>> = BTreeMap::new();
    let mut files = harness.files().clone();
    for change in &fix.changes {
        match change {
            Change::Edit { file, edit } => edits.entry(file).or_default().push(edit.clone()),
            Change::Create { file, text } => {
                assert!(!harness.files().is_file(file), "{fix:?} creates what is there");
                files = files.with_open(Document::new(file.clone(), Text::new(text)));
            }
            Change::Move { from, to } => {
                assert!(harness.files().is_file(from) || harness.files().is_directory(from), "{fix:?}");
                assert!(!harness.files().is_file(to), "{fix:?}");
            }
        }
    }
    for (file, edits) in edits {
        let before = source(harness, file);
        let Some(after) = apply_all(&before, &edits) else { panic!("{fix:?} does not fit {before:?}") };
        let after = Document::new(file.clone(), Text::new(&after));
        let parsed = harness.document(file).is_none_or(|document| errors(document).is_empty());
        if fix.class == FixClass::Safe && parsed {
            assert!(errors(&after).is_empty(), "{fix:?} breaks {before:?}");
        }
        files = files.with_open(after);
    }
    look(&Harness::resolve(&files, Some(harness)));
}
