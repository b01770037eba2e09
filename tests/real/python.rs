//! Agents in Python: mini-swe-agent, whose texts are keys of a YAML file, deepagents, whose texts are functions, smolagents, which has
//! docstrings too, and aider, which reads conventions.

use std::fs;
use std::path::Path;

use self_harness::engine::cycle::Decision;

use crate::installed::toolchain;
use crate::lab::Lab;
use crate::persona::{Part, REMEDY, persona};

const TASKS: usize = 6;

/// What every project here ends with: a short run, and a gate that needs few trials.
const SHORT: &str = "[improve]\ngate = \"exact\"\nproposals = 2\nrounds = 1\n\n[improve.repeats]\nbaseline = 2\nscreen = 1\n\n\
                     [budget]\nmax_trials = 600\nmax_parallel = 2\n";

/// A project of an agent, as `tests/examples` shows it, on small tasks.
fn lab(name: &str, example: &str, toolchain: &Path, persona: &str) -> Lab {
    let mut lab = Lab::new(name, persona, TASKS);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/examples").join(example);
    for entry in fs::read_dir(examples).unwrap().flatten() {
        if entry.path().is_file() {
            lab.write(&entry.file_name().to_string_lossy(), &fs::read_to_string(entry.path()).unwrap());
        }
    }
    let config = lab.state().with_file_name("config");
    fs::create_dir_all(config.join("self-harness")).unwrap();
    let toolchains = format!("toolchains = [\"{}\"]\n", toolchain.display());
    fs::write(config.join("self-harness/config.toml"), toolchains).unwrap();
    lab.variables.insert(String::from("XDG_CONFIG_HOME"), config.display().to_string());
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let (before_budget, _) = manifest.split_once("[budget]").unwrap();
    let ids = |wanted: usize| {
        let ids = (0..TASKS).filter(|number| number % 2 == wanted);
        ids.map(|number| format!("\"t-{number:02}\"")).collect::<Vec<_>>().join(", ")
    };
    let manifest = before_budget.replace("http://127.0.0.1:11434/v1", lab.endpoint());
    lab.write(
        "harness.toml",
        &format!("{manifest}[tasks]\nheld_in = [{}]\nheld_out = [{}]\n\n{SHORT}", ids(0), ids(1)),
    );
    lab
}

/// Evaluates, mines, proposes and validates; the file that the accepted edit changes, as it is with it.
pub(crate) fn improved(lab: &Lab, file: &str) -> String {
    lab.ok(&["improve", "--yes"]);
    let store = lab.store();
    let decisions = store.decisions().unwrap();
    let proposals = store.proposals().unwrap();
    let accepted = proposals.iter().find(|stored| {
        stored.record.summary == REMEDY && decisions.get(&stored.number) == Some(&Decision::Accepted)
    });
    let told = || {
        let all = proposals.iter().map(|stored| (&stored.record.summary, decisions.get(&stored.number)));
        format!("{:?}\n{}", all.collect::<Vec<_>>(), lab.ok(&["report"]))
    };
    let accepted = accepted.unwrap_or_else(|| panic!("the remedy was not accepted: {}", told()));
    let changed: Vec<&String> = accepted.record.files.keys().collect();
    assert_eq!(changed, [file]);
    // Its cause is a habit that somebody can see in the trace.
    let mined = lab.ok(&["mine"]);
    assert!(mined.contains(" fail") && !mined.contains("finished-on-error"), "{mined}");
    accepted.record.files[file].clone()
}

/// How many of the trials of an evaluation pass.
fn passes(lab: &Lab) -> usize {
    lab.ok(&["evaluate", "--yes", "--repeats", "1"]);
    lab.verdicts().values().filter(|verdict| *verdict == "pass").count()
}

/// Runs a driver with the interpreter of the installation: the system's own knows nothing of the agent.
fn own_interpreter(lab: &Lab, toolchain: &Path) {
    let manifest = fs::read_to_string(lab.root().join("harness.toml")).unwrap();
    let python = format!("\"{}\", \"{{harness_dir}}/run.py\"", toolchain.join("bin/python3").display());
    let own = manifest.replace("\"python3\", \"{harness_dir}/run.py\"", &python);
    assert_ne!(manifest, own);
    lab.write("harness.toml", &own);
}

