#!/usr/bin/env python3
"""Every form in which the server shows something, for clients to show: a language server that says each of them in one document.

    forms.py FOLDER          writes a project with that document, and FOLDER/forms.json: what is to be seen
    forms.py lsp             is the server (`--version` as well)

The forms are those of the server's own snapshot, `server/src/ide/snapshots`, so that whoever changes one there sees here whether both
clients show it as it is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("action", "decision", "disabled", "hint", "hover", "lens", "lens 1", "lens 2", "lens 3", "problem", "status")

ENDS = [
    ("result", "evaluate finished: held-in 15.5/24 ×2, held-out 7/12 ×2, 1 void trial repeated, $1.62, 13 min"),
    ("empty", "mine finished: 11 failing tasks, no two share a mechanism"),
    ("empty", "improve finished: 0 of 3 proposals accepted, the harness is unchanged"),
    ("undecided", "validate undecided: 9 of 72 trials of P3 are void (provider answered 429)"),
    ("failed", "evaluate failed: no sandbox on this machine, nothing was run"),
    ("failed", "evaluate failed at 31 of 72 trials: the endpoint was down four times; results are kept"),
]
"""How runs end: the state and the sentence."""

PROGRESS = "31/72 trials · held-in 19 pass 8 fail · held-out 4 done · 1 void · $0.34 of $5.00 · about 6 min"
"""How a run gets on."""


def forms() -> dict[str, list[str]]:
    """The forms by their names, as the snapshot has them."""
    (snapshot,) = (ROOT / "server/src/ide/snapshots").glob("*ux_40*.snap")
    body = snapshot.read_text(encoding="utf-8").split("---\n", 2)[2].rstrip("\n")
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    of: list[str] = []
    for line in body.split("\n"):
        name = line[:9].strip()
        if name in NAMES and line[9:10] == " ":
            of = found[name]
            of.append(line[10:])
        else:
            # The second line of a hover, and those that follow.
            of[-1] += "\n" + line
    assert all(found.values()), f"there is no form of some kind in {snapshot}"
    return {
        "action": found["action"],
        "decision": found["decision"],
        "disabled": found["disabled"],
        "hint": found["hint"],
        "hover": found["hover"],
        "lens": found["lens"] + found["lens 1"] + found["lens 2"] + found["lens 3"],
        # Two lines, where the snapshot has one.
        "problem": [problem.replace(" ⏎ ", "\n") for problem in found["problem"]],
        "status": found["status"],
    }


def span(line: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 4}}


class Server:
    """Says them."""

    def __init__(self) -> None:
        self.forms = forms()
        self.told = 0
        self.ended = 0
        self.can: dict[str, Any] = {}

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        sys.stdout.buffer.flush()

    def notify(self, method: str, params: object) -> None:
        self.send({"method": method, "params": params})

    def status(self) -> str:
        """The next text of the status bar."""
        text = self.forms["status"][self.told % len(self.forms["status"])]
        self.told += 1
        self.notify("experimental/serverStatus", {"health": "ok", "quiescent": True, "message": text})
        return text

    def end(self, root: str) -> None:
        """The next end of a run."""
        state, sentence = ENDS[self.ended % len(ENDS)]
        self.ended += 1
        run = {"root": root, "runId": f"r-{self.ended:04}", "verb": "evaluate", "state": state, "sentence": sentence}
        self.notify("selfHarness/runState", {"schema": 1, "startedBy": "here", **run})

    def commands(self, params: dict[str, Any]) -> dict[str, Any]:
        root = (params.get("arguments") or [{}])[0].get("root", "")
        match params["command"]:
            case "self-harness.status":
                return {"text": self.status()}
            case "self-harness.doctor":
                self.end(root)
        return {}

    def answer(self, method: str, params: dict[str, Any]) -> object:
        line = params.get("position", {}).get("line", 0)
        each = self.forms
        match method:
            case "initialize":
                self.can = params["capabilities"]
                commands = ["status", "doctor", "menu", "trust", "key", "evaluate", "preview"]
                capabilities = {
                    "textDocumentSync": 1,
                    "hoverProvider": True,
                    "inlayHintProvider": True,
                    "codeLensProvider": {},
                    "codeActionProvider": True,
                    "executeCommandProvider": {"commands": [f"self-harness.{word}" for word in commands]},
                    "experimental": {"selfHarness": {"schema": 1}},
                }
                return {"serverInfo": {"name": "self-harness", "version": version()}, "capabilities": capabilities}
            case "textDocument/hover":
                texts = each["hover"][line : line + 1]
                return {"contents": {"kind": "markdown", "value": texts[0]}} if texts else None
            case "textDocument/inlayHint":
                places = enumerate(each["hint"])
                return [{"position": {"line": at, "character": 4}, "label": hint, "paddingLeft": True} for at, hint in places]
            case "textDocument/codeLens":
                places = enumerate(each["lens"])
                command = {"command": "self-harness.menu", "arguments": [{}]}
                return [{"range": span(at), "command": {"title": lens, **command}} for at, lens in places]
            case "textDocument/codeAction":
                return list(self.actions(params["textDocument"]["uri"]))
            case "experimental/discoverTest":
                return {"tests": [], "scope": []}
            case "selfHarness/trust":
                return {"root": params.get("root"), "state": "trusted", "changed": []}
            case "selfHarness/tree":
                return {"revision": 1, "badge": 0, "items": list(self.items(params.get("parent")))}
            case "workspace/executeCommand":
                return self.commands(params)
        return None

    def actions(self, uri: str) -> Iterator[dict[str, Any]]:
        edit = {"changes": {uri: [{"range": span(0), "newText": "line"}]}}
        for title in self.forms["action"]:
            yield {"title": title, "kind": "quickfix", "edit": edit}
        action = self.can.get("textDocument", {}).get("codeAction", {})
        for number, why in enumerate(self.forms["disabled"]):
            # Whoever does not know reasons would offer it.
            if action.get("disabledSupport"):
                yield {"title": f"Apply P{number}", "kind": "refactor.rewrite", "disabled": {"reason": why}}

    def items(self, parent: str | None) -> Iterator[dict[str, Any]]:
        def item(kind: str, name: str, text: str, detail: str, **more: object) -> dict[str, Any]:
            plain = {"tooltip": detail, "state": "", "location": None, "uri": None, "actions": [], "hasChildren": False}
            return {"id": name, "kind": kind, "text": text, "detail": detail, **plain, **more}

        if parent is None:
            yield item("group", "proposals", "Proposals", "", hasChildren=True)
        elif parent == "proposals":
            for number, decision in enumerate(self.forms["decision"], 1):
                yield item("proposal", f"proposal/P{number}", f"P{number}", decision, actions=["preview"])

    def opened(self, uri: str) -> None:
        found = [
            {"range": span(line), "message": text, "severity": 2, "source": "self-harness", "code": "SH104"}
            for line, text in enumerate(self.forms["problem"])
        ]
        if uri.endswith("forms.md"):
            self.notify("textDocument/publishDiagnostics", {"uri": uri, "diagnostics": found})

    def serve(self) -> None:
        while message := read():
            method = message.get("method")
            if method is None:
                continue
            params = message.get("params") or {}
            if "id" in message:
                self.send({"id": message["id"], "result": self.answer(method, params)})
            elif method == "initialized":
                self.send({"id": 1, "method": "window/workDoneProgress/create", "params": {"token": "run"}})
                value = {"kind": "begin", "title": "evaluate", "message": PROGRESS, "percentage": 43, "cancellable": True}
                self.notify("$/progress", {"token": "run", "value": value})
            elif method == "textDocument/didOpen":
                self.opened(params["textDocument"]["uri"])
            elif method == "exit":
                return


def read() -> dict[str, Any] | None:
    length = 0
    while line := sys.stdin.buffer.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def version() -> str:
    text = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'\[workspace\.package\]\s*version = "([^"]+)"', text)
    assert found, "Cargo.toml names no version"
    return found.group(1)


def prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = forms()
    lines = max(map(len, known.values()))
    (folder / "harness.toml").write_text('schema = 1\nname = "forms"\n', encoding="utf-8")
    (folder / "forms.md").write_text("line\n" * lines, encoding="utf-8")
    (folder / "forms.json").write_text(json.dumps({**known, "end": [sentence for _, sentence in ENDS], "progress": [PROGRESS]}), encoding="utf-8")


def main() -> None:
    match sys.argv[1]:
        case "--version":
            print(f"self-harness {version()}")
        case "lsp":
            Server().serve()
        case folder:
            prepare(Path(folder))


if __name__ == "__main__":
    main()
