#!/usr/bin/env python3
"""Measures what trials cost besides the model; `--check` holds the product's promises.

What each line means, and what the promises are, stands in README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Iterator

import projects
from run import Promises, machine, quantile, table

# The reference of the design, `security` 8, in milliseconds on a quiet machine, and there `bash -c true` without a sandbox.
REFERENCE_BASH_MS = 1.9
REFERENCES_MS = {"start": 4.8, "command": 2.1, "kill": 0.4}
# Of a snapshot of 50 MB nobody had measured a reference; its target is held instead, without a margin.
SNAPSHOT_TARGET_MS = 1000.0
MARGIN = 1.5

SLOTS = 64
PARALLEL = 16
WAVE_MARGIN = 1.15
LOUD_TRIALS = 8
NAMES = {
    "start": "sandbox start",
    "command": "one command (`/bin/true`)",
    "kill": "kill barrier, idle",
    "snapshot": "tree snapshot, 50 MiB in 50 files",
}


@dataclass
class Cost:
    """What something takes in a sandbox, and how many times as long that is as `bash -c true` without one."""

    what: str
    p50_ms: float
    p99_ms: float
    ratio: float
    limit: float


@dataclass
class Waves:
    """Many trials of a slow model."""

    trials: int
    ideal_s: float
    measured_s: float
    """From the first trial that started to the last that ended; the tasks were tried before."""
    admission_s: float
    """From the start of the command to the first trial."""
    passed: int


@dataclass
class Status:
    """`status` on a large store."""

    command: str
    p50_ms: float
    p99_ms: float


@dataclass
class Memory:
    """The worker while transcripts are large."""

    trials: int
    steps: int
    transcript_mib: float
    """The largest transcript on disk."""
    worker_mib: float
    """The kernel's high-water mark of the worker."""
    seconds: float


