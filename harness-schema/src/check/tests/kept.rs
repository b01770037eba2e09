//! A harness that is kept over edits says what one that is read afresh says.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::all;
use crate::files::{Content, File, Files};
use crate::harness::Harness;
use crate::path::FilePath;
use crate::syntax::Document;
use crate::text::{Span, Text, TextEdit};

const MANIFEST: &str = r#"schema = 1

[model]
endpoint = "http://127.0.0.1:8080/v1"
name = "m"
context_window = 400

[prompt]
system = "prompts/system.md"
task = "prompts/both.md"
observation = "prompts/seen.md"

[prompt.variables]
style = "Be brief.\nVery."
rules = { file = "prompts/rules.md" }

[[tool]]
name = "look"
description = "Look at `key` in task-1."
run = ["bin/look", "{key}"]
timeout = "30s"
[tool.parameters]
type = "object"
required = ["key"]
[tool.parameters.properties.key]
type = "string"
description = "As `look` printed it."

[[tool]]
file = "tools/find.toml"

[[tool]]
name = "shell"
builtin = "shell"
description = { file = "prompts/both.md" }

[runtime]
max_steps = 40
rules_not_known = 1

[[runtime.rule]]
id = "again"
when = { tool = "look", outcome = "error" }
inject = "prompts/again.md"

[orchestration]
start = "work"

[[orchestration.state]]
id = "work"
prompt = { text = "Work with {{ style }} and `find`." }
tools = ["look", "find"]
next = ["check"]

[[orchestration.state]]
id = "check"
prompt = "prompts/check.md"

[[surface]]
id = "part"
file = "prompts/system.md"
select = ["md.section", "How"]
max_tokens = 12

[[surface]]
id = "notes"
file = "CLAUDE.md"

[[surface]]
id = "pointed"
file = "agent.json"
select = ["json", "prompt"]

[[surface]]
id = "made"
select = ["new", "skills/*.md"]
new_files = { max = 2, text = "prompts/again.md" }

[[lint.allow]]
rule = "prompt-too-long"
reason = "it is meant so"

[tasks]
dir = "tasks"
held_in = ["task-1"]
held_out = ["task-2"]
"#;

const FILES: &[(&str, &str)] = &[
    ("harness.toml", MANIFEST),
    (
        "prompts/system.md",
        "# Who\nYou work in {{ workdir }} with {{ style }}.\n\n# How\nRead first. Use `look`, then `find`.\n",
    ),
    (
        "prompts/seen.md",
        "{{ tool.name }} said:\n{{ output }}\n\nWith {{ style }} and `look`, and\nnothing else.\n",
    ),
    ("prompts/both.md", "{{ task.instruction }}\nUse the {{ rules }}.\n"),
    ("prompts/rules.md", "First rule.\nSecond rule.\n"),
    ("prompts/again.md", "Try {{ tool.name }} again.\n"),
    ("prompts/check.md", "Check what `shell` says.\n\nCount how many of the red\n"),
    ("prompts/pointed.md", "You are pointed at.\n"),
    (
        "tools/find.toml",
        "name = \"find\"\ndescription = \"Find `what`.\"\nrun = [\"bin/find\", \"{what}\"]\n[parameters.properties.what]\ntype = \"string\"\n",
    ),
    ("CLAUDE.md", "@prompts/check.md\n"),
    ("agent.json", "{\"prompt\": \"{file:./prompts/pointed.md}\"}\n"),
    ("bin/look", "#!/bin/sh\n"),
    ("tasks/task-1/task.toml", "[task]\nname = \"t/task-1\"\n"),
    ("tasks/task-1/instruction.md", "Write the answer down.\n"),
    ("tasks/task-1/tests/test.sh", "#!/bin/sh\necho 1\n"),
    ("tasks/task-2/task.toml", "[task]\nname = \"t/task-2\"\n"),
    ("tasks/task-2/instruction.md", "Count how many of the red apples lie beside the green door today.\n"),
    ("tasks/task-2/tests/test.sh", "#!/bin/sh\necho 2\n"),
];

/// What is typed: pieces that make and break names, tables, templates and quotations.
const TYPED: &[&str] = &[
    "",
    "",
    " ",
    "\n",
    "\n\n",
    "x",
    "\"",
    "{{ style }}",
    "{{ stlye }}",
    "{% if",
    "`look`",
    "`key`",
    "task-2",
    "-2",
    "apples lie beside the green door today.\n",
    "Count how many of the red apples ",
    "unfinished =\n",
    "# How\n",
    "[[tool]]\nname = \"more\"\nbuiltin = \"shell\"\n",
    "enabled = false\n",
    "name = \"find\"\n",
    "# ",
    "[tasks]\n",
    "@prompts/rules.md\n",
    "{file:./prompts/rules.md}",
    "sk-a8Fh3kD92mQz71LpWx04",
    "ü",
    "\r\n",
    "held_in = [\"task-2\"]\n",
    "description = \"Said twice.\"\n",
    "prompts/rules.md",
    "]\n",
    "[prompt.variables]\nmore = \"1\"\n",
];

