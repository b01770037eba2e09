//! Rewards that are none: each is void with its reason, or a fail, and never hangs. The verifier runs what the agent left, so
//! that the agent writes its own reward.

use self_harness::engine::verdict::{Verdict, VoidCause};
use self_harness::host::suite::AdmittedTask;
use self_harness::host::suite::admission::Mark;

use crate::lab::{Lab, fails, is_void, passes};

const TASK: [(&str, &str); 3] = [
    ("tests/test.sh", "#!/bin/sh\ncd /logs/verifier\n. /app/left.sh\n"),
    ("solution/solve.sh", "#!/bin/sh\necho 'echo 1 > reward.txt' > left.sh\n"),
    ("task.toml", "[verifier]\ntimeout_sec = 2\n"),
];

fn admitted(lab: &Lab) -> AdmittedTask {
    let task = lab.admitted(&TASK);
    // Nothing but the verdict is known of such a verifier, and that is said.
    assert_eq!(task.marks().into_iter().collect::<Vec<_>>(), [Mark::NoReport, Mark::NoCanary]);
    task
}

fn leaves(script: &str) -> String {
    format!("cat > left.sh <<'SCRIPT'\n{script}\nSCRIPT\n")
}

#[test]
fn esc_97_98_99_100_101_122_what_is_no_reward_is_void() {
    let lab = Lab::new("rewards");
    let task = admitted(&lab);
    passes(&lab.judged(&task, &leaves("echo 1.0 > reward.txt")));
    passes(&lab.judged(&task, &leaves("echo '{\"accuracy\": 1}' > reward.json; echo 0 > reward.txt")));
    fails(&lab.judged(&task, &leaves("echo 0.99 > reward.txt")), "a required reward is not reached");
    for (script, cause) in [
        ("true", "the verifier left neither `reward.json` nor `reward.txt`"),
        ("touch reward.txt", "`reward.txt` is malformed: it is empty"),
        ("echo nan > reward.txt", "`reward.txt` is malformed: it is not one number"),
        ("echo inf > reward.txt", "`reward.txt` is malformed: it is not one number"),
        ("echo 2 > reward.txt", "`reward.txt` is malformed: it is not from 0 to 1"),
        ("echo 1 > x; ln -s x reward.txt", "`reward.txt` is malformed: it is a link"),
        ("ln -s /app/left.sh reward.txt", "`reward.txt` is malformed: it is a link"),
        ("echo 1 > reward.txt; ln reward.txt x", "`reward.txt` is malformed: it has another name"),
        ("mkfifo reward.txt", "`reward.txt` is malformed: it is no regular file"),
        ("mkdir reward.txt", "`reward.txt` is malformed: it is no regular file"),
        ("mkfifo reward.json; echo 1 > reward.txt", "`reward.json` is malformed: it is no regular file"),
        ("echo '[1]' > reward.json; echo 1 > reward.txt", "`reward.json` is malformed: it is no object"),
        ("echo '{\"a\": 1, \"b\": 1}' > reward.json", "`reward.json` has no reward `reward`, which decides"),
        ("truncate -s 900M reward.txt", "`reward.txt` is malformed: it has more than 65536 bytes"),
        ("yes 1 | head -c 70000 > reward.txt", "`reward.txt` is malformed: it has more than 65536 bytes"),
        (
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"reward.txt\")'",
            "`reward.txt` is malformed",
        ),
    ] {
        let judged = lab.judged(&task, &leaves(script));
        is_void(&judged, VoidCause::VerifierCrash, cause);
        assert_eq!((judged.attempts, judged.reward.len()), (2, 0), "{script}");
    }
}

#[test]
fn a_verifier_that_takes_too_long_is_a_fail_with_a_flag() {
    let lab = Lab::new("slow");
    let task = admitted(&lab);
    // What it wrote before is not its verdict.
    let judged = lab.judged(&task, &leaves("echo 1 > reward.txt; sleep 60"));
    assert_eq!((judged.verdict, judged.attempts), (Verdict::Fail, 2), "{judged:#?}");
    assert!(
        judged.flags.verifier_timeout && !judged.flags.tampered && judged.cause.contains("2.0 s, twice"),
        "{judged:#?}"
    );
}

#[test]
fn a_verifier_that_uses_too_much_is_void() {
    let lab = Lab::new("flood");
    let mut files = TASK.to_vec();
    files[2].1 = "[environment]\nmemory_mb = 64\n[verifier]\ntimeout_sec = 20\n";
    let task = lab.admitted(&files);
    let hog = "echo 1 > reward.txt; python3 -c 'import time; x = b\"x\" * (300 << 20); time.sleep(10)'";
    is_void(&lab.judged(&task, &leaves(hog)), VoidCause::VerifierCrash, "the verifier used too much memory");
}

#[test]
fn output_is_evidence_and_cannot_control_a_terminal() {
    let lab = Lab::new("output");
    let task = admitted(&lab);
    let script = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; printf 'a\\033[31mb\\n' >&2; echo 1 > reward.txt";
    let judged = lab.judged(&task, &leaves(script));
    passes(&judged);
    let lines: Vec<&str> = judged.stdout_tail.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[79]), (80, "line 121", "a[31mb"));
}

#[test]
fn esc_102_names_in_a_report_are_inert() {
    let lab = Lab::new("names");
    let task = admitted(&lab);
    let report = r#"{"results": {"tests": [{"name": "a\u001b[2J\nb", "status": "failed"}, {"name": "c", "status": "passed"}]}}"#;
    let judged =
        lab.judged(&task, &leaves(&format!("echo 0 > reward.txt; printf '%s' '{report}' > ctrf.json")));
    fails(&judged, "1 of 2 checks failed: `a[2Jb`");
    assert_eq!(judged.partial, Some(0.5));
    // A report that is none is no evidence, and takes nothing from the verdict.
    for broken in [
        "mkfifo ctrf.json",
        "ln -s /app/left.sh ctrf.json",
        "echo '{' > ctrf.json",
        "truncate -s 5M ctrf.json",
    ] {
        let judged = lab.judged(&task, &leaves(&format!("echo 1 > reward.txt; {broken}")));
        passes(&judged);
        assert_eq!((judged.checks.len(), judged.partial), (0, None), "{broken}");
    }
}
