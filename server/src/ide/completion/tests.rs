//! What is offered at `|`, in every place where something can be written.

use std::path::Path;

use harness_schema::files::Files;

use super::*;
use crate::workspace::Workspace;

const MANIFEST_TEXT: &str = r#"schema = 1
[model]
endpoint = "http://127.0.0.1:1/v1"
name = "m"
[prompt]
system = "prompts/system.md"
[prompt.variables]
team = "core"
[[tool]]
file = "tools/shell.toml"
[orchestration]
start = "work"
[[orchestration.state]]
id = "work"
next = ["end"]
[tasks]
held_in = ["t-1"]
held_out = ["t-2"]
"#;

const PROMPT: &str = "# Rules\n\n## Tools\n\nUse `shell`.\n\n# Style\n";

/// The items at `|` of a file that takes the place of the usual one, or comes beside it.
fn items(file: &str, marked: &str) -> Vec<Item> {
    let offset = marked.find('|').unwrap();
    let text = marked.replacen('|', "", 1);
    let tool = "name = \"shell\"\ndescription = \"Runs a command.\"\nrun = [\"sh\"]\n[parameters]\ntype = \"object\"\n\
                properties.command = { type = \"string\" }\n";
    let mut files = vec![
        ("harness.toml", MANIFEST_TEXT),
        ("prompts/system.md", PROMPT),
        ("tools/shell.toml", tool),
        ("tasks/t-1/task.toml", "version = \"1.0\"\n"),
        ("tasks/t-2/task.toml", "version = \"1.0\"\n"),
    ];
    files.retain(|(name, _)| *name != file);
    files.push((file, &text));
    let mut workspace = Workspace::default();
    workspace.set_project(Path::new("/p"), Files::from_texts(files));
    let site = workspace.snapshot().site(&Path::new("/p").join(file)).unwrap();
    completions(&site, offset)
}

/// The labels at `|`, behind the usual manifest.
fn behind(marked: &str) -> Vec<String> {
    labels("harness.toml", &format!("{MANIFEST_TEXT}{marked}"))
}

fn labels(file: &str, marked: &str) -> Vec<String> {
    items(file, marked).into_iter().map(|item| item.label).collect()
}

/// The manifest after the only item was taken, from the line of `|` on.
fn taken(marked: &str) -> String {
    let marked = format!("{MANIFEST_TEXT}{marked}");
    let line = marked[..marked.find('|').unwrap()].rfind('\n').unwrap() + 1;
    let items = items("harness.toml", &marked);
    assert_eq!(items.len(), 1, "{items:?}");
    let mut text = marked.replacen('|', "", 1);
    text.replace_range(items[0].word.whole.range(), &items[0].text);
    text[line..].to_owned()
}

#[test]
fn keys_that_stand_there_are_not_offered_again() {
    let keys = behind("[runtime]\nmax_steps = 3\nfin|\ntool_timeout = \"1s\"\n");
    assert!(keys.contains(&String::from("finish")), "{keys:?}");
    assert!(
        !keys.contains(&String::from("max_steps")) && !keys.contains(&String::from("tool_timeout")),
        "{keys:?}"
    );
    // The key at the cursor is being written; of lists of tables there may be more.
    assert!(behind("[runtime]\nmax_st|eps = 3\n").contains(&String::from("max_steps")));
    // A header opens a table.
    assert!(behind("[|").contains(&String::from("runtime")));
    assert!(!behind("[|").contains(&String::from("name")));
    assert!(behind("[runtime.|]").is_empty());
    assert!(behind("[[runtime.|]]").contains(&String::from("rule")));
    assert!(behind("[[|]]").contains(&String::from("surface")));
    let keys = behind(
        "[[runtime.rule]]\nid = \"a\"\nwhen = { event = \"finish\", |detector = \"never-verified\" }\n",
    );
    assert!(keys.contains(&String::from("count")) && !keys.contains(&String::from("event")), "{keys:?}");
}

#[test]
fn values_are_names_of_this_harness() {
    assert_eq!(behind("[[orchestration.state]]\nid = \"b\"\nnext = [\"|"), ["work", "b", "end"]);
    assert_eq!(behind("[[orchestration.state]]\nid = \"b\"\ntools = [|]\n"), ["shell"]);
    assert_eq!(behind("[[runtime.rule]]\nwhen = { state = \"|\" }\n"), ["work"]);
    assert!(
        behind("[[runtime.rule]]\nwhen = { detector = \"|\" }\n").contains(&String::from("never-verified"))
    );
    assert!(behind("[[lint.allow]]\nrule = \"|\"\n").contains(&String::from("unknown-tool")));
    assert!(behind("[[surface]]\nfile = \"|\"\n").contains(&String::from("prompts/system.md")));
    assert_eq!(labels("harness.toml", &MANIFEST_TEXT.replace("[\"t-1\"]", "[\"t-1\", \"|\"]")), ["t-2"]);
    assert_eq!(
        labels("harness.toml", &format!("agent.kind = \"|\"\n{MANIFEST_TEXT}")),
        ["native", "command", "harbor"]
    );
}

