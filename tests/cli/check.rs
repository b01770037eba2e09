//! `check`: what it looks at, what it says, and how it ends.

use std::fs;
use std::path::Path;

use crate::{Directory, MANIFEST, Ran, broken, command, harness};

#[test]
fn every_example_is_clean() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/examples");
    let check = crate::run(&examples, &["check"]);
    assert_eq!(check.code, Some(0), "{}", check.out);
    let examples = fs::read_dir(examples).unwrap().flatten();
    let harnesses = examples.filter(|example| example.path().join("harness.toml").is_file()).count();
    assert!(4 <= harnesses, "{harnesses}");
    let said = format!(" of {harnesses} harnesses: no problems");
    assert!(check.out.contains(&said), "{said}: {}", check.out);
}

#[test]
fn a_clean_harness_says_what_was_checked() {
    let check = harness("clean").run(&["check"]);
    assert_eq!((check.code, check.out.as_str()), (Some(0), "checked 2 files of 1 harness: no problems\n"));
    assert_eq!(check.err, "");
}

/// Two tools of one name, an unknown variable, prose, a surface that is too long, and a file that is no text.
fn rich(name: &str) -> Directory {
    let directory = harness(name);
    let more = r#"
[[tool]]
name = "Shell"
description = "Runs a command."
builtin = "shell"

[[surface]]
id = "rules"
file = "prompts/system.md"
select = ["md.section", "Rules"]
max_lines = 1
"#;
    directory.write("harness.toml", format!("{MANIFEST}{more}"));
    directory.write(
        "prompts/system.md",
        "Ünïcode 😀\tand a tab before {{ workdri }}.\r\n\r\n# Rules\r\n\r\n- Use the `shel` tool.\r\n- <!-- why -->\r\n",
    );
    directory.write("prompts/latin1.md", b"caf\xe9\n");
    directory.write(
        "harness.toml",
        format!("{MANIFEST}{more}[prompt.variables]\nfood = {{ file = \"prompts/latin1.md\" }}\n"),
    );
    directory
}

#[test]
fn problems_come_with_excerpts_reasons_and_ways_out() {
    let check = rich("rich").run(&["check"]);
    assert_eq!(check.code, Some(1));
    insta::assert_snapshot!(check.out);
}

#[test]
fn warnings_are_exit_code_0() {
    let directory = harness("warning");
    directory.write("prompts/system.md", "Use the `shel` tool.\n");
    let check = directory.run(&["check"]);
    assert_eq!(check.code, Some(0));
    assert!(check.out.ends_with("checked 2 files of 1 harness: 1 warning\n"), "{}", check.out);
}

#[test]
fn nested_harnesses_are_checked_each_for_itself() {
    let directory = harness("nested");
    directory.write("inner/deep/harness.toml", MANIFEST.replace("system.md", "other.md"));
    directory.write("inner/deep/prompts/other.md", "In {{ workdri }}.\n");
    let check = directory.run(&["check"]);
    assert_eq!(check.code, Some(1));
    assert!(check.out.contains("--> inner/deep/prompts/other.md:1:7\n"), "{}", check.out);
    assert!(check.out.ends_with("checked 4 files of 2 harnesses: 1 error\n"), "{}", check.out);
    let outer = directory.run(&["check", "harness.toml"]);
    assert_eq!(outer.out, "checked 2 files of 1 harness: no problems\n");
}

#[test]
fn a_file_is_checked_alone_and_a_manifest_stands_for_all() {
    let directory = broken("paths");
    directory.write("prompts/system.md", "In {{ workdri }}.\n");
    let ends = |arguments: &[&str], end: &str| {
        let check = directory.run(arguments);
        assert!(check.out.ends_with(end), "{arguments:?}: {}{}", check.out, check.err);
    };
    ends(&["check", "prompts/system.md"], "checked 1 file of 1 harness: 1 error\n");
    ends(&["check", "prompts"], "checked 1 file of 1 harness: 1 error\n");
    ends(&["check", "./prompts/../prompts/system.md", "prompts"], "checked 1 file of 1 harness: 1 error\n");
    let all = "checked 2 files of 1 harness: 2 errors (1 fixable with `--fix`)\n";
    ends(&["check", "harness.toml"], all);
    ends(&["check", "harness.toml", "prompts/system.md"], all);
    ends(&["check", "prompts/system.md", "."], all);
}

