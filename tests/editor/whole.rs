//! What a person does in an hour, in one test: from an untrusted folder to an accepted edit, and back.

use serde_json::json;

use crate::desk::{Desk, PROMPT, PROMPT_FILE, capabilities, lab};
use crate::persona::REMEDY;

/// A little longer than hints stay away after a key.
const STILL: std::time::Duration = std::time::Duration::from_millis(2100);

#[test]
fn from_an_untrusted_folder_to_an_accepted_edit_and_back() {
    let lab = lab("editor-whole");
    let mut desk = Desk::open(&lab, &capabilities());
    desk.show("harness.toml");
    desk.show(PROMPT_FILE);

    // Untrusted: everything is checked, nothing runs.
    let lenses = desk.lenses_until("harness.toml", |lenses| lenses.len() == 3);
    assert_eq!(lenses[0], "Checks only: workspace not trusted");
    assert_eq!(lenses[2], "More…");
    assert_eq!(desk.lenses(PROMPT_FILE), ["Not measured"]);
    assert_eq!((lab.worker(), lab.root().join(".self-harness").exists()), (None, false));

    // Trust, asked by name of what decides.
    desk.server.answers("selfHarness/consent", json!({"button": "trust"}));
    desk.command("trust", &json!({}));
    let asked = desk.server.wait(|message| message["method"] == "selfHarness/consent");
    let lines = asked["params"]["lines"].to_string();
    assert!(lines.contains("harness.toml") && lines.contains("12 tasks"), "{lines}");
    desk.lenses_until("harness.toml", |lenses| lenses[0] == "Not measured");
    assert!(lab.worker().is_none());

    // Consent, then progress that is cancelled, then the rest.
    desk.server.answers("selfHarness/consent", json!({"button": "start"}));
    desk.command("evaluate", &json!({}));
    let asked = desk.server.wait(|message| message["method"] == "selfHarness/consent");
    let lines = asked["params"]["lines"].to_string();
    for line in ["Runs", "Executes", "Sends", "Costs", "Takes", "Writes"] {
        assert!(lines.contains(line), "{lines}");
    }
    let running = desk.run_is("evaluate", &["running"]);
    let run = running["runId"].as_str().unwrap().to_owned();
    assert_eq!(running["startedBy"], "test editor");
    let report = desk
        .server
        .wait(|message| message["method"] == "$/progress" && message["params"]["value"]["kind"] == "report");
    let token = report["params"]["token"].clone();
    desk.type_and_undo(PROMPT_FILE);
    desk.server.notify("window/workDoneProgress/cancel", &json!({"token": token}));
    let cancelled = desk.run_is("evaluate", &["cancelled", "result"]);
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    desk.server
        .wait(|message| message["method"] == "$/progress" && message["params"]["value"]["kind"] == "end");
    // It took its time: while somebody types there is no hint.
    desk.type_and_undo(PROMPT_FILE);
    assert!(desk.hints(PROMPT_FILE).is_empty());
    desk.command("resume", &json!({"run": run}));
    desk.type_and_undo(PROMPT_FILE);
    let result = desk.run_is("evaluate", &["result"]);
    assert_eq!(result["runId"], run.as_str());
    assert_eq!(result["trials"]["done"], result["trials"]["total"]);

    // What was measured is shown where it belongs.
    let lenses = desk.lenses_until("harness.toml", |lenses| lenses[0].starts_with("held-in "));
    assert!(lenses[0].contains("held-out "), "{lenses:?}");
    desk.lenses_until("harness.toml", |lenses| lenses[1].starts_with("Propose for "));
    // While somebody types there is none.
    std::thread::sleep(STILL);
    let hints = desk.hints(PROMPT_FILE);
    let (line, hint) = hints.first().cloned().unwrap_or_else(|| panic!("{:?}", desk.problems(PROMPT_FILE)));
    assert!(hint.starts_with("C-") && hint.contains(" fail"), "{hints:?}");
    let problems = desk.problems(PROMPT_FILE);
    let weakness =
        problems.iter().find(|(code, ..)| code == "SH802").unwrap_or_else(|| panic!("{problems:?}"));
    assert_eq!(weakness.1, line, "{problems:?}");
    let hover = desk.hover(PROMPT_FILE, line);
    let cluster = hint.split(' ').next().unwrap().to_owned();
    assert!(hover.contains(&cluster), "{hover}");
    assert!(!hover.contains("t-01") && !hover.contains("t-03"), "{hover}");
    let groups = desk.tree(None);
    let group = groups.iter().find(|item| item["text"].as_str().unwrap().starts_with("Weaknesses")).unwrap();
    let weaknesses = desk.tree(group["id"].as_str());
    let page = desk.page(weaknesses[0]["uri"].as_str().unwrap());
    assert!(page.contains(&cluster) && page.contains("t-00"), "{page}");
    assert!(!page.contains("t-01") && !page.contains("t-03"), "{page}");

    // Proposals, and a decision on them.
    desk.command("propose", &json!({}));
    let proposed = desk.run_is("propose", &["result", "empty", "failed"]);
    assert_eq!(proposed["state"], "result", "{proposed}");
    desk.type_and_undo(PROMPT_FILE);
    desk.lenses_until("harness.toml", |lenses| lenses[1].starts_with("Validate "));
    desk.command("validate", &json!({}));
    let running = desk.run_is("validate", &["running"]);
    // While it runs nothing of what judges is shown, and no hint changes.
    assert!(running["heldOut"].get("pass").is_none(), "{running}");
    std::thread::sleep(STILL);
    assert_eq!(desk.hints(PROMPT_FILE).first(), Some(&(line, hint.clone())));
    let validated = desk.run_is("validate", &["result", "empty", "undecided", "failed"]);
    assert_eq!(validated["state"], "result", "{validated}\n{}", lab.ok(&["report"]));

    // The accepted one is a quick fix with its scores.
    let before = desk.lenses_until("harness.toml", |lenses| lenses[1].starts_with("Review "))[0].clone();
    let problems = desk.problems(PROMPT_FILE);
    let waiting =
        problems.iter().find(|(code, ..)| code == "SH801").unwrap_or_else(|| panic!("{problems:?}"));
    let actions = desk.actions(PROMPT_FILE, waiting.1);
    let titles: Vec<&str> = actions.iter().filter_map(|action| action["title"].as_str()).collect();
    let apply = actions.iter().find(|action| action["title"].as_str().unwrap().starts_with("Apply P"));
    let apply = apply.unwrap_or_else(|| panic!("{titles:?}")).clone();
    let title = apply["title"].as_str().unwrap();
    assert!(title.contains("held-in ") && title.contains("held-out ") && title.contains('→'), "{title}");
    assert_ne!(apply["isPreferred"], true);
    let resolved = desk.server.request("codeAction/resolve", &apply);
    desk.apply(&resolved["edit"]);
    // Byte for byte what was validated.
    let decisions = lab.store().decisions().unwrap();
    let proposals = lab.store().proposals().unwrap();
    let accepted = proposals
        .iter()
        .find(|stored| decisions.get(&stored.number).is_some_and(|of| of.word() == "accepted"));
    let accepted = &accepted.unwrap().record;
    assert_eq!(accepted.summary, REMEDY);
    assert_eq!(desk.text(PROMPT_FILE), accepted.files[PROMPT_FILE]);

    // It is recognised at once, and has a place in the lineage.
    let after =
        desk.lenses_until("harness.toml", |lenses| lenses[0].starts_with("held-in ") && lenses[0] != before);
    assert!(after[0].contains("held-out "), "{after:?}");
    assert!(!desk.problems(PROMPT_FILE).iter().any(|(code, ..)| code == "SH801"));
    let groups = desk.tree(None);
    let lineage = groups.iter().find(|item| item["text"].as_str().unwrap().starts_with("Lineage")).unwrap();
    let steps = desk.tree(lineage["id"].as_str());
    assert!(steps.iter().any(|step| step["text"].to_string().contains('P')), "{steps:?}");

    // Undone, the scores of before are there without a run.
    desk.write(PROMPT_FILE, PROMPT);
    desk.lenses_until("harness.toml", |lenses| lenses[0] == before);
    let runs = lab.store().runs().unwrap().len();
    assert_eq!(runs, 3);
    desk.server.shut_down();
}
