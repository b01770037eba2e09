//! The README's first command, whole: from an example to an accepted edit and its report.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::lab::BINARY;

#[test]
fn the_demo_ends_with_an_accepted_edit_its_scores_and_a_page() {
    let home = std::env::temp_dir().join(format!("self-harness-whole-demo-{}", std::process::id()));
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home).unwrap();
    // An editor that says what it was started with, and whether the model still answers.
    let editor = home.join("bin/nvim");
    fs::create_dir_all(home.join("bin")).unwrap();
    let script = "#!/bin/bash\nprintf '%s\\n' \"$@\" > \"$HOME/opened\"\ncommand -v self-harness >> \"$HOME/opened\"\n\
        address=$(sed -n 's|^endpoint = \"http://\\(.*\\):\\(.*\\)/v1\"|/dev/tcp/\\1/\\2|p' \"$HOME/.local/state/self-harness/demo/harness.toml\")\n\
        : < \"$address\" && echo answers >> \"$HOME/opened\"\n";
    fs::write(&editor, script).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.join("bin").display());
    let here = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(&home).env_clear().env("HOME", &home).env("PATH", &path);
        command.output().unwrap()
    };
    let output = here(&["demo", "--open", "nvim"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    let aside = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{aside}");
    assert!(printed.contains("evaluate finished: held-in "), "{printed}");
    let finished = printed.lines().find(|line| line.starts_with("improve finished: ")).unwrap();
    assert!(!finished.contains("0 of "), "{printed}");
    // Both splits went up, each by its own numbers.
    for split in ["held-in ", "held-out "] {
        let score = finished.split(split).nth(1).unwrap();
        let (before, after) = score.split_once('/').unwrap().0.split_once('→').unwrap();
        assert!(before.parse::<f64>().unwrap() < after.parse::<f64>().unwrap(), "{finished}");
    }
    // The edit, and how to see it again.
    assert!(printed.contains("+++ b/") && printed.contains(" accepted "), "{printed}");
    let root = home.join(".local/state/self-harness/demo");
    let page = fs::read_to_string(root.join("report.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script"), "{page}");
    let next: Vec<&str> =
        printed.lines().filter_map(|line| line.trim().strip_prefix("self-harness ")).collect();
    assert!(3 <= next.len(), "{printed}");
    for line in next {
        let shown = here(&line.split(' ').collect::<Vec<_>>());
        assert!(shown.status.success(), "{line}: {}", String::from_utf8_lossy(&shown.stderr));
    }
    // The editor was opened at the line that the edit changes, with our server and the example's model.
    let opened = fs::read_to_string(home.join("opened")).unwrap();
    let opened: Vec<&str> = opened.lines().collect();
    let [.., line, file, server, model] = opened[..] else { panic!("{opened:?}") };
    let line: usize = line.trim_start_matches('+').parse().unwrap();
    let changed = Path::new(file).strip_prefix(&root).unwrap().display().to_string();
    assert!(printed.contains(&format!("+++ b/{changed}")), "{file}\n{printed}");
    assert!(line <= fs::read_to_string(file).unwrap().lines().count(), "{line}");
    assert_eq!((server, model), (BINARY, "answers"));
    let lines: Vec<&str> = printed.lines().filter(|line| line.contains(file)).collect();
    assert!(lines.iter().any(|line| line.contains("code --new-window ")), "{printed}");
    assert!(lines.iter().any(|line| line.contains("nvim ")), "{printed}");
    // The project is as it was.
    let manifest = fs::read_to_string(root.join("harness.toml")).unwrap();
    assert!(!manifest.contains("ask_verify"), "{manifest}");
    fs::remove_dir_all(&home).unwrap();
}
