//! What a rename changes and what it refuses, on examples and on generated harnesses. `$0` marks the cursor.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::workspace::Workspace;

fn site(files: &Files, file: &FilePath) -> Site {
    let mut workspace = Workspace::default();
    workspace.set_project(Path::new("/p"), files.clone());
    let project = workspace.snapshot().project(Path::new("/p")).unwrap().clone();
    Site { project, file: file.clone() }
}

/// All texts after the changes.
fn texts(files: &Files) -> BTreeMap<String, String> {
    let paths: Vec<&FilePath> = files.paths().collect();
    let text = |path: &&FilePath| (path.to_string(), files.document(path).unwrap().source().to_owned());
    paths.iter().map(text).collect()
}

type Texts<'a> = &'a [(&'a str, &'a str)];

fn marked(files: Texts<'_>) -> (Site, usize) {
    let (file, text) = files.iter().find(|(_, text)| text.contains("$0")).unwrap();
    let offset = text.find("$0").unwrap();
    let clean: Vec<(&str, String)> =
        files.iter().map(|(name, text)| (*name, text.replacen("$0", "", 1))).collect();
    let files = Files::from_texts(clean.iter().map(|(name, text)| (*name, text.as_str())));
    (site(&files, &FilePath::parse(file).unwrap()), offset)
}

const HEAD: &str = "schema = 1\n[model]\nendpoint = \"http://127.0.0.1:1/v1\"\nname = \"m\"\n";
const STYLE: &str = "[prompt.variables]\nstyle = \"x\"\n";

fn renamed(files: Texts<'_>, new: &str) -> Result<BTreeMap<String, String>, String> {
    let (site, offset) = marked(files);
    let changes = rename(&site, offset, new, true)?;
    Ok(texts(&after(site.project.harness(), &changes).unwrap()))
}

/// Every text after the rename is the text before it with `from` in place of `to`.
#[track_caller]
fn check(files: Texts<'_>, new: &str, from: &str, to: &str) {
    let renamed = renamed(files, new).unwrap();
    for (name, text) in files {
        let before = text.replacen("$0", "", 1);
        assert_eq!(renamed[*name], before.replace(from, to), "{name}");
    }
}

#[track_caller]
fn refuses(files: Texts<'_>, new: &str, why: &str) {
    let answer = renamed(files, new).unwrap_err();
    assert!(answer.contains(why), "{answer}");
}

fn manifest(body: &str) -> String {
    format!("{HEAD}{body}")
}

#[test]
fn a_name_in_escaped_and_long_strings_follows() {
    let body = format!(
        "[prompt]\nsystem = {{ text = \"\\\"{{{{ style }}}}\\n\" }}\ntask = {{ text = \"\"\"\n{{{{ style }}}} \\\n  {{{{ style }}}}\"\"\" }}\n{STYLE}"
    );
    let text = manifest(&body.replace("style = \"x\"", "$0style = \"x\""));
    check(&[("harness.toml", &text)], "tone", "style", "tone");
}

const TOOLS: &str =
    "[prompt]\nsystem = \"system.md\"\n[[tool]]\nname = \"shell\"\ndescription = \"d\"\nrun = [\"sh\"]\n";

#[test]
fn a_tool_is_renamed_in_ids_comparisons_and_all_inline_code() {
    let body = "[[surface]]\nid = \"tool.shell.description\"\nenabled = false\n\
        [[tool]]\nname = \"other\"\ndescription = \"not `shell`\"\nrun = [\"x\"]\n\
        [tool.parameters.properties.p]\ntype = \"string\"\ndescription = \"as `shell` \\\"does\\\"\"\n\
        [prompt.variables]\nhow = \"use\\t`shell`\"\n\
        [[lint.allow]]\nrule = \"SH204\"\nsurface = \"tool.shell.description\"\nreason = \"r\"\n";
    let system = "{{ how }} `shell` {% for t in tools %}{% if t.name == 'shell' %}x{% endif %}{% endfor %} prose shell? no\n";
    let text = manifest(&format!("{TOOLS}{body}")).replace("name = \"shell\"", "name = \"$0shell\"");
    let files = [("harness.toml", text.as_str()), ("system.md", system)];
    let renamed = renamed(&files, "run_it").unwrap();
    assert_eq!(renamed["harness.toml"], text.replace("$0", "").replace("shell", "run_it"));
    assert_eq!(
        renamed["system.md"],
        system.replace("shell", "run_it").replace("prose run_it", "prose shell")
    );
}