#[derive(Clone, Debug)]
enum Step {
    /// A file, a place in thousandths, so many bytes taken away, what is typed, and whether problems are asked for after it.
    Edit(usize, usize, usize, usize, bool),
    /// A text is closed: what is on disk shows again.
    Close(usize),
    /// A file on disk goes away, or comes back.
    Disk(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let texts = prop_oneof![Just(0_usize), 0..FILES.len(), 1_usize..6];
    let edit = (
        texts,
        0_usize..=1000,
        prop_oneof![3 => Just(0_usize), 1 => 1_usize..30],
        0..TYPED.len(),
        any::<bool>(),
    );
    prop_oneof![
        12 => edit.prop_map(|(file, at, gone, typed, looks)| Step::Edit(file, at, gone, typed, looks)),
        1 => (0..FILES.len()).prop_map(Step::Close),
        1 => (0..FILES.len(), any::<bool>()).prop_map(|(file, is_there)| Step::Disk(file, is_there)),
    ]
}

fn path(file: usize) -> FilePath {
    FilePath::parse(FILES[file].0).unwrap()
}

fn apply(files: &Files, step: &Step) -> Files {
    match *step {
        Step::Edit(file, at, gone, typed, _) => {
            let Some(document) = files.document(&path(file)) else { return files.clone() };
            let source = document.source();
            let floor = |at: usize| {
                (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0)
            };
            // Half of the edits begin at a line.
            let start = floor(source.len() * at / 1000);
            let start =
                if at % 2 == 0 { source[..start].rfind('\n').map_or(0, |end| end + 1) } else { start };
            let span = Span::new(start, floor(start + gone).max(start));
            files.with_open(document.edited(&[TextEdit { span, new_text: TYPED[typed].to_owned() }]))
        }
        Step::Close(file) => files.with_closed(&path(file)),
        Step::Disk(file, is_there) => {
            let text = FILES[file].1;
            let content = Content::Text(Document::new(path(file), Text::new(text)));
            let entry = File { content, executable: text.starts_with("#!"), link: None };
            files.with_disk([(path(file), is_there.then_some(entry))])
        }
    }
}

fn afresh(files: &Files) -> Harness {
    let copy = |document: &Document| Document::new(document.path().clone(), Text::new(document.source()));
    let disk = files.paths().filter_map(|path| {
        let file = files.on_disk(path)?.clone();
        let Content::Text(document) = &file.content else { return None };
        Some((path.clone(), File { content: Content::Text(copy(document)), ..file }))
    });
    let fresh = Files::new(disk);
    let open: Vec<Arc<Document>> = files.open_documents().map(|document| copy(document)).collect();
    Harness::resolve(&open.into_iter().fold(fresh, |files, document| files.with_open(document)), None)
}

/// All that others can ask of a harness.
fn said(harness: &Harness) -> String {
    let mut said = format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n",
        all(harness),
        harness.symbols().definitions(),
        harness.paths(),
        harness.unread(),
    );
    for file in harness.named_files() {
        let spans = harness.surface_spans(file);
        said += &format!("{file} {:?} {:?} {spans:?}\n", harness.role(file), harness.mentions_in(file));
    }
    for text in harness.texts() {
        let files = harness.files();
        said +=
            &format!("{} {:?} {} {:?} {:?}\n", text.id, text.role, text.owner, text.declared, text.source);
        said += &format!("{:?}\n{:?}\n", text.template(files), text.markdown(files));
        said += &format!("{:?}\n", text.quotations(files, harness.word_runs()));
    }
    for tool in harness.tools() {
        said += &format!("{} {:?} {:?} {:?}\n", tool.name, tool.at, tool.declared, tool.value());
        said += &format!("{:?}\n", harness.tool(&tool.name).0.map(|tool| tool.declared));
    }
    for placed in harness.surfaces() {
        said += &format!("{:?}\n{:?}\n", placed.surface, placed.id);
        for place in &placed.places {
            said += &format!("{:?} {:?} {:?}\n", place.file, place.target, place.resolved());
        }
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_harness_says_what_a_fresh_one_says(steps in prop::collection::vec(step(), 1..12)) {
        let mut files = Files::from_texts(FILES.iter().copied());
        let mut harness = Harness::resolve(&files, None);
        let _ = said(&harness);
        for step in &steps {
            files = apply(&files, step);
            harness = Harness::resolve(&files, Some(&harness));
            if !matches!(step, Step::Edit(.., false)) {
                let (kept, fresh) = (said(&harness), said(&afresh(&files)));
                if kept != fresh {
                    let changes = similar::TextDiff::from_lines(&fresh, &kept).unified_diff().to_string();
                    prop_assert!(false, "{step:?}\n{changes}");
                }
            }
        }
        prop_assert_eq!(said(&harness), said(&afresh(&files)));
    }
}
