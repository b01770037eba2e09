#!/usr/bin/env python3
"""Learns which functions an editing session runs, so that the linker can lay them side by side; `--write` keeps the list.

Why, and when it is to be learnt again, stands in README.md beside this file.
"""

from __future__ import annotations

import argparse
import bisect
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import documents
from client import Client, Server
from run import Editing

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "server" / "functions.order"
EDITS = 12

# What it needs, and the package of Debian that has it.
TOOLS = {"valgrind": "valgrind", "nm": "binutils"}

# What an editor asks while somebody types, each at the first character of the document.
ASKED = ("hover", "completion", "definition", "documentHighlight")
ASKED_OF_ALL = ("documentSymbol", "foldingRange", "documentLink", "codeLens", "semanticTokens/full")


class Function(NamedTuple):
    """A function as the binary's symbol table has it; the first address, how many bytes, its mangled name."""

    start: int
    size: int
    name: str


def functions(binary: Path) -> list[Function]:
    """All of them, by their addresses."""
    listed = subprocess.run(["nm", "-S", "--defined-only", binary], check=True, capture_output=True, text=True)
    found = []
    for line in listed.stdout.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[2] in "tTwW":
            found.append(Function(int(fields[0], 16), int(fields[1], 16), fields[3]))
    if not found:
        sys.exit(f"{binary} has no symbols: build it with `cargo build --release --bins`")
    return sorted(found)


def executed(binary: Path, profile: Path) -> set[int]:
    """The addresses of all instructions of `binary` that a callgrind profile has."""
    addresses = set()
    ours = False
    for line in profile.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("ob="):
            ours = Path(line[3:].strip()).name == binary.name
        elif ours and line.startswith("0x"):
            addresses.add(int(line.split(maxsplit=1)[0], 16))
    return addresses


def ran(known: list[Function], addresses: set[int]) -> set[str]:
    """The functions that have at least one of these instructions."""
    starts = [function.start for function in known]
    names = set()
    for address in addresses:
        at = bisect.bisect_right(starts, address) - 1
        if at >= 0 and address < known[at].start + known[at].size:
            # Equal functions are folded into one, under all their names.
            names.update(known[other].name for other in range(bisect.bisect_left(starts, starts[at]), at + 1))
    return names


def profiled(scratch: Path, name: str, argv: list[str]) -> tuple[list[str], Path]:
    """A command that writes a profile of `argv`, and where."""
    profile = scratch / f"{name}.callgrind"
    options = ["--compress-strings=no", "--compress-pos=no", "--dump-instr=yes", f"--callgrind-out-file={profile}"]
    return ["valgrind", "-q", "--tool=callgrind", *options, *argv], profile


def session(scratch: Path, binary: Path, kind: str, *, pull: bool, asks: bool) -> Path:
    """A document is opened, edited and closed, and while it is open it is asked about; returns the profile."""
    name = f"{kind}-{'pull' if pull else 'push'}{'-asks' if asks else ''}"
    root = scratch / name
    documents.write_harness(root)
    document = documents.document(documents.KINDS[kind], 100)
    path = root / {"toml": "harness.toml", "markdown": "prompts/system.md"}[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document.text, encoding="utf-8")
    home = scratch / f"{name}-home"
    home.mkdir()
    argv, profile = profiled(scratch, name, [str(binary), "lsp"])
    with Client(Server("self-harness", argv), root, home, pull=pull) as client:
        client.initialize()
        client.initialized()
        client.open(path, document.kind.language, document.with_wrong_line())
        client.await_diagnostics(path, bool)
        editing = Editing(client, path, document, reacts=True)
        editing.learn()
        editing.measure(EDITS)
        if asks:
            of = {"textDocument": {"uri": path.as_uri()}}
            first = {"line": 0, "character": 0}
            for what in ASKED:
                client.response(client.request(f"textDocument/{what}", {**of, "position": first}))
            for what in ASKED_OF_ALL:
                client.response(client.request(f"textDocument/{what}", of))
            everywhere = {"start": first, "end": {"line": 100, "character": 0}}
            client.response(client.request("textDocument/inlayHint", {**of, "range": everywhere}))
            acted = {**of, "range": everywhere, "context": {"diagnostics": []}}
            client.response(client.request("textDocument/codeAction", acted))
    return profile


def learn(binary: Path) -> list[str]:
    """The names of all functions that sessions run, those first that every session runs, each part as the binary has it."""
    known = functions(binary)
    with tempfile.TemporaryDirectory(prefix="order-") as folder:
        scratch = Path(folder)
        seen = []
        for kind in ("toml", "markdown"):
            for pull, asks in ((False, False), (True, False), (False, True)):
                profile = session(scratch, binary, kind, pull=pull, asks=asks)
                seen.append(ran(known, executed(binary, profile)))
    typing = set[str]().union(*(names for at, names in enumerate(seen) if at % 3 < 2))
    asking = set[str]().union(*seen) - typing
    ordered = []
    for part in (typing, asking):
        chosen = [function for function in known if function.name in part]
        ordered += dict.fromkeys(function.name for function in chosen)
        print(f"{len(chosen):6} functions, {sum(function.size for function in chosen) / 1e6:.1f} MB")
    return ordered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", type=Path, default=ROOT / "target" / "release" / "self-harness", help="a release build")
    parser.add_argument("--write", action="store_true", help=f"writes {LIST.relative_to(ROOT)}")
    arguments = parser.parse_args()
    for tool, package in TOOLS.items():
        if not shutil.which(tool):
            sys.exit(f"`{tool}` is not installed; Debian has it in `{package}`")
    if not arguments.ours.is_file():
        sys.exit(f"{arguments.ours} does not exist: build it with `cargo build --release --bins`")
    known = {function.name for function in functions(arguments.ours)}
    listed = LIST.read_text(encoding="utf-8").split() if LIST.exists() else []
    print(f"{sum(name in known for name in listed):6} of {len(listed)} functions of the list are in {arguments.ours.name}")
    names = learn(arguments.ours)
    if arguments.write:
        LIST.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


if __name__ == "__main__":
    main()