#[test]
fn ids_of_native_surfaces_follow_states_rules_and_variables() {
    let body = "[prompt]\nsystem = { text = \"{{ style }}\" }\n[prompt.variables]\nstyle = \"x\"\n\
        [[runtime.rule]]\nid = \"stop\"\nwhen = { step = 3 }\ninject = { text = \"i\" }\n\
        [orchestration]\nstart = \"plan\"\n[[orchestration.state]]\nid = \"plan\"\nprompt = { text = \"p\" }\n\
        [[surface]]\nid = \"state.plan.prompt\"\nenabled = false\n\
        [[surface]]\nid = \"rule.stop\"\nenabled = false\n\
        [[surface]]\nid = \"prompt.variables.style\"\nenabled = false\n";
    for (name, new) in [("plan", "think"), ("stop", "halt"), ("style", "tone")] {
        let text = manifest(body).replacen(&format!("{name}.prompt"), &format!("$0{name}.prompt"), 1);
        let text = if text.contains("$0") {
            text
        } else {
            text.replacen(&format!(".{name}\""), &format!(".$0{name}\""), 1)
        };
        check(&[("harness.toml", &text)], new, name, new);
    }
}

#[test]
fn a_parameter_is_renamed_in_commands_selectors_and_its_own_descriptions() {
    let tool = r#"{"name": "grep", "description": "finds `pattern`", "run": ["grep", "{pattern}", "{{brace}"],
        "parameters": {"type": "object", "required": ["pattern"], "properties": {"$0pattern": {"type": "string", "description": "a regex"}}}}"#;
    let body = "[prompt]\nsystem = { text = \"s\" }\n[[tool]]\nfile = \"grep.json\"\n[[surface]]\nid = \"p\"\nfile = \"grep.json\"\n\
        select = [\"json\", \"parameters\", \"properties\", \"pattern\", \"description\"]\n";
    check(&[("harness.toml", &manifest(body)), ("grep.json", tool)], "regex_", "pattern", "regex_");
}

#[test]
fn an_escaped_mention_is_replaced_between_its_quotes() {
    let body = format!(
        "{TOOLS}[orchestration]\nstart = \"a\"\n[[orchestration.state]]\nid = \"a\"\nprompt = {{ text = \"p\" }}\ntools = [\"$0sh\\u0065ll\"]\n"
    );
    let text = manifest(&body);
    let files = [("harness.toml", text.as_str()), ("system.md", "s")];
    let (site, offset) = marked(&files);
    let (span, name) = prepare_rename(&site, offset, true).unwrap();
    let source = site.project.harness().manifest_file().document.source();
    assert_eq!((span.of(source), name.as_str()), ("sh\\u0065ll", "shell"));
    assert!(renamed(&files, "sh_run").unwrap()["harness.toml"].ends_with("tools = [\"sh_run\"]\n"));
}

const TASKS: &[(&str, &str)] = &[
    ("tasks/a/task.toml", "version = \"1.0\"\n"),
    ("tasks/b/task.toml", "version = \"1.0\"\n"),
    ("tasks/g/c/task.toml", "version = \"1.0\"\n"),
];

fn with_tasks<'a>(manifest: &'a str, more: Texts<'a>) -> Vec<(&'a str, &'a str)> {
    [("harness.toml", manifest)]
        .into_iter()
        .chain(more.iter().copied())
        .chain(TASKS.iter().copied())
        .collect()
}

#[test]
fn tasks_are_renamed_to_what_they_can_be() {
    let body =
        "[prompt]\nsystem = { text = \"s\" }\n[tasks]\nheld_in = [\"$0a\", \"b\"]\nheld_out = ['g/c']\n";
    let text = manifest(body);
    let files = with_tasks(&text, &[]);
    let after = renamed(&files, "x/../n/d").unwrap();
    assert!(after.contains_key("tasks/n/d/task.toml") && after["harness.toml"].contains("[\"n/d\", \"b\"]"));
    let after = renamed(&files, "q\"x").unwrap();
    assert!(after["harness.toml"].contains("[\"q\\\"x\", \"b\"]"));
    refuses(&files, "b/x", "inside of task `b`");
    refuses(&files, "a/x", "cannot be inside of");
    refuses(&files, "g", "already there");
    refuses(&files, "count-*", "no name for a task");
    refuses(&files, "a\nb", "no name for a task");
}