#[test]
fn a_selector_is_offered_step_by_step() {
    let surface = |select: &str| {
        behind(&format!("[[surface]]\nid = \"s\"\nfile = \"prompts/system.md\"\nselect = {select}\n"))
    };
    assert_eq!(surface("[\"|\"]"), ["file", "md.section", "md.frontmatter", "md.body", "region"]);
    assert_eq!(surface("[\"md.section\", \"|\"]"), ["Rules", "Tools", "Style"]);
    assert_eq!(surface("[\"md.section\", \"Rules\", |]"), ["Tools"]);
    assert!(behind("[[surface]]\nid = \"s\"\nselect = [\"|\"]\n").contains(&String::from("yaml")));
}

#[test]
fn what_is_taken_stands_between_its_quotes() {
    assert_eq!(taken("[orchestration]\nstart = w|\n"), "start = \"work\"\n");
    assert_eq!(taken("[[runtime.rule]]\nwhen = { state = \"wo|\" }\n"), "when = { state = \"work\" }\n");
    let surface =
        "[[surface]]\nid = \"s\"\nfile = \"prompts/system.md\"\nselect = [\"md.section\", \"Rules\", |]\n";
    assert_eq!(taken(surface), "select = [\"md.section\", \"Rules\", \"Tools\"]\n");
}

#[test]
fn placeholders_are_those_that_somebody_fills() {
    let agent = "[agent]\nkind = \"command\"\nargv = [\"run\", \"{|\"]\n";
    assert!(behind(agent).contains(&String::from("instruction_file")));
    let tool = "name = \"shell\"\nrun = [\"sh\", \"-c\", \"{|\"]\n[parameters.properties.command]\ntype = \"string\"\n";
    assert_eq!(labels("tools/shell.toml", tool), ["command"]);
}

#[test]
fn a_prompt_knows_its_variables_and_tools() {
    assert!(labels("prompts/system.md", "{{ t|").contains(&String::from("team")));
    assert!(labels("prompts/system.md", "{{ task.|").contains(&String::from("task.instruction")));
    assert!(labels("prompts/system.md", "{{ runtime.|").contains(&String::from("runtime.max_steps")));
    // What is known only where a result is shown is unknown here.
    assert!(!labels("prompts/system.md", "{{ o|").contains(&String::from("output.text")));
    assert!(!labels("prompts/system.md", "Use {{ é|").is_empty());
    assert_eq!(labels("prompts/system.md", "Use `sh|"), ["shell", "work"]);
    assert!(labels("prompts/system.md", "Use sh|").is_empty());
}

#[test]
fn a_task_knows_the_keys_of_harbor() {
    let keys = labels("tasks/t-1/task.toml", "version = \"1.0\"\n[environment]\nme|\n");
    assert!(keys.contains(&String::from("memory_mb")), "{keys:?}");
    let modes = labels("tasks/t-1/task.toml", "version = \"1.0\"\n[environment]\nnetwork_mode = \"|\"\n");
    assert!(modes.contains(&String::from("no-network")), "{modes:?}");
}

#[test]
fn tools_are_written_in_json_schema() {
    let manifest = MANIFEST_TEXT.replace("shell.toml", "shell.json");
    let marked = "{ \"na|\": 1 }";
    let offset = marked.find('|').unwrap();
    let text = marked.replacen('|', "", 1);
    let mut workspace = Workspace::default();
    workspace.set_project(
        Path::new("/p"),
        Files::from_texts([("harness.toml", manifest.as_str()), ("tools/shell.json", text.as_str())]),
    );
    let site = workspace.snapshot().site(Path::new("/p/tools/shell.json")).unwrap();
    let found: Vec<String> = completions(&site, offset).into_iter().map(|item| item.text).collect();
    assert!(
        found.contains(&String::from("name")) && found.contains(&String::from("description")),
        "{found:?}"
    );
    let toml = |text: &str| labels("tools/shell.toml", &format!("name = \"x\"\n{text}"));
    assert!(toml("[parameters]\nt|").contains(&String::from("type")));
    assert!(toml("[parameters]\ntype = \"|\"").contains(&String::from("object")));
    assert_eq!(toml("[parameters]\nrequired = [\"|\"]\nproperties.a = {}\n"), ["a"]);
    assert!(toml("[parameters.properties]\n|").is_empty());
    assert!(toml("builtin = \"|\"").contains(&String::from("shell")));
    assert_eq!(toml("enabled = |"), ["true", "false"]);
}
