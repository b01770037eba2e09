"""An editor in a terminal, as a person has it: keys go in, and what is on the screen is looked at. tmux is the terminal."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from types import TracebackType

PATIENCE = 30.0
"""Longer than an editor takes for anything but a run, on a machine with other work."""


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str], columns: int, lines: int) -> None:
        self.pictures = folder / "screens"
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.socket = f"self-harness-{os.getpid()}-{id(self)}"
        self.environment = {**environment, "TERM": "screen-256color", "LC_ALL": "C.UTF-8", "TMUX": ""}
        size = ["-x", str(columns), "-y", str(lines)]
        # No server of the user's and none of their settings; the screen stays when the program has ended.
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, f"{shlex.join(command)}; echo ended with $?; sleep 600")
        self.tmux("set-option", "-s", "escape-time", "0")

    def tmux(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["tmux", "-L", self.socket, *arguments], env=self.environment, capture_output=True, text=True, check=True
        )
        return ran.stdout

    def keys(self, *names: str) -> None:
        """Presses keys by tmux's names for them: `Enter`, `Escape`, `C-w`."""
        self.tmux("send-keys", *names)

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", "--", text)

    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p").splitlines())

    def wait(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """Waits until the screen shows what a regular expression says; what was found."""
        end = time.monotonic() + patience
        while True:
            screen = self.screen()
            found = re.search(pattern, screen)
            if found:
                return found
            if end < time.monotonic():
                raise AssertionError(f"`{pattern}` is not on the screen:\n{screen}")
            time.sleep(0.1)

    def gone(self, pattern: str, patience: float = PATIENCE) -> None:
        """Waits until the screen does not show that any more."""
        end = time.monotonic() + patience
        while re.search(pattern, self.screen()):
            if end < time.monotonic():
                raise AssertionError(f"`{pattern}` is still on the screen:\n{self.screen()}")
            time.sleep(0.1)

    def picture(self, name: str) -> None:
        """Keeps the screen, to be looked at."""
        (self.pictures / f"{name}.txt").write_text(self.screen() + "\n", encoding="utf-8")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self.picture("at-the-end")
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True, check=False)


class Steps:
    """Counts what was seen, and says it."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def saw(self, what: str) -> None:
        self.passed += 1
        print(f"passed: {what}", flush=True)

    def check(self, what: str, ok: bool, detail: object = "") -> None:
        if ok:
            self.saw(what)
        else:
            self.failed += 1
            print(f"FAILED: {what}: {detail}", flush=True)

    def sum_up(self) -> int:
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