#[test]
fn paths_are_shown_as_seen_from_here() {
    let directory = broken("here");
    directory.write("prompts/system.md", "In {{ workdri }}.\n");
    let prompts = directory.path("prompts");
    let check = crate::run(&prompts, &["check"]);
    assert!(check.out.contains("--> system.md:1:7\n"), "{}", check.out);
    assert!(check.out.ends_with("checked 1 file of 1 harness: 1 error\n"), "{}", check.out);
    let check = crate::run(&prompts, &["check", ".."]);
    assert!(check.out.contains("--> ../harness.toml:17:22\n"), "{}", check.out);
}

#[test]
fn a_file_belongs_to_the_nearest_manifest_that_names_it() {
    let directory = harness("nearest");
    directory.write("prompts/harness.toml", MANIFEST.replace("prompts/system.md", "own.md"));
    directory.write("prompts/own.md", "Hello.\n").write("prompts/system.md", "In {{ workdri }}.\n");
    let check = directory.run(&["check", "prompts/system.md"]);
    assert!(check.out.contains("unknown variable `workdri`"), "{}{}", check.out, check.err);
    let check = directory.run(&["check", "prompts/own.md"]);
    assert_eq!(check.out, "checked 1 file of 1 harness: no problems\n");
}

#[cfg(unix)]
#[test]
fn a_link_is_the_file_that_the_manifest_names() {
    let directory = harness("link");
    directory.write("common/text.md", "In {{ workdri }}.\n");
    fs::remove_file(directory.path("prompts/system.md")).unwrap();
    std::os::unix::fs::symlink("../common/text.md", directory.path("prompts/system.md")).unwrap();
    let check = directory.run(&["check", "prompts/system.md"]);
    assert_eq!(check.code, Some(1), "{}{}", check.out, check.err);
}

#[track_caller]
fn refused(check: &Ran, err: &str) {
    assert_eq!((check.code, check.out.as_str()), (Some(2), ""));
    assert_eq!(check.err, err);
}

#[test]
fn what_is_not_there_is_exit_code_2_with_a_hint() {
    let directory = Directory::new("empty");
    refused(
        &directory.run(&["check"]),
        "error: no `harness.toml` in or below `.`\nhint: create one with `self-harness init --preset minimal`, or name the directory of one\n",
    );
    refused(
        &directory.run(&["check", "nothing.md"]),
        "error: there is no `nothing.md`\nhint: name a manifest, a directory or a file of a harness\n",
    );
    directory.write("lonely.md", "");
    refused(
        &directory.run(&["check", "lonely.md"]),
        "error: no `harness.toml` above `lonely.md`\nhint: create one with `self-harness init --preset minimal`\n",
    );
    let directory = harness("unnamed");
    directory.write("notes/README.md", "{{ not a template\n");
    refused(
        &directory.run(&["check", "notes/README.md"]),
        "error: `notes/README.md` belongs to no harness\nhint: only files that `harness.toml` names are checked: as a prompt, a tool, a surface or a part of a task\n",
    );
    refused(
        &directory.run(&["check", "notes"]),
        "error: no file of a harness is below `notes`\nhint: `harness.toml` names other files\n",
    );
    // One path that leads nowhere is not hidden by another that does not.
    assert_eq!(directory.run(&["check", ".", "missing"]).code, Some(2));
}

