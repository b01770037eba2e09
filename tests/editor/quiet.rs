//! A whole session under `strace`, on a project that was measured: everything is looked at and typed into, first untrusted and then
//! trusted, and no process is started and no socket opened before somebody says start.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::uri;
use crate::desk::{Desk, PATIENCE, PROMPT_FILE, SHORT, capabilities, lab_of};
use crate::lab::Lab;
use crate::persona::persona;
use crate::record::inside;

/// Keys and saves, trusted as well as not.
const KEYS: usize = 10_000;
const SAVES: usize = 100;

/// So many keys are typed, and then the editor asks again for what it shows.
const BURST: usize = 250;

/// What is typed into a document: what opens something, in most notations that there are.
const TYPED: &str = "a = {{ \"x\" }} #[-]$`(@?~|";

/// The documents that somebody works in: one of each kind.
const DOCUMENTS: [&str; 5] = [
    "harness.toml",
    PROMPT_FILE,
    "tasks/t-00/task.toml",
    "tasks/t-00/instruction.md",
    "tasks/t-01/instruction.md",
];

/// The system calls of a server and of whatever it starts.
struct Trace(PathBuf);

impl Trace {
    /// A server under the tracer, and where its calls are written down; `None` without a tracer outside of CI, which is said.
    fn of(lab: &Lab) -> Option<(Command, Self)> {
        if Command::new("strace").arg("-V").output().is_err() {
            assert!(
                std::env::var_os("CI").is_none(),
                "`strace` is missing: install it with `apt-get install strace`"
            );
            eprintln!("skipped: `strace` is missing: install it with `apt-get install strace`");
            return None;
        }
        let folder = lab.state().with_file_name("calls");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("of");
        // Some systems lack a few of these calls: `?` makes them optional. Each thread has a file of its own, so no call is cut in two.
        let calls = "trace=?execve,?execveat,?fork,?vfork,?clone,?clone3,?socket,?connect,?bind,?listen,?accept,?accept4,?io_uring_setup";
        let arguments = [
            "-ff",
            "-qq",
            "--seccomp-bpf",
            "-e",
            calls,
            "-e",
            "signal=none",
            "-o",
            file.to_str().unwrap(),
            "--",
        ];
        Some((inside(lab, "strace", &arguments), Self(folder)))
    }

    /// The calls that nothing but a start may make: every process but the server's own, and every socket, even where it failed.
    fn offences(&self) -> Vec<String> {
        let mut calls = self.calls();
        let own = calls.iter().position(|call| call.starts_with("execve("));
        calls.remove(own.expect("the server was traced"));
        calls.retain(|call| !call.contains("CLONE_THREAD"));
        calls
    }

    fn calls(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
        let lines: Vec<String> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.into_iter().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())).collect()
    }
}

/// Asks; what comes back, or nothing where there is nothing to say.
fn asks(desk: &mut Desk, method: &str, params: &Value) -> Value {
    desk.server.request(method, params)
}

/// All that an editor asks about a document that is on screen; which of it had something to show.
fn looks(desk: &mut Desk, file: &str, shown: &mut BTreeSet<&'static str>) {
    let document = json!({"textDocument": {"uri": desk.uri(file)}});
    for method in ["documentSymbol", "documentLink", "foldingRange", "semanticTokens/full"] {
        asks(desk, &format!("textDocument/{method}"), &document);
    }
    let lenses = desk.lenses(file);
    let hints = desk.hints(file);
    let problems = desk.problems(file);
    for (what, is_shown) in
        [("lenses", !lenses.is_empty()), ("hints", !hints.is_empty()), ("problems", !problems.is_empty())]
    {
        if is_shown {
            shown.insert(what);
        }
    }
}

/// All that an editor asks where somebody stands or points.
fn points(desk: &mut Desk, file: &str, line: u64, shown: &mut BTreeSet<&'static str>) {
    if !desk.hover(file, line).is_empty() {
        shown.insert("hovers");
    }
    for action in desk.actions(file, line) {
        shown.insert("actions");
        if action.get("edit").is_none() && action.get("disabled").is_none() && action.get("data").is_some() {
            asks(desk, "codeAction/resolve", &action);
        }
    }
    let at = json!({"textDocument": {"uri": desk.uri(file)}, "position": {"line": line, "character": 1}});
    for method in ["completion", "definition", "documentHighlight", "prepareRename"] {
        asks(desk, &format!("textDocument/{method}"), &at);
    }
}

