//! ESC-01 to 10, 13, 14, 16 and 45 to 50: nothing outside can be written, and nothing secret can be read.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use self_harness::host::sandbox::spec::Mount;
use self_harness::host::sandbox::{Backend, Phase};

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
    let mut verifier = lab.backend.start(spec).unwrap();
    prints(&mut *verifier, "sh /tests/test.sh; ! rm /tests/test.sh 2>/dev/null");
    assert_eq!(shell(&mut *verifier, "echo $PYTHONSAFEPATH").stdout.text(), "1\n");
    let dead = verifier.kill().unwrap();
    assert_eq!(fs::read_to_string(dead.tree().out().join("reward.txt")).unwrap(), "1\n");
}

/// Which directory of the host a mount shows is written by the kernel into the table of mounts, and nothing hides it: the
/// source of a mount is part of the mount. What can be promised is that these paths name nothing but a random id.
#[test]
fn esc_16_paths_of_the_host_name_nothing_but_a_random_id() {
    let lab = Lab::new("mounts");
    let tests = lab.path("secret-task-name");
    fs::create_dir(&tests).unwrap();
    let mut sandbox = lab.start();
    let trials = lab.path("trials").display().to_string();
    let printed = prints(&mut *sandbox, "cat /proc/self/mountinfo");
    let system = [
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/etc/",
        "/proc",
        "/dev",
        "/nix/store",
    ];
    let mut ids = std::collections::BTreeSet::new();
    for line in printed.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (source, at) = (fields[3], fields[4]);
        match at {
            "/workspace" | "/app" | "/logs/agent" => {
                // A file system that begins below the trials shows even less.
                let id = source.rsplit('/').nth(1).unwrap();
                assert!(
                    source.starts_with(&trials) || trials.ends_with(source.trim_end_matches(['/'])),
                    "{line}"
                );
                assert!(16 <= id.len() && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
                ids.insert(id.to_owned());
            }
            // Our executable, and the attacker that this laboratory adds.
            "/run/self-harness/init" | "/opt/attacker" => {}
            _ => {
                let is_system = system.iter().any(|system| at.starts_with(system));
                let is_empty = ["/", "/tmp", "/home/agent"].contains(&at);
                assert!(is_system || is_empty, "{line}");
                // Nothing of a user: no home, no project, no task.
                assert!(!source.contains("secret-task-name") && !source.starts_with("/home/"), "{line}");
            }
        }
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(!printed.contains("upperdir") && !printed.contains("lowerdir"), "{printed}");
    // Knowing the path is no way to it.
    let id = ids.first().unwrap();
    let script =
        format!("ls {trials} {trials}/{id} 2>/dev/null; cat {trials}/{id}.sandbox 2>/dev/null; true");
    assert_eq!(prints(&mut *sandbox, &script), "");
}

#[test]
fn esc_45_tests_and_documents_cannot_be_changed() {
    let lab = Lab::new("tamper");
    let tests = lab.path("tests");
    fs::create_dir(&tests).unwrap();
    for (path, mode) in [(tests.clone(), 0o777), (tests.join("test.sh"), 0o666)] {
        if !path.exists() {
            fs::write(&path, "exit 1\n").unwrap();
        }
        // Only the sandbox keeps them.
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut spec = lab.spec(Phase::Verify);
    spec.mounts.push(Mount::new(&tests, "/tests"));
    let mut verifier = lab.backend.start(spec).unwrap();
    let script = "attempt() { \"$@\" 2>/dev/null && echo \"$*\"; }; echo 'exit 0' > other; \
        for f in /tests/test.sh /tests/new; do (echo 'exit 0' >> $f) 2>/dev/null && echo wrote $f; done; \
        attempt rm -f /tests/test.sh; attempt mv other /tests/test.sh; attempt cp other /tests/test.sh; attempt ln -sf /app/other /tests/test.sh; \
        attempt mv /tests /moved; attempt mkdir /tests/d; attempt truncate -s 0 /tests/test.sh; attempt chmod 777 /tests/test.sh; \
        attempt touch /tests/test.sh; attempt ln /tests/test.sh /app/linked; attempt mount --bind /app /tests; \
        python3 -c 'import os; f = os.open(\"/tests/test.sh\", os.O_RDONLY); os.open(f\"/proc/self/fd/{f}\", os.O_RDWR)' 2>/dev/null && echo reopened; \
        cat /tests/test.sh";
    assert_eq!(prints(&mut *verifier, script), "exit 1\n");
    verifier.kill().unwrap();
    assert_eq!(fs::read_to_string(tests.join("test.sh")).unwrap(), "exit 1\n");
    assert_eq!(fs::read_dir(&tests).unwrap().count(), 1);
}

#[test]
fn esc_48_49_an_agent_finds_no_test_and_writes_no_reward() {
    let lab = Lab::new("search");
    let hidden = lab.path("hidden");
    fs::create_dir(&hidden).unwrap();
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o755)).unwrap();
    let word = "canary-of-a-test-20c4";
    fs::write(hidden.join("canary_of_a_test.py"), word).unwrap();
    // A verifier of another trial has it at the same time.
    let mut spec = lab.spec(Phase::Verify);
    spec.mounts.push(Mount::new(&hidden, "/tests"));
    let mut verifier = lab.backend.start(spec).unwrap();
    assert_eq!(prints(&mut *verifier, "cat /tests/canary_of_a_test.py"), word);
    let mut agent = lab.start();
    // The word is put together inside, so that the command does not hold it.
    let script = format!(
        "w=canary-of-a; find / -name 'canary_of_a_test*' 2>/dev/null; \
         grep -rlsa $w-test-20c4 --exclude-dir=usr --exclude-dir=proc --exclude-dir=opt / 2>/dev/null; \
         grep -lsa $w-test-20c4 /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/mountinfo; \
         cat {hidden}/* 2>/dev/null; for d in /logs/verifier /logs /tests /logs/agent/../verifier; do \
           mkdir -p $d 2>/dev/null; (echo 1 > $d/reward.txt) 2>/dev/null && echo wrote $d; done; \
         echo 1 > /logs/agent/reward.txt; ls /logs",
        hidden = hidden.display()
    );
    assert_eq!(prints(&mut *agent, &script), "agent\n");
    agent.kill().unwrap();
    let dead = verifier.kill().unwrap();
    assert_eq!(fs::read_dir(dead.tree().out()).unwrap().count(), 0);
}
