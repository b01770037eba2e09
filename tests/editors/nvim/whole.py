#!/usr/bin/env python3
"""A person goes the whole way in Neovim, at the keyboard: from a folder that nobody trusts to an accepted edit in a saved file, and back.

    whole.py NVIM SERVER PLUGIN FOLDER

PLUGIN is the plugin as its release has it. What is checked is what stands on the screen and what lies on the disk. The screens stay in
FOLDER/screens.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scenario_loop import ADDED, HELD_OUT, PROMPT, SUMMARY, Loop  # noqa: E402
from scenario_terminal import Steps, Terminal  # noqa: E402

A_RUN = 240.0
"""Longer than a run of the test takes on a machine with other work."""

SCORE = r"held-in \S+/6(?: · bounds only)? · held-out \S+/\d(?: · bounds only)?"
"""On a machine that is very busy a task may not be admitted; it is not counted then."""

STATUS_LINE = "%f %m %= %{v:lua.require'self_harness'.status()}"

CONFIGURATION = f"""
vim.opt.runtimepath:prepend(vim.env.PLUGIN)
vim.lsp.enable('self_harness')
vim.o.swapfile = false
vim.o.laststatus = 2
vim.o.statusline = [[{STATUS_LINE}]]
-- The two lines of the help, for hints and lenses.
vim.lsp.inlay_hint.enable()
vim.api.nvim_create_autocmd('LspAttach', {{ callback = function(e) vim.lsp.codelens.refresh({{ bufnr = e.buf }}) end }})
-- Events are counted: `:Heard` says of which kinds there were some.
local heard = {{}}
vim.api.nvim_create_autocmd('User', {{
  pattern = {{ 'SelfHarnessRun', 'SelfHarnessTree' }},
  callback = function(e) heard[e.match] = e.data.state or e.data.root end,
}})
vim.api.nvim_create_user_command('Heard', function() print(vim.inspect(heard, {{ newline = ' ', indent = '' }})) end, {{}})
"""


class Person:
    """Somebody at the keyboard, in front of Neovim."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def says(self, command: str) -> None:
        """Types a command."""
        self.terminal.keys("Escape")
        self.terminal.type(f":{command}")
        self.terminal.keys("Enter")

    def chooses(self, title: str) -> str:
        """Waits for a list and chooses the line that begins so; the whole line."""
        line = self.terminal.wait(rf"(?m)^(\d+): ({re.escape(title)}.*)$")
        self.terminal.wait(r"Type number and <Enter>")
        self.terminal.type(line.group(1))
        self.terminal.keys("Enter")
        return line.group(2)


def before_anything_runs(person: Person, loop: Loop, steps: Steps) -> None:
    """An untrusted folder: everything is checked, nothing runs, and whoever says no starts nothing."""
    terminal = person.terminal
    terminal.wait(r"harness: checks only")
    terminal.wait(r"Checks only: workspace not trusted.*Trust….*More…")
    terminal.picture("01-untrusted")
    steps.check("opening starts nothing", not (loop.workspace / ".self-harness").exists() and not loop.workers())
    person.says("SelfHarness evaluate")
    terminal.wait(r"harness\.toml is not trusted")
    terminal.keys("i")
    terminal.wait(r"harness\.toml is not trusted: nothing was started")
    steps.saw("who ignores the file has not started anything")
    # What is trusted is the saved file.
    person.says("call append('$', '# not saved')")
    person.says("SelfHarness trust")
    terminal.wait(r"save harness\.toml first: trust is about the saved file")
    steps.saw("an unsaved manifest is not trusted")
    person.says("undo")
    person.says("normal! gg")
    person.says("SelfHarness trust")
    terminal.wait(r"harness\.toml is not trusted")
    terminal.keys("a")
    terminal.wait(r"Trust what decides what is executed here\?")
    terminal.wait(r"10 tasks with their tests")
    terminal.picture("02-trust")
    person.chooses("Trust")
    terminal.wait(r"Not measured.*Evaluate 10 tasks ×2")
    steps.saw("the folder is trusted, by name of what is executed")
    person.says("SelfHarness evaluate")
    person.chooses("Cancel")
    terminal.wait(r"nothing was started")
    steps.check("who cancels has not started anything", not loop.workers())


