"""The servers that ours is measured beside: where they come from and how they are started.

Versions are pinned; everything is installed below one folder and nowhere else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client import Server


@dataclass(frozen=True)
class Peer:
    """One installed server."""

    name: str
    source: str
    """`pypi`, `npm` or `crates`."""
    package: str
    version: str
    program: str
    """Path below the folder of its source."""
    arguments: tuple[str, ...]
    kinds: tuple[str, ...]
    """Names of `documents.KINDS` that it reads."""
    file: dict[str, str] = field(default_factory=dict)
    """File names that it wants, where the usual one is not its own."""
    settings: dict[str, Any] = field(default_factory=dict)

    def server(self, folder: Path) -> Server:
        program = folder / self.source / self.program
        argv = ["node", str(program)] if self.source == "npm" else [str(program)]
        return Server(self.name, argv + list(self.arguments), self.settings)


PEERS = (
    Peer("tombi", "pypi", "tombi", "1.9.6", "bin/tombi", ("lsp", "--offline"), ("toml",)),
    Peer("taplo", "crates", "taplo-cli", "0.10.0", "bin/taplo", ("lsp", "stdio"), ("toml",)),
    Peer("ruff", "pypi", "ruff", "0.17.6", "bin/ruff", ("server",), ("python",)),
    Peer("typos-lsp", "crates", "typos-lsp", "0.1.57", "bin/typos-lsp", (), ("markdown",)),
    # It reads the files of agents by their names, so the prompt is given to it as one of those.
    Peer("agnix-lsp", "crates", "agnix-lsp", "0.60.3", "bin/agnix-lsp", (), ("markdown",), {"markdown": "CLAUDE.md"}),
    Peer(
        "yaml-language-server",
        "npm",
        "yaml-language-server",
        "1.25.0",
        "node_modules/yaml-language-server/bin/yaml-language-server",
        ("--stdio",),
        ("yaml",),
        settings={"yaml": {"validate": True, "schemaStore": {"enable": False}}},
    ),
)


def install(folder: Path) -> list[str]:
    """Installs what is missing; returns a line for each peer that could not be installed."""
    failures = []
    for peer in PEERS:
        mark = folder / f".{peer.name}-{peer.version}"
        if mark.exists():
            continue
        place = folder / peer.source
        place.mkdir(parents=True, exist_ok=True)
        print(f"installing {peer.name} {peer.version} from {peer.source}", file=sys.stderr, flush=True)
        error = _install(peer, place)
        if error is None and (place / peer.program).exists():
            mark.touch()
        else:
            failures.append(f"{peer.name} {peer.version}: {error or 'its program is not where it was expected'}")
    return failures


def _install(peer: Peer, place: Path) -> str | None:
    if peer.source == "pypi":
        if not (place / "bin/python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        command = [str(place / "bin/pip"), "install", "--quiet", "--no-deps", f"{peer.package}=={peer.version}"]
    elif peer.source == "npm":
        command = ["npm", "install", "--silent", "--prefix", str(place), "--save-exact", "--ignore-scripts"]
        command.append(f"{peer.package}@{peer.version}")
    else:
        command = ["cargo", "install", "--quiet", "--locked", "--root", str(place)]
        command += ["--target-dir", str(place / "build"), f"{peer.package}@{peer.version}"]
    if shutil.which(command[0]) is None:
        return f"`{command[0]}` is missing"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["failed"])[-1]
