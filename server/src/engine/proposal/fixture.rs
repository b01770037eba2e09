//! A small harness with its tasks, and weaknesses of it, for the tests of proposals.

use std::collections::BTreeSet;

use harness_schema::detector;
use harness_schema::digest::Digest;
use harness_schema::files::Files;
use harness_schema::harness::Harness;
use harness_schema::path::FilePath;
use harness_schema::split::Split;
use harness_schema::surface::Role;
use harness_schema::text::Span;
use serde_json::{Value, json};

use super::leak::TaskFacts;
use super::reply::{self, Draft, Reply};
use crate::engine::cause::Cause;
use crate::engine::cluster::{Cluster, Level, Supporter};
use crate::engine::signature::Status;
use crate::engine::split::{HeldIn, Splits};
use crate::engine::weakness::{Actionable, Location, Relation, Weakness};

pub(super) const MANIFEST: &str = r#"schema = 1
name = "fixture"

[model]
protocol = "openai"
endpoint = "http://127.0.0.1:8080/v1"
name = "m-1"

[agent]
kind = "native"

[prompt]
system = "prompts/system.md"
task = "prompts/task.md"

[[tool]]
name = "shell"
description = "Runs a command."
builtin = "shell"

[runtime]
max_steps = 24
tool_timeout = "20s"
max_output_bytes = 16384

# Of rules there is one.
[[runtime.rule]]
id = "steps-run-out"
when = { steps_left = 3 }
inject = { text = "{{ steps_left }} steps are left." }

[[surface]]
id = "working-rules"
description = "How the agent goes about a task."
file = "prompts/system.md"
select = ["md.section", "How to work"]
kind = "prompt"
max_tokens = 400

[[surface]]
id = "notes"
select = ["new", "notes/*.md"]
new_files = { max = 1 }

[[surface]]
id = "steps"
parts = [
    { select = ["new", "steps/*.md"] },
    { file = "steps.yaml", select = ["yaml", "steps", "+"] },
]
new_files = { max = 1, text = { text = "Step\n\nWhat to do.\n" } }

[tasks]
dir = "tasks"
held_in = ["invoice-total", "join-orders", "list-owners"]
held_out = ["pick-fix"]
"#;

pub(super) const SYSTEM: &str = "# Role\n\nYou work in {{ workdir }}.\n\n# How to work\n\n- Look at what is there in {{ workdir }}.\n- Be brief.\n- When it is done, say so.\n\n# Tools\n\nThere is `shell`.\n";

/// What the held-out task says, and nothing else does.
pub(super) const HELD_OUT: &str = "Find the commit that broke the northern lighthouse calendar and revert nothing but that commit on the branch called winter harbour.";

pub(super) fn harness() -> Harness {
    let files = Files::from_texts([
        ("harness.toml", MANIFEST),
        ("prompts/system.md", SYSTEM),
        ("steps.yaml", "# In order.\nsteps:\n  - look\n"),
        ("prompts/task.md", "{{ task.instruction }}\n"),
        ("tasks/invoice-total/task.toml", "version = \"1.0\"\n"),
        ("tasks/invoice-total/instruction.md", "Mend invoice.py.\n"),
        ("tasks/invoice-total/tests/test.sh", "#!/bin/sh\npython3 /tests/check.py\n"),
        ("tasks/join-orders/task.toml", "version = \"1.0\"\n"),
        ("tasks/join-orders/instruction.md", "Join the orders.\n"),
        ("tasks/join-orders/tests/test.sh", "#!/bin/sh\npython3 /tests/check.py\n"),
        ("tasks/list-owners/task.toml", "version = \"1.0\"\n"),
        ("tasks/list-owners/instruction.md", "List the owners.\n"),
        ("tasks/list-owners/tests/test.sh", "#!/bin/sh\npython3 /tests/check.py\n"),
        ("tasks/pick-fix/task.toml", "version = \"1.0\"\n"),
        ("tasks/pick-fix/instruction.md", HELD_OUT),
        ("tasks/pick-fix/tests/test.sh", "#!/bin/sh\npython3 /tests/check.py\n"),
    ]);
    Harness::resolve(&files, None)
}

pub(super) fn baseline() -> Digest {
    Digest::of(b"baseline")
}

pub(super) fn held_in<T>(all: impl IntoIterator<Item = T>) -> Vec<HeldIn<T>> {
    Splits::apart(all, |_| Some(Split::HeldIn)).held_in
}

pub(super) fn facts() -> Vec<HeldIn<TaskFacts>> {
    let task = |id: &str, family: &str, instruction: &str, entities: &[&str]| TaskFacts {
        id: id.to_owned(),
        family: family.to_owned(),
        instruction: instruction.to_owned(),
        entities: entities.iter().map(|entity| (*entity).to_owned()).collect::<BTreeSet<_>>(),
    };
    held_in([
        task(
            "invoice-total",
            "python",
            "The program `invoice.py` rounds too late: round each amount half up before it is added. Tax is 19 percent, see port 8061.",
            &["/app/invoice.py", "test_rounding", "python3", "8061", "/app/out.txt", "shell"],
        ),
        task(
            "join-orders",
            "data",
            "Write the totals to totals.csv, e.g. sorted.",
            &["/app/totals.csv", "/app/out.txt", "12345"],
        ),
        task(
            "list-owners",
            "text",
            "Write all owners to /app/out.txt, as UTF-8 with times in ISO-8601.",
            &["/app/out.txt", "grep"],
        ),
    ])
}

pub(super) fn weakness(id: &str, mechanism: &str, locations: &[(&str, Role)], tasks: &[&str]) -> Weakness {
    let supporter = |task: &&str| Supporter { task: (*task).to_owned(), weight: 1.0, trials: Vec::new() };
    let location = |(surface, role): &(&str, Role)| Location {
        surface: (*surface).to_owned(),
        role: *role,
        file: FilePath::parse("prompts/system.md").unwrap(),
        span: Span::at(0),
        line: String::new(),
        relation: Relation::Absent,
        value: 0.0,
    };
    Weakness {
        cluster: Cluster {
            id: id.to_owned(),
            level: Level::Signature,
            cause: Some(Cause::ValueMismatch),
            status: Some(Status::Direct),
            mechanism: detector::named(mechanism),
            tier: None,
            supporters: tasks.iter().map(supporter).collect(),
            support: tasks.len(),
            value: 2.0,
            lift: Some(2.0),
            is_habit: false,
        },
        locations: locations.iter().map(location).collect(),
        actionable: Actionable::Yes,
    }
}

/// A reply with one edit: of `find`, or at the end.
pub(super) fn reply_with(surface: &str, find: Option<&str>, replace: &str) -> Value {
    let edit = match find {
        Some(find) => json!({ "surface": surface, "find": find, "replace": replace }),
        None => json!({ "surface": surface, "at": "end", "replace": replace }),
    };
    json!({
        "action": "edit", "slot": 1, "cluster": "c-1", "mechanism": "never-verified", "edits": [edit],
        "summary": "an edit", "why": "it helps"
    })
}

pub(super) fn draft(reply: &Value) -> Draft {
    match reply::read(&reply.to_string()).unwrap() {
        Reply::Edit(draft) => *draft,
        Reply::Decline { reason } => panic!("declined: {reason}"),
    }
}
