//! `init`: all of a preset or nothing, never over a file, and what is there is used.

use std::fs;

use crate::{Directory, Ran, command};

#[test]
fn every_preset_is_clean() {
    for preset in ["minimal", "mini-swe-agent", "deepagents", "claude-code", "harbor-terminal-bench-2"] {
        let directory = Directory::new(preset);
        let init = directory.run(&["init", "--preset", preset]);
        assert_eq!(init.code, Some(0), "{}", init.err);
        assert!(init.out.contains(": no problems\n"), "{}", init.out);
        let check = directory.run(&["check"]);
        assert_eq!(check.code, Some(0), "{preset}: {}", check.out);
        assert!(check.out.ends_with(": no problems\n"), "{preset}: {}", check.out);
    }
}

#[test]
fn a_new_harness_says_what_to_do_next() {
    let directory = Directory::new("next");
    let init = directory.run(&["init", "--preset", "minimal", "my agent"]);
    assert_eq!(init.code, Some(0), "{}", init.err);
    insta::assert_snapshot!(init.out);
}

#[test]
fn all_or_nothing() {
    let directory = Directory::new("all");
    directory.write("prompts/system.md", "mine\n").write("tasks/count-lines/task.toml", "mine\n");
    let init = directory.run(&["init", "--preset", "minimal"]);
    assert_eq!((init.code, init.out.as_str()), (Some(2), ""));
    assert_eq!(
        init.err,
        "error: `prompts/system.md` and `tasks/count-lines/task.toml` are already in `.`; nothing was written\nhint: choose another directory, or move them away\n"
    );
    assert_eq!(directory.read("prompts/system.md"), "mine\n");
    assert!(!directory.path("harness.toml").exists());
}

#[test]
fn what_cannot_be_made_is_said_before_anything_is() {
    let directory = Directory::new("obstacle");
    directory.write("tools", "mine\n");
    let init = directory.run(&["init", "--preset", "minimal"]);
    assert_eq!(init.code, Some(2), "{}", init.out);
    assert_eq!(
        init.err,
        "error: `tools` is already in `.`; nothing was written\nhint: choose another directory, or move them away\n"
    );
    let names: Vec<_> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["tools"]);
    let init = directory.run(&["init", "--preset", "minimal", "tools/x"]);
    let expected = "error: `tools` is no directory\nhint: name a directory, or one that is to be made\n";
    assert_eq!((init.code, init.err.as_str()), (Some(2), expected));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nothing", directory.path("link")).unwrap();
        let init = directory.run(&["init", "--preset", "minimal", "link"]);
        assert_eq!(init.code, Some(2));
        assert!(init.err.starts_with("error: `link` is a link that leads nowhere\n"), "{}", init.err);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_is_gone_is_no_place() {
    let directory = Directory::new("gone");
    fs::create_dir(directory.path("here")).unwrap();
    let script = "rmdir ../here; exec \"$0\" init --preset minimal";
    let init: Ran = std::process::Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_self-harness")])
        .current_dir(directory.path("here"))
        .output()
        .unwrap()
        .into();
    let expected = "error: the current directory is not there any more\nhint: change to one that is there\n";
    assert_eq!((init.code, init.err.as_str()), (Some(2), expected));
}

#[test]
fn nothing_is_made_on_the_way() {
    let directory = Directory::new("way");
    let init = directory.run(&["init", "--preset", "minimal", "a/b/c/../d"]);
    assert_eq!(init.code, Some(0), "{}", init.err);
    assert!(directory.path("a/b/d/harness.toml").is_file() && !directory.path("a/b/c").exists());
    assert!(init.out.contains("\n  self-harness check a/b/d "), "{}", init.out);
}

#[cfg(unix)]
#[test]
fn what_is_suggested_can_be_run() {
    for name in ["sp ace d'q", "-dash", "$HOME"] {
        let directory = Directory::new("suggested");
        let init = directory.run(&["init", "--preset", "claude-code", "--", name]);
        let line = init.out.lines().find(|line| line.starts_with("  self-harness check "));
        let (suggested, _) = line.and_then(|line| line.trim().split_once("  ")).unwrap();
        let script = suggested.replacen("self-harness", "\"$0\"", 1);
        let ran: Ran = std::process::Command::new("/bin/sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_self-harness")])
            .current_dir(&directory.0)
            .output()
            .unwrap()
            .into();
        assert_eq!(ran.code, Some(0), "{suggested}: {}", ran.err);
    }
}

