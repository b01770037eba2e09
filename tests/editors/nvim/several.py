#!/usr/bin/env python3
"""Two harnesses in one Neovim; trust that is taken back; and what the command line does there: the example, the sealed tasks.

    several.py NVIM SERVER PLUGIN FOLDER

PLUGIN is the plugin as its release has it. The screens stay in FOLDER/screens.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from scenario_loop import PROMPT, Loop  # noqa: E402
from scenario_terminal import Steps, Terminal  # noqa: E402
from whole import A_RUN, CONFIGURATION, SCORE, Person  # noqa: E402


def evaluated(loop: Loop) -> Path:
    """Two harnesses with evidence; the root of the second."""
    second = loop.workspace.parent / "second"
    shutil.copytree(loop.workspace, second)
    manifest = second / "harness.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('name = "demo"', 'name = "second"'), encoding="utf-8")
    for root in (loop.workspace, second):
        ran = subprocess.run(
            [loop.server, "evaluate", "--yes"],
            cwd=root,
            env=loop.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=A_RUN,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return second


def both_have_evidence(person: Person, second: Path, steps: Steps) -> None:
    terminal = person.terminal
    hint = r"C-[0-9a-f]{4} · \d of \d fail"
    terminal.wait(rf"{SCORE}.*More…")
    person.says(f"edit {PROMPT}")
    terminal.wait(hint)
    person.says(f"split {second / PROMPT}")
    terminal.wait(rf"{hint}[\s\S]*{hint}")
    # Each window says how its own harness stands.
    terminal.wait(rf"second/{PROMPT} +{SCORE}[\s\S]*\n{PROMPT} +{SCORE}")
    terminal.picture("01-two-harnesses")
    steps.saw("two harnesses in one Neovim each have their hints and their scores")
    person.says("SelfHarness evaluate")
    terminal.wait(r"harness\.toml is not trusted|Start evaluate for second\?")
    if "is not trusted" in terminal.screen():
        terminal.keys("a")
        terminal.wait(r"Start evaluate for second\?")
    person.chooses("Cancel")
    terminal.wait(r"nothing was started")
    steps.saw("a command is about the harness of the window that it is given in")


def trust_is_taken_back(person: Person, second: Path, loop: Loop, steps: Steps) -> None:
    terminal = person.terminal
    person.says("SelfHarness trust revoke")
    terminal.wait(r"this folder is not trusted any more")
    terminal.wait(rf"second/{PROMPT} +harness: checks only[\s\S]*\n{PROMPT} +{SCORE}")
    terminal.picture("02-revoked")
    steps.saw("trust that is taken back is gone for that harness alone")
    person.says(f"edit {second / 'harness.toml'}")
    terminal.wait(r"Checks only: workspace not trusted.*Trust…")
    person.says("SelfHarness evaluate")
    terminal.wait(r"harness\.toml is not trusted")
    terminal.keys("a")
    terminal.wait(r"│Trusts +harness\.toml")
    person.chooses("Cancel")
    terminal.wait(r"nothing was started")
    steps.saw("a start asks for trust again")
    # Neovim's own trust can be taken back as well.
    person.says("trust ++deny")
    person.says("SelfHarness evaluate")
    terminal.wait(r"harness\.toml is not trusted: nothing was started")
    steps.check("and what Neovim denies is not even asked about", not loop.workers(), loop.workers())


def the_command_line(person: Person, loop: Loop, steps: Steps) -> None:
    terminal = person.terminal
    person.says("only")
    person.says("edit harness.toml")
    person.says("SelfHarness seal")
    terminal.wait(r"sealed task[\s\S]*\[Process exited \d+\]")
    terminal.picture("03-seal")
    steps.saw("sealed tasks are read in a terminal, which says that there are none")
    terminal.keys("Enter")
    person.says("SelfHarness demo")
    terminal.wait(r"The example is in \S+[\s\S]*Start|The example is in", A_RUN)
    terminal.wait(r"evaluate|trials", A_RUN)
    terminal.picture("04-demo")
    steps.check("the example is written apart", (loop.home / "state/self-harness/demo/harness.toml").is_file())
    terminal.keys("C-c")
    terminal.keys("C-c")
    terminal.keys("C-\\", "C-n")
    person.says("qall!")
    terminal.wait(r"ended with 0")
    steps.saw("Neovim ends")


def main() -> int:
    nvim, server, plugin, folder = (Path(argument).resolve() for argument in sys.argv[1:])
    steps = Steps()
    with Loop(folder, server) as loop:
        second = evaluated(loop)
        init = folder / "init.lua"
        init.write_text(CONFIGURATION, encoding="utf-8")
        command = ["env", "-C", str(loop.workspace), str(nvim), "--clean", "-u", str(init), "harness.toml"]
        environment = {**loop.environment, "PLUGIN": str(plugin)}
        with Terminal(command, folder, environment, columns=200, lines=50) as terminal:
            person = Person(terminal)
            both_have_evidence(person, second, steps)
            trust_is_taken_back(person, second, loop, steps)
            the_command_line(person, loop, steps)
    return steps.sum_up()


if __name__ == "__main__":
    sys.exit(main())
