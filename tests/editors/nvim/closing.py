#!/usr/bin/env python3
"""Neovim is closed in the middle of a run, and opened again: nothing is lost, whether the worker goes on or dies too.

    closing.py NVIM SERVER PLUGIN FOLDER

PLUGIN is the plugin as its release has it. The screens stay in FOLDER/screens.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from scenario_loop import PROMPT, Loop  # noqa: E402
from scenario_terminal import PATIENCE, Steps, Terminal  # noqa: E402
from whole import A_RUN, CONFIGURATION, SCORE, Person  # noqa: E402

A_LEASE = 60.0
"""A worker that is silent for 30 s is taken for dead."""


class Desk:
    """Where Neovim is opened again and again, on the same project and with the same home."""

    def __init__(self, nvim: Path, plugin: Path, folder: Path, loop: Loop) -> None:
        init = folder / "init.lua"
        init.write_text(CONFIGURATION, encoding="utf-8")
        self.command = ["env", "-C", str(loop.workspace), str(nvim), "--clean", "-u", str(init), "harness.toml"]
        self.environment = {**loop.environment, "PLUGIN": str(plugin)}
        self.folder = folder

    def open(self) -> Terminal:
        return Terminal(self.command, self.folder, self.environment, columns=200, lines=45)


def state(loop: Loop) -> dict:
    return json.loads(loop.command("status", "--json"))


def until(what: str, holds, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.1)


def starts(person: Person) -> None:
    person.says("SelfHarness evaluate")
    person.terminal.wait(r"Start evaluate for demo\?")
    person.chooses("Start")
    person.terminal.wait(r"harness [1-9]\d?/20 · free", A_RUN)


def the_worker_goes_on(desk: Desk, loop: Loop, steps: Steps) -> None:
    with desk.open() as terminal:
        person = Person(terminal)
        terminal.wait(r"harness: checks only")
        person.says("SelfHarness trust")
        terminal.wait(r"harness\.toml is not trusted")
        terminal.keys("a")
        person.chooses("Trust")
        terminal.wait(r"Not measured")
        starts(person)
        person.says("qall!")
        terminal.wait(r"ended with 0")
        done = state(loop)["trials"]["done"]
        steps.check("Neovim is closed in the middle of a run", done < 20, done)
        steps.check("and its worker goes on", len(loop.workers()) == 1, loop.workers())
    with desk.open() as terminal:
        terminal.wait(r"harness \d+/20 · free|held-in \S+/6")
        terminal.picture("01-opened-again")
        steps.saw("opened again it shows the run")
        terminal.wait(rf"harness\.toml +{SCORE}", A_RUN)
        terminal.picture("02-finished")
        told = state(loop)
        steps.check("which is finished whole", (told["run"], told["trials"]["done"]) == ("r-0001", 20), told)


def the_worker_dies_too(desk: Desk, loop: Loop, steps: Steps) -> None:
    # What was measured is not measured again.
    prompt = loop.workspace / PROMPT
    prompt.write_text(prompt.read_text(encoding="utf-8") + "- Be exact.\n", encoding="utf-8")
    with desk.open() as terminal:
        terminal.wait(r"harness\.toml +harness: not measured|edit old")
        starts(Person(terminal))
    # The terminal is closed under Neovim; its worker is killed.
    workers = loop.workers()
    steps.check("a terminal that is closed takes no worker with it", len(workers) == 1, workers)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    before = state(loop)
    steps.check("some trials were measured, and not all", 0 < before["trials"]["done"] < 20, before)
    with desk.open() as terminal:
        person = Person(terminal)
        terminal.wait(r"harness interrupted at \d+/20", A_LEASE)
        terminal.wait(r"Interrupted at \d+/20 trials.*Resume")
        terminal.picture("03-interrupted")
        steps.saw("opened again it shows a run that was interrupted, and that it can be resumed")
        person.says("SelfHarness resume")
        person.chooses("Start")
        terminal.wait(r"evaluate finished: held-in .*\(r-0002\)", A_RUN)
        terminal.wait(rf"harness\.toml +{SCORE}")
        terminal.picture("04-resumed")
        after = state(loop)
        steps.check("resumed it is finished whole", (after["run"], after["trials"]["done"]) == ("r-0002", 20), after)
        paid = after["spent"]["trials"] - before["spent"]["trials"]
        # Those that ran when it died measured nothing.
        most = 20 - before["trials"]["done"] + before["trials"]["running"]
        steps.check("and what was measured is not paid again", paid <= most, (paid, before["trials"]))
        person.says("qall!")
        terminal.wait(r"ended with 0")
        until("the worker ends with its run", lambda: not loop.workers())
        steps.saw("nothing is left running")


def main() -> int:
    nvim, server, plugin, folder = (Path(argument).resolve() for argument in sys.argv[1:])
    steps = Steps()
    with Loop(folder, server) as loop:
        desk = Desk(nvim, plugin, folder, loop)
        the_worker_goes_on(desk, loop, steps)
        the_worker_dies_too(desk, loop, steps)
    return steps.sum_up()


if __name__ == "__main__":
    sys.exit(main())