class Bench:
    """One run."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        self.arguments = arguments
        self.scratch = scratch
        self.ours = str(arguments.ours)
        home = scratch / "home"
        home.mkdir()
        self.environment = {"HOME": str(home), "PATH": os.environ.get("PATH", "/usr/bin:/bin")}

    def run(self, command: list[str], root: Path | None = None) -> str:
        """Runs a program to its end, which has to be a good one; what it printed."""
        done = subprocess.run(command, cwd=root, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"error: {command} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def model(self, name: str, persona: str) -> Iterator[str]:
        """A scripted model; its endpoint."""
        file = self.scratch / f"{name}.toml"
        file.write_text(persona, encoding="utf-8")
        command = [self.ours, "__scripted-model", "--persona", str(file)]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as model:
            try:
                yield model.stdout.readline().strip()
            finally:
                model.kill()

    # -- sandboxes -----------------------------------------------------------------------------------------------------

    def costs(self) -> list[Cost]:
        figures = json.loads(self.run([str(self.arguments.costs), "sandbox", str(self.arguments.rounds)]))
        bash = statistics.median(figures["bash"])

        def cost(key: str, what: str, limit: float) -> Cost:
            p50 = statistics.median(figures[key])
            return Cost(what, p50, quantile(figures[key], 0.99), p50 / bash, limit)

        costs = [
            cost("bash", "`bash -c true`, no sandbox", 1.0),
            cost("bareCommand", "`/bin/true`, no sandbox", 1.0),
            # A floor, not a promise: less than this nothing costs that is made of namespaces by bubblewrap.
            cost("walls", "`/bin/true` by bubblewrap alone", 1.0),
            # Nor this one: a worker pays it once.
            cost("first", "the first sandbox of a worker, start", 1.0),
        ]
        for key, reference in REFERENCES_MS.items():
            costs.append(cost(key, NAMES[key], MARGIN * reference / REFERENCE_BASH_MS))
        costs.append(cost("snapshot", NAMES["snapshot"], SNAPSHOT_TARGET_MS / REFERENCE_BASH_MS))
        return costs

    # -- many trials of a slow model -----------------------------------------------------------------------------------

    def waves(self) -> Waves:
        root = self.scratch / "waves"
        with self.model("slow", projects.SLOW) as endpoint:
            projects.write(root, endpoint, tasks=SLOTS // 4, parallel=PARALLEL)
            began = time.time()
            self.run([self.ours, "evaluate", "--repeats", "4", "--yes"], root)
        events = list(events_of(root))
        starts = [wall for wall, event in events if event["event"] == "started"]
        ends = [(wall, event) for wall, event in events if event["event"] == "ended"]
        if len(ends) != SLOTS or len(starts) != SLOTS:
            raise SystemExit(f"error: {len(starts)} trials started and {len(ends)} ended, not {SLOTS}")
        return Waves(
            SLOTS,
            SLOTS / PARALLEL * projects.CALLS * projects.CALL_SECONDS,
            (max(wall for wall, _ in ends) - min(starts)) / 1e3,
            min(starts) / 1e3 - began,
            sum(event["verdict"] == "pass" for _, event in ends),
        )

    # -- a large store -------------------------------------------------------------------------------------------------

    def statuses(self) -> list[Status]:
        # Every event of a store is written through to the disk, which is not what is measured here.
        memory = Path("/dev/shm")
        fast = Path(tempfile.mkdtemp(prefix="bench-", dir=memory if memory.is_dir() else self.scratch))
        root = self.scratch / "large"
        try:
            (fast / "harness.toml").write_text(projects.HARNESS.format(
                endpoint="http://127.0.0.1:9/v1", steps=10, parallel=PARALLEL, held_in='"t-*"', held_out=""
            ))
            self.run([str(self.arguments.costs), "store", str(fast), str(self.arguments.trials)])
            shutil.copytree(fast, root)
        finally:
            shutil.rmtree(fast)
        statuses = []
        for command in (["status"], ["status", "--json"]):
            times = []
            # The first one fills the page cache.
            for turn in range(self.arguments.looks + 1):
                began = time.perf_counter_ns()
                said = self.run([self.ours, *command], root)
                if turn:
                    times.append((time.perf_counter_ns() - began) / 1e6)
            if "--json" in command and json.loads(said)["trials"]["done"] != self.arguments.trials:
                raise SystemExit(f"error: `status --json` does not know of {self.arguments.trials} trials: {said}")
            statuses.append(Status(" ".join(command), statistics.median(times), quantile(times, 0.99)))
        return statuses

    # -- large transcripts ---------------------------------------------------------------------------------------------

    def memory(self) -> Memory:
        root = self.scratch / "loud"
        with self.model("loud", projects.LOUD) as endpoint:
            projects.write(root, endpoint, tasks=LOUD_TRIALS, parallel=LOUD_TRIALS)
            began = time.monotonic()
            command = [self.ours, "evaluate", "--repeats", "1", "--yes"]
            peak, worker = 0, None
            with subprocess.Popen(
                command, cwd=root, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as evaluate:
                while evaluate.poll() is None:
                    worker = worker or worker_of(root)
                    peak = max(peak, high_water(worker) if worker else 0)
                    time.sleep(0.02)
                said = evaluate.stdout.read()
            seconds = time.monotonic() - began
        steps = [json.loads(body)["requests"] for body, in rows(root, "SELECT body FROM trial")]
        if evaluate.returncode != 0 or len(steps) != LOUD_TRIALS or min(steps) != projects.LONG_STEPS or not peak:
            raise SystemExit(f"error: the trials took {steps} steps, the worker {peak} bytes\n{said}")
        transcripts = [file.stat().st_size for file in (root / ".self-harness/trials").glob("*/trajectory.json")]
        mib = 1024 * 1024
        return Memory(LOUD_TRIALS, projects.LONG_STEPS, max(transcripts) / mib, peak / mib, seconds)


def rows(root: Path, query: str) -> list[tuple[Any, ...]]:
    store = sqlite3.connect(root / ".self-harness/state.db")
    try:
        return store.execute(query).fetchall()
    finally:
        store.close()


def events_of(root: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """When each event of a store was written, in milliseconds since 1970, and what it says."""
    for wall, body in rows(root, "SELECT wall, body FROM event ORDER BY seq"):
        yield wall, json.loads(body)


def worker_of(root: Path) -> int | None:
    """The process that works for a project now."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:2] == [b"worker"] and os.fsencode(root) in words:
                return int(entry.name)
    return None


