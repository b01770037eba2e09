//! Surfaces in the files that packages bring themselves: each resolves to one span, takes an edit, and what the package's own language
//! reads afterwards is the same but for that value. Excerpts of the other families are in `harness-schema/src/edit/tests/families.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness_schema::edit::{Edit, invert};
use harness_schema::path::FilePath;
use harness_schema::selector::Selector;
use harness_schema::surface::{Dialect, Limits};
use harness_schema::syntax::Document;
use harness_schema::syntax::data::Step;
use harness_schema::text::{Text, apply_all};

use crate::installed::toolchain;
use crate::persona::REMEDY;

/// A file of an installed package.
fn file(toolchain: &Path, path: &str) -> PathBuf {
    let versions = fs::read_dir(toolchain.join("lib")).unwrap().flatten();
    let python = versions.map(|version| version.path()).find(|path| path.join("site-packages").is_dir());
    python.unwrap().join("site-packages").join(path)
}

/// The text with the value of a selector longer by a sentence, and the value before.
fn edited(
    path: &str,
    text: &str,
    select: &[&str],
    requires: &[&str],
    template: Option<Dialect>,
) -> (String, String) {
    let document = Document::new(FilePath::parse(path).unwrap(), Text::new(text));
    let steps: Vec<Step> = select.iter().map(|step| Step::Key((*step).into())).collect();
    let selector = Selector::parse(&steps).unwrap();
    let resolved =
        selector.resolve(&document).unwrap_or_else(|why| panic!("{select:?}: {}", why.message(path)));
    let limits = Limits {
        requires: requires.iter().map(|&required| required.to_owned()).collect(),
        template,
        ..Limits::default()
    };
    let apply = |new: String| {
        let edit = Edit { surface: "tested".into(), part: 0, old: resolved.digest, new };
        edit.apply(&document, &selector, &limits)
    };
    let new = format!("{}\n{REMEDY}\n", resolved.value.trim_end_matches('\n'));
    let edit = apply(new).unwrap_or_else(|refusal| panic!("{select:?}: {refusal}"));
    let after = apply_all(text, std::slice::from_ref(&edit)).unwrap();
    assert_eq!(apply_all(&after, &[invert(text, &edit)]).unwrap(), text, "an edit can be taken back");
    if !requires.is_empty() {
        let lost = apply(String::from("nothing of it")).unwrap_err().to_string();
        assert!(lost.contains("must keep `"), "{lost}");
    }
    (after, resolved.value)
}

/// What the Python of an installation says of two files.
fn ask(toolchain: &Path, script: &str, before: &str, after: &str, more: &[&str]) -> String {
    let directory = std::env::temp_dir().join(format!("self-harness-families-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let (one, other) = (directory.join("before"), directory.join("after"));
    fs::write(&one, before).unwrap();
    fs::write(&other, after).unwrap();
    let mut python = Command::new(toolchain.join("bin/python3"));
    let output = python.arg("-c").arg(script).arg(&one).arg(&other).args(more).output().unwrap();
    fs::remove_dir_all(&directory).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Compares two YAML files key by key: what differs, and whether the value there ends in the sentence.
const YAML: &str = r#"
import sys, yaml
def leaves(value, at=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, at + (str(key),))
    else:
        yield at, value
before, after = (dict(leaves(yaml.safe_load(open(name, encoding="utf-8")))) for name in sys.argv[1:3])
assert before.keys() == after.keys()
for at in before:
    if before[at] != after[at]:
        print(".".join(at), after[at].rstrip().endswith(sys.argv[3]), after[at].startswith(before[at].rstrip()))
"#;

fn yaml(toolchain: &Path, path: &str, surfaces: &[(&[&str], &[&str], Option<Dialect>)]) {
    let text = fs::read_to_string(file(toolchain, path)).unwrap();
    for (select, requires, template) in surfaces {
        let (after, _) = edited("config.yaml", &text, select, requires, *template);
        let said = ask(toolchain, YAML, &text, &after, &[REMEDY]);
        assert_eq!(said, format!("{} True True", select[1..].join(".")), "{path}");
    }
}

#[test]
fn mini_swe_agent_is_edited_in_its_own_configuration() {
    let Some(toolchain) = toolchain("mini-swe-agent") else { return };
    let jinja = Some(Dialect::Jinja);
    let surfaces: [(&[&str], &[&str], _); 3] = [
        (&["yaml", "agent", "system_template"], &[], jinja),
        (&["yaml", "agent", "instance_template"], &["{{task}}"], jinja),
        (&["yaml", "model", "observation_template"], &["output.output"], jinja),
    ];
    yaml(&toolchain, "minisweagent/config/mini.yaml", &surfaces);
    yaml(&toolchain, "minisweagent/config/benchmarks/swebench.yaml", &surfaces);
}

#[test]
fn smolagents_is_edited_in_its_own_prompts() {
    let Some(toolchain) = toolchain("smolagents") else { return };
    let surfaces: [(&[&str], &[&str], _); 2] = [
        (&["yaml", "system_prompt"], &["tools"], Some(Dialect::Jinja)),
        (&["yaml", "planning", "initial_plan"], &["task"], Some(Dialect::Jinja)),
    ];
    for name in ["toolcalling_agent.yaml", "code_agent.yaml"] {
        yaml(&toolchain, &format!("smolagents/prompts/{name}"), &surfaces);
    }
}

#[test]
fn terminus_2_is_edited_in_its_own_template() {
    let Some(toolchain) = toolchain("harbor") else { return };
    for name in ["terminus-json-plain.txt", "terminus-xml-plain.txt"] {
        let path = file(&toolchain, &format!("harbor/agents/terminus_2/templates/{name}"));
        let text = fs::read_to_string(path).unwrap();
        let requires = ["{instruction}", "{terminal_state}"];
        let (after, value) = edited(name, &text, &["file"], &requires, Some(Dialect::StrFormat));
        assert_eq!(value, text);
        let script = r#"
import sys
before, after = (open(name, encoding="utf-8").read().format(instruction="I", terminal_state="T") for name in sys.argv[1:3])
print(after == before.rstrip("\n") + "\n" + sys.argv[3] + "\n")
"#;
        assert_eq!(ask(&toolchain, script, &text, &after, &[REMEDY]), "True", "{name}");
    }
}

#[test]
fn deepagents_is_edited_in_its_own_module() {
    let Some(toolchain) = toolchain("deepagents") else { return };
    let text = fs::read_to_string(file(&toolchain, "deepagents/middleware/memory.py")).unwrap();
    let (after, _) = edited("memory.py", &text, &["py.const", "MEMORY_SYSTEM_PROMPT"], &[], None);
    let script = r#"
import ast, sys
def constants(name):
    tree = ast.parse(open(name, encoding="utf-8").read())
    found = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        found[getattr(target, "id", node.lineno if target else ast.dump(node))] = node
    return tree, found
(one, before), (other, after) = (constants(name) for name in sys.argv[1:3])
old, new = (ast.literal_eval(found["MEMORY_SYSTEM_PROMPT"].value) for found in (before, after))
same = [ast.dump(a) == ast.dump(b) for a, b in zip(one.body, other.body)]
print(same.count(False), new.rstrip("\n") == old.rstrip("\n") + "\n" + sys.argv[3])
"#;
    assert_eq!(ask(&toolchain, script, &text, &after, &[REMEDY]), "1 True");
}
