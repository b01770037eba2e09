"""The documents that are measured: of a wanted number of lines, like what people write, and valid.

Each kind has a line that is wrong for every server that reads it. Putting it in and taking it out again is the edit, so
diagnostics prove that they belong to the edit: one more problem, one less.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# No file is read for these: what is large is the document itself.
MANIFEST_HEAD = """\
schema = 1
name = "bench"

[model]
endpoint = "http://127.0.0.1:11434/v1"
name = "small-model"
context_window = 100000000

[agent]
kind = "native"

[prompt]
system = "prompts/system.md"
task = "prompts/task.md"

[runtime]
max_steps = 40
tool_timeout = "60s"

[budget]
max_trials = 100

[tasks]
dir = "tasks"
held_in = ["first"]
held_out = ["second"]
"""

TOOL = """
[[tool]]
name = "lookup_{number}"
description = "Look up record {number} of the catalogue and return it as text, or say that it is not there."
run = ["bin/lookup", "{{key}}"]
timeout = "30s"
[tool.parameters]
type = "object"
required = ["key"]
[tool.parameters.properties.key]
type = "string"
description = "The key of the record, as it was printed by an earlier call."
"""

SECTION = """
## Step {number}: look before you change

Read the file before you edit it, and say what you expect to find. Work in `{{{{ workdir }}}}`, run the tests that
belong to the change first, then all of them.

- Prefer `rg` to `grep`; never print a whole file of more than 200 lines.
- When a command fails twice in the same way, stop and read its **whole** output before the next attempt.
- Keep a list of what is done and what is left. Number {number} is only done when its check has passed.

```sh
pytest -q tests/test_{number}.py
```
"""

MAPPING = """
step_{number}:
  title: "Look before you change"
  timeout: 30
  retries: {{count: 2, wait: 5s}}
  rules:
    - read the file before you edit it
    - run the tests that belong to the change
  prompt: |
    Work in the folder of the task.
    Say what you expect before you look.