#[test]
fn mini_swe_agent_improves_a_key_of_its_configuration() {
    let Some(toolchain) = toolchain("mini-swe-agent") else { return };
    let part = Part {
        tool: "bash",
        end: Some("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
        surface: "system",
        added: "Read back what you wrote before you end.\n",
    };
    let lab = lab("mini", "mini-swe-agent", &toolchain, &persona(&part));
    let before = fs::read_to_string(lab.root().join("mini.yaml")).unwrap();
    let with = improved(&lab, "mini.yaml");
    // One line more, inside of the block of `agent.system_template`, and not a byte else.
    let line = with.lines().find(|line| line.contains(REMEDY)).unwrap();
    assert_eq!(line, format!("    {REMEDY}"));
    assert_eq!(with.replace(&format!("{line}\n"), ""), before);
    lab.write("mini.yaml", &with);
    assert_eq!(passes(&lab), TASKS);
    // What it wrote about its work is read, not only what the relay saw of it.
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT") && trace.contains("(exit 0)"), "{trace}");
}

#[test]
fn deepagents_improves_what_a_function_returns() {
    let Some(toolchain) = toolchain("deepagents") else { return };
    let part = Part {
        tool: "execute",
        end: None,
        surface: "verification",
        added: "\nRead back what you wrote before you end.",
    };
    let lab = lab("deep", "deepagents", &toolchain, &persona(&part));
    own_interpreter(&lab, &toolchain);
    let before = fs::read_to_string(lab.root().join("harness.py")).unwrap();
    let with = improved(&lab, "harness.py");
    assert_eq!(with.replace(&format!("\n{REMEDY}"), ""), before);
    let function = with.split("def build_verification_instruction").nth(1).unwrap();
    assert!(function.split("def ").next().unwrap().contains(REMEDY), "{with}");
    lab.write("harness.py", &with);
    assert_eq!(passes(&lab), TASKS);
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("cat /app/answer.txt"), "{trace}");
}

/// A model that writes the number, if the tool was offered as its docstring says, and ends by the tool that smolagents has for it.
const SMOL: &str = r#"
name = "smol"
step = "assistant"

[[rule]]
when = { step = 0, system = "- shell: Runs a command in a shell", any = "the number (?P<number>[0-9]+)" }
reply = { text = "I write.", calls = [{ tool = "shell", arguments = { command = "echo ${number} > /app/answer.txt; cat /app/answer.txt" } }], usage = { input = 100, output = 10 } }

[[rule]]
reply = { text = "I end.", calls = [{ tool = "final_answer", arguments = { answer = "The number is written." } }], usage = { input = 200, output = 5 } }
"#;

#[test]
fn smolagents_passes_and_what_it_did_is_read() {
    let Some(toolchain) = toolchain("smolagents") else { return };
    let lab = lab("smol", "smolagents", &toolchain, SMOL);
    own_interpreter(&lab, &toolchain);
    assert_eq!(passes(&lab), TASKS);
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("cat /app/answer.txt") && trace.contains("(exit code 0)"), "{trace}");
    assert!(trace.contains("final_answer"), "{trace}");
}

/// A model that answers with a whole file, as aider asks for it.
const AIDER: &str = r#"
name = "aider"

[[rule]]
when = { any = "the number (?P<number>[0-9]+)" }
reply = { text = """
I write the number.

answer.txt
```
${number}
```
""", usage = { input = 100, output = 10 } }
"#;

#[test]
fn aider_passes_and_its_history_is_read_as_text() {
    let Some(toolchain) = toolchain("aider") else { return };
    let lab = lab("aider", "aider", &toolchain, AIDER);
    assert_eq!(passes(&lab), TASKS);
    let trace = lab.ok(&["trace", "latest", "t-00"]);
    assert!(trace.contains("I write the number.") && trace.contains("Applied edit to answer.txt"), "{trace}");
}