#[test]
fn a_harness_is_not_made_twice() {
    let directory = Directory::new("twice");
    assert_eq!(directory.run(&["init", "--preset", "deepagents"]).code, Some(0));
    let init = directory.run(&["init", "--preset", "claude-code"]);
    assert_eq!(init.code, Some(2));
    assert!(init.err.contains("`harness.toml` is already in `.`"), "{}", init.err);
    assert!(init.err.contains("hint: this is a harness already"), "{}", init.err);
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    use std::os::unix::fs::symlink;
    let directory = Directory::new("through");
    let outside = Directory::new("elsewhere");
    symlink(&outside.0, directory.path("prompts")).unwrap();
    let init = directory.run(&["init", "--preset", "minimal"]);
    assert_eq!(init.code, Some(2), "{}", init.out);
    assert!(init.err.contains("a link leads out of the project"), "{}", init.err);
    assert_eq!(fs::read_dir(&outside.0).unwrap().count(), 0);
    assert!(!directory.path("harness.toml").exists());

    fs::remove_file(directory.path("prompts")).unwrap();
    symlink(outside.path("nowhere"), directory.path("harness.toml")).unwrap();
    assert_eq!(directory.run(&["init", "--preset", "minimal"]).code, Some(2));
    assert_eq!(fs::read_dir(&outside.0).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn programs_may_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new("programs");
    directory.run(&["init", "--preset", "minimal"]);
    let mode = |name| fs::metadata(directory.path(name)).unwrap().permissions().mode();
    assert_ne!(mode("tasks/count-lines/tests/test.sh") & 0o100, 0);
    assert_eq!(mode("harness.toml") & 0o111, 0);
}

#[test]
fn a_program_that_names_no_preset_is_told_which_there_are() {
    let directory = Directory::new("choose");
    let init = directory.run(&["init"]);
    assert_eq!((init.code, init.out.as_str()), (Some(2), ""));
    assert_eq!(
        init.err,
        "error: no preset is named\nhint: add `--preset` and one of `minimal`, `mini-swe-agent`, `deepagents`, `claude-code`, `harbor-terminal-bench-2`\n"
    );
    assert_eq!(directory.run(&["init", "--preset", "huge"]).code, Some(2));
}

const MINI_YAML: &str = "agent:\n  system_template: |\n    You are the one from the installation.\n  instance_template: |\n    {{task}}\nmodel:\n  observation_template: |\n    {{ output.output }}\n";

fn install(directory: &Directory, prefix: &str, yaml: &str) {
    let packages = format!("{prefix}/lib/python3.12/site-packages");
    directory.write(&format!("{packages}/minisweagent/config/mini.yaml"), yaml);
    directory.write(&format!("{packages}/mini_swe_agent-2.5.1.dist-info/METADATA"), "");
}

#[test]
fn mini_swe_agent_comes_with_the_configuration_of_the_active_environment() {
    let directory = Directory::new("mini-venv");
    install(&directory, "venv", MINI_YAML);
    let init: Ran = command(&directory.0, &["init", "--preset", "mini-swe-agent", "new"])
        .env("VIRTUAL_ENV", directory.path("venv"))
        .output()
        .unwrap()
        .into();
    assert_eq!(init.code, Some(0), "{}", init.err);
    assert_eq!(directory.read("new/mini.yaml"), MINI_YAML);
    assert!(directory.read("new/harness.toml").contains("version = \"2.5.1\""));
    assert!(
        init.out.contains("`mini.yaml` is a copy of `") && init.out.contains(", version 2.5.1\n"),
        "{}",
        init.out
    );
    assert!(init.out.contains(": no problems\n"), "{}", init.out);
}

#[test]
fn mini_swe_agent_is_found_by_its_script_without_running_it() {
    let directory = Directory::new("mini-path");
    install(&directory, "tool", MINI_YAML);
    let python = directory.path("tool/bin/python3");
    // Whoever ran it would leave a mark.
    let mark = directory.path("ran");
    let script = format!("#!{}\nopen('{}', 'w')\n", python.display(), mark.display());
    directory.write("bin/mini", script);
    let init: Ran = command(&directory.0, &["init", "--preset", "mini-swe-agent", "new"])
        .env("PATH", directory.path("bin"))
        .output()
        .unwrap()
        .into();
    assert_eq!(init.code, Some(0), "{}", init.err);
    assert_eq!(directory.read("new/mini.yaml"), MINI_YAML, "{}", init.out);
    assert!(!mark.exists());
}

#[test]
fn mini_swe_agent_is_found_behind_a_shim() {
    for versions in ["versions", "installs/python"] {
        let directory = Directory::new("mini-shim");
        for version in ["3.9.1", "3.11.4", "3.10.2"] {
            let yaml = MINI_YAML.replace("the installation", version);
            install(&directory, &format!("env/{versions}/{version}"), &yaml);
        }
        directory.write("env/shims/mini", "#!/usr/bin/env bash\nexit 1\n");
        let init = |name: &str| {
            let path = directory.path("env/shims");
            let arguments = ["init", "--preset", "mini-swe-agent", name];
            let init: Ran = command(&directory.0, &arguments).env("PATH", path).output().unwrap().into();
            assert!(init.out.contains(": no problems\n"), "{}{}", init.out, init.err);
            directory.read(&format!("{name}/mini.yaml"))
        };
        assert_eq!(init("newest"), MINI_YAML.replace("the installation", "3.11.4"));
        directory.write("env/version", "3.10.2\n3.9.1\n");
        assert_eq!(init("chosen"), MINI_YAML.replace("the installation", "3.10.2"));
    }
}

#[test]
fn a_configuration_with_a_problem_is_not_taken() {
    let directory = Directory::new("mini-warning");
    install(&directory, "venv", &MINI_YAML.replace("You are", "You\u{200b} are"));
    let init: Ran = command(&directory.0, &["init", "--preset", "mini-swe-agent", "new"])
        .env("VIRTUAL_ENV", directory.path("venv"))
        .output()
        .unwrap()
        .into();
    assert!(init.out.contains("cannot be taken over (U+200B "), "{}", init.out);
    assert!(init.out.contains(": no problems\n"), "{}", init.out);
}

#[test]
fn a_configuration_of_another_shape_is_not_taken() {
    let directory = Directory::new("mini-other");
    install(
        &directory,
        "venv",
        "agent:\n  system_template: |\n    Hello.\n  instance_template: |\n    {{task}}\n",
    );
    let init: Ran = command(&directory.0, &["init", "--preset", "mini-swe-agent", "new"])
        .env("VIRTUAL_ENV", directory.path("venv"))
        .output()
        .unwrap()
        .into();
    assert_eq!(init.code, Some(0), "{}", init.err);
    assert!(init.out.contains("cannot be taken over (surface `observation`: "), "{}", init.out);
    assert!(directory.read("new/harness.toml").contains("version = \"2.4.6\""));
    assert!(init.out.contains(": no problems\n"), "{}", init.out);
}

#[test]
fn limits_leave_room_for_what_is_there() {
    let directory = Directory::new("mini-long");
    let long = format!("    {}\n", "word ".repeat(600).trim_end());
    install(&directory, "venv", &MINI_YAML.replace("    You are the one from the installation.\n", &long));
    let init: Ran = command(&directory.0, &["init", "--preset", "mini-swe-agent", "new"])
        .env("VIRTUAL_ENV", directory.path("venv"))
        .output()
        .unwrap()
        .into();
    assert!(init.out.contains(": no problems\n"), "{}", init.out);
    assert!(
        directory.read("new/harness.toml").contains("max_tokens = 1000\n"),
        "{}",
        directory.read("new/harness.toml")
    );
}

#[test]
fn claude_code_points_at_the_prose_that_is_there() {
    let directory = Directory::new("claude");
    let memory = format!("# Rules\n\n{}\n", "Read before you write. ".repeat(400));
    directory.write("CLAUDE.md", &memory);
    directory.write(
        ".claude/agents/Code Reviewer.md",
        "---\nname: reviewer\ndescription: Reviews code.\ntools: Read\n---\n\nRead the diff.\n",
    );
    directory.write(".claude/agents/bare.md", "Only a body.\n");
    directory.write(
        ".claude/skills/release/SKILL.md",
        "---\nname: release\ndescription: Releases.\n---\n\n# Steps\n\nTag it.\n",
    );
    directory
        .write(".claude/settings.json", "{\"permissions\": {}}\n")
        .write(".claude/commands/go.md", "Go.\n");
    let init = directory.run(&["init", "--preset", "claude-code"]);
    assert_eq!(init.code, Some(0), "{}", init.err);
    assert!(init.out.contains("checked 5 files of 1 harness: no problems\n"), "{}", init.out);
    assert!(init.out.contains("`CLAUDE.md` stays as it is and is a surface; so are `agent-code-reviewer`, `agent-code-reviewer-when`, `agent-bare`, `skill-release`, `skill-release-when`\n"), "{}", init.out);
    assert_eq!(directory.read("CLAUDE.md"), memory);
    insta::assert_snapshot!(directory.read("harness.toml"));
}

#[test]
fn claude_code_gets_a_memory_file_where_there_is_none() {
    let directory = Directory::new("claude-none");
    let init = directory.run(&["init", "--preset", "claude-code"]);
    let expected = "\nthere was no `CLAUDE.md`, so there is a short one now, which is a surface\n";
    assert!(init.out.contains(expected), "{}{}", init.out, init.err);
    // Beside the settings no proposal may write.
    let directory = Directory::new("claude-inside");
    directory.write(".claude/CLAUDE.md", "# Rules\n\n- Be careful.\n");
    let init = directory.run(&["init", "--preset", "claude-code"]);
    assert!(init.out.contains(": no problems\n"), "{}{}", init.out, init.err);
    assert!(
        init.out.contains("\n`CLAUDE.md` is new and a surface (`.claude/CLAUDE.md` can be none: "),
        "{}",
        init.out
    );
    assert_eq!(directory.read(".claude/CLAUDE.md"), "# Rules\n\n- Be careful.\n");
}

/// Makes the preset beside a subagent, which is a surface, and checks that all is clean.
#[track_caller]
fn beside_an_agent(directory: &Directory) -> String {
    directory.write(".claude/agents/reviewer.md", "---\ndescription: Reviews.\n---\n\nRead the diff.\n");
    let init = directory.run(&["init", "--preset", "claude-code"]);
    assert_eq!(init.code, Some(0), "{}", init.err);
    let check = directory.run(&["check"]);
    assert!(check.out.ends_with(": no problems\n"), "{}", check.out);
    init.out.lines().find(|line| line.starts_with("`CLAUDE.md`")).unwrap().to_owned()
}

#[test]
fn claude_code_names_the_file_that_holds_the_text() {
    let directory = Directory::new("claude-import");
    directory.write("CLAUDE.md", "@AGENTS.md\n").write("AGENTS.md", "Be careful.\n");
    let expected = "`CLAUDE.md` stays as it is and leads to `AGENTS.md`, which is a surface; so are `agent-reviewer`, `agent-reviewer-when`";
    assert_eq!(beside_an_agent(&directory), expected);
    #[cfg(unix)]
    {
        let directory = Directory::new("claude-link");
        directory.write("AGENTS.md", "Be careful.\n");
        std::os::unix::fs::symlink("AGENTS.md", directory.path("CLAUDE.md")).unwrap();
        assert_eq!(beside_an_agent(&directory), expected);
    }
}

#[test]
fn claude_code_offers_no_memory_that_can_be_no_surface() {
    let cases: [&[u8]; 5] =
        [b"@~/.claude/me.md\n", b"@missing.md\n", b"@loop.md\n", b"caf\xe9\n", b"a\xe2\x80\x8bb\n"];
    for text in cases {
        let directory = Directory::new("claude-memory");
        directory.write("CLAUDE.md", text).write("loop.md", "@CLAUDE.md\n");
        let note = beside_an_agent(&directory);
        assert!(note.starts_with("`CLAUDE.md` stays as it is and can be no surface ("), "{note}");
        assert!(note.ends_with("); surfaces are `agent-reviewer`, `agent-reviewer-when`"), "{note}");
        assert!(!directory.read("harness.toml").contains("memory"));
        // Alone, it leaves nothing to change.
        let alone = Directory::new("claude-alone");
        alone.write("CLAUDE.md", text).write("loop.md", "@CLAUDE.md\n");
        let init = alone.run(&["init", "--preset", "claude-code"]);
        assert_eq!((init.code, init.out.as_str()), (Some(3), ""), "{}", init.err);
        assert!(
            init.err.contains(
                "there is no other text here; nothing was written\nhint: write into `CLAUDE.md` itself"
            ),
            "{}",
            init.err
        );
        assert!(!alone.path("harness.toml").exists());
    }
    #[cfg(unix)]
    {
        let outside = Directory::new("claude-home");
        outside.write("CLAUDE.md", "Be careful.\n");
        let directory = Directory::new("claude-out");
        std::os::unix::fs::symlink(outside.path("CLAUDE.md"), directory.path("CLAUDE.md")).unwrap();
        assert!(beside_an_agent(&directory).contains("can be no surface ("));
    }
}

#[test]
fn claude_code_offers_only_what_is_clean() {
    let directory = Directory::new("claude-clean");
    directory.write("CLAUDE.md", "Be careful.\n");
    directory.write(".claude/agents/odd.md", "---\ndescription: foo: bar: baz\n---\n\nDo it.\n");
    directory.write(".claude/agents/bytes.md", b"caf\xe9\n");
    beside_an_agent(&directory);
    // Nothing is in it that could be wrong.
    let directory = Directory::new("claude-empty");
    directory.write("CLAUDE.md", "");
    beside_an_agent(&directory);
}

#[cfg(unix)]
#[test]
fn claude_code_finds_skills_behind_a_link() {
    let directory = Directory::new("claude-skills");
    directory.write("CLAUDE.md", "Be careful.\n").write(".claude/settings.json", "{}\n");
    directory
        .write("skills/release/SKILL.md", "---\nname: release\ndescription: Releases.\n---\n\nTag it.\n");
    std::os::unix::fs::symlink("../skills", directory.path(".claude/skills")).unwrap();
    assert!(beside_an_agent(&directory).ends_with("`skill-release`, `skill-release-when`"));
}
