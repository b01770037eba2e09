//! ESC-01 to 10: nothing outside can be written, and nothing secret can be read.

use std::fs;

use self_harness::host::sandbox::Phase;
use self_harness::host::sandbox::spec::Mount;

use crate::lab::{CANARY, Lab, prints, shell};

#[test]
fn esc_01_02_03_nothing_outside_can_be_written() {
    let lab = Lab::new("write");
    let canary = lab.canary("file");
    let mut sandbox = lab.start();
    let script = format!(
        "for f in {canary} {canary}.new / /usr /usr/bin /etc /run /dev /opt /var /home /logs /proc/sys/kernel \
         /run/self-harness /etc/passwd /run/self-harness/init; do \
           t=$f; [ -d $f ] && t=$f/escape-probe; \
           (echo owned >> $t) 2>/dev/null && echo wrote $t; done; \
         echo owned > ~/.bashrc; echo owned > /tmp/escape-probe; echo done",
        canary = canary.display()
    );
    assert_eq!(prints(&mut *sandbox, &script), "done\n");
    sandbox.kill().unwrap().into_tree().remove().unwrap();
    assert_eq!(fs::read_to_string(&canary).unwrap(), CANARY);
    assert!(!lab.path("file.new").exists());
    for place in ["/tmp", "/usr", "/etc", "/run", "/dev", "/opt", "/"] {
        assert!(!std::path::Path::new(place).join("escape-probe").exists(), "{place}");
    }
    let own = std::env::var_os("HOME").map(|home| std::path::PathBuf::from(home).join(".bashrc"));
    let own = own.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    assert!(!own.contains("owned"));
}

#[test]
fn esc_04_05_09_a_sibling_is_out_of_reach() {
    let lab = Lab::new("sibling");
    let mut first = lab.start();
    prints(&mut *first, &format!("echo {CANARY} > /workspace/secret"));
    let trials = lab.path("trials");
    let sibling =
        fs::read_dir(&trials).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap().path();
    let mut second = lab.start();
    let tree = sibling.join("tree");
    let script = format!(
        "cat {tree}/secret 2>/dev/null; ls {trials} 2>/dev/null; (echo x > {tree}/x) 2>/dev/null; \
         touch mine; mv mine {tree}/mine 2>/dev/null; grep -r {CANARY} /workspace /app /tmp /logs 2>/dev/null; ls -a /workspace",
        tree = tree.display(),
        trials = trials.display()
    );
    assert_eq!(prints(&mut *second, &script), ".\n..\nmine\n");
    let first = first.kill().unwrap();
    let names: Vec<_> =
        fs::read_dir(first.tree().path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["secret"]);
}

#[test]
fn esc_06_07_nothing_is_linked_in_or_moved_away() {
    let lab = Lab::new("link");
    let canary = lab.canary("document");
    let mut sandbox = lab.start_with(|spec| spec.mounts.push(Mount::new(&canary, "/harness/document")));
    let script = "cat /harness/document; ln /harness/document /workspace/linked 2>/dev/null && echo linked; \
        ln /etc/ssl/openssl.cnf /workspace/l 2>/dev/null && echo linked; \
        (echo x >> /harness/document) 2>/dev/null && echo wrote; chmod 777 /harness/document 2>/dev/null && echo chmod; \
        mv /workspace /moved 2>/dev/null && echo moved; rmdir /app 2>/dev/null && echo removed; true";
    assert_eq!(prints(&mut *sandbox, script), CANARY);
    assert_eq!(fs::read_to_string(&canary).unwrap(), CANARY);
}

#[test]
fn esc_08_10_keys_are_not_there() {
    let lab = Lab::new("key");
    let key = lab.canary("id_ed25519");
    // Readable by everybody on the host, so that only the sandbox is tried.
    assert_eq!(fs::read_to_string(&key).unwrap(), CANARY);
    let mut sandbox = lab.start();
    let script = format!(
        "ln -s {key} /workspace/link; cat {key} /workspace/link /root/.ssh/* /home/*/.ssh/* 2>/dev/null; \
         ls {parent} 2>/dev/null; cat /etc/shadow /etc/hostname 2>/dev/null; cut -d: -f1 /etc/passwd",
        key = key.display(),
        parent = key.parent().unwrap().display()
    );
    assert_eq!(prints(&mut *sandbox, &script), "root\nagent\nnobody\n");
}

#[test]
fn esc_13_14_no_process_and_no_descriptor_leads_out() {
    let lab = Lab::new("proc");
    let mut sandbox = lab.start();
    let script = "for p in 1 $$ $PPID; do for l in root cwd; do ls /proc/$p/$l/root/ 2>/dev/null; done; done; \
        ls -d /proc/1/root/usr 2>/dev/null; ls /proc/1/fd 2>/dev/null; cat /proc/1/environ 2>/dev/null; \
        cat /proc/1/mem 2>/dev/null; ls /proc/self/fd | wc -l; ls /proc | grep -c '^[0-9]'";
    let printed = prints(&mut *sandbox, script);
    let lines: Vec<&str> = printed.lines().collect();
    // The listing has a descriptor of its own; in sight are the first process, the shell and the pipeline.
    assert_eq!(lines[0], "4", "{printed}");
    assert!(lines[1].parse::<u32>().unwrap() <= 5, "{printed}");
}

#[test]
fn esc_46_47_a_verifier_has_tests_and_an_agent_has_none() {
    let lab = Lab::new("tests");
    let tests = lab.path("tests");
    fs::create_dir(&tests).unwrap();
    fs::write(tests.join("test.sh"), "echo 1 > /logs/verifier/reward.txt\n").unwrap();
    let mut agent = lab.start();
    assert_eq!(prints(&mut *agent, "ls -d /tests /solution /logs/verifier 2>/dev/null; ls /logs"), "agent\n");
    let mut spec = lab.spec(Phase::Verify);
    spec.mounts.push(Mount::new(&tests, "/tests"));
    let mut verifier = self_harness::host::sandbox::Backend::start(&lab.backend, spec).unwrap();
    prints(&mut *verifier, "sh /tests/test.sh; ! rm /tests/test.sh 2>/dev/null");
    assert_eq!(shell(&mut *verifier, "echo $PYTHONSAFEPATH").stdout.text(), "1\n");
    let dead = verifier.kill().unwrap();
    assert_eq!(fs::read_to_string(dead.tree().out().join("reward.txt")).unwrap(), "1\n");
}
