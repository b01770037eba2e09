#!/usr/bin/env python3
"""Helix on the steps of a scenario, at the keyboard: sees a problem and a hint, applies the quick fix, renames a symbol, saves.

    test.py HELIX STEPS.json FOLDER

HELIX is a command that starts it. What the files then hold is compared outside.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scenario_terminal import Steps, Terminal  # noqa: E402


def environment(folder: Path, server: str) -> dict[str, str]:
    """A home with the configuration, and the server on the path."""
    home = folder / "home"
    configuration = home / "config/helix"
    configuration.mkdir(parents=True)
    shutil.copy(HERE / "languages.toml", configuration)
    (configuration / "config.toml").write_text("[editor.lsp]\ndisplay-inlay-hints = true\n", encoding="utf-8")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "self-harness").symlink_to(server)
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }


def goes_through(terminal: Terminal, steps: dict, seen: Steps) -> None:
    problem, fix, rename = steps["problem"], steps["fix"], steps["rename"]
    terminal.wait(rf"(?m)^● +{problem['line'] + 1} .*{re.escape(problem['at'])}")
    seen.saw("the problem is marked at its line")
    terminal.wait(r"≈\d+ tokens")
    terminal.picture("01-hint")
    seen.saw("hints are drawn")
    terminal.type(" d")
    # What stands in the list may be cut.
    terminal.wait(re.escape(problem["message"][:30]))
    terminal.picture("02-problems")
    seen.saw("the problem is listed")
    terminal.keys("Escape")
    terminal.type(f"{problem['line'] + 1}gg")
    terminal.type(f"gh{problem['column']}l")
    terminal.type(" a")
    terminal.wait(re.escape(fix["title"]))
    terminal.picture("03-actions")
    terminal.keys("Enter")
    terminal.gone(re.escape(problem["at"]))
    seen.saw("the quick fix is applied")
    terminal.type(":write")
    terminal.keys("Enter")
    terminal.wait(r"written")
    terminal.type(f":open {rename['path']}:{rename['line'] + 1}:{rename['column'] + 1}")
    terminal.keys("Enter")
    terminal.wait(re.escape(rename["at"]))
    terminal.type(" r")
    terminal.wait(r"rename-to:")
    terminal.keys("C-u")
    terminal.type(rename["to"])
    terminal.keys("Enter")
    terminal.wait(re.escape(rename["at"].replace(rename["name"], rename["to"])))
    terminal.picture("04-renamed")
    seen.saw("the symbol is renamed")
    terminal.type(":write-quit-all")
    terminal.keys("Enter")
    terminal.wait(r"ended with 0")
    seen.saw("Helix saves and ends")


def main() -> int:
    helix, steps_file, folder = shlex.split(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).resolve()
    steps = json.loads(steps_file.read_text(encoding="utf-8"))
    seen = Steps()
    command = ["env", "-C", steps["root"], *helix, steps["problem"]["path"]]
    with Terminal(command, folder, environment(folder, steps["server"][0]), columns=140, lines=40) as terminal:
        goes_through(terminal, steps, seen)
    return seen.sum_up()


if __name__ == "__main__":
    sys.exit(main())