"""

FUNCTION = '''

def step_{number}(path: str, attempts: int = 3) -> list[str]:
    """Read `path` and return its lines, trying several times."""
    for attempt in range(attempts):
        try:
            with open(path, encoding="utf-8") as file:
                return [line.rstrip() for line in file]
        except OSError as error:
            print(f"attempt {{attempt}} failed: {{error}}")
    return []
'''


@dataclass(frozen=True)
class Kind:
    """One language of the bench."""

    name: str
    language: str
    """The `languageId` of LSP."""
    head: str
    block: str
    wrong_line: str


KINDS = {
    kind.name: kind
    for kind in (
        # `value` is missing: every TOML reader says so.
        Kind("toml", "toml", MANIFEST_HEAD, TOOL, "unfinished =\n"),
        # A typo for spell checkers, an unknown variable for readers of templates, a missing import for agent linters.
        Kind("markdown", "markdown", "# How to work\n", SECTION, "Thsi is {{ workdri }}, see @missing/file.md\n"),
        Kind("yaml", "yaml", "name: bench\n", MAPPING, "unfinished: [\n"),
        Kind("python", "python", '"""Steps."""\n', FUNCTION, "def unfinished(:\n"),
    )
}


@dataclass(frozen=True)
class Document:
    """A text and where its edit goes."""

    kind: Kind
    text: str
    line: int
    """Zero-based line in the middle, at the border of two blocks."""

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def with_wrong_line(self) -> str:
        lines = self.text.splitlines(keepends=True)
        return "".join(lines[: self.line]) + self.kind.wrong_line + "".join(lines[self.line :])


def document(kind: Kind, lines: int) -> Document:
    """Whole blocks up to `lines` lines, or one block at least."""
    per_block = kind.block.count("\n")
    head = kind.head.count("\n")
    blocks = max(1, (lines - head) // per_block)
    text = kind.head + "".join(kind.block.format(number=number) for number in range(blocks))
    return Document(kind, text, head + (blocks // 2) * per_block)


def write_harness(root: Path) -> None:
    """The smallest project that the generated manifest and prompt belong to."""
    for path, text in {
        "harness.toml": MANIFEST_HEAD + '\n[[tool]]\nname = "shell"\nbuiltin = "shell"\ndescription = "Run a command."\n',
        "prompts/system.md": "You work in `{{ workdir }}`.\n",
        "prompts/task.md": "{{ task.instruction }}\n",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    lookup = root / "bin/lookup"
    lookup.parent.mkdir(exist_ok=True)
    lookup.write_text("#!/bin/sh\n", encoding="utf-8")
    lookup.chmod(0o755)
    for task in ("first", "second"):
        write_task(root / "tasks" / task, task)


def write_task(folder: Path, name: str) -> None:
    """A Harbor task directory."""
    for path, text in {
        "task.toml": f'schema_version = "1.4"\n\n[task]\nname = "bench/{name}"\n\n[environment]\nnetwork_mode = "no-network"\n\n[agent]\ntimeout_sec = 600.0\n\n[verifier]\ntimeout_sec = 120.0\n',
        "instruction.md": f"Create the file `{name}.txt` and write its own name into it.\n",
        "environment/Dockerfile": "FROM debian:bookworm-slim\nWORKDIR /app\n",
        "tests/test.sh": f"#!/bin/sh\nif [ -f /app/{name}.txt ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt\n",
        "solution/solve.sh": f"#!/bin/sh\necho {name} > /app/{name}.txt\n",
    }.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if path.endswith(".sh"):
            file.chmod(0o755)


@dataclass(frozen=True)
class Workspace:
    """A large project."""

    manifest: Path
    prompt: Path
    documents: int
    tasks: int


def write_workspace(root: Path, documents: int, tasks: int) -> Workspace:
    """A project with `documents` files of a harness and `tasks` task directories, and one problem: the manifest lists
    a held-out task that is not there, which only a server that has found all tasks can say."""
    write_harness(root)
    names = [f"group-{number // 100:02}/task-{number:04}" for number in range(tasks)]
    for name in names:
        write_task(root / "tasks" / name, name.rpartition("/")[2])
    manifest = [
        MANIFEST_HEAD.replace('held_in = ["first"]', 'held_in = ["first", "group-0*/*"]').replace(
            'held_out = ["second"]', 'held_out = ["second", "group-[1-9]*/*", "not-there"]'
        )
    ]
    # The manifest, the system prompt and the task prompt are documents too.
    left = documents - 3
    states = left // 3
    tools = left // 3
    rules = left - states - tools
    (root / "prompts/states").mkdir(parents=True, exist_ok=True)
    (root / "prompts/rules").mkdir(parents=True, exist_ok=True)
    (root / "tools").mkdir(exist_ok=True)
    for number in range(tools):
        (root / f"tools/lookup_{number}.toml").write_text(
            TOOL.replace("[[tool]]\n", "").replace("[tool.", "[").format(number=number).lstrip(), encoding="utf-8"
        )
        manifest.append(f'\n[[tool]]\nfile = "tools/lookup_{number}.toml"\n')
    for number in range(rules):
        (root / f"prompts/rules/rule-{number}.md").write_text(
            f"Attempt {number} failed in the same way. Read the whole output before the next one.\n", encoding="utf-8"
        )
        manifest.append(
            f'\n[[runtime.rule]]\nid = "rule-{number}"\nwhen = {{ tool = "lookup_{number % tools}", outcome = "error" }}\n'
            f'inject = "prompts/rules/rule-{number}.md"\n'
        )
    manifest.append('\n[orchestration]\nstart = "state-0"\n')
    for number in range(states):
        (root / f"prompts/states/state-{number}.md").write_text(
            f"# Part {number}\n" + SECTION.format(number=number), encoding="utf-8"
        )
        following = f"state-{number + 1}" if number + 1 < states else "end"
        manifest.append(
            f'\n[[orchestration.state]]\nid = "state-{number}"\nprompt = "prompts/states/state-{number}.md"\n'
            f'tools = ["lookup_{number % tools}"]\nnext = ["{following}"]\n'
        )
    (root / "harness.toml").write_text("".join(manifest), encoding="utf-8")
    return Workspace(root / "harness.toml", root / "prompts/states/state-7.md", documents, tasks + 2)
