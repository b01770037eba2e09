"""Projects for the bench of trials: a harness, tasks with a tiny verifier, and personas of the scripted model."""

from __future__ import annotations

import json
from pathlib import Path

CALL_SECONDS = 1
CALLS = 10
LONG_STEPS = 200
# What a tool prints in a long trial: far more than the model is shown, with characters that JSON has to escape.
NOISE = "yes 'a line of a log with \"quotes\" and a\ttab, as programs print them' | head -c 100000"

SLOW = f"""
name = "slow"

[[rule]]
when = {{ step = {{ max = {CALLS - 2} }} }}
reply = {{ text = "I go on.", delay = "{CALL_SECONDS}s", calls = [{{ tool = "shell", arguments = {{ command = "echo 42 > answer.txt" }} }}], usage = {{ input = 100, output = 10 }} }}

[[rule]]
reply = {{ text = "The number is written.", delay = "{CALL_SECONDS}s", usage = {{ input = 100, output = 10 }} }}
"""

LOUD = f"""
name = "loud"

[[rule]]
when = {{ step = {{ max = {LONG_STEPS - 2} }} }}
reply = {{ text = "I look again.", calls = [{{ tool = "shell", arguments = {{ command = {json.dumps(NOISE)} }} }}], usage = {{ input = 100, output = 10 }} }}

[[rule]]
reply = {{ text = "I have seen enough.", usage = {{ input = 100, output = 10 }} }}
"""

HARNESS = """\
schema = 1
name = "bench"

[model]
endpoint = "{endpoint}"
name = "scripted"
seed = 3
context_window = 1000000
timeout = "60s"

[agent]
kind = "native"
timeout = "10m"

[prompt]
system = {{ text = "You write numbers." }}

[[tool]]
name = "shell"
builtin = "shell"
description = "Runs a command."

[runtime]
max_steps = {steps}

[budget]
max_parallel = {parallel}

[tasks]
held_in = [{held_in}]
held_out = [{held_out}]
"""

VERIFIER = """\
if [ "$(cat answer.txt 2> /dev/null)" = 42 ]; then reward=1 status=passed; else reward=0 status=failed; fi
echo $reward > /logs/verifier/reward.txt
echo "{\\"results\\": {\\"tests\\": [{\\"name\\": \\"answer\\", \\"status\\": \\"$status\\"}]}}" > /logs/verifier/ctrf.json
"""


def write(root: Path, endpoint: str, tasks: int, parallel: int) -> None:
    """A project with so many tasks, half of them held-in."""
    root.mkdir(parents=True)
    ids = [f"t-{number:02}" for number in range(tasks)]

    def listed(names: list[str]) -> str:
        return ", ".join(f'"{name}"' for name in names)

    harness = HARNESS.format(
        endpoint=endpoint, steps=LONG_STEPS, parallel=parallel, held_in=listed(ids[::2]), held_out=listed(ids[1::2])
    )
    (root / "harness.toml").write_text(harness, encoding="utf-8")
    files = {
        "task.toml": 'schema_version = "1.4"\n\n[environment]\nnetwork_mode = "no-network"\n',
        "instruction.md": "Write the number 42 to `/app/answer.txt`.\n",
        "environment/Dockerfile": "FROM debian:12\nCOPY note.txt /app/note.txt\n",
        "solution/solve.sh": "echo 42 > answer.txt\n",
        "tests/test.sh": VERIFIER,
    }
    for name in ids:
        # No two tasks are alike, so none is admitted for another.
        for path, text in {**files, "environment/note.txt": f"the desk of {name}\n"}.items():
            file = root / "tasks" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
