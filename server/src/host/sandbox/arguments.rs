//! The command line of bubblewrap. Pure: what is asked and what there is on the machine go in, words come out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::spec::{PATH, PROXY_VARIABLES, Phase, Spec, path_with};

/// Where our executable is seen inside, where that is the first process.
pub const INSIDE: &str = "/run/self-harness/init";
/// The home of the one user inside.
pub const HOME: &str = "/home/agent";
const TMP_BYTES: u64 = 256 << 20;
const SMALL_BYTES: u64 = 64 << 20;

/// Files below `/etc` that say where programs, libraries and certificates are. Never all of `/etc`.
const ETC: &[&str] = &["alternatives", "ssl"];
/// Where `/etc/ssl/certs` leads to on some distributions.
const CERTIFICATES: &str = "/etc/ca-certificates/extracted";

/// What there is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Links at the root: where they lead, and where they are.
    pub links: Vec<(String, String)>,
    /// Directories at the root with programs and libraries.
    pub directories: Vec<String>,
    /// Parts of `/proc` that are there and may not be read.
    pub hidden: Vec<String>,
    /// More programs, of the user's choice.
    pub toolchains: Vec<PathBuf>,
}

/// Numbers of the descriptors that bubblewrap is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Where it says which process it has started.
    pub info: i32,
    /// `/etc/passwd`
    pub passwd: i32,
    /// `/etc/group`
    pub group: i32,
    /// `/etc/hosts`
    pub hosts: i32,
    /// `/etc/nsswitch.conf`
    pub nsswitch: i32,
    /// `/etc/ld.so.cache`, if this machine has one.
    pub libraries: Option<i32>,
}

/// The files that are made for a sandbox, in the order of [`Descriptors`].
pub const FILES: [&str; 4] = [
    "root:x:0:0::/nonexistent:/usr/sbin/nologin\nagent:x:1000:1000::/home/agent:/bin/sh\n\
     nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
    "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "passwd: files\ngroup: files\nhosts: files\n",
];

