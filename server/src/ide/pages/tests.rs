//! Every page as it is read, and what is in none of them.

use harness_schema::problem::Severity;
use serde_json::json;

use super::name::Name;
use super::sample::{HOSTILE, MARKER, PROMPT, bare, changed, other, project, run, with_prompt};
use super::trace::{STEPS, TraceAbout, page_of, trace};
use super::*;
use crate::engine::board::{Status, StoreState, Trust};
use crate::engine::cycle::Goal;
use crate::engine::trace::{Agent, Arguments, Call, End, Loss, Observation, Source, Step, Trace};

fn text(project: &Project, name: &str) -> String {
    let name = Name::parse(name).unwrap();
    let page = page(project, &name, &|_| None).unwrap_or_else(|| panic!("no page {name}"));
    assert_eq!(page.language, "markdown");
    page.text
}

#[test]
fn a_weakness_with_all_of_its_parts() {
    let project = project();
    insta::assert_snapshot!(text(&project, "weakness/C-7f3a"));
    assert_eq!(text(&project, "weakness/7f3a90c1"), text(&project, "weakness/C-7f3a"));
    assert_eq!(page(&project, &Name::Weakness("C-0000".into()), &|_| None), None);
}

#[test]
fn a_weakness_that_no_edit_could_help() {
    let project = changed(|board| board.mined.as_mut().unwrap().is_cold = true);
    insta::assert_snapshot!(text(&project, "weakness/C-11cc"));
}

#[test]
fn a_weakness_of_an_older_harness_says_so() {
    let project = with_prompt("# Rules\n\nOther.\n").with_board(project().board().clone());
    let page = text(&project, "weakness/C-7f3a");
    assert!(page.contains("> The harness has changed since it was measured in r-0142.\n"), "{page}");
    // The line is still told as it was measured.
    assert!(
        page.contains(
            "prompts/system.md:7` (`prompt.system`): line 7 asks for this in vain, and the file has"
        ),
        "{page}"
    );
}

#[test]
fn a_proposal_that_waits_to_be_applied() {
    insta::assert_snapshot!(text(&project(), "proposal/P7"));
}

#[test]
fn proposals_of_every_other_decision() {
    let project = project();
    let pages: Vec<String> =
        [6, 8, 2, 9, 10, 4].map(|number| text(&project, &format!("proposal/P{number}"))).to_vec();
    // The change is the same in each.
    let short = pages.iter().map(|page| {
        let (head, rest) = page.split_once("\n## Change\n").unwrap();
        let (_, next) = rest.split_once("\n## What can be done\n").unwrap();
        format!("{}\n…\n{next}", head.split("\n## Why").next().unwrap())
    });
    insta::assert_snapshot!(short.collect::<Vec<_>>().join("\n==========\n\n"));
}

#[test]
fn what_may_not_be_applied_here_is_not_offered() {
    let imported = changed(|board| board.store = StoreState::Imported);
    let untrusted = changed(|board| board.trust = Trust::Untrusted);
    for project in [imported, untrusted] {
        let page = text(&project, "proposal/P7");
        assert!(page.contains("P7 cannot be applied here") && !page.contains("*Apply P7*"), "{page}");
    }
}

#[test]
fn what_was_accepted_as_a_whole_is_applied_as_a_whole() {
    let project = changed(|board| board.accepted[0].proposals = vec![7, 8]);
    for name in ["proposal/P7", "proposal/P8"] {
        let page = text(&project, name);
        assert!(page.contains("- *Apply P7 + P8* at the text that it changes"), "{page}");
    }
    let project = changed(|board| {
        board.accepted[0].proposals = vec![7, 8];
        board.proposals.get_mut(&8).unwrap().is_dismissed = true;
    });
    let page = text(&project, "proposal/P7");
    assert!(page.contains("> It was accepted together with one that is dismissed.\n"), "{page}");
    assert!(!page.contains("*Apply P7"), "{page}");
}

#[test]
fn what_was_made_for_another_harness_is_not_offered_to_be_validated() {
    assert!(text(&project(), "proposal/P10").contains("*Validate P10…*"));
    let other = changed(|board| board.proposals.get_mut(&10).unwrap().harness = other("f"));
    assert!(!text(&other, "proposal/P10").contains("*Validate"));
}