def evaluates(person: Person, loop: Loop, steps: Steps) -> str:
    """Consent, progress, a cancel, the rest; the name of the run."""
    terminal = person.terminal
    person.says("SelfHarness evaluate")
    terminal.wait(r"Start evaluate for demo\?")
    for line in ("Runs  ", "Executes", "Sends", "Model", "Costs", "Takes", "Writes"):
        terminal.wait(rf"│{line}")
    terminal.picture("03-consent")
    person.chooses("Start")
    steps.saw("every line of the question is in the float")
    terminal.wait(r"harness [1-9]\d?/20 · free", A_RUN)
    terminal.picture("04-progress")
    steps.saw("progress is in the status line")
    person.says("SelfHarness cancel")
    ended = terminal.wait(r"evaluate cancelled at (\d+) of 20 trials.*\((r-\d+)\)", A_RUN)
    done, run = int(ended.group(1)), ended.group(2)
    terminal.picture("05-cancelled")
    steps.check("a cancel keeps what was done", 0 < done < 20, done)
    person.says(f"SelfHarness resume {run}")
    person.chooses("Start")
    terminal.wait(rf"evaluate finished: held-in \S+ ×2, held-out \S+ ×2.*\({run}\)", A_RUN)
    terminal.picture("06-evaluated")
    status = json.loads(loop.command("status", "--json"))
    steps.check("the rest was run, and nothing twice", status["trials"]["done"] == 20, status)
    person.says("Heard")
    terminal.wait(r'SelfHarnessRun = "result"')
    terminal.wait(r'SelfHarnessTree = "file://')
    steps.saw("events tell of runs and of the tree")
    return run


def looks_at_evidence(person: Person, steps: Steps) -> None:
    """Hint, lens, hover, quickfix list, trace and page."""
    terminal = person.terminal
    score = terminal.wait(rf"({SCORE}).*More…").group(1)
    terminal.wait(rf"harness\.toml +{re.escape(score)}")
    steps.saw("the scores are in the lens and in the status line")
    person.says(f"edit {PROMPT}")
    hint = terminal.wait(r"says so\. +(C-[0-9a-f]{4}) · (\d of \d) fail")
    terminal.picture("07-hint")
    steps.saw("the cluster is a hint at the end of its line")
    cluster = hint.group(1)
    terminal.wait(r"(?m)^W - When the job is done")
    terminal.keys("G", "K")
    terminal.wait(rf"stops without checking its last change · {cluster}")
    terminal.picture("08-hover")
    steps.saw("and its hover tells what happens")
    terminal.keys("h")
    person.says("SelfHarness weaknesses")
    terminal.wait(rf"{re.escape(PROMPT)}\|15 col \d+ warning\| {cluster} · {hint.group(2)} fail")
    screen = terminal.screen()
    listed = screen[screen.index("says so.") :]
    steps.check("the quickfix list names no task that judges", not any(task in listed for task in HELD_OUT), listed)
    terminal.picture("09-quickfix")
    person.says(f"call search('^{PROMPT}|15.*{cluster}')")
    terminal.keys("Enter")
    person.says("cclose")
    person.says("SelfHarness trace")
    terminal.wait(r"# (block-addresses|fetch-catalog|list-owners) #\d: fail")
    terminal.wait(r"selfharness://[0-9a-f]{8}/trace/r-\d+/")
    terminal.picture("10-trace")
    steps.saw("from a weakness to its trace")
    person.says(f"edit {PROMPT}")
    person.says("lua vim.lsp.buf.code_action()")
    person.chooses(f"Show evidence for {cluster}")
    terminal.wait(r"# stops without checking its last change")
    terminal.wait(r"## What was seen")
    terminal.picture("11-evidence")
    steps.saw("the evidence of a code action is a page")
    person.says(f"edit {PROMPT}")


def proposes_and_validates(person: Person, loop: Loop, steps: Steps) -> str:
    """Proposals and a decision; the name of the one that was accepted."""
    terminal = person.terminal
    person.says("SelfHarness propose")
    person.chooses("Start")
    terminal.wait(r"propose finished: \d proposals? waits? to be validated", A_RUN)
    # There are others, by operators without a model. The person tries the model's alone.
    person.says("SelfHarness preview")
    accepted = terminal.wait(rf"(?m)^\d+: (P\d+): {re.escape(SUMMARY)}").group(1)
    terminal.picture("12-proposals")
    terminal.keys("Enter")
    person.says(f"SelfHarness validate {accepted}")
    person.chooses("Start")
    terminal.wait(r"validate finished: 1 of 1 proposals? accepted", A_RUN)
    terminal.picture("13-validated")
    terminal.wait(rf"says so\..* {accepted} accepted")
    steps.saw("the accepted proposal is a hint too")
    report = loop.command("report", "--diff", accepted)
    added = [line[1:] + "\n" for line in report.splitlines() if re.match(r"\+(?!\+\+)", line)]
    steps.check("what was accepted is what the model proposed", added == [ADDED], report)
    return accepted