#[test]
fn a_file_takes_its_allowances_along_and_no_directory() {
    let body = "[prompt]\nsystem = \"$0p/a.md\"\ntask = \"p/q/b.md\"\n\
        [[lint.allow]]\nrule = \"undefined-variable\"\nfile = 'p/a.md'\nreason = \"r\"\n";
    let text = manifest(body);
    let files = [("harness.toml", text.as_str()), ("p/a.md", "{{ nope }}"), ("p/q/b.md", "t")];
    let after = renamed(&files, "p/it's.md").unwrap();
    assert_eq!(
        after["harness.toml"],
        text.replace("$0", "").replace("'p/a.md'", "\"p/it's.md\"").replace("p/a.md", "p/it's.md")
    );
    refuses(&files, "p/q", "already there");
    refuses(&files, "p/", "already there");
    refuses(&files, "p/q/b.md/c.md", "cannot be inside of");
    refuses(&files, "p/a*.md", "no name for a file");
}

#[test]
fn an_import_follows_its_file() {
    let body = "[agent]\nkind = \"command\"\nargv = [\"x\"]\n[[surface]]\nid = \"s\"\nfile = \"doc/CLAUDE.md\"\n\
        [[surface]]\nid = \"t\"\nfile = \"AGENTS.md\"\nselect = [\"md.section\", \"A\"]\n";
    let text = manifest(body).replace("\"AGENTS.md\"", "\"$0AGENTS.md\"");
    let files =
        [("harness.toml", text.as_str()), ("doc/CLAUDE.md", "@../AGENTS.md\n"), ("AGENTS.md", "# A\n\nx\n")];
    assert_eq!(renamed(&files, "doc/rules/x.md").unwrap()["doc/CLAUDE.md"], "@rules/x.md\n");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let text = manifest(&format!("[prompt]\nsystem = {{ text = \"{{{{ style }}}}\" }}\n{STYLE}"))
        .replace("{ style", "{ $0style");
    let files = [("harness.toml", text.as_str())];
    for word in ["not", "true", "loop", "1x", "a b", ""] {
        refuses(&files, word, "no name for a variable");
    }
    refuses(&files, "tools", "the agent itself defines `tools`");
    let tools = manifest(&format!("{TOOLS}[[tool]]\nname = \"grep\"\ndescription = \"d\"\nrun = [\"x\"]\n"))
        .replace("\"shell\"", "\"$0shell\"");
    refuses(&[("harness.toml", &tools), ("system.md", "s")], "GREP", "already a tool `grep`");
}

#[test]
fn what_would_be_left_behind_is_refused_with_its_place() {
    let text = manifest(&format!("[prompt]\nsystem = \"a.md\"\ntask = \"b.md\"\n{STYLE}"))
        .replace("style =", "$0style =");
    refuses(
        &[("harness.toml", &text), ("a.md", "{{ style }}"), ("b.md", "\n{{ style")],
        "tone",
        "`b.md`, line 2 is no template that compiles",
    );
    // A loop's own name would take what the variable was.
    let own = "\n{% for tone in tools %}{{ style }}{% endfor %}";
    refuses(
        &[("harness.toml", &text), ("a.md", own), ("b.md", "")],
        "tone",
        "`a.md`, line 2 would no longer mean",
    );
    let broken = manifest(&format!("{TOOLS}[orchestration]\nstart = \"a\"\ntools = [\"shell\" = \n"))
        .replace("\"shell\"\ndesc", "\"$0shell\"\ndesc");
    refuses(&[("harness.toml", &broken), ("system.md", "")], "x", "does not parse");
}

#[test]
fn inline_code_that_would_mean_something_else_is_refused() {
    let text = manifest(&format!(
        "{TOOLS}[orchestration]\nstart = \"work\"\n[[orchestration.state]]\nid = \"work\"\nprompt = {{ text = \"p\" }}\n"
    ))
    .replace("name = \"shell\"", "name = \"$0shell\"");
    refuses(
        &[("harness.toml", &text), ("system.md", "`work`")],
        "work",
        "`system.md`, line 1 would no longer mean the state `work`",
    );
}

