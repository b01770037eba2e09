#!/usr/bin/env python3
"""Measures what a key costs in an editor while trials run beside it; `--check` holds the promises.

What is measured, and what the promises are, stands in README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import documents
from client import Client, Server, ServerGone
from run import OURS, Editing, Promises, machine, quantile, table
from trials import rows, worker_of

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
PARALLEL = 8
# More than are run: the run has to last longer than the measuring.
REPEATS = 20
# So many edits are measured between two looks at the run.
CHUNK = 25
FACTOR = 1.5
SLACK_MS = 5.0
BLOCK_MS = 50.0

# What the client of VS Code announces of what a run makes the server say.
CAPABILITIES: dict[str, Any] = {
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {
        "inlayHint": {"refreshSupport": True},
        "codeLens": {"refreshSupport": True},
        "semanticTokens": {"refreshSupport": True},
        "diagnostics": {"refreshSupport": True},
    },
    "experimental": {"serverStatusNotification": True, "testExplorer": True, "selfHarness": {"consent": True, "content": True}},
}


@dataclass
class Times:
    """How long something took in one mode, in milliseconds, without a run and while one goes on."""

    what: str
    mode: str
    edits: int
    idle_p50: float
    idle_p99: float
    run_p50: float
    run_p99: float
    run_longest: float
    idle_cpu: float
    """The server's processor time for one edit, everything else that it does meanwhile included."""
    run_cpu: float