#[test]
fn colour_is_for_terminals() {
    let directory = broken("colour");
    assert!(!directory.run(&["check"]).out.contains('\u{1b}'));
    let forced: Ran = command(&directory.0, &["check"]).env("CLICOLOR_FORCE", "1").output().unwrap().into();
    assert!(forced.out.contains("\u{1b}["), "{}", forced.out);
    let json: Ran = command(&directory.0, &["check", "--format", "json"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap()
        .into();
    assert!(!json.out.contains('\u{1b}'));
}

#[test]
fn nothing_in_a_document_steers_the_terminal() {
    let directory = harness("escape");
    directory.write(
        "harness.toml",
        MANIFEST.replace("\"shell\"\ndescription", "\"x\\u001b]0;owned\\u0007\\u202e\"\ndescription"),
    );
    directory.write("prompts/system.md", "{{ workdri }}\u{1b}[2J\u{9b}31m\u{202e}\n");
    for arguments in [&["check"][..], &["check", "--render", "prompts/system.md"]] {
        let check = directory.run(arguments);
        let all = format!("{}{}", check.out, check.err);
        assert_eq!(check.code, Some(1), "{all}");
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{all:?}");
    }
    let check = directory.run(&["check"]);
    assert!(check.out.contains("tool name `x\\u{1b}]0;owned\\u{7}\\u{202e}`"), "{}", check.out);
}

#[test]
fn a_key_is_never_repeated() {
    let key = "sk-ant-api03-AAAAbbbbCCCCddddEEEEffffGGGGhhhhIIIIjjjjKKKKllll";
    let directory = harness("secret");
    directory.write("prompts/system.md", format!("Use {key} in {{{{ workdri }}}}.\n"));
    for format in ["text", "json", "sarif"] {
        let check = directory.run(&["check", "--format", format]);
        assert_eq!(check.code, Some(1));
        assert!(check.out.contains("SH701") && check.out.contains("SH101"), "{}", check.out);
        assert!(!check.out.contains("AAAAbbbb"), "{format}: {}", check.out);
    }
}

#[test]
fn allowed_errors_are_listed() {
    let directory = harness("allowed");
    let allow = "\n[[lint.allow]]\nrule = \"SH701\"\nfile = \"prompts/*.md\"\nreason = \"an example that opens nothing\"\n";
    directory.write("harness.toml", format!("{MANIFEST}{allow}"));
    directory.write(
        "prompts/system.md",
        "Never print sk-ant-api03-AAAAbbbbCCCCddddEEEEffffGGGGhhhhIIIIjjjjKKKKllll.\n",
    );
    let check = directory.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}", check.out);
    let expected = "allowed SH701 secret-literal in `prompts/*.md`: an example that opens nothing (harness.toml:23)\n\nchecked 2 files of 1 harness: no problems\n";
    assert_eq!(check.out, expected);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::process::Stdio;
    let directory = broken("pipe");
    let mut child =
        command(&directory.0, &["check"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn help_teaches() {
    let directory = Directory::new("help");
    let help = directory.run(&["check", "--help"]);
    assert_eq!(help.code, Some(0));
    for word in ["--explain <RULE>", "Exit codes:", "[[lint.allow]]", "A fix is safe if"] {
        assert!(help.out.contains(word), "{}", help.out);
    }
    assert_eq!(directory.run(&["check", "--explain", "SH104", "--fix"]).code, Some(2));
}

#[test]
fn the_command_alone_prints_help() {
    let directory = Directory::new("alone");
    let alone = directory.run(&[]);
    assert_eq!((alone.code, alone.err.as_str()), (Some(0), ""));
    assert_eq!(alone.out, directory.run(&["--help"]).out);
    for code in ["  0  ", "  1  ", "  2  ", "  3  ", "  4  ", " 70  "] {
        assert!(alone.out.contains(&format!("\n{code}")), "{}", alone.out);
        assert!(directory.run(&["check", "--help"]).out.contains(&format!("\n{code}")), "{code}");
    }
    assert!(!alone.out.contains("improves"), "{}", alone.out);
}

#[test]
fn a_project_may_lie_in_a_directory_of_any_name() {
    let directory = Directory::new("skipped");
    directory.write("target/harness.toml", MANIFEST).write("target/prompts/system.md", "Hello.\n");
    directory.write("target/target/harness.toml", "schema = 2\n");
    let check = crate::run(&directory.path("target"), &["check"]);
    assert_eq!(check.out, "checked 2 files of 1 harness: no problems\n", "{}", check.err);
}

#[test]
fn very_many_problems_in_a_large_file_take_no_time() {
    let directory = harness("large");
    let line =
        "{{ unknown }} and some words more, to fill a file that is long and has a problem on each line\n";
    directory.write("prompts/system.md", line.repeat(20_000));
    let begin = std::time::Instant::now();
    let check = directory.run(&["check"]);
    assert!(check.out.contains("19900 more of `undefined-variable`"));
    // An unoptimised binary takes about two seconds; a report that looks at the whole text for each problem, thirty.
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
}

#[test]
fn the_example_of_the_readme_is_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let directory = Directory::new("readme");
    directory.run(&["init", "--preset", "minimal", "my-agent"]);
    let manifest =
        directory.read("my-agent/harness.toml").replace("loop-identical-fail", "loop-identical-fial");
    directory.write("my-agent/harness.toml", manifest);
    let check = directory.run(&["check"]);
    let (problem, _) = check.out.split_once("\n\n").unwrap();
    assert!(readme.contains(&format!("```text\n{problem}\n")), "the README lacks\n{problem}");
}