/// What the views of an editor ask for by themselves.
fn explores(desk: &mut Desk, root: &Path, shown: &mut BTreeSet<&'static str>) {
    let root = uri(root);
    let mut open = vec![None];
    while let Some(parent) = open.pop() {
        for item in desk.tree(parent.as_deref()) {
            shown.insert("the tree");
            if item["hasChildren"] == true {
                open.push(item["id"].as_str().map(str::to_owned));
            }
            if let Some(page) = item["uri"].as_str() {
                shown.insert("pages");
                desk.page(page);
            }
        }
    }
    for test in [Value::Null, json!("held-in"), json!("held-out")] {
        asks(desk, "experimental/discoverTest", &json!({"root": root, "testId": test}));
    }
    asks(desk, "workspace/symbol", &json!({"query": "s"}));
    asks(desk, "workspace/diagnostic", &json!({"previousResultIds": []}));
    desk.command("status", &json!({}));
}

/// Opens everything, types, saves, hovers and looks, as somebody does in a long day.
fn works(desk: &mut Desk, lab: &Lab) {
    let mut shown = BTreeSet::new();
    for file in DOCUMENTS {
        desk.show(file);
        looks(desk, file, &mut shown);
        for line in 0..desk.text(file).lines().count() as u64 {
            points(desk, file, line, &mut shown);
        }
    }
    explores(desk, &lab.root(), &mut shown);
    for file in DOCUMENTS {
        let mut typed = 0;
        while typed < KEYS / DOCUMENTS.len() {
            desk.types_and_deletes(file, TYPED, BURST);
            typed += BURST;
            points(desk, file, 0, &mut shown);
        }
        (0..SAVES / DOCUMENTS.len()).for_each(|_| desk.save(file));
        looks(desk, file, &mut shown);
    }
    // Hints stay away for a while after a key; then they are asked for again.
    let began = Instant::now();
    while desk.hints(PROMPT_FILE).is_empty() {
        assert!(began.elapsed() < PATIENCE, "no hint came back");
        std::thread::sleep(Duration::from_millis(100));
    }
    explores(desk, &lab.root(), &mut shown);
    for file in DOCUMENTS {
        looks(desk, file, &mut shown);
        desk.close(file);
    }
    let all = ["lenses", "hints", "problems", "hovers", "actions", "the tree", "pages"];
    assert!(all.iter().all(|what| shown.contains(what)), "only {shown:?} were there to see");
}

#[test]
fn ux_01_nothing_is_started_and_no_socket_opened_by_whoever_opens_types_saves_and_looks() {
    let lab = lab_of("editor-quiet", 4, &persona(""), SHORT);
    lab.ok(&["evaluate", "--yes"]);
    // A mistake in the manifest, so that there is something to say and to mend.
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    lab.write("harness.toml", &format!("{manifest}\n[runtim]\n"));
    let Some((server, trace)) = Trace::of(&lab) else { return };
    let mut desk = Desk::with(&lab, server, &capabilities());
    // Whoever has started a run has trusted the folder: it is taken back.
    let revoke = json!({"root": uri(&lab.root()), "action": "revoke"});
    desk.server.request("selfHarness/trust", &revoke);
    is_trusted(&mut desk, &lab, false);
    works(&mut desk, &lab);
    assert_eq!(trace.offences(), Vec::<String>::new());
    // Trust is no start either.
    desk.presses("trust");
    desk.command("trust", &json!({}));
    is_trusted(&mut desk, &lab, true);
    works(&mut desk, &lab);
    assert_eq!(trace.offences(), Vec::<String>::new());
    assert_eq!(lab.worker(), None);

    // A start would have been seen: whoever has said that is asked, and the sandbox is tried for it.
    lab.write("harness.toml", &manifest);
    desk.show("harness.toml");
    desk.presses("cancel");
    desk.command("evaluate", &json!({}));
    desk.is_asked();
    let offences = trace.offences();
    assert!(offences.iter().any(|call| call.starts_with("execve") && call.contains("bwrap")), "{offences:?}");
}

/// Waits until the project is trusted, or is not.
fn is_trusted(desk: &mut Desk, lab: &Lab, wanted: bool) {
    let (question, began) = (json!({"root": uri(&lab.root()), "action": "state"}), Instant::now());
    let wanted = if wanted { "trusted" } else { "untrusted" };
    while desk.server.request("selfHarness/trust", &question)["state"] != wanted {
        assert!(began.elapsed() < PATIENCE, "it never was {wanted}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