class Desk:
    """An editor with the prompt open."""

    def __init__(self, ours: Path, root: Path, home: Path, mode: str) -> None:
        self.mode = mode
        self.client = Client(Server(OURS, [str(ours), "lsp"]), root, home, pull=mode == "pull", capabilities=CAPABILITIES)
        self.path = root / "prompts/system.md"
        text = self.path.read_text(encoding="utf-8")
        self.document = documents.Document(documents.KINDS["markdown"], text, text.count("\n"))
        self.changes: dict[bool, list[float]] = {False: [], True: []}
        self.hovers: dict[bool, list[float]] = {False: [], True: []}
        self.cpu: dict[bool, float] = {False: 0.0, True: 0.0}

    def begin(self) -> None:
        client = self.client
        client.initialize()
        client.initialized()
        client.open(self.path, "markdown", self.document.with_wrong_line())
        client.await_diagnostics(self.path, lambda items: bool(items))
        # An editor shows these, and asks again when it is told to.
        for method, more in (("inlayHint", {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}}), ("codeLens", {})):
            client.response(client.request(f"textDocument/{method}", {"textDocument": {"uri": self.path.as_uri()}, **more}))
        self.editing = Editing(client, self.path, self.document, reacts=True)
        self.editing.learn()

    def measure(self, is_run: bool, edits: int) -> None:
        """Edits one after the other, and a hover after every fifth."""
        cpu = self.client.cpu_ns()
        for _ in range(edits // 5):
            # Even, so that the wrong line is in at the start of each.
            self.changes[is_run] += self.editing.measure(4)
            begin = time.perf_counter_ns()
            params = {"textDocument": {"uri": self.path.as_uri()}, "position": {"line": 2, "character": 45}}
            self.hovers[is_run].append((self.client.response(self.client.request("textDocument/hover", params)).at - begin) / 1e6)
        self.cpu[is_run] += (self.client.cpu_ns() - cpu) / 1e6

    def times(self) -> list[Times]:
        found = []
        for what, times in (("key to diagnostics", self.changes), ("hover", self.hovers)):
            idle, run = times[False], times[True]
            found.append(
                Times(
                    what, self.mode, len(run), statistics.median(idle), quantile(idle, 0.99), statistics.median(run), quantile(run, 0.99),
                    max(run), self.cpu[False] / len(self.changes[False]), self.cpu[True] / len(self.changes[True]),
                )
            )
        return found


def project(root: Path, endpoint: str) -> None:
    """The demo's example, as many trials at once as are measured."""
    shutil.copytree(EXAMPLES / "demo", root)
    manifest = root / "harness.toml"
    text = manifest.read_text(encoding="utf-8")
    changed = text
    for old, new in (
        ('endpoint = "http://127.0.0.1:8080/v1"', f'endpoint = "{endpoint}"'),
        ("max_parallel = 2", f"max_parallel = {PARALLEL}"),
    ):
        if old not in changed:
            raise SystemExit(f"error: the example has no `{old}`")
        changed = changed.replace(old, new)
    manifest.write_text(changed, encoding="utf-8")


def nice_of(pid: int | None) -> int | None:
    try:
        return os.getpriority(os.PRIO_PROCESS, pid) if pid else None
    except OSError:
        return None


class Bench:
    """One run."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        self.arguments = arguments
        self.ours = arguments.ours
        self.root = scratch / "project"
        self.home = scratch / "home"
        self.home.mkdir()
        self.environment = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.running: list[int] = []
        self.nice: int | None = None

    def run(self, *arguments: str) -> None:
        done = subprocess.run([str(self.ours), *arguments], cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 130):
            raise SystemExit(f"error: {arguments} ended with {done.returncode}\n{done.stdout}{done.stderr}")

    def look(self) -> int:
        """How many trials run now."""
        return rows(self.root, "SELECT count(*) FROM running")[0][0]

    def until(self, what: str, holds: Any, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if end < time.monotonic():
                raise SystemExit(f"error: {what} within {seconds:g} s did not happen")
            time.sleep(0.1)

    def measure(self) -> list[Times]:
        persona = EXAMPLES / "personas/hasty.toml"
        with ExitStack() as stack:
            model = stack.enter_context(
                subprocess.Popen([str(self.ours), "__scripted-model", "--persona", str(persona)], env=self.environment, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(model.kill)
            project(self.root, model.stdout.readline().strip())
            # Something is known of the harness before: hints, weaknesses and a tree belong to what an editor shows.
            self.run("evaluate", "--repeats", "1", "--yes")
            desks = [Desk(self.ours, self.root, self.home, mode) for mode in ("push", "pull")]
            for desk in desks:
                stack.enter_context(desk.client)
                desk.begin()
            half = -(-self.arguments.edits // 2 // CHUNK) * CHUNK
            self.turns(desks, False, half)
            self.run("evaluate", "--repeats", str(REPEATS), "--yes", "--detach")
            self.until(f"{self.arguments.running} trials at once", lambda: self.arguments.running <= self.look())
            self.nice = nice_of(worker_of(self.root))
            self.turns(desks, True, 2 * half)
            self.run("status", "--discard")
            self.until("the end of the worker", lambda: worker_of(self.root) is None)
            # Half before and half after: what else slows the machine slows both.
            self.turns(desks, False, half)
            return [times for desk in desks for times in desk.times()]

    def turns(self, desks: list[Desk], is_run: bool, edits: int) -> None:
        for _ in range(edits // CHUNK):
            for desk in desks:
                desk.measure(is_run, CHUNK)
                # The other one is not measured, and hears what it is told.
                for other in desks:
                    other.client.settle(0.01)
            if is_run:
                self.running.append(self.look())


def report(times: list[Times]) -> str:
    return table(
        ["what", "mode", "times", "idle p50", "p99", "in a run p50", "p99", "longest", "CPU ms per edit idle", "in a run"],
        [
            [
                one.what, one.mode, str(one.edits),
                *(f"{value:.2f}" for value in (one.idle_p50, one.idle_p99, one.run_p50, one.run_p99, one.run_longest, one.idle_cpu, one.run_cpu)),
            ]
            for one in times
        ],
    )


def promises(times: list[Times], running: list[int], wanted: int, nice: int | None) -> Promises:
    held = Promises()
    for one in times:
        if one.what == "hover":
            held.hold(f"hover in a run, {one.mode}, p99 ms: no handler blocks", one.run_p99, BLOCK_MS)
        else:
            limit = FACTOR * one.idle_p99 + SLACK_MS
            held.hold(f"{one.what} in a run, {one.mode}, p99 ms, below {FACTOR} x idle and {SLACK_MS:g}", one.run_p99, limit, strictly=True)
    # A run that had ended would keep every promise.
    held.hold("trials at once, half of the looks, less than wanted", wanted - statistics.median(running) if running else None, 0.0)
    held.hold("priority of the worker, above 10 of `nice`", None if nice is None else 10.0 - nice, 0.0)
    return held


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=Path, required=True, help="the binary `self-harness`")
    parser.add_argument("--edits", type=int, default=400, help="how many edits are measured in each state and mode")
    parser.add_argument("--running", type=int, default=PARALLEL - 2, help="how many trials at once count as a run: some always begin or end")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 unless every promise is kept")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    arguments.ours = arguments.ours.resolve()
    if not arguments.ours.exists():
        print(f"error: `{arguments.ours}` is not there; build it with `cargo build --release`", file=sys.stderr)
        return 2
    before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        bench = Bench(arguments, Path(temporary).resolve())
        try:
            times = bench.measure()
        except ServerGone as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        finally:
            worker = worker_of(bench.root)
            if worker:
                os.kill(worker, 9)
    after = os.getloadavg()
    held = promises(times, bench.running, arguments.running, bench.nice)
    print(report(times))
    print(f"\n{min(bench.running)} to {max(bench.running)} trials at once; nice {bench.nice}")
    print(f"load {before[0]:.1f} before, {after[0]:.1f} after, {os.cpu_count()} cores")
    print("\n" + "\n".join(held.lines))
    print(f"{len(held.lines) - held.failed} kept, {held.failed} not")
    if arguments.json:
        said = {
            "machine": machine(), "load": [before[0], after[0]], "running": bench.running, "nice": bench.nice,
            "times": [asdict(one) for one in times], "promises": held.lines,
        }
        arguments.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return 1 if arguments.check and held.failed else 0


if __name__ == "__main__":
    sys.exit(main())