#[test]
fn of_a_foreign_store_nothing_is_told_before_trust() {
    let foreign = |trust: Trust| changed(|board| (board.trust, board.store) = (trust, StoreState::Imported));
    let names = [
        "weakness/C-7f3a",
        "proposal/P7",
        "proposal/P7/current/prompts/system.md",
        "proposal/P7/proposed/prompts/system.md",
    ];
    for (trust, is_shown) in [(Trust::Trusted, true), (Trust::Untrusted, false)] {
        let project = foreign(trust);
        for name in names {
            let page = page(&project, &Name::parse(name).unwrap(), &|_| None);
            assert_eq!(page.is_some(), is_shown, "{name}");
        }
        assert_eq!(pairs(&project, 7).len(), usize::from(is_shown));
        let lineage = text(&project, "lineage");
        assert_eq!((lineage.contains("P7"), lineage.contains(HIDDEN)), (is_shown, !is_shown), "{lineage}");
    }
}

#[test]
fn nothing_that_judges_is_told_while_the_run_goes_on() {
    let project = changed(|board| {
        board.runs.insert(0, run(148, Goal::Improve, Status::Running, "improve at 31 of 72 trials"));
        board.runs.retain(|run| run.number != 148 || run.status == Status::Running);
    });
    let page = text(&project, "proposal/P10");
    assert!(page.contains("has no decision yet: its scores are shown when the run is over"), "{page}");
}

#[test]
fn the_files_of_a_proposal_are_exact() {
    let project = project();
    let read = |name: &str| page(&project, &Name::parse(name).unwrap(), &|_| None);
    let current = read("proposal/P7/current/prompts/system.md").unwrap();
    assert_eq!((current.text.as_str(), current.language), (PROMPT, "markdown"));
    let proposed = read("proposal/P7/proposed/prompts/system.md").unwrap();
    assert_eq!(Some(&proposed.text), project.board().proposals[&7].files.values().next());
    assert_eq!(read("proposal/P7/current/harness.toml"), None);
    assert_eq!(read("proposal/P70/proposed/prompts/system.md"), None);
    let pairs = pairs(&project, 7);
    let shown: Vec<_> = pairs.iter().map(|(left, right, title)| format!("{left} {right} {title}")).collect();
    assert_eq!(
        shown,
        [
            "proposal/P7/current/prompts/system.md proposal/P7/proposed/prompts/system.md prompts/system.md: P7"
        ]
    );
}

#[test]
fn the_language_is_that_of_the_ending() {
    let of = |path: &str| language(&FilePath::parse(path).unwrap());
    let languages = ["a.MD", "b.toml", "c.yml", "d.json", "e.py", "f.sh", "g", "h.txt"].map(of);
    let expected = ["markdown", "toml", "yaml", "json", "python", "shellscript", "plaintext", "plaintext"];
    assert_eq!(languages, expected);
}

#[test]
fn the_lineage_is_told_from_the_newest() {
    insta::assert_snapshot!(text(&project(), "lineage"));
}

#[test]
fn a_lineage_without_a_step_says_what_makes_one() {
    insta::assert_snapshot!(text(&bare(), "lineage"));
}

#[test]
fn what_was_taken_back_is_reverted() {
    let project = changed(|board| board.runs[0].harness = other("b"));
    let page = text(&project, "lineage");
    assert!(page.contains("→ h-bbbb: reverted\n"), "{page}");
}

#[test]
fn trust_is_told_in_each_state() {
    let changes = vec!["harness.toml [agent] changed".to_owned(), "tools/shell.toml is new".to_owned()];
    let states = [
        text(&bare(), "trust"),
        text(&project(), "trust"),
        text(
            &changed(|board| (board.trust, board.store) = (Trust::Changed(changes), StoreState::Imported)),
            "trust",
        ),
    ];
    insta::assert_snapshot!(states.join("\n==========\n\n"));
}