#[test]
fn a_surface_of_a_pattern_has_its_own_id() {
    let body = "[agent]\nkind = \"command\"\nargv = [\"x\"]\n[[surface]]\nid = \"$0agents\"\nfile = \".claude/agents/*.md\"\nselect = [\"md.body\"]\n\
        [[lint.allow]]\nrule = \"SH026\"\nsurface = \"agents@.claude/agents/a.md\"\nreason = \"r\"\n";
    let text = manifest(body);
    let files = [("harness.toml", text.as_str()), (".claude/agents/a.md", "x"), (".claude/agents/b.md", "y")];
    let (marked, offset) = marked(&files);
    assert_eq!(prepare_rename(&marked, offset, true).unwrap().1, "agents");
    let after = renamed(&files, "helpers").unwrap();
    assert!(
        after["harness.toml"].contains("id = \"helpers\"")
            && after["harness.toml"].contains("\"helpers@.claude/agents/a.md\"")
    );
}

#[test]
fn parts_of_the_native_agent_keep_their_ids() {
    let body = "[prompt]\nsystem = { text = \"s\" }\n[[lint.allow]]\nrule = \"SH105\"\nsurface = \"$0prompt.system\"\nreason = \"r\"\n";
    refuses(&[("harness.toml", &manifest(body))], "x", "part of the native agent");
}

#[test]
fn directories_move_with_all_that_is_said_of_them() {
    let moved = |text: &str, more: Texts<'_>, moves: &[(&str, &str)]| -> BTreeMap<String, String> {
        let files = Files::from_texts(with_tasks(text, more));
        let harness = Harness::resolve(&files, None);
        let path = |text: &&str| FilePath::parse(text).unwrap();
        let moves: Vec<_> = moves.iter().map(|(from, to)| (path(from), path(to))).collect();
        texts(&after(&harness, &moved_files(&harness, &moves)).unwrap())
    };
    let text = manifest(
        "[prompt]\nsystem = \"p/s.md\"\n[tasks]\r\nheld_in = [\"a\", \"g/*\"]\nheld_out = [\"g/c\", \"*b\"]\n",
    );
    let manifest_after =
        |moves: &[(&str, &str)]| moved(&text, &[("p/s.md", "")], moves)["harness.toml"].clone();
    assert_eq!(manifest_after(&[("tasks/g", "tasks/h/i")]), text.replace("g/", "h/i/"));
    assert_eq!(manifest_after(&[("p", "q\"q")]), text.replace("p/s", "q\\\"q/s"));
    // The text's first line break is LF.
    assert_eq!(manifest_after(&[("tasks", "suite")]), text.replace("[tasks]", "[tasks]\ndir = \"suite\""));
    let dotted = text.replace("[tasks]\r\nheld_in = [\"a\", \"g/*\"]\nheld_out", "[tasks.split]\nseed");
    assert_eq!(
        moved(&dotted, &[], &[("tasks", "suite")])["harness.toml"],
        dotted.replace("[tasks.split]", "[tasks]\ndir = \"suite\"\n\n[tasks.split]")
    );
    let agent = manifest(
        "[agent]\nkind = \"command\"\nargv = [\"x\"]\n[[surface]]\nid = \"s\"\nfile = \"CLAUDE.md\"\n",
    );
    let more = [("CLAUDE.md", "@AGENTS.md\n"), ("AGENTS.md", "x\n")];
    let new = format!("{agent}[[surface]]\nid = \"n\"\nselect = [\"new\", \"agents/*.md\"]\n");
    assert!(moved(&new, &more, &[("agents", "people")])["harness.toml"].contains("\"people/*.md\""));
    assert_eq!(moved(&agent, &more, &[("AGENTS.md", "docs/A.md")])["CLAUDE.md"], "@docs/A.md\n");
    assert_eq!(moved(&agent, &more, &[("CLAUDE.md", "docs/C.md")])["CLAUDE.md"], "@../AGENTS.md\n");
}

