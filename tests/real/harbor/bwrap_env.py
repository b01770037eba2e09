"""A Harbor environment of bubblewrap, for machines without a container engine.

Harbor imports it by path: `environment = "bwrap_env:BwrapEnvironment"`. The root is that of the machine, read-only; /app, /tests,
/solution, /logs, /root and /tmp are a trial's own. Programs live until the environment ends, so a terminal outlives the command
that opened it: the first process inside reads commands from a pipe and starts them. No image is built: of a Dockerfile only
`COPY` is followed. It is a means of tests, weaker than the sandbox of self-harness.
"""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

from harbor.environments.base import BaseEnvironment, ExecResult
from harbor.environments.capabilities import EnvironmentCapabilities

PLACES = ("app", "tests", "solution", "logs", "root", "tmp")

# The first process inside: a line in is a command, a line out is how it ended.
SERVER = r"""
import json, os, signal, subprocess, sys, tempfile, threading
signal.signal(signal.SIGINT, signal.SIG_IGN)
lock = threading.Lock()
def run(asked):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                ["/bin/bash", "-c", asked["command"]], cwd=asked["cwd"], env=asked["env"], stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True)
            try:
                code = child.wait(asked["timeout"])
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                code = None
        except OSError as error:
            code = 127
            err.write(str(error).encode())
        read = lambda file: (file.seek(0), file.read())[1].decode("utf-8", "replace")
        answer = {"id": asked["id"], "code": code, "out": read(out), "err": read(err)}
    with lock:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
for line in sys.stdin:
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
os._exit(0)
"""


class BwrapEnvironment(BaseEnvironment):
    def __init__(self, *args, preinstalled: str | None = None, **kwargs):
        self._preinstalled = preinstalled
        super().__init__(*args, **kwargs)
        self._top: Path | None = None
        self._process = None
        self._answers = {}
        self._next = 0

    @staticmethod
    def type() -> str:
        return "bwrap"

    @property
    def capabilities(self) -> EnvironmentCapabilities:
        return EnvironmentCapabilities(mounted=False, disable_internet=True)

    def _validate_definition(self):
        if shutil.which("bwrap") is None:
            raise FileNotFoundError("bubblewrap is not installed")

    async def start(self, force_build: bool) -> None:
        self._top = Path(tempfile.mkdtemp(prefix="self-harness-bwrap-"))
        for place in PLACES:
            (self._top / place).mkdir()
        for place in ("agent", "verifier", "artifacts"):
            (self._top / "logs" / place).mkdir()
        self._copy()
        command = ["bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--new-session"]
        # What is preinstalled asks the model itself.
        if self._network_disabled and not self._preinstalled:
            command += ["--unshare-net"]
        command += ["--dev", "/dev", "--proc", "/proc"]
        # A root of its own: what is not bound is not there, and mount points need no place on the machine.
        for place in ("usr", "etc", "opt"):
            command += ["--ro-bind-try", f"/{place}", f"/{place}"]
        for place in ("bin", "sbin", "lib", "lib64"):
            command += ["--symlink", f"usr/{place}", f"/{place}"]
        for place in PLACES:
            command += ["--bind", str(self._top / place), f"/{place}"]
        if self._preinstalled:
            self._install()
            command += ["--ro-bind", self._preinstalled, self._preinstalled]
        command += ["--chdir", "/app", "--", "/usr/bin/python3", "-c", SERVER]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
            env=self._variables(None),
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read())
        await self.exec("true", timeout_sec=30)

    def _copy(self):
        """Follows the `COPY` lines of a Dockerfile."""
        dockerfile = self.environment_dir / "Dockerfile"
        lines = dockerfile.read_text().splitlines() if dockerfile.exists() else []
        for words in (line.split() for line in lines):
            if len(words) == 3 and words[0] == "COPY" and words[2].startswith("/"):
                target = self._inside(words[2])
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.environment_dir / words[1], target)

    def _install(self):
        """What an image would have: the programs of a directory, and a `uv` that finds them installed."""
        own = self._top / "root/.local/bin"
        own.mkdir(parents=True)
        for program in (Path(self._preinstalled) / "bin").iterdir():
            if program.name.startswith("mini"):
                (own / program.name).symlink_to(program)
        uv = own / "uv"
        uv.write_text("#!/bin/sh\nexit 0\n")
        uv.chmod(0o755)

    def _variables(self, env):
        own = {"PATH": "/root/.local/bin:/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}
        return {**own, **(env or {})}

    async def _read(self):
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            waits = self._answers.pop(answer["id"], None)
            if waits and not waits.done():
                waits.set_result(answer)
        for waits in self._answers.values():
            if not waits.done():
                waits.set_exception(RuntimeError("the environment has ended"))

    async def stop(self, delete: bool):
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            self._reader.cancel()
            self._process = None
        if self._top is not None:
            shutil.rmtree(self._top, ignore_errors=True)
            self._top = None

    async def exec(self, command, cwd=None, env=None, timeout_sec=None, user=None) -> ExecResult:
        if self._process is None:
            raise RuntimeError("the environment does not run")
        self._next += 1
        asked = {
            "id": self._next,
            "command": command,
            "cwd": cwd or self.task_env_config.workdir or "/app",
            "env": self._variables(self._merge_env(env)),
            "timeout": timeout_sec,
        }
        waits = self._answers[asked["id"]] = asyncio.get_running_loop().create_future()
        self._process.stdin.write((json.dumps(asked) + "\n").encode())
        await self._process.stdin.drain()
        answer = await waits
        if answer["code"] is None:
            raise TimeoutError(f"the command did not end within {timeout_sec} s")
        return ExecResult(stdout=answer["out"], stderr=answer["err"], return_code=answer["code"])

    def _inside(self, path) -> Path:
        parts = Path(path).parts
        if len(parts) < 2 or parts[0] != "/" or parts[1] not in PLACES or ".." in parts:
            raise ValueError(f"{path} is no place of a trial")
        return self._top.joinpath(*parts[1:])

    async def upload_file(self, source_path, target_path):
        target = self._inside(target_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source_path, target)

    async def upload_dir(self, source_dir, target_dir):
        shutil.copytree(source_dir, self._inside(target_dir), dirs_exist_ok=True)

    async def download_file(self, source_path, target_path):
        Path(target_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._inside(source_path), target_path)

    async def download_dir(self, source_dir, target_dir):
        shutil.copytree(self._inside(source_dir), target_dir, symlinks=True, dirs_exist_ok=True)
