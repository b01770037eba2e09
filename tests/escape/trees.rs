//! What an agent left: frozen, carried to a verifier, removed. The forged archives are tests of the module itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use self_harness::host::sandbox::snapshot::{TreeLimits, snapshot};
use self_harness::host::sandbox::tree::TreeError;
use self_harness::host::sandbox::{Backend, Ended, Exec, Phase, Spec};

use crate::lab::{Lab, prints};

#[test]
fn esc_50_97_98_99_a_verifier_sees_what_an_agent_left_and_nothing_else() {
    let lab = Lab::new("phases");
    let key = lab.canary("key");
    let mut agent = lab.start();
    let script = format!(
        "mkdir -p src; echo 'print(42)' > src/a.py; chmod 755 src/a.py; mkfifo reward.txt; ln -s {} link; \
         python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'; echo secret > hidden; chmod 000 hidden; \
         echo 1 > /logs/agent/reward.txt; (while :; do echo x >> src/late; done) & sleep 0.1",
        key.display()
    );
    prints(&mut *agent, &script);
    let dead = agent.kill().unwrap();
    let frozen = snapshot(&dead, &lab.path("archive"), &TreeLimits::default()).unwrap();
    assert_eq!(frozen.dropped(), 2);
    assert_eq!(fs::metadata(lab.path("archive")).unwrap().mode() & 0o777, 0o600);

    let tree = lab.backend.trials.fresh().unwrap();
    frozen.restore(&tree).unwrap();
    let mut verifier = lab.backend.start(Spec::new(Phase::Verify, tree)).unwrap();
    let script = "ls; python3 src/a.py; stat -c %a src/a.py hidden; cat link 2>/dev/null || echo none; ls /logs /logs/verifier; \
        echo '# mine' >> src/a.py && echo writable";
    let wanted = "hidden\nlink\nsrc\n42\n755\n0\nnone\n/logs:\nverifier\n\n/logs/verifier:\nwritable\n";
    assert_eq!(prints(&mut *verifier, script), wanted);
    // Both trees are removable, whatever is in them.
    verifier.kill().unwrap().into_tree().remove().unwrap();
    dead.into_tree().remove().unwrap();
}

#[test]
fn esc_73_a_deep_tree_is_refused_and_removed() {
    let lab = Lab::new("deep");
    let mut sandbox = lab.start();
    let script = "python3 -c '\nimport os\nfor i in range(3000):\n    os.mkdir(\"d\"); os.chdir(\"d\")\nos.chmod(\"..\", 0)'; chmod 000 d";
    let executed = sandbox.exec(&Exec::shell(script)).unwrap();
    // A slow machine has the time to measure the tree, and ends the sandbox.
    let capped = [Ended::Finished(0), Ended::OverDisk].contains(&executed.ended);
    assert!(capped, "{:?}: {}", executed.ended, executed.stderr.text());
    let dead = sandbox.kill().unwrap();
    let error = snapshot(&dead, &lab.path("archive"), &TreeLimits::default()).unwrap_err();
    assert!(matches!(error, TreeError::TooLarge { what: "levels", .. }), "{error}");
    let place = dead.tree().directory().to_path_buf();
    dead.into_tree().remove().unwrap();
    assert!(!place.exists());
}

#[test]
fn esc_59_79_106_modes_are_the_owners_and_bits_of_others_stay() {
    let lab = Lab::new("modes");
    let file = lab.canary("metadata");
    let before = fs::metadata(&file).unwrap();
    let mut sandbox = lab.start_with(|spec| {
        spec.mounts.push(self_harness::host::sandbox::spec::Mount::new(&file, "/harness/file"));
    });
    let script = "chmod 777 /harness/file 2>/dev/null && echo chmod; touch -d 2001-01-01 /harness/file 2>/dev/null && echo touch; \
        setfattr -n user.a -v b /harness/file 2>/dev/null && echo attribute; touch f; chmod 4755 f 2>/dev/null && echo setuid; true";
    assert_eq!(prints(&mut *sandbox, script), "");
    let after = fs::metadata(&file).unwrap();
    assert_eq!((after.mode(), after.mtime()), (before.mode(), before.mtime()));
    let dead = sandbox.kill().unwrap();
    for path in [dead.tree().directory().to_path_buf(), dead.tree().path(), dead.tree().out()] {
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700, "{}", path.display());
    }
    // Nobody can list the trial trees.
    assert_eq!(fs::metadata(lab.path("trials")).unwrap().mode() & 0o066, 0);
}