/// A harness that names everything in every way, by some choices.
fn generated(choices: &[bool]) -> Vec<(String, String)> {
    let mut choices = choices.iter().copied().chain(std::iter::repeat(false));
    let mut choose = move |one: &str, other: &str| {
        (if choices.next().unwrap_or_default() { one } else { other }).to_owned()
    };
    let mut files: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, text: String| files.push((name.to_owned(), text));
    let mut text = HEAD.to_owned();
    let system = "# Rules\n\n{{ style }} with `shell`, `plan` and ``read_file``.\n{% if tools %}{{ tone }}{% endif %}\n";
    put("prompts/system.md", system.to_owned());
    put("prompts/task.md", "{% for t in tools %}{% if t.name == 'shell' %}{{ style }}{% endif %}{% endfor %}{{ task.instruction }}".to_owned());
    text += &choose(
        "[prompt]\nsystem = \"prompts/system.md\"\n",
        "[prompt]\nsystem = { text = \"\"\"\n\\\"{{ style }}\\\" {{ tone }} \\\n   `shell`\"\"\" }\n",
    );
    text += &choose("task = 'prompts/task.md'\n", "task = { file = \"./prompts/task.md\" }\n");
    text += &choose(
        "observation = { text = \"{{ output.text }}\\n{% if tool.name in ['shell', \\\"grep\\\"] %}x{% endif %}\" }\n",
        "observation = { text = '{{ output.text }} {{ tone }} {{ state.id == \"plan\" }}' }\n",
    );
    text += &choose(
        "[prompt.variables]\nstyle = \"short, \\\"`shell`\\\"\"\n\"tone\" = 'calm `work`'\n",
        "[prompt.variables]\nstyle = 's'\ntone = { file = \"prompts/tone.md\" }\n",
    );
    put("prompts/tone.md", "calm, `plan` `tone`\n".to_owned());
    put(
        "tools/grep.json",
        "{\"name\": \"grep\", \"description\": \"like `shell`:\\n `pattern`\", \"run\": [\"bin/grep\", \"-n={pattern}\", \"{flags}\"],\n \"parameters\": {\"type\": \"object\", \"properties\": {\"pattern\": {\"type\": \"string\", \"description\": \"see \\\"`flags`\\\"\"}, \"flags\": {\"type\": \"string\"}}, \"required\": [\"pattern\"]}}\n".to_owned(),
    );
    put("bin/grep", "#!/bin/sh\n".to_owned());
    put("tools/shell.toml", "name = 'shell'\ndescription = \"Runs `cmd`\"\nrun = [\"sh\", \"-c\", \"{cmd}\"]\nparameters.type = \"object\"\nparameters.properties.cmd = { type = \"string\" }\n".to_owned());
    text += "[[tool]]\nfile = \"tools/grep.json\"\n";
    text += &choose(
        "[[tool]]\nfile = \"tools/shell.toml\"\n",
        "[[tool]]\nname = \"shell\"\ndescription = \"d `grep`\"\nrun = [\"sh\", \"{cmd}\"]\n[tool.parameters]\ntype = \"object\"\nproperties.cmd = { type = \"string\" }\n",
    );
    text += &choose(
        "[[tool]]\nname = \"read_file\"\nbuiltin = \"read_file\"\n",
        "[[tool]]\nname = '''read_file'''\nbuiltin = \"read_file\"\nenabled = false\n",
    );
    text += "[[runtime.rule]]\nid = \"stop\"\nwhen = { tool = 'shell', outcome = \"error\", state = \"plan\" }\ninject = { text = \"{{ style }}\\u0021 `grep`\" }\n";
    text += &choose(
        "[[runtime.rule]]\nid = \"less\"\nwhen = { step = 3 }\nlimit = { tool = \"grep\", calls = 3 }\n",
        "",
    );
    text += "[orchestration]\nstart = \"plan\"\n[[orchestration.state]]\nid = \"plan\"\nprompt = { text = \"`grep` {{ tone }}\" }\ntools = [\"shell\", 'grep', \"read_file\"]\nnext = [\"do.it\"]\n[[orchestration.state]]\nid = 'do.it'\nprompt = \"prompts/do.md\"\nnext = [\"plan\", \"end\"]\non_limit = \"plan\"\n";
    put("prompts/do.md", "`do.it` after `plan`\n".to_owned());
    text += "[[surface]]\nid = \"flag-text\"\nfile = \"tools/grep.json\"\nselect = [\"json\", \"parameters\", \"properties\", \"pattern\", \"description\"]\n";
    text += &choose(
        "[[surface]]\nid = \"state.plan.prompt\"\nenabled = false\n[[surface]]\nid = \"prompt.variables.style\"\nenabled = false\n",
        "[[surface]]\nid = \"tool.shell.description\"\nenabled = false\n",
    );
    text += &choose(
        "[[surface]]\nid = \"rule.stop\"\nenabled = false\n",
        "[[surface]]\nid = \"rules-of-work\"\nfile = \"prompts/system.md\"\nselect = [\"md.section\", \"Rules\"]\nrequires = [\"{{style}}\"]\n",
    );
    text += "[tasks]\nheld_in = [\"t-1\", 'group/t-2']\nheld_out = [\"t-3\"]\n";
    for task in ["t-1", "group/t-2", "t-3"] {
        put(&format!("tasks/{task}/task.toml"), "version = \"1.0\"\n".to_owned());
        put(&format!("tasks/{task}/instruction.md"), format!("Do this: {task}\n"));
        put(&format!("tasks/{task}/tests/test.sh"), "#!/bin/sh\n".to_owned());
    }
    text += "[[lint.allow]]\nrule = \"split-too-small\"\nfile = \"harness.toml\"\nreason = \"few\"\n";
    text += &choose(
        "[[lint.allow]]\nrule = \"SH107\"\nsurface = \"rule.stop\"\nfile = 'prompts/do.md'\nreason = \"r\"\n",
        "[[lint.allow]]\nrule = \"SH107\"\nsurface = \"flag-text\"\nreason = \"r\"\n",
    );
    let text = choose(&text, &text.replace('\n', "\r\n"));
    put("harness.toml", text);
    files
}

