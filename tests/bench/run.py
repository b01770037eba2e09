#!/usr/bin/env python3
"""Measures our language server beside its peers, in one run, with one client; `--check` holds the product's promises.

What each column means, and what the promises are, stands in README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import documents
import peers
from client import Client, Server, ServerGone

HERE = Path(__file__).resolve().parent
OURS = "self-harness"
FLOOR = "transport floor"

# A burst of messages after diagnostics belongs to the edit before; this long it may arrive without being measured.
SETTLE_SECONDS = 0.004
MIB = 1024 * 1024


@dataclass
class Row:
    """One server on one document."""

    server: str
    kind: str
    mode: str
    """`push` or `pull`."""
    lines: int
    open_ms: float
    change_p50_ms: float
    change_p99_ms: float
    cpu_ms: float
    rss_mib: float


@dataclass
class Start:
    """How long a server took from before its process was started to its answer to `initialize`."""

    server: str
    p50_ms: float
    best_ms: float


@dataclass
class Large:
    """Our server on a large workspace."""

    documents: int
    tasks: int
    open_ms: float
    """From before the process was started to a problem that needs all tasks."""
    prompt_p50_ms: float
    prompt_p99_ms: float
    manifest_p50_ms: float
    manifest_p99_ms: float
    rss_mib: float


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Bench:
    """One run."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path) -> None:
        self.arguments = arguments
        self.scratch = scratch
        self.servers: list[tuple[Server, tuple[str, ...], dict[str, str]]] = []
        if arguments.floor:
            floor = Server(FLOOR, [str(arguments.floor)])
            self.servers.append((floor, ("toml", "markdown"), {}))
        if arguments.ours:
            ours = Server(OURS, [str(arguments.ours), "lsp"])
            self.servers.append((ours, ("toml", "markdown"), {"markdown": "prompts/system.md"}))
        for peer in peers.PEERS:
            if (arguments.peers / f".{peer.name}-{peer.version}").exists():
                self.servers.append((peer.server(arguments.peers), peer.kinds, peer.file))
        if arguments.only:
            self.servers = [entry for entry in self.servers if entry[0].name in arguments.only]

    def fresh(self, name: str) -> Path:
        folder = self.scratch / name.replace(" ", "-")
        folder.mkdir(parents=True)
        return folder

    def project(self, kind: documents.Kind, text: str, names: dict[str, str]) -> tuple[Path, Path]:
        """A new project on disk; returns its root and the document's path."""
        root = Path(tempfile.mkdtemp(prefix="project-", dir=self.scratch))
        documents.write_harness(root)
        usual = {"toml": "harness.toml", "markdown": "prompts/system.md", "yaml": "agent.yaml", "python": "agent.py"}
        path = root / names.get(kind.name, usual[kind.name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return root, path

    def home(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="home-", dir=self.scratch))

    # -- starting ------------------------------------------------------------------------------------------------------

    def starts(self) -> list[Start]:
        """All servers take turns, so that what slows the machine slows all of them."""
        times: dict[str, list[float]] = {server.name: [] for server, _, _ in self.servers}
        document = documents.document(documents.KINDS["toml"], 100)
        root, _ = self.project(document.kind, document.text, {})
        home = self.home()
        for turn in range(self.arguments.starts + 1):
            for server, _, _ in self.servers:
                with Client(server, root, home) as client:
                    taken = client.initialize() / 1e6
                    client.initialized()
                # The first turn fills the page cache.
                if turn:
                    times[server.name].append(taken)
        return [Start(name, statistics.median(taken), min(taken)) for name, taken in times.items()]

    # -- editing -------------------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        rows = []
        for kind in documents.KINDS.values():
            for lines in self.arguments.lines:
                document = documents.document(kind, lines)
                for server, kinds, names in self.servers:
                    if kind.name not in kinds:
                        continue
                    for mode in self.arguments.modes:
                        row = self.row(server, document, lines, names, mode)
                        if row:
                            rows.append(row)
                            print(f"  {row.server}, {kind.name}, {lines} lines, {mode}", file=sys.stderr, flush=True)
        return rows

    def row(self, server: Server, document: documents.Document, lines: int, names: dict[str, str], mode: str) -> Row | None:
        """The median of the passes. None: the server does not offer this mode."""
        passes = []
        for _ in range(self.arguments.passes):
            measured = self.one_pass(server, document, names, mode)
            if measured is None:
                return None
            passes.append(measured)
        middle = [statistics.median(column) for column in zip(*passes, strict=True)]
        # Memory is a promise about the worst, not the usual.
        return Row(server.name, document.kind.name, mode, lines, *middle[:4], max(one[4] for one in passes))

    def one_pass(
        self, server: Server, document: documents.Document, names: dict[str, str], mode: str
    ) -> tuple[float, float, float, float, float] | None:
        root, path = self.project(document.kind, document.text, names)
        with Client(server, root, self.home(), pull=mode == "pull") as client:
            client.initialize()
            if mode == "pull" and not client.capabilities.get("diagnosticProvider"):
                return None
            client.initialized()
            client.settle(0.05)
            # Some servers read the whole folder first; what they say of the file on disk is no answer to opening it.
            client.forget_diagnostics(path)
            # With a problem in it: not every server says that there is none.
            begin = time.perf_counter_ns()
            client.open(path, document.kind.language, document.with_wrong_line())
            opened = client.await_diagnostics(path, lambda _: True)
            editing = Editing(client, path, document, reacts=server.name != FLOOR)
            editing.learn()
            cpu = client.cpu_ns()
            times = editing.measure(self.arguments.edits)
            cpu_ms = (client.cpu_ns() - cpu) / 1e6 / self.arguments.edits
            return (
                (opened.at - begin) / 1e6,
                statistics.median(times),
                quantile(times, 0.99),
                cpu_ms,
                client.peak_rss_bytes() / MIB,
            )

    # -- a large workspace ---------------------------------------------------------------------------------------------

    def large(self) -> Large | None:
        ours = next((server for server, _, _ in self.servers if server.name == OURS), None)
        if ours is None or self.arguments.no_workspace:
            return None
        root = self.fresh("workspace")
        workspace = documents.write_workspace(root, self.arguments.workspace_documents, self.arguments.workspace_tasks)
        manifest = workspace.manifest.read_text(encoding="utf-8")
        opens = []
        # The first turn fills the page cache.
        for turn in range(self.arguments.passes + 1):
            with Client(ours, root, self.home()) as client:
                client.initialize()
                client.initialized()
                client.open(workspace.manifest, "toml", manifest)
                found = client.await_diagnostics(
                    workspace.manifest, lambda items: any("not-there" in item["message"] for item in items)
                )
                if turn:
                    opens.append((found.at - client.started) / 1e6)
                if turn < self.arguments.passes:
                    continue
                edits = []
                for path, kind in ((workspace.prompt, "markdown"), (workspace.manifest, "toml")):
                    text = path.read_text(encoding="utf-8")
                    document = documents.Document(documents.KINDS[kind], text, text.count("\n") // 2)
                    # A border of two tables, not the inside of one.
                    lines = text.splitlines()
                    border = next(i for i in range(document.line, len(lines)) if not lines[i].strip())
                    document = documents.Document(document.kind, text, border)
                    editing = Editing(client, path, document, reacts=True)
                    if kind == "markdown":
                        client.open(path, kind, editing.wrong)
                        client.await_diagnostics(path, lambda _: True)
                    else:
                        editing.change(to_wrong=True)
                        client.settle(0.3)
                    editing.learn()
                    edits.append(editing.measure(self.arguments.edits))
                prompt, in_manifest = edits
                return Large(
                    workspace.documents,
                    workspace.tasks,
                    statistics.median(opens),
                    statistics.median(prompt),
                    quantile(prompt, 0.99),
                    statistics.median(in_manifest),
                    quantile(in_manifest, 0.99),
                    client.peak_rss_bytes() / MIB,
                )
        return None


class Editing:
    """Takes the wrong line out and puts it in, and waits each time for diagnostics that know. It is in at the start."""

    def __init__(self, client: Client, path: Path, document: documents.Document, *, reacts: bool) -> None:
        self.client = client
        self.path = path
        self.document = document
        self.wrong = document.with_wrong_line()
        self.reacts = reacts
        self.counts = {False: 0, True: 0}

    def change(self, to_wrong: bool) -> None:
        self.client.forget_diagnostics(self.path)
        if to_wrong:
            self.client.change(self.path, self.document.line, 0, self.document.kind.wrong_line, self.wrong)
        else:
            self.client.change(self.path, self.document.line, 1, "", self.document.text)

    def learn(self) -> None:
        """How many problems each of the two texts has; also the warm-up."""
        for to_wrong in (False, True, False):
            begin = time.perf_counter_ns()
            self.change(to_wrong)
            found = self.client.await_diagnostics(self.path, lambda _: True)
            # A server may send a first answer and a better one.
            self.client.settle(max(0.3, 2 * (found.at - begin) / 1e9))
            newest = self.client.await_diagnostics(self.path, lambda _: True)
            self.counts[to_wrong] = len(newest.items)
        if self.reacts and self.counts[True] <= self.counts[False]:
            raise ServerGone(f"{self.client.server.name} says nothing about {self.document.kind.wrong_line!r}")

    def measure(self, edits: int) -> list[float]:
        times = []
        for number in range(edits):
            to_wrong = number % 2 == 0
            self.client.settle(SETTLE_SECONDS)
            begin = time.perf_counter_ns()
            self.change(to_wrong)
            wanted = self.counts[to_wrong]
            found = self.client.await_diagnostics(
                self.path, lambda items: not self.reacts or len(items) == wanted
            )
            times.append((found.at - begin) / 1e6)
        return times


# -- what is said ------------------------------------------------------------------------------------------------------


def table(head: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    def shown(line: list[str]) -> str:
        cells = [cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line)]
        return "| " + " | ".join(cells) + " |"
    rule = "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|"
    return "\n".join([shown(head), rule, *(shown(line) for line in lines)])


def report(starts: list[Start], rows: list[Row], large: Large | None) -> str:
    parts = [
        table(
            ["server", "spawn to initialize ms", "best"],
            [[start.server, f"{start.p50_ms:.1f}", f"{start.best_ms:.1f}"] for start in starts],
        ),
        table(
            ["server", "document", "lines", "mode", "open ms", "change p50", "p99", "CPU ms per edit", "RSS MiB"],
            [
                [
                    row.server, row.kind, str(row.lines), row.mode, f"{row.open_ms:.2f}", f"{row.change_p50_ms:.2f}",
                    f"{row.change_p99_ms:.2f}", f"{row.cpu_ms:.2f}", f"{row.rss_mib:.0f}",
                ]
                for row in rows
            ],
        ),
    ]
    if large:
        parts.append(
            table(
                ["workspace", "open ms", "prompt p50", "p99", "manifest p50", "p99", "RSS MiB"],
                [
                    [
                        f"{large.documents} documents, {large.tasks} tasks", f"{large.open_ms:.0f}",
                        f"{large.prompt_p50_ms:.2f}", f"{large.prompt_p99_ms:.2f}", f"{large.manifest_p50_ms:.2f}",
                        f"{large.manifest_p99_ms:.2f}", f"{large.rss_mib:.0f}",
                    ]
                ],
            )
        )
    return "\n\n".join(parts)


class Promises:
    """The promises, each with what was measured."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failed = 0

    def hold(self, what: str, measured: float | None, limit: float | None, *, strictly: bool = False) -> None:
        if measured is None or limit is None:
            self.failed += 1
            self.lines.append(f"NOT MEASURED  {what}")
            return
        kept = measured < limit if strictly else measured <= limit
        self.failed += not kept
        sign = "<" if strictly else "<="
        self.lines.append(f"{'kept  ' if kept else 'BROKEN'}  {what}: {measured:.2f} {sign} {limit:.2f}")


def promises(starts: list[Start], rows: list[Row], large: Large | None) -> Promises:
    held = Promises()
    start = {entry.server: entry.p50_ms for entry in starts}
    floor = start.get(FLOOR)
    held.hold("initialize, ms, at most 1.5 x the floor", start.get(OURS), floor and 1.5 * floor)
    held.hold("initialize, ms, no slower than ruff", start.get(OURS), start.get("ruff"))

    def find(server: str, kind: str, lines: int, mode: str = "push") -> Row | None:
        found = (row for row in rows if (row.server, row.kind, row.lines, row.mode) == (server, kind, lines, mode))
        return next(found, None)

    modes = sorted({row.mode for row in rows if row.server == OURS}, reverse=True) or ["push"]
    for kind in ("toml", "markdown"):
        for mode in modes:
            def ours(lines: int) -> Row | None:
                return find(OURS, kind, lines, mode)
            what = f"{kind}, {mode}"
            small, middle, big = ours(100), ours(2000), ours(20000)
            under = find(FLOOR, kind, 100, mode) or find(FLOOR, kind, 100)
            held.hold(
                f"{what}, 100 lines, change ms, at most 2 x the floor",
                small and small.change_p50_ms, under and 2 * under.change_p50_ms,
            )
            held.hold(f"{what}, 2000 lines, change ms", middle and middle.change_p50_ms, 2.0, strictly=True)
            others = [
                row.change_p50_ms for row in rows
                if row.kind == kind and row.lines == 20000 and row.server not in (OURS, FLOOR)
            ]
            held.hold(
                f"{what}, 20000 lines, change ms, at most half the fastest peer",
                big and big.change_p50_ms, min(others) / 2 if others else None,
            )
            held.hold(f"{what}, 100 lines, RSS MiB", small and small.rss_mib, 20.0, strictly=True)
            held.hold(f"{what}, 20000 lines, RSS MiB", big and big.rss_mib, 60.0, strictly=True)
    held.hold("workspace, open ms", large and large.open_ms, 1000.0, strictly=True)
    held.hold("workspace, edit of a prompt, ms", large and large.prompt_p50_ms, 20.0, strictly=True)
    held.hold("workspace, edit of the manifest, ms", large and large.manifest_p50_ms, 20.0, strictly=True)
    return held


def machine() -> dict[str, Any]:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(), "load": os.getloadavg()[0]}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", type=Path, help="the binary `self-harness`, built with --release")
    parser.add_argument("--floor", type=Path, help="the example `transport_floor`, built with --release")
    parser.add_argument("--peers", type=Path, default=HERE / ".peers", help="where peers are installed")
    parser.add_argument("--install", action="store_true", help="install the peers that are missing first")
    parser.add_argument("--only", action="append", help="measure only this server (may be given again)")
    parser.add_argument("--lines", type=lambda text: [int(n) for n in text.split(",")], default=[100, 2000, 20000])
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["push", "pull"])
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--workspace-documents", type=int, default=1000)
    parser.add_argument("--workspace-tasks", type=int, default=4000)
    parser.add_argument("--no-workspace", action="store_true", help="leave the large workspace out")
    parser.add_argument("--keep", type=Path, help="write the generated projects here and leave them")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 unless every promise is kept")
    parser.add_argument("--network", action="store_true", help="leave the network on while measuring")
    return parser.parse_args()


def without_network() -> None:
    """Starts this script again in an empty network namespace, where the machine allows it: no peer fetches anything."""
    if os.environ.get("BENCH_NETWORK") or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    os.environ["BENCH_NETWORK"] = "none"
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh", sys.executable, *sys.argv]
    # Not possible in some containers; then the network stays.
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0:
        os.execvp(command[0], command)


def main() -> int:
    arguments = parse()
    for name in ("ours", "floor", "peers"):
        path = getattr(arguments, name)
        setattr(arguments, name, path and path.resolve())
    missing = []
    if arguments.install and not os.environ.get("BENCH_NETWORK"):
        missing = peers.install(arguments.peers)
        for line in missing:
            print(f"not installed: {line}", file=sys.stderr)
    if not arguments.network:
        without_network()
    for program in (arguments.ours, arguments.floor):
        if program and not program.exists():
            build = "cargo build --release --bins && cargo build --release --examples"
            print(f"error: `{program}` is not there; build it with `{build}`", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        scratch = arguments.keep.resolve() if arguments.keep else Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        bench = Bench(arguments, scratch)
        starts, rows, large = bench.starts(), bench.rows(), bench.large()
    print(report(starts, rows, large))
    held = promises(starts, rows, large)
    if arguments.ours:
        print("\n" + "\n".join(held.lines))
        print(f"{len(held.lines) - held.failed} kept, {held.failed} not")
    if arguments.json:
        figures = {
            "machine": machine(),
            "network": os.environ.get("BENCH_NETWORK", "on"),
            "starts": [asdict(entry) for entry in starts],
            "rows": [asdict(row) for row in rows],
            "workspace": large and asdict(large),
            "promises": held.lines if arguments.ours else [],
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if arguments.check and held.failed else 0


if __name__ == "__main__":
    sys.exit(main())