/// What bubblewrap reads from `--args`: everything but the program, because `ps` shows the rest. An executable that is to be
/// the first process has to be seen inside; what is handed over in memory needs no place.
#[must_use]
pub fn arguments(
    spec: &Spec,
    machine: &Machine,
    numbers: &Descriptors,
    executable: Option<&Path>,
) -> Vec<OsString> {
    let mut line = Line::default();
    walls(&mut line, numbers);
    variables(&mut line, spec, machine);
    system(&mut line, machine, numbers);
    pseudo(&mut line, machine);
    if let Some(executable) = executable {
        line.bind("--ro-bind", executable, INSIDE);
    }
    own(&mut line, spec);
    // Last: they can be written until then. Of `/proc` that is what speaks to the machine, and everything else in it.
    line.words(["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]);
    line.0
}

/// The same as bytes, each word ended by a zero.
#[must_use]
pub fn encoded(words: &[OsString]) -> Vec<u8> {
    words.iter().flat_map(|word| word.as_encoded_bytes().iter().copied().chain([0])).collect()
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn words<W: Into<OsString>>(&mut self, words: impl IntoIterator<Item = W>) {
        self.0.extend(words.into_iter().map(Into::into));
    }

    fn bind(&mut self, flag: &str, from: impl AsRef<Path>, at: &str) {
        self.words([OsString::from(flag), from.as_ref().into(), at.into()]);
    }

    fn scratch(&mut self, bytes: u64, perms: &str, at: &str) {
        self.words(["--size", &bytes.to_string(), "--perms", perms, "--tmpfs", at]);
    }
}

fn walls(line: &mut Line, numbers: &Descriptors) {
    line.words(["--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]);
    line.words(["--unshare-pid", "--as-pid-1", "--info-fd", &numbers.info.to_string()]);
    line.words([
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--disable-userns",
    ]);
    line.words(["--die-with-parent", "--new-session", "--hostname", "sandbox"]);
}

fn variables(line: &mut Line, spec: &Spec, machine: &Machine) {
    line.words(["--clearenv"]);
    let path = match spec.phase {
        Phase::Agent => path_with(&machine.toolchains),
        Phase::Prepare | Phase::Verify | Phase::Oracle => PATH.to_owned(),
    };
    let own = [
        ("PATH", &*path),
        ("HOME", HOME),
        ("USER", "agent"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("TMPDIR", "/tmp"),
        ("TZ", "UTC"),
    ];
    let of_verifiers = [
        ("PYTHONSAFEPATH", "1"),
        ("PYTHONNOUSERSITE", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        // Neither hooks nor the watcher of files that an agent configured.
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "core.hooksPath"),
        ("GIT_CONFIG_VALUE_0", "/dev/null"),
        ("GIT_CONFIG_KEY_1", "core.fsmonitor"),
        ("GIT_CONFIG_VALUE_1", "false"),
    ];
    let of_verifiers = of_verifiers.into_iter().filter(|_| spec.phase == Phase::Verify);
    let of_roads = PROXY_VARIABLES.into_iter().filter(|_| spec.network.has_egress());
    for (name, value) in own.into_iter().chain(of_verifiers).chain(of_roads).chain(spec.env.each()) {
        line.words(["--setenv", name, value]);
    }
}

fn system(line: &mut Line, machine: &Machine, numbers: &Descriptors) {
    line.bind("--ro-bind", "/usr", "/usr");
    for (target, at) in &machine.links {
        line.words(["--symlink", target, at]);
    }
    for directory in &machine.directories {
        line.bind("--ro-bind", directory, directory);
    }
    for directory in ["/etc", "/run"] {
        line.words(["--perms", "0755", "--dir", directory]);
    }
    for name in ETC {
        let path = format!("/etc/{name}");
        line.bind("--ro-bind-try", &path, &path);
    }
    line.bind("--ro-bind-try", CERTIFICATES, CERTIFICATES);
    // Files of the root itself, which is read-only at the end: each mount that is spared is time of every start.
    let files = [
        (numbers.passwd, "/etc/passwd"),
        (numbers.group, "/etc/group"),
        (numbers.hosts, "/etc/hosts"),
        (numbers.nsswitch, "/etc/nsswitch.conf"),
    ];
    for (number, at) in files {
        line.words(["--perms", "0644", "--file", &number.to_string(), at]);
    }
    if let Some(number) = numbers.libraries {
        line.words(["--perms", "0644", "--file", &number.to_string(), "/etc/ld.so.cache"]);
    }
    for toolchain in &machine.toolchains {
        line.bind("--ro-bind", toolchain, &toolchain.to_string_lossy());
    }
}

fn pseudo(line: &mut Line, machine: &Machine) {
    line.words(["--proc", "/proc"]);
    for path in &machine.hidden {
        line.bind("--ro-bind", "/dev/null", path);
    }
    line.words(["--dev", "/dev"]);
    line.scratch(SMALL_BYTES, "1777", "/dev/shm");
    line.scratch(TMP_BYTES, "1777", "/tmp");
    line.scratch(SMALL_BYTES, "0700", HOME);
}

/// The tree, what else may be read, and where reports go.
fn own(line: &mut Line, spec: &Spec) {
    let tree = spec.tree.path();
    line.bind("--bind", &tree, "/workspace");
    if spec.workdir != "/workspace" {
        line.bind("--bind", &tree, &spec.workdir);
    }
    if let Some(logs) = spec.phase.logs() {
        line.bind("--bind", spec.tree.out(), logs);
    }
    for mount in &spec.mounts {
        line.bind("--ro-bind", &mount.from, &mount.at);
    }
    line.words(["--chdir", &spec.workdir]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sandbox::spec::{Env, Mount};
    use crate::host::sandbox::tree::Trials;

    /// The command line with the random name of the tree replaced.
    fn golden(phase: Phase, executable: Option<&str>, change: impl FnOnce(&mut Spec)) -> String {
        let trials = std::env::temp_dir().join(format!("sh-arguments-{}-{phase:?}", std::process::id()));
        let mut spec = Spec::new(phase, Trials::at(&trials, None).fresh().unwrap());
        change(&mut spec);
        let machine = Machine {
            links: vec![("usr/bin".into(), "/bin".into()), ("usr/lib".into(), "/lib".into())],
            directories: vec!["/nix/store".into()],
            hidden: vec!["/proc/keys".into()],
            toolchains: vec!["/opt/tools".into()],
        };
        let numbers =
            Descriptors { info: 10, passwd: 11, group: 12, hosts: 13, nsswitch: 14, libraries: Some(15) };
        let words = arguments(&spec, &machine, &numbers, executable.map(Path::new));
        let mut text = String::new();
        for word in words {
            let word = word.into_string().unwrap();
            if !text.is_empty() {
                text.push(if word.starts_with("--") { '\n' } else { ' ' });
            }
            text.push_str(&word);
        }
        let text = text.replace(&spec.tree.directory().display().to_string(), "‹tree›");
        spec.tree.remove().unwrap();
        let _ = std::fs::remove_dir(trials);
        text
    }

    #[test]
    fn esc_150_the_command_line_of_an_agent() {
        insta::assert_snapshot!(golden(Phase::Agent, None, |spec| {
            spec.env = Env::of([("APP_MODE", "test")]).unwrap();
            spec.mounts = vec![Mount::new("/home/me/p/AGENTS.md", "/harness/AGENTS.md")];
        }));
    }

    #[test]
    fn esc_150_the_command_line_of_a_verifier() {
        insta::assert_snapshot!(golden(Phase::Verify, Some("/opt/self-harness"), |spec| {
            spec.workdir = String::from("/workspace");
            spec.mounts = vec![Mount::new("/state/tests", "/tests")];
        }));
    }

    #[test]
    fn words_end_with_a_zero() {
        assert_eq!(encoded(&["--a".into(), "b c".into()]), b"--a\0b c\0");
    }
}
