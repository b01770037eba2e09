"""A small LSP client for measuring: one thread, one poll loop, timestamps taken before anything is decoded.

It never waits on one pipe while the other is full: what it writes and what it reads share the loop, so a server that
blocks on its output cannot stop it. It answers the requests that servers make, as an editor would.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The bytes that a pipe of Linux holds once F_SETPIPE_SZ has been asked for the usual limit.
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031


class ServerGone(Exception):
    """The server ended, or did not answer in time."""


@dataclass
class Message:
    """One message from the server, and the clock's nanoseconds when its last byte was read."""

    at: int
    body: dict[str, Any]


@dataclass
class Diagnostics:
    """The newest diagnostics of one document."""

    at: int
    version: int | None
    items: list[dict[str, Any]]


@dataclass
class Server:
    """How a server is started and spoken to."""

    name: str
    argv: list[str]
    settings: dict[str, Any] = field(default_factory=dict)
    initialization_options: dict[str, Any] | None = None


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both, level by level; where they differ, the other."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if isinstance(one[key], dict) and isinstance(other[key], dict):
            both[key] = merged(one[key], other[key])
    return both


class Client:
    """A running server. Use as a context manager; leaving it shuts the server down."""

    def __init__(
        self, server: Server, root: Path, home: Path, *, pull: bool = False, capabilities: dict[str, Any] | None = None
    ) -> None:
        """`capabilities` are announced beside the usual ones."""
        self.server = server
        self.announced = capabilities or {}
        self.root = root
        self.pull = pull
        self.diagnostics: dict[str, Diagnostics] = {}
        self.capabilities: dict[str, Any] = {}
        self._next_id = 0
        self._versions: dict[str, int] = {}
        self._in = bytearray()
        self._out = bytearray()
        self._responses: dict[int, Message] = {}
        environment = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }
        self.errors = (home / "stderr.log").open("ab")
        self.started = time.perf_counter_ns()
        self.process = subprocess.Popen(
            server.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=root,
            env=environment,
            bufsize=0,
        )
        assert self.process.stdin and self.process.stdout
        self._stdin = self.process.stdin.fileno()
        self._stdout = self.process.stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._polls_writes = False

    # -- the wire ------------------------------------------------------------------------------------------------------

    def _send(self, body: dict[str, Any]) -> None:
        payload = json.dumps({"jsonrpc": "2.0", **body}, ensure_ascii=False, separators=(",", ":")).encode()
        self._out += b"Content-Length: %d\r\n\r\n" % len(payload)
        self._out += payload

    def _flush(self) -> None:
        """Writes what fits; the loop writes the rest."""
        while self._out:
            try:
                written = os.write(self._stdin, self._out)
            except BlockingIOError:
                break
            except BrokenPipeError as error:
                raise ServerGone(f"{self.server.name} closed its input") from error
            del self._out[:written]
        if bool(self._out) != self._polls_writes:
            self._polls_writes = bool(self._out)
            if self._polls_writes:
                self._poll.register(self._stdin, select.POLLOUT)
            else:
                self._poll.unregister(self._stdin)

    def _frame(self) -> bytes | None:
        head = self._in.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = 0
        for line in bytes(self._in[:head]).split(b"\r\n"):
            key, _, value = line.partition(b":")
            if key.strip().lower() == b"content-length":
                length = int(value)
        end = head + 4 + length
        if len(self._in) < end:
            return None
        body = bytes(self._in[head + 4 : end])
        del self._in[:end]
        return body

    def _step(self, deadline: int) -> None:
        """Waits for one readiness event, then reads, times and dispatches what is complete."""
        self._flush()
        left = (deadline - time.perf_counter_ns()) / 1e6
        if left <= 0:
            raise TimeoutError
        for fd, _ in self._poll.poll(left):
            if fd != self._stdout:
                continue
            try:
                chunk = os.read(self._stdout, PIPE_BYTES)
            except BlockingIOError:
                continue
            at = time.perf_counter_ns()
            if not chunk:
                raise ServerGone(f"{self.server.name} closed its output (exit {self.process.poll()})")
            self._in += chunk
            while (frame := self._frame()) is not None:
                self._dispatch(Message(at, json.loads(frame)))
        self._flush()

    def _dispatch(self, message: Message) -> None:
        body = message.body
        method = body.get("method")
        if method is None:
            self._responses[body["id"]] = message
        elif "id" in body:
            self._send({"id": body["id"], "result": self._answer(method, body.get("params") or {})})
        elif method == "textDocument/publishDiagnostics":
            params = body["params"]
            self.diagnostics[params["uri"]] = Diagnostics(message.at, params.get("version"), params["diagnostics"])

    def _answer(self, method: str, params: dict[str, Any]) -> Any:
        if method == "workspace/configuration":
            return [self.server.settings.get(item.get("section") or "", None) for item in params["items"]]
        if method == "workspace/workspaceFolders":
            return [{"uri": self.root.as_uri(), "name": self.root.name}]
        return None

    def until(self, ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Turns the loop until `ready`."""
        deadline = time.perf_counter_ns() + int(seconds * 1e9)
        self._flush()
        while not ready():
            try:
                self._step(deadline)
            except TimeoutError:
                raise ServerGone(f"{self.server.name}: no {what} within {seconds:g} s") from None

    def settle(self, seconds: float) -> None:
        """Turns the loop for a while, so that late messages are not taken for answers to the next edit."""
        deadline = time.perf_counter_ns() + int(seconds * 1e9)
        while time.perf_counter_ns() < deadline:
            try:
                self._step(deadline)
            except TimeoutError:
                return

    # -- requests and notifications ------------------------------------------------------------------------------------

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self._send({"method": method, "params": params})
        self._flush()

    def request(self, method: str, params: dict[str, Any] | None) -> int:
        self._next_id += 1
        self._send({"id": self._next_id, "method": method, "params": params})
        self._flush()
        return self._next_id

    def response(self, request: int, seconds: float = 60) -> Message:
        self.until(lambda: request in self._responses, "response", seconds)
        message = self._responses.pop(request)
        if "error" in message.body:
            raise ServerGone(f"{self.server.name}: {message.body['error']}")
        return message

    def initialize(self) -> int:
        """Returns the nanoseconds from before the process was started to the answer."""
        text_document: dict[str, Any] = {
            "synchronization": {"didSave": True},
            "publishDiagnostics": {"versionSupport": True, "relatedInformation": True},
        }
        if self.pull:
            text_document["diagnostic"] = {"dynamicRegistration": False, "relatedDocumentSupport": False}
        request = self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "clientInfo": {"name": "bench"},
                "rootUri": self.root.as_uri(),
                "rootPath": str(self.root),
                "workspaceFolders": [{"uri": self.root.as_uri(), "name": self.root.name}],
                "initializationOptions": self.server.initialization_options,
                "capabilities": merged(
                    {
                        "general": {"positionEncodings": ["utf-8", "utf-16"]},
                        "textDocument": text_document,
                        "workspace": {"configuration": True, "workspaceFolders": True},
                    },
                    self.announced,
                ),
            },
        )
        message = self.response(request)
        self.capabilities = message.body["result"]["capabilities"]
        return message.at - self.started

    def initialized(self) -> None:
        self.notify("initialized", {})

    def open(self, path: Path, language: str, text: str) -> None:
        uri = path.as_uri()
        self._versions[uri] = 1
        self.notify(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}},
        )

    @property
    def incremental(self) -> bool:
        sync = self.capabilities.get("textDocumentSync")
        return (sync.get("change") if isinstance(sync, dict) else sync) == 2

    def change(self, path: Path, line: int, removed: int, inserted: str, whole: str) -> None:
        """Replaces `removed` whole lines at `line` by `inserted`; `whole` is the text that then holds."""
        uri = path.as_uri()
        self._versions[uri] += 1
        change: dict[str, Any] = {"text": whole}
        if self.incremental:
            span = {"start": {"line": line, "character": 0}, "end": {"line": line + removed, "character": 0}}
            change = {"range": span, "text": inserted}
        self.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": self._versions[uri]}, "contentChanges": [change]},
        )

    def await_diagnostics(
        self, path: Path, accept: Callable[[list[dict[str, Any]]], bool], seconds: float = 60
    ) -> Diagnostics:
        """The first diagnostics of the present version that `accept` takes. In pull mode the request is sent here, and
        sent again when what was pulled was not yet what is waited for."""
        uri = path.as_uri()
        if self.pull:
            end = time.perf_counter_ns() + int(seconds * 1e9)
            while True:
                request = self.request("textDocument/diagnostic", {"textDocument": {"uri": uri}})
                message = self.response(request, seconds)
                items = message.body["result"].get("items", [])
                if accept(items):
                    return Diagnostics(message.at, self._versions[uri], items)
                if end < time.perf_counter_ns():
                    raise ServerGone(f"{self.server.name}: expected diagnostics were not pulled in {seconds:g} s")

        def ready() -> bool:
            found = self.diagnostics.get(uri)
            if found is None or (found.version is not None and found.version != self._versions[uri]):
                return False
            return accept(found.items)

        self.until(ready, "expected diagnostics", seconds)
        return self.diagnostics[uri]

    def forget_diagnostics(self, path: Path) -> None:
        """What arrived up to now is no answer to what comes next."""
        self.diagnostics.pop(path.as_uri(), None)

    # -- the process ---------------------------------------------------------------------------------------------------

    def cpu_ns(self) -> int:
        """CPU time of the process, all threads, in nanoseconds (the kernel's clock of another process)."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def peak_rss_bytes(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise ServerGone(f"{self.server.name} has no VmHWM")

    def close(self) -> None:
        try:
            self.response(self.request("shutdown", None), 5)
            self.notify("exit", {})
        except (ServerGone, OSError):
            pass
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.errors.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
