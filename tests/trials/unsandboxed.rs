//! Without a sandbox: only where the user's own configuration and the command both say so, and never unnoticed.

use std::fs;

use crate::lab::{Lab, WRITER, root_is_free};

#[test]
fn esc_147_a_workspace_cannot_switch_the_sandbox_off() {
    let lab = Lab::new("workspace", WRITER, 2);
    lab.write_harness(2, "[sandbox]\nbackend = \"none\"\n");
    let refused = lab.run(&["evaluate", "--yes"]);
    assert_eq!(refused.status.code(), Some(3), "a key that means nothing is an error");
    lab.write_harness(2, "");
    lab.write(".env", "SELF_HARNESS_SANDBOX=none\n");
    lab.write(".self-harness/config.toml", "sandbox = \"none\"\n");
    let refused = lab.run(&["evaluate", "--yes", "--unsandboxed"]);
    let aside = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{aside}");
    assert!(aside.contains("there is a sandbox, so `--unsandboxed` means nothing"), "{aside}");
    lab.ok(&["evaluate", "--yes", "--repeats", "1"]);
    assert!(
        lab.store()
            .trials(1)
            .unwrap()
            .iter()
            .all(|trial| trial.marks.iter().all(|mark| mark != "unsandboxed"))
    );
}

#[test]
fn esc_148_without_a_sandbox_each_run_and_each_trial_says_so() {
    let mut lab = Lab::new("unsandboxed", WRITER, 2);
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    fs::write(config.join("self-harness/config.toml"), "sandbox = \"none\"\n").unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
    let refused = lab.run(&["evaluate", "--yes", "--repeats", "1"]);
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    if !root_is_free() {
        eprintln!("skipped: the paths of a task cannot be made in `/` here");
        return;
    }
    let output = lab.run(&["evaluate", "--yes", "--repeats", "1", "--unsandboxed"]);
    let aside = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{aside}\n{}", lab.worker_log());
    assert!(aside.contains("WITHOUT A SANDBOX, with your rights"), "{aside}");
    let store = lab.store();
    let trials = store.trials(1).unwrap();
    assert_eq!(trials.len(), 2, "{}", lab.worker_log());
    assert!(trials.iter().all(|trial| trial.marks.contains(&String::from("unsandboxed"))), "{trials:?}");
    let verdicts = lab.verdicts();
    // The same verdicts, under another contract: nothing is reused across different protection.
    let confined = Lab::new("confined", WRITER, 2);
    confined.ok(&["evaluate", "--yes", "--repeats", "1"]);
    assert_eq!(verdicts, confined.verdicts());
    let other = confined.store().trials(1).unwrap();
    assert!(trials.iter().zip(&other).all(|(one, other)| one.key != other.key));
}
