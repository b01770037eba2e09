"""A project for the whole loop in an editor: a copy of the example `demo` with ten of its tasks, and a model that follows a script.

The model is `hasty` of `tests/examples/personas`, which ends without a look at its work; asked for an edit it proposes one that helps.
Everything that is written lies below one folder, home included. Nothing is reachable but this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
HELD_IN = ["block-addresses", "fetch-catalog", "invoice-total", "join-orders", "list-owners", "restore-commit"]
HELD_OUT = ["add-health", "average-readings", "clean-lines", "number-headings"]

SUMMARY = "Check the result before the end."
"""What the model calls its proposal."""

ADDED = "- Check your result against the job before you finish.\n"
"""What the proposal adds to the end of `PROMPT`."""

PROMPT = "prompts/system.md"


def persona() -> str:
    """`hasty`, with an answer to requests for an edit before all others."""
    reply = {
        "action": "edit",
        "slot": "SLOT",
        "cluster": "${cluster}",
        "mechanism": "${mechanism}",
        "edits": [{"surface": "working-rules", "find": "", "at": "end", "replace": ADDED}],
        "scope": "always",
        "summary": SUMMARY,
        "why": "The result was not looked at again.",
    }
    text = json.dumps(reply).replace('"SLOT"', "${slot}")
    when = r"(?s)\bslot: (?P<slot>[0-9]+)\ncluster: (?P<cluster>\S+)\nmechanism: (?P<mechanism>\S+)\nsurface: "
    rule = (
        "[[rule]]\n"
        rf"when = {{ system = '\AYou improve the harness of an agent', any = '{when}' }}"
        f"\nreply = {{ text = '''{text}''', usage = {{ input = 900, output = 90 }} }}\n\n"
    )
    hasty = (EXAMPLES / "personas/hasty.toml").read_text(encoding="utf-8")
    at = hasty.index("[[rule]]")
    return hasty[:at] + rule + hasty[at:]


def manifest(endpoint: str) -> str:
    """The manifest of `demo` for few tasks, two repeats, and a gate that needs few trials."""
    text = (EXAMPLES / "demo/harness.toml").read_text(encoding="utf-8")
    changes = [
        (r'endpoint = ".*"', f'endpoint = "{endpoint}"'),
        (r"(?s)held_in = \[.*?\]", f"held_in = {json.dumps(HELD_IN)}"),
        (r"(?s)held_out = \[.*?\]", f"held_out = {json.dumps(HELD_OUT)}"),
        (r'gate = ".*"', 'gate = "exact"'),
        (r"rounds = \d+", "rounds = 1"),
        (r"repeats = \{.*\}", "repeats = { screen = 1, baseline = 2, confirm = 2 }"),
        (r"max_parallel = \d+", "max_parallel = 2"),
    ]
    for pattern, new in changes:
        text, count = re.subn(pattern, new.replace("\\", r"\\"), text)
        assert count == 1, f"`{pattern}` stands {count} times in the manifest of the demo"
    return text


class Loop:
    """The project, its model and the environment of a person who works on it."""

    def __init__(self, folder: Path, server: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.workspace = folder / "workspace"
        self.server = server
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }
        shutil.copytree(EXAMPLES / "demo", self.workspace)
        for task in (self.workspace / "tasks").iterdir():
            if task.name not in HELD_IN + HELD_OUT:
                shutil.rmtree(task)
        script = folder / "persona.toml"
        script.write_text(persona(), encoding="utf-8")
        self.model = subprocess.Popen(
            [server, "__scripted-model", "--persona", script], stdout=subprocess.PIPE, text=True, env=self.environment
        )
        assert self.model.stdout is not None
        endpoint = self.model.stdout.readline().strip()
        (self.workspace / "harness.toml").write_text(manifest(endpoint), encoding="utf-8")
        # Whatever is newer was written by somebody else.
        self.made = time.time()

    def command(self, *arguments: str) -> str:
        """What the command line prints; it has to end well."""
        ran = subprocess.run(
            [self.server, *arguments], cwd=self.workspace, env=self.environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{arguments}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def workers(self) -> list[int]:
        """The processes that work on runs of this project."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parts = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if parts[1:2] == [b"worker"] and os.fsencode(self.workspace) in parts:
                found.append(int(process.name))
        return found

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        self.model.kill()
        self.model.wait()
