#!/usr/bin/env python3
"""Prepares the workspace that an editor works on, and compares what the editor left with what it should be.

    scenario.py prepare SCENARIO.toml SERVER FOLDER      FOLDER/workspace and FOLDER/steps.json
    scenario.py verify  SCENARIO.toml FOLDER             prints one line per finding, exits 1 if there is one

A scenario takes a copy of an example workspace, plants one problem, lets the editor fix it and rename a symbol, and
says which files then differ from the example, and how. All other files must be the example's, byte for byte.
"""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def only_place(text: bytes, part: str, where: str) -> int:
    """The byte offset of the only occurrence of `part`."""
    found = text.count(part.encode())
    if found != 1:
        sys.exit(f"error: `{part}` stands {found} times in {where}, not once")
    return text.index(part.encode())


def place(workspace: Path, step: dict[str, Any]) -> dict[str, Any]:
    """Adds zero-based `line` and `column` (in bytes) of `name` inside the one occurrence of `at`."""
    file = workspace / step["file"]
    text = file.read_bytes()
    name = step.get("name", step["at"])
    start = only_place(text, step["at"], step["file"]) + only_place(step["at"].encode(), name, "`at`")
    line = text.count(b"\n", 0, start)
    column = start - (text.rfind(b"\n", 0, start) + 1)
    return {**step, "path": str(file), "name": name, "line": line, "column": column}


def prepare(scenario: dict[str, Any], server: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    workspace = folder / "workspace"
    shutil.copytree(ROOT / scenario["workspace"], workspace, symlinks=True)
    for plant in scenario["plant"]:
        file = workspace / plant["file"]
        text = file.read_bytes()
        at = only_place(text, plant["find"], plant["file"])
        end = at + len(plant["find"].encode())
        file.write_bytes(text[:at] + plant["replace"].encode() + text[end:])
    steps = {
        "server": [part.replace("{server}", server) for part in scenario["server"]],
        "root": str(workspace),
        "marker": scenario["marker"],
        "problem": place(workspace, scenario["problem"]),
    }
    for optional in ("fix", "rename"):
        if optional in scenario:
            steps[optional] = scenario[optional]
    if "rename" in scenario:
        steps["rename"] = place(workspace, scenario["rename"])
    (folder / "steps.json").write_text(json.dumps(steps, indent=2), encoding="utf-8")


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def verify(scenario: dict[str, Any], folder: Path) -> int:
    wanted = files(ROOT / scenario["workspace"])
    if "fix" not in scenario:
        # The problem stays.
        for plant in scenario["plant"]:
            wanted[plant["file"]] = wanted[plant["file"]].replace(plant["find"].encode(), plant["replace"].encode())
    for change in scenario.get("rename", {}).get("expect", []):
        text = wanted[change["file"]]
        at = only_place(text, change["find"], change["file"])
        end = at + len(change["find"].encode())
        wanted[change["file"]] = text[:at] + change["replace"].encode() + text[end:]
    found = files(folder / "workspace")
    findings = [f"{path}: is not there" for path in wanted.keys() - found.keys()]
    findings += [f"{path}: nobody asked for this file" for path in found.keys() - wanted.keys()]
    for path in sorted(wanted.keys() & found.keys()):
        if wanted[path] != found[path]:
            findings.append(f"{path}: differs\n  wanted {wanted[path]!r}\n  found  {found[path]!r}")
    for finding in findings:
        print(finding)
    if findings:
        print("FAILED: files byte for byte")
        return 1
    print(f"passed: {len(wanted)} files byte for byte")
    return 0


def main() -> int:
    match sys.argv[1:]:
        case ["prepare", scenario, server, folder]:
            prepare(load(Path(scenario)), server, Path(folder).resolve())
            return 0
        case ["verify", scenario, folder]:
            return verify(load(Path(scenario)), Path(folder).resolve())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