fn problems(harness: &Harness) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for problem in check::all(harness).values().flatten() {
        *counts.entry(format!("{} {:?}", problem.rule.id, problem.severity)).or_default() += 1;
    }
    counts
}

fn fresh(kind: SymbolKind, old: &str) -> String {
    match kind {
        SymbolKind::Variable | SymbolKind::Parameter | SymbolKind::Tool => "fresh_name".to_owned(),
        SymbolKind::File => old
            .rsplit_once('/')
            .map_or_else(|| format!("fresh-{old}"), |(parent, name)| format!("{parent}/fresh/{name}")),
        SymbolKind::Task => "fresh/name-1".to_owned(),
        SymbolKind::State | SymbolKind::Rule | SymbolKind::Surface => "fresh-name".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// A rename to a fresh name changes mentions only, brings and takes no problem, and can be taken back.
    #[test]
    fn a_rename_keeps_all_problems_and_can_be_taken_back(
        choices in proptest::collection::vec(any::<bool>(), 12),
        symbol in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let texts_before = generated(&choices);
        let files = Files::from_texts(texts_before.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let before = Harness::resolve(&files, None);
        let (kind, name) = {
            let all: Vec<_> = before.symbols().definitions().iter().filter(|symbol| {
                !(symbol.kind == SymbolKind::Surface && is_native(&before, &symbol.name)) && symbol.name != MANIFEST
            }).collect();
            let symbol = symbol.get(&all);
            (symbol.kind, symbol.name.clone())
        };
        let mentions = before.mentions_of(kind, &name);
        prop_assert!(!mentions.is_empty());
        let (file, mention) = from.get(&mentions);
        let (file, offset, spelled) = ((*file).clone(), mention.span.start as usize, shown(mention).to_owned());
        let new = fresh(kind, &name);
        let site_before = site(&files, &file);
        let changes = rename(&site_before, offset, &new, true).map_err(|why| {
            TestCaseError::fail(format!("{kind:?} {name}: {why}"))
        })?;
        for change in &changes {
            if let Change::Edit { file, edit } = change {
                let here = before.mentions_in(file);
                prop_assert!(here.iter().any(|mention| mention.span == edit.span), "{edit:?}");
            }
        }
        // As the disk is afterwards: nothing is open.
        let written = texts(&after(&before, &changes).unwrap());
        let renamed = Files::from_texts(written.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let harness = Harness::resolve(&renamed, None);
        prop_assert_eq!(problems(&before), problems(&harness), "{:?} {}", kind, name);
        let full = match kind {
            SymbolKind::Parameter => format!("{}.{new}", name.split_once('.').unwrap().0),
            _ => new,
        };
        prop_assert_eq!(harness.mentions_of(kind, &full).len(), mentions.len());
        prop_assert!(harness.mentions_of(kind, &name).is_empty());
        let (file, mention) = harness.mentions_of(kind, &full)[0];
        let back = rename(&site(&renamed, file), mention.span.start as usize, &spelled, true).unwrap();
        let restored = texts(&after(&harness, &back).unwrap());
        for (name, text) in &texts_before {
            // Paths are written anew as they are meant.
            prop_assert_eq!(restored[name].replace("./prompts", "prompts"), text.replace("./prompts", "prompts"));
        }
    }
}