def high_water(pid: int) -> int:
    """The most memory that a process had, in bytes; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


# -- what is said ------------------------------------------------------------------------------------------------------


@dataclass
class Figures:
    """Everything that was measured; what was left out is empty."""

    costs: list[Cost]
    waves: Waves | None
    statuses: list[Status]
    memory: Memory | None


def report(figures: Figures) -> str:
    parts = []
    if figures.costs:
        lines = [[c.what, f"{c.p50_ms:.2f}", f"{c.p99_ms:.2f}", f"{c.ratio:.2f}"] for c in figures.costs]
        parts.append(table(["sandbox", "p50 ms", "p99", "x `bash -c true`"], lines))
    if waves := figures.waves:
        over = 100 * (waves.measured_s / waves.ideal_s - 1)
        line = [
            f"{waves.trials} trials, {projects.CALLS} calls of {projects.CALL_SECONDS} s, {PARALLEL} at once",
            f"{waves.ideal_s:.1f}", f"{waves.measured_s:.1f}", f"{over:.1f}", f"{waves.admission_s:.1f}",
        ]
        parts.append(table(["run", "ideal s", "measured s", "over %", "tasks tried before s"], [line]))
    if figures.statuses:
        lines = [[s.command, f"{s.p50_ms:.1f}", f"{s.p99_ms:.1f}"] for s in figures.statuses]
        parts.append(table(["large store", "p50 ms", "p99"], lines))
    if memory := figures.memory:
        line = [
            f"{memory.trials} trials at once, {memory.steps} steps", f"{memory.transcript_mib:.1f}",
            f"{memory.worker_mib:.0f}", f"{memory.seconds:.0f}",
        ]
        parts.append(table(["large transcripts", "transcript MiB", "worker peak MiB", "s"], [line]))
    return "\n\n".join(parts)


def promises(figures: Figures, wanted: list[str]) -> Promises:
    held = Promises()
    if "sandbox" in wanted:
        by_name = {cost.what: cost for cost in figures.costs}
        for what in NAMES.values():
            cost = by_name.get(what)
            held.hold(f"{what}, x `bash -c true`", cost and cost.ratio, cost and cost.limit)
    if "waves" in wanted:
        waves = figures.waves
        held.hold(
            f"{SLOTS} trials, {PARALLEL} at once, s, at most {WAVE_MARGIN} x the ideal",
            waves and waves.measured_s, waves and WAVE_MARGIN * waves.ideal_s,
        )
        held.hold(f"{SLOTS} trials, how many did not pass", waves and waves.trials - waves.passed, 0.0)
    if "status" in wanted:
        by_command = {status.command: status.p50_ms for status in figures.statuses}
        for command in ("status", "status --json"):
            held.hold(f"`{command}` on a large store, ms", by_command.get(command), 50.0, strictly=True)
    if "memory" in wanted:
        memory = figures.memory
        held.hold("worker with large transcripts, MiB", memory and memory.worker_mib, 100.0, strictly=True)
    return held


PARTS = ["sandbox", "waves", "status", "memory"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=Path, required=True, help="the binary `self-harness`, built with --release")
    parser.add_argument("--costs", type=Path, help="the example `trial_costs`; `examples/trial_costs` beside the binary")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure only this part (may be given again)")
    parser.add_argument("--rounds", type=int, default=200, help="how many sandboxes are started")
    parser.add_argument("--trials", type=int, default=10_000, help="how many trials the large store has")
    parser.add_argument("--looks", type=int, default=20, help="how often each `status` is asked")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 unless every promise is kept")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    arguments.ours = arguments.ours.resolve()
    arguments.costs = (arguments.costs or arguments.ours.parent / "examples/trial_costs").resolve()
    for program in (arguments.ours, arguments.costs):
        if not program.exists():
            build = "cargo build --release --bins && cargo build --release --examples"
            print(f"error: `{program}` is not there; build it with `{build}`", file=sys.stderr)
            return 2
    wanted = arguments.only or PARTS
    before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        bench = Bench(arguments, Path(temporary).resolve())
        figures = Figures(
            bench.costs() if "sandbox" in wanted else [],
            bench.waves() if "waves" in wanted else None,
            bench.statuses() if "status" in wanted else [],
            bench.memory() if "memory" in wanted else None,
        )
    held = promises(figures, wanted)
    after = os.getloadavg()
    print(report(figures))
    print(f"\nload {before[0]:.1f} before, {after[0]:.1f} after, {os.cpu_count()} cores")
    print("\n" + "\n".join(held.lines))
    print(f"{len(held.lines) - held.failed} kept, {held.failed} not")
    if arguments.json:
        said = {"machine": machine(), "load": [before[0], after[0]], **asdict(figures), "promises": held.lines}
        arguments.json.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return 1 if arguments.check and held.failed else 0


if __name__ == "__main__":
    sys.exit(main())