def applies(person: Person, loop: Loop, steps: Steps, proposal: str) -> None:
    """A preview, the code action, a saved file, and an undo."""
    terminal = person.terminal
    prompt = loop.workspace / PROMPT
    before = prompt.read_text(encoding="utf-8")
    score = terminal.wait(SCORE).group(0)
    person.says(f"SelfHarness preview {proposal}")
    line = re.escape(ADDED.strip())
    terminal.wait(rf"│\s+{line}")
    terminal.wait(r"-{20}│")
    terminal.picture("14-preview")
    steps.saw("the preview is a tab with the difference")
    person.says("tabclose")
    terminal.gone(line)
    person.says("normal! G")
    person.says("lua vim.lsp.buf.code_action()")
    title = person.chooses(f"Apply {proposal}: {SUMMARY}")
    steps.check("its scores are in its title", "held-in " in title and "held-out " in title, title)
    terminal.wait(rf"{line}[\s\S]*{re.escape(PROMPT)} \[\+\]")
    steps.check("applied and not saved", prompt.read_text(encoding="utf-8") == before)
    terminal.picture("15-applied")
    after = terminal.wait(rf"(?!{re.escape(score)}){SCORE}(?! · \d edit)").group(0)
    steps.check("the status line has the scores of the text at once", after != score, after)
    person.says("write")
    terminal.gone(r"\[\+\]")
    steps.check("the file is the proposal, byte for byte", prompt.read_bytes() == (before + ADDED).encode())
    runs = re.findall(r"r-\d+", (loop.command("status", "--json")))
    person.says("undo")
    terminal.gone(line)
    terminal.wait(re.escape(score))
    terminal.picture("16-undone")
    steps.saw("undo brings back the text and its scores")
    person.says("redo")
    terminal.wait(re.escape(after))
    person.says("undo")
    terminal.wait(re.escape(score))
    person.says("write")
    person.says(f"SelfHarness apply {proposal}")
    terminal.wait(re.escape(after))
    person.says("write")
    terminal.gone(r"\[\+\]")
    steps.check("the command applies the same", prompt.read_bytes() == (before + ADDED).encode())
    steps.check("and none of it took a run", not loop.workers() and runs == re.findall(r"r-\d+", loop.command("status", "--json")))
    person.says("edit harness.toml")
    terminal.wait(rf"{re.escape(after)}.*More…")
    terminal.picture("17-lens")
    steps.saw("the lens has the new scores")
    person.says("SelfHarness lineage")
    terminal.wait(rf"{proposal}: {re.escape(SUMMARY)}")
    terminal.picture("18-lineage")
    steps.saw("the lineage tells of it")
    changed = [
        str(file.relative_to(loop.workspace))
        for file in loop.workspace.rglob("*")
        if file.is_file() and ".self-harness" not in file.parts and file.stat().st_mtime > loop.made
    ]
    steps.check("no other file was changed", changed == [PROMPT], changed)


def main() -> int:
    nvim, server, plugin, folder = (Path(argument).resolve() for argument in sys.argv[1:])
    steps = Steps()
    with Loop(folder, server) as loop:
        init = folder / "init.lua"
        init.write_text(CONFIGURATION, encoding="utf-8")
        environment = {**loop.environment, "PLUGIN": str(plugin)}
        command = ["env", "-C", str(loop.workspace), str(nvim), "--clean", "-u", str(init), "harness.toml"]
        with Terminal(command, folder, environment, columns=220, lines=50) as terminal:
            person = Person(terminal)
            before_anything_runs(person, loop, steps)
            evaluates(person, loop, steps)
            looks_at_evidence(person, steps)
            applies(person, loop, steps, proposes_and_validates(person, loop, steps))
            person.says("qall!")
            terminal.wait(r"ended with 0")
            steps.saw("Neovim ends")
    return steps.sum_up()


if __name__ == "__main__":
    sys.exit(main())
