#!/usr/bin/env python3
"""A language server that does one thing wrong.

    fake_server.py crash|hang|mute|other [STARTS]

`crash` ends with 101 once it is initialized, `hang` answers nothing, `mute` nothing after `initialize`, `other` is of another release.
Each start adds a line to the file STARTS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

WRONG = sys.argv[1]


def read() -> dict[str, Any] | None:
    length = 0
    while line := sys.stdin.buffer.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def answer(request: dict[str, Any], result: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def main() -> None:
    if len(sys.argv) == 3:
        with Path(sys.argv[2]).open("a", encoding="utf-8") as starts:
            starts.write("start\n")
    while message := read():
        match message["method"]:
            case "initialize" if WRONG != "hang":
                version = "9.9.9" if WRONG == "other" else "0.1.0"
                capabilities = {
                    "experimental": {"selfHarness": {"schema": 1}},
                    "executeCommandProvider": {"commands": ["self-harness.status"]},
                }
                answer(message, {"serverInfo": {"name": "fake", "version": version}, "capabilities": capabilities})
            case "initialized" if WRONG == "crash":
                sys.exit(101)
            case "shutdown" if WRONG == "other":
                answer(message, None)
            case "exit" if WRONG == "other":
                sys.exit(0)


if __name__ == "__main__":
    main()
