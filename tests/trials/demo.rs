//! The README's first command, as somebody runs it who has just installed the binary.

use std::fs;
use std::process::Command;

use crate::lab::BINARY;

#[test]
fn the_demo_shows_everything_with_no_key_and_no_network() {
    let home = std::env::temp_dir().join(format!("self-harness-demo-{}", std::process::id()));
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home).unwrap();
    let output = Command::new(BINARY)
        .args(["demo", "--repeats", "1", "--only-evaluate"])
        .current_dir(&home)
        .env_clear()
        .env("HOME", &home)
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let aside = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{aside}");
    assert!(printed.contains("/14 ×1") && printed.contains("/10 ×1"), "{printed}\n{aside}");
    assert!(printed.contains("evaluate finished: held-in ") && printed.contains(", free, "), "{printed}");
    // What it did can be looked at.
    let root = home.join(".local/state/self-harness/demo");
    let trace = Command::new(BINARY)
        .args(["trace", "latest", "invoice-total", "--root"])
        .arg(&root)
        .env("HOME", &home)
        .output()
        .unwrap();
    assert!(trace.status.success() && String::from_utf8_lossy(&trace.stdout).contains("step 1 of "));
    fs::remove_dir_all(&home).unwrap();
}
