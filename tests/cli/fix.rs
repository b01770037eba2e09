//! `check --fix`: what it changes, what it leaves, and how it writes.

use std::fs;

use crate::{Directory, MANIFEST, broken, harness};

#[test]
fn safe_fixes_are_applied_and_told() {
    let directory = broken("fix");
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(0), "{}{}", fix.out, fix.err);
    let expected = "fixed 1 problem\n  harness.toml:17:22: unknown detector `loop-identical-fial`; did you mean `loop-identical-fail`? (SH304): Replace with `loop-identical-fail`\n\nchecked 2 files of 1 harness: no problems\n";
    assert_eq!(fix.out, expected);
    assert_eq!(directory.read("harness.toml"), MANIFEST);
    let again = directory.run(&["check", "--fix"]);
    assert_eq!(again.out, "checked 2 files of 1 harness: no problems\n");
}

#[test]
fn one_fix_makes_room_for_the_next() {
    let directory = harness("rounds");
    // The key is unknown, and only when it is known its value is wrong.
    directory.write("harness.toml", format!("{MANIFEST}\n[runtime]\nmax_step = \"12\"\n"));
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(0), "{}{}", fix.out, fix.err);
    assert!(fix.out.starts_with("fixed 2 problems\n"), "{}", fix.out);
    assert!(directory.read("harness.toml").ends_with("\n[runtime]\nmax_steps = 12\n"));
}

#[test]
fn what_needs_a_look_is_left_alone() {
    let directory = harness("preview");
    let prompt = "Use the `shel` tool in {{ workdri }}. <!-- why -->\n";
    directory.write("prompts/system.md", prompt);
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(1));
    assert!(!fix.out.contains("fixed"), "{}", fix.out);
    assert_eq!(directory.read("prompts/system.md"), prompt);
    assert_eq!(directory.read("harness.toml"), MANIFEST);
}

#[test]
fn only_the_files_that_are_meant_are_fixed() {
    let directory = broken("part");
    let before = directory.read("harness.toml");
    let fix = directory.run(&["check", "--fix", "prompts/system.md"]);
    assert_eq!(fix.out, "checked 1 file of 1 harness: no problems\n");
    assert_eq!(directory.read("harness.toml"), before);
}

#[test]
fn every_other_byte_stays() {
    let directory = harness("bytes");
    let text = format!("\u{feff}{}", MANIFEST.replace('\n', "\r\n"));
    directory.write("harness.toml", text.replace("identical-fail", "identical-fial"));
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(0), "{}{}", fix.out, fix.err);
    assert_eq!(directory.read("harness.toml"), text);
}

/// The names in a directory: nothing temporary is left.
fn names(directory: &Directory) -> Vec<String> {
    let entries = fs::read_dir(&directory.0).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn permissions_stay_and_nothing_temporary_is_left() {
    use std::os::unix::fs::PermissionsExt;
    let directory = broken("mode");
    let path = directory.path("harness.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(directory.run(&["check", "--fix"]).code, Some(0));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(names(&directory), ["harness.toml", "prompts"]);
}

#[cfg(unix)]
#[test]
fn a_file_without_a_fix_is_not_written() {
    use std::os::unix::fs::MetadataExt;
    let directory = broken("untouched");
    let inode = |name| fs::metadata(directory.path(name)).unwrap().ino();
    let before = (inode("harness.toml"), inode("prompts/system.md"));
    assert_eq!(directory.run(&["check", "--fix"]).code, Some(0));
    assert_ne!(inode("harness.toml"), before.0);
    assert_eq!(inode("prompts/system.md"), before.1);
}

#[cfg(unix)]
#[test]
fn a_link_inside_stays_a_link_and_one_that_leaves_is_not_followed() {
    use std::os::unix::fs::symlink;
    let directory = harness("inside");
    let tool = "name = \"read\"\ndescription = \"Reads.\"\nbuiltin = \"read_file\"\ntimeuot = \"5s\"\n";
    directory.write("harness.toml", format!("{MANIFEST}\n[[tool]]\nfile = \"tools/read.toml\"\n"));
    directory.write("common/read.toml", tool);
    fs::create_dir_all(directory.path("tools")).unwrap();
    symlink("../common/read.toml", directory.path("tools/read.toml")).unwrap();
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(0), "{}{}", fix.out, fix.err);
    assert!(fs::symlink_metadata(directory.path("tools/read.toml")).unwrap().is_symlink());
    assert!(directory.read("common/read.toml").contains("timeout = \"5s\""));

    let outside = Directory::new("outside");
    outside.write("read.toml", tool);
    fs::remove_file(directory.path("tools/read.toml")).unwrap();
    symlink(outside.path("read.toml"), directory.path("tools/read.toml")).unwrap();
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(1), "{}{}", fix.out, fix.err);
    assert_eq!(outside.read("read.toml"), tool);
}

#[test]
fn programs_are_told_what_was_fixed() {
    let directory = broken("json");
    let fix = directory.run(&["check", "--fix", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&fix.out).unwrap();
    assert_eq!(report["problems"], serde_json::json!([]));
    assert_eq!(
        report["fixed"],
        serde_json::json!([{
            "rule": "SH304", "file": "harness.toml", "line": 17, "column": 22,
            "message": "unknown detector `loop-identical-fial`; did you mean `loop-identical-fail`?",
            "title": "Replace with `loop-identical-fail`",
        }])
    );
}

#[test]
fn two_slips_of_one_key_hold_up_no_other_fix() {
    let directory = broken("twice");
    let slips = "\n[runtime]\nmax_step = 3\nmax_stepss = 5\n";
    let text = directory.read("harness.toml");
    directory.write("harness.toml", format!("{text}{slips}"));
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(1), "{}{}", fix.out, fix.err);
    assert!(fix.out.contains("fixed 1 problem\n"), "{}", fix.out);
    assert_eq!(directory.read("harness.toml"), format!("{MANIFEST}{slips}"));
}

#[test]
fn only_the_unused_variable_goes() {
    let directory = harness("variable");
    let variables =
        |inside: &str| MANIFEST.replace("[prompt]\n", &format!("[prompt]\nvariables = {{ {inside} }}\n"));
    directory.write("harness.toml", variables("team = \"core\", tone = \"kind\""));
    directory.write("prompts/system.md", "Be {{ tone }}.\n");
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(0), "{}{}", fix.out, fix.err);
    assert_eq!(directory.read("harness.toml"), variables("tone = \"kind\""));
}

#[test]
fn an_absolute_path_into_the_project_becomes_relative() {
    let directory = harness("absolute");
    let absolute = directory.path("prompts/system.md");
    let absolute = absolute.to_str().unwrap();
    directory.write("harness.toml", MANIFEST.replace("prompts/system.md", absolute));
    let fix = directory.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(0), "{}{}", fix.out, fix.err);
    assert_eq!(directory.read("harness.toml"), MANIFEST);
}