/// What git runs when somebody only looks at a repository, each with a mark of its own.
const TRAPS: &str = r#"
git init -q . && git config user.name a && git config user.email a@b
trap_() { printf '#!/bin/sh\ntouch %s/%s\ncat\n' "$MARKS" "$1" > "trap-$1"; chmod 755 "trap-$1"; echo "$PWD/trap-$1"; }
echo text > f.txt && git add f.txt && git commit -qm one
echo more >> f.txt
git config core.fsmonitor "$(trap_ fsmonitor)"
git config diff.external "$(trap_ external)"
git config diff.odd.textconv "$(trap_ textconv)"
git config filter.odd.clean "$(trap_ clean)"
git config filter.odd.smudge "$(trap_ smudge)"
git config core.pager "$(trap_ pager)"
git config core.sshCommand "$(trap_ ssh)"
git config core.hooksPath "$PWD/hooks"
mkdir hooks && for hook in pre-commit post-checkout post-index-change reference-transaction; do cp trap-pager hooks/$hook; done
echo '*.txt diff=odd filter=odd' > .gitattributes
# A bare repository in the middle of a tree is found by git as well.
mkdir -p bare/refs bare/objects && echo 'ref: refs/heads/main' > bare/HEAD
printf '[core]\n\tbare = true\n\trepositoryformatversion = 0\n\tfsmonitor = %s\n' "$PWD/trap-fsmonitor" > bare/config
true
"#;

#[test]
fn esc_103_no_program_of_the_host_runs_on_a_tree() {
    let lab = Lab::new("traps");
    let marks = lab.path("marks");
    fs::create_dir(&marks).unwrap();
    fs::set_permissions(&marks, fs::Permissions::from_mode(0o777)).unwrap();
    let mut agent = lab.start();
    prints(&mut *agent, &format!("export MARKS={}; {TRAPS}", marks.display()));
    let dead = agent.kill().unwrap();
    // All that is done with a tree on the host: it is measured, frozen, thawed, mounted for another phase, frozen again, removed.
    let frozen = snapshot(&dead, &lab.path("archive"), &TreeLimits::default()).unwrap();
    let tree = lab.backend.trials.fresh().unwrap();
    frozen.restore(&tree).unwrap();
    let thawed = lab.path("thawed");
    fs::rename(tree.path(), &thawed).unwrap();
    fs::create_dir(tree.path()).unwrap();
    frozen.restore(&tree).unwrap();
    let mut verifier = lab.backend.start(Spec::new(Phase::Verify, tree)).unwrap();
    prints(&mut *verifier, "ls -a");
    let judged = verifier.kill().unwrap();
    snapshot(&judged, &lab.path("again"), &TreeLimits::default()).unwrap();
    judged.into_tree().remove().unwrap();
    dead.into_tree().remove().unwrap();
    let sprung =
        || fs::read_dir(&marks).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    assert_eq!(sprung(), Vec::<std::ffi::OsString>::new());
    // The traps are real ones: whoever looks at that tree with git springs them. The paths are those of the sandbox.
    for file in [".git/config", "bare/config"] {
        let text = fs::read_to_string(thawed.join(file)).unwrap();
        fs::write(thawed.join(file), text.replace("/app/", &format!("{}/", thawed.display()))).unwrap();
    }
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "safe.directory=*"]).args(arguments).current_dir(&thawed);
        git.output().unwrap();
    };
    git(&["status"]);
    git(&["diff"]);
    assert!(sprung().iter().any(|name| name == "fsmonitor"), "{:?}", sprung());
    assert!(sprung().iter().any(|name| name == "external"), "{:?}", sprung());
}
