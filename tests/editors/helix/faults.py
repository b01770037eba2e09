#!/usr/bin/env python3
"""What Helix says of a server that is missing, crashes at its start, or dies later, and what helps: as `editors/README.md` tells it.

    faults.py HELIX STEPS.json FOLDER

HELIX is a command that starts it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from scenario_terminal import Steps, Terminal  # noqa: E402
from test import environment  # noqa: E402


def replaced(folder: Path, script: str | None) -> None:
    """Another program is the server now, or none."""
    program = folder / "bin/self-harness"
    program.unlink(missing_ok=True)
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)


def servers(folder: Path) -> list[int]:
    """The servers that were started here."""
    home = os.fsencode(f"HOME={folder / 'home'}")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_server = (process / "cmdline").read_bytes().split(b"\0")[1:2] == [b"lsp"]
            if is_server and home in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def restart(terminal: Terminal) -> None:
    terminal.keys("Escape")
    terminal.type(":lsp-restart")
    terminal.keys("Enter")


def main() -> int:
    helix, steps_file, folder = shlex.split(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).resolve()
    steps = json.loads(steps_file.read_text(encoding="utf-8"))
    server, seen = steps["server"][0], Steps()
    folder.mkdir(parents=True)
    around = environment(folder, server)
    command = ["env", "-C", steps["root"], *helix, steps["problem"]["path"]]
    replaced(folder, None)
    health = subprocess.run([*helix, "--health", "toml"], env=around, capture_output=True, text=True, check=False)
    seen.check("its health tells of a server that is missing", "'self-harness' not found in $PATH" in health.stdout, health.stdout)
    with Terminal(command, folder, around, columns=140, lines=40) as terminal:
        terminal.wait(r"1 sel")
        restart(terminal)
        terminal.wait(r"command 'self-harness' not found")
        seen.saw("a restart says that it is missing")
    replaced(folder, "echo the disk is on fire >&2; exit 3")
    with Terminal(command, folder, around, columns=140, lines=40) as terminal:
        terminal.wait(r"Language server exited")
        seen.saw("one that crashes has exited")
    replaced(folder, f'exec {server} "$@"')
    with Terminal(command, folder, around, columns=140, lines=40) as terminal:
        terminal.wait(r"≈\d+ tokens")
        for process in servers(folder):
            os.kill(process, 9)
        terminal.wait(r"Language server exited")
        seen.saw("one that dies has exited as well")
        restart(terminal)
        terminal.gone(r"Language server exited")
        terminal.wait(r"≈\d+ tokens")
        seen.check("and a restart helps", len(servers(folder)) == 1, servers(folder))
    return seen.sum_up()


if __name__ == "__main__":
    sys.exit(main())