#[test]
fn rules_are_those_that_are_known() {
    static WEAKNESS: Rule = Rule::new("SH802", "weakness", Severity::Warning, "# SH802 weakness\n");
    let project = bare();
    let read = |code: &str| {
        let other = |code: &str| (code == "SH802").then_some(&WEAKNESS);
        page(&project, &Name::Rule(code.into()), &other).map(|page| page.text)
    };
    assert!(read("SH104").unwrap().starts_with("# SH104 unknown-tool\n"));
    assert_eq!((read("sh104"), read("unknown-tool")), (read("SH104"), read("SH104")));
    assert_eq!(read("SH802").as_deref(), Some("# SH802 weakness\n"));
    assert_eq!(read("SH999"), None);
}

#[test]
fn what_a_host_reads_is_no_page_of_a_project() {
    for name in ["trace/r-0142/t-04/0", "report/r-0142", "rendered/prompts/system.md", "doctor"] {
        assert_eq!(page(&project(), &Name::parse(name).unwrap(), &|_| None), None, "{name}");
    }
}

/// Every page of the project, and of the trace.
fn all() -> Vec<String> {
    let project = project();
    let mut names =
        vec!["lineage".to_owned(), "trust".into(), "weakness/C-7f3a".into(), "weakness/C-11cc".into()];
    names.extend(project.board().proposals.keys().map(|number| format!("proposal/P{number}")));
    let mut pages: Vec<String> = names.iter().map(|name| text(&project, name)).collect();
    pages.push(trace(&hostile(), &about(), 1).text);
    pages
}

#[test]
fn ux_16_no_page_names_what_judges() {
    assert!(project().board().proposals[&7].risks.contains(&format!("{MARKER}-a")));
    for page in all() {
        assert!(!page.contains(MARKER), "{page}");
    }
    let page = text(&project(), "proposal/P7");
    assert!(page.contains("- may break: `deep/t-19`, 1 task that judges now\n"), "{page}");
}

#[test]
fn ux_39_nothing_on_a_page_steers_hides_or_leads_away() {
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};
    let (mut seen, mut links) = (0, 0);
    for page in all() {
        assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{200b}', '\r']), "{page}");
        // As a viewer reads it: what is not ours is text, in fences mostly.
        let mut inside = false;
        for event in Parser::new(&page) {
            match event {
                Event::Start(Tag::CodeBlock(_)) => inside = true,
                Event::End(TagEnd::CodeBlock) => inside = false,
                Event::Start(Tag::Image { .. }) | Event::Html(_) | Event::InlineHtml(_) => {
                    panic!("{event:?}")
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    assert!(dest_url.starts_with("selfharness://"), "{dest_url}");
                    links += 1;
                }
                Event::Text(text) if inside => seen += usize::from(text.contains("![x](http://evil/y)")),
                _ => {}
            }
        }
    }
    assert!(8 < seen && 8 < links, "{seen} hostile texts, {links} links");
}

fn about() -> TraceAbout {
    TraceAbout {
        root: "0123abcd".into(),
        run: "r-0142".into(),
        task: "deep/t-19".into(),
        repeat: 1,
        verdict: "fail".into(),
        detail: "test_total: 41 is not 42".into(),
        verifier: "FAILED test_total - assert 41 == 42\n".into(),
    }
}

fn call(arguments: Arguments, observation: Option<Observation>) -> Call {
    Call { id: None, tool: "shell".into(), arguments, schema_ok: None, observation }
}

fn acts(calls: Vec<Call>) -> Step {
    Step { calls, ..Step::said(Source::Agent, "I look.", "") }
}

/// A trace of every kind of step.
fn told() -> Trace {
    let mut trace = Trace {
        agent: Agent { name: "native".into(), version: Some("0.1.0".into()), model: Some("m".into()) },
        end: Some(End::Steps),
        ..Trace::default()
    };
    trace.push(Step::said(Source::System, "You work.\n", ""));
    trace.push(Step::said(Source::User, "Mend it.", ""));
    let seen = Observation { text: "a.py\nb.py\n".into(), exit: Some(0), ..Observation::default() };
    let cut = Observation { exit: Some(124), timed_out: true, truncated: true, ..Observation::default() };
    let failed =
        Observation { text: "no".into(), failed: Some(true), shared: true, ..Observation::default() };
    trace.push(Step {
        reasoning: Some("A list first.".into()),
        ..acts(vec![call(Arguments::Json(json!({"command": "ls", "timeout": 3})), Some(seen))])
    });
    trace
        .push(Step { rule: Some("stop-repeating".into()), ..Step::said(Source::User, "Do not repeat.", "") });
    let misfit = Call { schema_ok: Some(false), ..call(Arguments::Json(json!({})), Some(cut)) };
    trace.push(Step {
        agent_path: vec!["reader".into(), "checker".into()],
        ..acts(vec![misfit, call(Arguments::Raw("{\"comm".into()), Some(failed))])
    });
    trace.push(Step { state: Some("review".into()), ..Step::said(Source::User, "Review it.", "") });
    trace.push(acts(vec![call(Arguments::Json(json!({"command": "sleep 9"})), None)]));
    trace.push(Step::said(Source::User, "The limit of steps.", ""));
    trace
}

