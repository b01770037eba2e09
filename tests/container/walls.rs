//! What goes in and comes out, and what cannot be reached.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use self_harness::host::sandbox::first::First;
use self_harness::host::sandbox::spec::{Env, Mount};
use self_harness::host::sandbox::{Backend, Ended, Exec, Guarantee, Network, SandboxError};

use crate::lab::{IMAGE, Lab, engine, prints, shell};

#[test]
fn a_command_runs_and_files_come_back() {
    let Some(lab) = Lab::new("files") else { return };
    let (outside, tree) = (lab.path("outside"), lab.backend.trials.fresh().unwrap());
    fs::write(&outside, "kept").unwrap();
    fs::create_dir(tree.path().join("d")).unwrap();
    fs::write(tree.path().join("d/in"), "from outside").unwrap();
    symlink("d/in", tree.path().join("link")).unwrap();
    let began = Instant::now();
    let mut sandbox = lab.start_with(|spec| {
        let unused = std::mem::replace(&mut spec.tree, tree);
        unused.remove().unwrap();
    });
    println!("MEASURED start: {:?}", began.elapsed());
    assert_eq!(
        prints(&mut *sandbox, "cat link; cat /workspace/d/in; cat /app/d/in"),
        "from outside".repeat(3)
    );
    // The tree alone is seen, not what the image has there.
    assert_eq!(prints(&mut *sandbox, "ls -A /app"), "d\nlink\n");
    let began = Instant::now();
    assert_eq!(shell(&mut *sandbox, "echo err >&2; exit 7").ended, Ended::Finished(7));
    println!("MEASURED command: {:?}", began.elapsed());
    let out = lab.path("outside").display().to_string();
    let script = format!(
        "echo new > d/new; chmod 750 d/new; ln d/new hard; ln -s {out} away; ln -s /etc/passwd up; mkfifo fifo; \
         mkdir closed; echo x > closed/file; chmod 0 closed; echo report > /logs/agent/report"
    );
    prints(&mut *sandbox, &script);
    let began = Instant::now();
    let dead = sandbox.kill().unwrap();
    println!("MEASURED kill and tree: {:?}", began.elapsed());
    assert_eq!(*dead.ended(), Ended::Finished(0));
    let path = dead.tree().path();
    assert_eq!(fs::read_to_string(path.join("d/new")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(path.join("hard")).unwrap(), "new\n");
    assert_eq!(fs::read_to_string(path.join("closed/file")).unwrap(), "x\n");
    assert_eq!(fs::read_link(path.join("away")).unwrap(), outside);
    assert_eq!(fs::read_link(path.join("link")).unwrap().to_str(), Some("d/in"));
    assert!(fs::symlink_metadata(path.join("fifo")).is_err());
    let there = fs::metadata(path.join("d/new")).unwrap();
    assert_eq!((there.mode() & 0o7777, there.nlink()), (0o750, 1));
    assert_eq!(there.uid(), dead.tree().owner().unwrap().uid);
    assert_eq!(fs::metadata(path.join("closed")).unwrap().permissions().mode() & 0o777, 0);
    assert_eq!(fs::read_to_string(dead.tree().out().join("report")).unwrap(), "report\n");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
    dead.into_tree().remove().unwrap();
    // From the second one on our executable is there already.
    let began = Instant::now();
    let second = lab.start();
    println!("MEASURED second start: {:?}", began.elapsed());
    drop(second);
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn there_is_no_network_no_right_and_no_variable_of_this_machine() {
    let Some(lab) = Lab::new("walls") else { return };
    let mut sandbox = lab.start_with(|spec| spec.env = Env::of([("TASK_MODE", "a b")]).unwrap());
    let sandbox = &mut *sandbox;
    assert_eq!(
        prints(sandbox, "cat /proc/net/dev | while read name rest; do echo ${name%%:*}; done"),
        "Inter-|\nface\nlo\n"
    );
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    assert_ne!(
        shell(sandbox, &format!("bash -c 'echo x > /dev/tcp/127.0.0.1/{port}'")).ended,
        Ended::Finished(0)
    );
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err());
    let variables = prints(sandbox, "exec env");
    let mut names: Vec<&str> =
        variables.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    // `LD_PRELOAD` of the image is none of them.
    let ours = ["HOME", "IMAGE_MODE", "LANG", "PATH", "PWD", "TASK_MODE", "TERM", "TMPDIR", "TZ", "USER"];
    names.retain(|name| !["SHLVL", "_"].contains(name));
    assert_eq!(names, ours);
    assert_eq!(prints(sandbox, "id -u; id -G"), "59412\n59412\n");
    for place in
        ["/x", "/usr/x", "/etc/x", "/run/x", "/dev/x", "/proc/sys/kernel/hostname", "/run/self-harness/init"]
    {
        let ended = shell(sandbox, &format!("echo x >> {place}")).ended;
        assert!(matches!(ended, Ended::Finished(code) if code != 0), "{place}: {ended:?}");
    }
    for place in ["/tmp/x", "$HOME/x", "/workspace/x", "/app/x", "/logs/agent/x", "/dev/shm/x"] {
        prints(sandbox, &format!("echo x > {place}"));
    }
    for place in ["/proc/1/fd", "/proc/1/environ", "/proc/1/mem"] {
        assert_ne!(
            shell(sandbox, &format!("ls {place}/ || cat {place}")).ended,
            Ended::Finished(0),
            "{place}"
        );
    }
}

#[test]
fn the_probe_proves_what_is_required() {
    let Some(lab) = Lab::new("probe") else { return };
    let guarantees = lab.backend.probe().unwrap_or_else(|error| panic!("{error}; {}", error.remedy));
    for (name, _, guarantee) in guarantees.each() {
        println!("{name}: {guarantee}");
        if !["disk", "landlock"].contains(&name) {
            assert_eq!(*guarantee, Guarantee::Held, "{name}");
        }
    }
    assert!(guarantees.lacking().is_empty());
    assert!(
        guarantees.backend.contains("podman") && guarantees.backend.contains("image"),
        "{}",
        guarantees.backend
    );
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn what_is_mounted_can_be_read_only() {
    let Some(lab) = Lab::new("mounts") else { return };
    let tests = lab.path("tests");
    fs::create_dir(&tests).unwrap();
    fs::write(tests.join("run"), "#!/bin/sh\necho judged").unwrap();
    fs::set_permissions(tests.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("/etc/shadow", tests.join("link")).unwrap();
    let mut sandbox = lab.start_with(|spec| spec.mounts.push(Mount::new(&tests, "/tests")));
    assert_eq!(prints(&mut *sandbox, "/tests/run; readlink /tests/link"), "judged\n/etc/shadow\n");
    assert_ne!(shell(&mut *sandbox, "echo x >> /tests/run").ended, Ended::Finished(0));
    assert_ne!(shell(&mut *sandbox, "cat /tests/link").ended, Ended::Finished(0));
}

#[test]
fn esc_149_what_would_open_a_container_is_refused() {
    let Some(lab) = Lab::new("refused") else { return };
    let refuses = |change: &dyn Fn(&mut self_harness::host::sandbox::Spec)| {
        let mut spec = lab.spec();
        change(&mut spec);
        match lab.backend.start(spec) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("a container was started"),
        }
    };
    for at in [
        "/etc",
        "/usr/bin",
        "/proc/self",
        "/tmp/x",
        "/workspace/x",
        "/app/x",
        "/home/agent/x",
        "relative",
        "/a/../b",
        "/run/self-harness-program",
        "/run/self-harness/init",
    ] {
        assert!(
            refuses(&|spec| spec.mounts.push(Mount::new("/usr/share", at))).contains("nothing can be"),
            "{at}"
        );
    }
    assert!(refuses(&|spec| spec.workdir = String::from("/run")).contains("nothing can be"));
    assert!(refuses(&|spec| spec.network = Network::Model).contains("no road to the model"));
    let socket = lab.path("engine.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let refused = refuses(&|spec| spec.mounts.push(Mount::new(&socket, "/opt/engine.sock")));
    assert!(refused.contains("it is no file and no directory"), "{refused}");
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn an_image_that_is_not_here_is_not_pulled() {
    let Some(lab) = Lab::new("images") else { return };
    let with = |image: &str| {
        let mut backend = lab.backend.clone();
        backend.image = image.to_owned();
        backend.image()
    };
    match with("registry.invalid/none:1") {
        Err(SandboxError::Unavailable(missing)) => {
            assert!(missing.reason.starts_with("the image is not on this machine"), "{missing:?}");
            assert!(missing.reason.ends_with("never pulled: `registry.invalid/none:1`"), "{missing:?}");
            assert!(missing.remedy.ends_with(" pull registry.invalid/none:1`"), "{missing:?}");
        }
        other => panic!("{other:?}"),
    }
    let image = with(IMAGE).unwrap();
    assert_eq!(with(&image.id.to_string()).unwrap().id, image.id);
    assert!(matches!(with("--privileged"), Err(SandboxError::Refused(_))));
    // The same image under the name of a registry: what counts is its identity.
    let name = format!("registry.invalid/self-harness-{}:1", std::process::id());
    engine(&lab.backend, &["tag", IMAGE, &name]);
    let named = with(&name);
    engine(&lab.backend, &["untag", &image.id.to_string(), &name]);
    assert_eq!(named.unwrap().id, image.id);
}

#[test]
fn what_an_image_has_in_a_directory_becomes_a_tree() {
    let Some(lab) = Lab::new("seed") else { return };
    let id = lab.backend.image().unwrap().id.to_string();
    let tree = lab.backend.trials.fresh().unwrap();
    lab.backend.seed(&id, "/app", &tree).unwrap();
    let file = tree.path().join("of-the-image");
    assert_eq!(fs::read_to_string(&file).unwrap(), "of the image\n");
    assert_eq!(fs::metadata(&file).unwrap().uid(), tree.owner().unwrap().uid);
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 1);
    // One level deeper, where the stream begins with another name.
    lab.backend.seed(&id, "/usr/bin", &tree).unwrap();
    assert!(tree.path().join("bash").is_file() && !tree.path().join("of-the-image").exists());
    lab.backend.seed(&id, "/no/such/directory", &tree).unwrap();
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 0);
    tree.remove().unwrap();
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn a_command_that_is_not_there_says_so() {
    let Some(lab) = Lab::new("absent") else { return };
    let mut sandbox = lab.start();
    match sandbox.exec(&Exec::program(["/no/such/program"])) {
        Err(SandboxError::Command { program, why }) => {
            assert_eq!(program, "/no/such/program");
            assert!(why.contains("No such file"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
    let mut long = Exec::program(["/bin/true"]);
    long.argv.push("x".repeat(5 << 20));
    assert!(matches!(sandbox.exec(&long), Err(SandboxError::Command { .. })));
    assert_eq!(prints(&mut *sandbox, "echo usable"), "usable\n");
}

#[test]
fn an_image_that_cannot_run_our_executable_says_so() {
    let Some(lab) = Lab::new("library") else { return };
    // A program without a loader in the image, and one that is no program.
    let (foreign, started) = (lab.path("foreign"), Instant::now());
    let mut bytes = fs::read("/bin/true").unwrap();
    let loader = b"/lib64/ld-linux-x86-64.so.2";
    if let Some(at) = bytes.windows(loader.len()).position(|window| window == loader) {
        bytes[at + 5] = b'X';
        fs::write(&foreign, bytes).unwrap();
        fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755)).unwrap();
        let mut backend = lab.backend.clone();
        (backend.executable, backend.first) = (foreign, First::whole());
        match backend.start(lab.spec()) {
            Err(SandboxError::Unavailable(why)) => {
                assert!(
                    why.reason.contains("no loader") && why.remedy.contains("self-harness-static"),
                    "{why:?}"
                );
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was started"),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(lab.left(), (0, 0));
}

/// Our part of it brings all that it needs: an image may have another C library, or none.
#[test]
fn an_image_with_nothing_in_it_will_do() {
    let Some(lab) = Lab::new("empty") else { return };
    let (root, name) = (lab.path("root"), "localhost/self-harness-test-empty:1");
    for directory in ["usr", "tmp", "run", "home", "proc", "sys", "dev", "app"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let archive = lab.path("root.tar").display().to_string();
    let packed = Command::new("tar").args(["-C", &root.display().to_string(), "-cf", &archive, "."]).status();
    assert!(packed.unwrap().success());
    engine(&lab.backend, &["import", &archive, name]);
    let mut backend = lab.backend.clone();
    backend.image = String::from(name);
    let guarantees = backend.probe().unwrap_or_else(|error| panic!("{error}; {}", error.remedy));
    assert!(guarantees.lacking().is_empty(), "{guarantees:?}");
    engine(&lab.backend, &["rmi", name]);
    assert_eq!(lab.left(), (0, 0));
}

#[test]
fn our_whole_executable_does_the_same() {
    let Some(mut lab) = Lab::new("whole") else { return };
    lab.backend.first = First::whole();
    let guarantees = lab.backend.probe().unwrap_or_else(|error| panic!("{error}; {}", error.remedy));
    assert!(guarantees.lacking().is_empty(), "{guarantees:?}");
}
