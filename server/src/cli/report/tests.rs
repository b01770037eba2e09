//! Renderers on problems made by hand: what no rule of today happens to produce.

use harness_schema::check::RULES;
use harness_schema::files::Files;
use harness_schema::problem::{Change, Fix, Location};
use harness_schema::text::TextEdit;

use super::*;

fn path(name: &str) -> FilePath {
    FilePath::parse(name).unwrap()
}

fn found(problems: Vec<Problem>) -> Found {
    let files =
        Files::from_texts([("harness.toml", "schema = 1\nname = \"ä\"\n"), ("a.md", "one\ntwo\nthree\n")]);
    Found {
        root: Root::Below(PathBuf::from("sub")),
        harness: Arc::new(Harness::resolve(&files, None)),
        files: vec![path("harness.toml"), path("a.md")],
        problems: BTreeMap::from([(path("harness.toml"), problems)]),
    }
}

fn report(problems: Vec<Problem>) -> Report {
    Report { harnesses: vec![found(problems)], ..Report::default() }
}

fn plain(report: &Report) -> String {
    anstream::adapter::strip_str(&text::render(report, Some(100))).to_string()
}

fn problem(span: Span) -> Problem {
    Problem::new(RULES[0], span, "something is wrong")
}

#[test]
fn places_in_other_files_and_over_lines_are_shown() {
    let over = problem(Span::new(0, 18))
        .why("because")
        .related(Location::new(&path("a.md"), Span::new(4, 13)), "the other half")
        .related(Location::new(&path("harness.toml"), Span::new(11, 15)), "here too");
    insta::assert_snapshot!(plain(&report(vec![over])));
}

#[test]
fn a_span_that_does_not_fit_is_no_panic() {
    for span in
        [Span::new(0, 10_000), Span::new(9_999, 10_000), Span::new(20, 21), Span::at(24), Span::new(19, 19)]
    {
        let report = report(vec![problem(span).related(Location::new(&path("a.md"), span), "x")]);
        assert!(plain(&report).contains("something is wrong"));
        assert!(json::render(&report).contains("something is wrong"));
        assert!(sarif::render(&report).contains("something is wrong"));
    }
}

#[test]
fn fixes_that_make_and_move_files_are_in_json_and_not_in_sarif() {
    let fix = |change| Fix { title: "Do it".into(), class: FixClass::Preview, changes: vec![change] };
    let edit = TextEdit { span: Span::new(0, 6), new_text: String::new() };
    let report = report(vec![
        problem(Span::new(0, 6))
            .fix(fix(Change::Create { file: path("new.md"), text: "hello".into() }))
            .fix(fix(Change::Move { from: path("a.md"), to: path("b.md") }))
            .fix(Fix::command("Open it"))
            .fix(fix(Change::Edit { file: path("harness.toml"), edit })),
    ]);
    let json: serde_json::Value = serde_json::from_str(&json::render(&report)).unwrap();
    let fixes = &json["problems"][0]["fixes"];
    assert_eq!(
        fixes[0]["changes"][0],
        serde_json::json!({"kind": "create", "file": "sub/new.md", "text": "hello"})
    );
    assert_eq!(
        fixes[1]["changes"][0],
        serde_json::json!({"kind": "move", "from": "sub/a.md", "to": "sub/b.md"})
    );
    assert_eq!((&fixes[2]["class"], &fixes[2]["changes"]), (&"command".into(), &serde_json::json!([])));
    assert_eq!(fixes[3]["changes"][0]["newText"], "");
    let sarif: serde_json::Value = serde_json::from_str(&sarif::render(&report)).unwrap();
    let fixes = sarif["runs"][0]["results"][0]["fixes"].as_array().unwrap().clone();
    assert_eq!(fixes.len(), 1);
    assert_eq!(fixes[0]["artifactChanges"][0]["replacements"][0]["deletedRegion"]["endColumn"], 7);
}

#[test]
fn counts_leave_known_ones_out() {
    let mut known = problem(Span::at(0)).severity(Severity::Hint);
    known.known = true;
    let mut warning = problem(Span::at(0)).severity(Severity::Warning);
    warning.fixes = vec![Fix { title: "x".into(), class: FixClass::Safe, changes: Vec::new() }; 2];
    let report =
        report(vec![known, problem(Span::at(0)), warning, problem(Span::at(0)).severity(Severity::Hint)]);
    let Counts { errors, warnings, information, hints, known, fixable } = report.counts();
    // Two safe fixes are a choice: `--fix` makes none.
    assert_eq!((errors, warnings, information, hints, known, fixable), (1, 1, 0, 1, 1, 0));
    let summary = anstream::adapter::strip_str(&text::summary(&report)).to_string();
    assert_eq!(
        summary,
        "checked 2 files of 1 harness: 1 error, 1 warning, 1 hint, 1 known (in `harness.known.toml`)"
    );
}

#[test]
fn a_rule_introduces_itself_once() {
    let text = plain(&report(vec![problem(Span::at(0)), problem(Span::at(1))]));
    assert_eq!(text.matches("--explain").count(), 1);
}

#[test]
fn paths_are_seen_from_where_the_command_runs() {
    let shown = |root: Root, file: &str| root.shown(&path(file));
    assert_eq!(shown(Root::Below(PathBuf::new()), "a/b.md"), "a/b.md");
    assert_eq!(shown(Root::Below(PathBuf::from("x/y")), "b.md"), "x/y/b.md");
    assert_eq!(shown(Root::Around(path("a/b")), "a/b/c.md"), "c.md");
    assert_eq!(shown(Root::Around(path("a/b")), "c.md"), "../../c.md");
    assert_eq!(shown(Root::Elsewhere(PathBuf::from("/x")), "c.md"), "/x/c.md");
    assert_eq!(shown(Root::Elsewhere(PathBuf::from("/")), "c.md"), "/c.md");
}

#[test]
fn every_page_is_laid_out_and_loses_no_word() {
    let letters = |text: &str| text.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
    for rule in RULES {
        let page = anstream::adapter::strip_str(&page::render(rule.page, 80)).to_string();
        // A rule between two examples is the word `or`.
        let raw = rule.page.replace("```\n\n---\n\n```", "```\nor\n```");
        assert_eq!(letters(&page), letters(&raw), "{}", rule.id);
        let mut lines = page.lines();
        let long =
            lines.find(|line| 80 < line.chars().count() && !line.starts_with("    ") && line.contains(' '));
        assert!(long.is_none(), "{}: {long:?}", rule.id);
        assert!(page.ends_with('\n') && !page.ends_with("\n\n"), "{}", rule.id);
    }
}
