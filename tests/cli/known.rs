//! `check --write-known`: problems that are listed do not count, and the list does not grow unseen.

use crate::{MANIFEST, Ran, broken, command, harness};

#[test]
fn known_problems_do_not_count_wherever_they_stand() {
    let directory = broken("known");
    let write = directory.run(&["check", "--write-known"]);
    assert_eq!(write.code, Some(0), "{}{}", write.out, write.err);
    let expected = "wrote `harness.known.toml`: 1 known problem (1 new, 0 solved)\n\nchecked 2 files of 1 harness: no problems, 1 known (in `harness.known.toml`) (1 fixable with `--fix`)\n";
    assert_eq!(write.out, expected);
    let moved = format!("# one more line\n{}", directory.read("harness.toml"));
    directory.write("harness.toml", moved);
    assert_eq!(directory.run(&["check"]).code, Some(0));
    // A new one counts.
    directory.write("prompts/system.md", "In {{ workdri }}.\n");
    let check = directory.run(&["check"]);
    assert_eq!(check.code, Some(1));
    assert!(check.out.contains("SH101") && !check.out.contains("SH304"), "{}", check.out);
    // A solved one leaves.
    directory.write("harness.toml", MANIFEST).write("prompts/system.md", "Hello.\n");
    let write = directory.run(&["check", "--write-known"]);
    assert!(
        write.out.starts_with("wrote `harness.known.toml`: 0 known problems (0 new, 1 solved)\n"),
        "{}",
        write.out
    );
}

#[test]
fn the_list_does_not_grow_where_nobody_looks() {
    let directory = broken("ci");
    assert_eq!(directory.run(&["check", "--write-known"]).code, Some(0));
    let list = directory.read("harness.known.toml");
    let in_ci = |value: &str| -> Ran {
        command(&directory.0, &["check", "--write-known"]).env("CI", value).output().unwrap().into()
    };
    assert_eq!(in_ci("true").code, Some(0), "what is listed may be listed again");
    // One solved, one new: as many as before, and still one that nobody has seen.
    directory.write("harness.toml", MANIFEST).write("prompts/system.md", "In {{ workdri }}.\n");
    let grown = in_ci("true");
    assert_eq!((grown.code, grown.out.as_str()), (Some(2), ""));
    assert_eq!(
        grown.err,
        "error: `harness.known.toml` would grow by SH101 in `prompts/system.md`, and `CI` is set\nhint: solve what is new, or run this on your own machine and commit the list\n"
    );
    assert_eq!(directory.read("harness.known.toml"), list);
    assert_eq!(in_ci("false").code, Some(0));
    assert_ne!(directory.read("harness.known.toml"), list);
}

#[test]
fn a_project_without_problems_gets_no_list() {
    let directory = harness("nothing");
    let write = directory.run(&["check", "--write-known"]);
    assert_eq!((write.code, write.out.as_str()), (Some(0), "checked 2 files of 1 harness: no problems\n"));
    assert!(!directory.path("harness.known.toml").exists());
}

#[test]
fn however_many_there_are_all_are_known() {
    let directory = harness("many");
    let many: String = (0..250).map(|n| format!("{{{{ unknown_{n} }}}}\n")).collect();
    directory.write("prompts/system.md", many);
    assert!(directory.run(&["check"]).out.contains("150 more of `undefined-variable`"));
    let write = directory.run(&["check", "--write-known"]);
    assert_eq!(write.code, Some(0), "{}{}", write.out, write.err);
    assert!(
        write.out.starts_with("wrote `harness.known.toml`: 250 known problems (250 new, 0 solved)\n"),
        "{}",
        write.out
    );
    assert_eq!(directory.run(&["check"]).code, Some(0));
}

#[test]
fn a_leaked_key_is_never_known() {
    let directory = harness("leak");
    directory.write("prompts/system.md", "sk-ant-api03-AAAAbbbbCCCCddddEEEEffffGGGGhhhhIIIIjjjjKKKKllll\n");
    let write = directory.run(&["check", "--write-known"]);
    assert_eq!(write.code, Some(1), "{}{}", write.out, write.err);
    assert!(write.out.contains("SH701"), "{}", write.out);
}

#[test]
fn a_path_stands_for_its_harness_when_the_list_is_written() {
    let directory = broken("known-part");
    directory.write("prompts/system.md", "In {{ workdri }}.\n");
    let write = directory.run(&["check", "--write-known", "prompts"]);
    let expected = "wrote `harness.known.toml`: 2 known problems (2 new, 0 solved)\n\nchecked 2 files of 1 harness: no problems, 2 known (in `harness.known.toml`) (1 fixable with `--fix`)\n";
    assert_eq!(write.out, expected);
}

#[test]
fn a_list_that_cannot_be_read_is_neither_ignored_nor_replaced() {
    let directory = broken("known-garbage");
    let hint = "hint: restore it, or remove it and write it anew with `self-harness check --write-known`\n";
    let no_list =
        |line| format!("error: `harness.known.toml` is no list of known problems (line {line})\n{hint}");
    let cases: [(&[u8], String); 5] = [
        (b"# x\ngarbage = [\n", no_list(2)),
        (b"known = 1\n", no_list(1)),
        (b"x = 1\n", no_list(1)),
        (b"known = [\n  \"0123\",\n]\n", no_list(2)),
        (b"\xff", format!("error: `harness.known.toml` is not UTF-8 (byte 0)\n{hint}")),
    ];
    for (text, err) in cases {
        directory.write("harness.known.toml", text);
        for arguments in [&["check"][..], &["check", "--write-known"], &["check", "--fix"]] {
            let check = directory.run(arguments);
            assert_eq!((check.code, check.out.as_str(), check.err), (Some(3), "", err.clone()));
        }
        assert_eq!(std::fs::read(directory.path("harness.known.toml")).unwrap(), text);
    }
    std::fs::remove_file(directory.path("harness.known.toml")).unwrap();
    std::fs::create_dir(directory.path("harness.known.toml")).unwrap();
    let check = directory.run(&["check", "--write-known"]);
    assert_eq!((check.code, check.err), (Some(3), format!("error: `harness.known.toml` is no file\n{hint}")));
}