fn hostile() -> Trace {
    let mut trace = Trace { agent: Agent { name: HOSTILE.into(), ..Agent::default() }, ..Trace::default() };
    let seen = Observation { text: HOSTILE.into(), ..Observation::default() };
    let mut step =
        acts(vec![Call { tool: HOSTILE.into(), ..call(Arguments::Raw(HOSTILE.into()), Some(seen)) }]);
    (step.message, step.reasoning, step.agent_path) =
        (HOSTILE.into(), Some(HOSTILE.into()), vec![HOSTILE.into()]);
    trace.push(Step { rule: Some(HOSTILE.into()), ..Step::said(Source::User, HOSTILE, "") });
    trace.push(step);
    trace
}

#[test]
fn a_trace_is_told_step_after_step() {
    insta::assert_snapshot!(trace(&told(), &about(), 1).text);
}

#[test]
fn a_long_trace_has_pages() {
    let mut long = Trace::default();
    long.push(Step::said(Source::System, "the system", ""));
    for at in 1..=812 {
        long.push(Step::said(Source::User, format!("asked {at}."), ""));
        long.push(Step::said(Source::Agent, format!("said {at}."), ""));
    }
    long.push(Step::said(Source::User, "the end", ""));
    let page = |page: usize| trace(&long, &about(), page).text;
    let line = |page: &str| page.lines().find(|line| line.starts_with("steps ")).unwrap().to_owned();
    let link = "selfharness://0123abcd/trace/r-0142/deep/t-19/1";
    let pages = [page(1), page(2), page(17)];
    assert_eq!(line(&pages[0]), format!("steps 1–50 of 812 · [next]({link}?page=2)"));
    assert_eq!(line(&pages[1]), format!("steps 51–100 of 812 · [previous]({link}) · [next]({link}?page=3)"));
    assert_eq!(line(&pages[2]), format!("steps 801–812 of 812 · [previous]({link}?page=16)"));
    // Each step is on one page, after what it answers.
    let whole: Vec<String> = (1..=17).map(page).collect();
    for at in 1..=812 {
        let (asked, said) = (format!("asked {at}.\n"), format!("said {at}.\n"));
        let holds = |text: &str| text.find(&asked).is_some_and(|from| text[from..].contains(&said));
        let on: Vec<usize> = (1..=17).filter(|number| holds(&whole[number - 1])).collect();
        assert_eq!(on, [page_of(at)], "step {at}");
    }
    assert!(pages[0].contains("the system") && !pages[1].contains("the system"));
    assert!(
        pages[2].contains("the end") && pages[2].contains("## verifier") && !pages[1].contains("## verifier")
    );
    // Behind the last page there is the last one.
    assert_eq!((page(0), page(99)), (page(1), page(17)));
    assert_eq!([1, STEPS, STEPS + 1].map(page_of), [1, 1, 2]);
}

#[test]
fn a_trace_without_a_step_is_told_as_well() {
    let losses = vec![Loss::Usage, Loss::StrayResults(2), Loss::CutOff];
    let mut empty = Trace { losses, ..Trace::default() };
    empty.push(Step::said(Source::System, "You work.", ""));
    let page = trace(&empty, &TraceAbout { verdict: "void".into(), ..about() }, 1).text;
    assert!(page.contains("\n\n> 2 results belong to no call: not shown.\n\n> The record ends"), "{page}");
    assert!(page.contains("no step of the agent\n") && page.contains("You work."), "{page}");
}
