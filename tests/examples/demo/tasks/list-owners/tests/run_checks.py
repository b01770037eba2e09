"""Runs the `test_*` functions of all `test_*.py` files beside this one, and writes the verdict of a trial.

Files of the trial are data: they are read within limits, links are not followed, and a program among them only ever
runs as a process of its own, of which nothing is left when the verdict is written. This file is the same in every task
of the suite.
"""

import ctypes
import importlib.util
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APP = Path("/app")
TESTS = Path("/tests")
LOGS = Path("/logs/verifier")
SIZE_LIMIT = 8 << 20
SET_CHILD_SUBREAPER = 36


def read_bytes(name):
    """The content of a regular file below /app; `name` may be absolute."""
    path = APP / name
    if not stat.S_ISREG(path.lstat().st_mode):
        raise AssertionError(f"expected a regular file at {path}")
    if path != Path(os.path.realpath(path)):
        raise AssertionError(f"expected no link on the way to {path}")
    if SIZE_LIMIT < path.stat().st_size:
        raise AssertionError(f"expected at most {SIZE_LIMIT} bytes in {path}")
    return path.read_bytes()


def read_text(name):
    return read_bytes(name).decode("utf-8")


def files_below(name):
    """Paths of everything but directories below a directory of /app, relative to it, sorted."""
    root = APP / name
    if not root.is_dir() or root.is_symlink():
        raise FileNotFoundError(f"No such directory: {root}")
    found = []
    for folder, _, names in os.walk(root):
        found += [str((Path(folder) / each).relative_to(root)) for each in names]
    return sorted(found)


def scratch_copy():
    """A copy of /app that a check may change."""
    copy = Path(tempfile.mkdtemp(prefix="copy-")) / "app"
    shutil.copytree(APP, copy, symlinks=True)
    return copy


def environment(more):
    kept = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), "LANG": "C.UTF-8", "TZ": "UTC"}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE_LIMIT, SIZE_LIMIT))


def start(argv, cwd=APP, env=None, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
    """Starts a program of the trial in a session of its own; `stop` ends all of it."""
    return subprocess.Popen(
        argv, cwd=cwd, env=environment(env or {}), stdin=stdin, stdout=stdout, stderr=stderr,
        start_new_session=True, preexec_fn=limit_files,
    )


def stop(process):
    """Ends a program with all that it started: what left its session is a child of this process by now."""
    process.kill()
    process.wait()
    until = time.monotonic() + 5
    while left := descendants():
        if until < time.monotonic():
            sys.exit("processes of the trial cannot be ended")
        for each in left:
            try:
                os.kill(each, signal.SIGKILL)
                os.waitpid(each, os.WNOHANG)
            except (ProcessLookupError, ChildProcessError):
                pass


def descendants():
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The name of a program stands in brackets and may hold anything.
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:
                pass
    found = {os.getpid()}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def run(argv, cwd=APP, stdin="", env=None, timeout=3):
    """Runs a program of the trial to its end, with `code`, `out` and `err` of what it did."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        process = start(argv, cwd, env, given, out, err)
        try:
            code = process.wait(timeout)
        finally:
            stop(process)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read(SIZE_LIMIT).decode("utf-8", "replace"))
    return Ran(code, *texts)


class Ran:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


def short(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 160 else text[:157] + "..."


def same(found, expected, what):
    """Fails with both values, or with the first place where two lists differ."""
    if found == expected:
        return
    if isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            raise AssertionError(f"{what}: expected {len(expected)} entries, found {len(found)}")
        at = next(i for i, pair in enumerate(zip(found, expected)) if pair[0] != pair[1])
        raise AssertionError(f"{what}: entry {at + 1}: expected {short(expected[at])}, found {short(found[at])}")
    raise AssertionError(f"{what}: expected {short(expected)}, found {short(found)}")


def functions():
    """Every check with its file, in the order in which they are written."""
    for file in sorted(TESTS.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, value in vars(module).items():
            if name.startswith("test_") and callable(value):
                yield file, name, value


def judge(file, name, check):
    begun = time.monotonic()
    result = {"name": name, "status": "passed", "suite": file.stem, "filePath": str(file)}
    try:
        check()
    except Exception as failure:
        result["status"] = "failed"
        result["message"] = f"{type(failure).__name__}: {failure}"
    result["duration"] = round(1000 * (time.monotonic() - begun))
    print(f"not ok {name} - {result['message']}" if "message" in result else f"ok {name}", flush=True)
    return result


def write(name, text):
    """Puts a new file in place, whatever lies there."""
    new = LOGS / f".{name}.new"
    new.unlink(missing_ok=True)
    new.write_text(text)
    os.replace(new, LOGS / name)


def main():
    begun = round(1000 * time.time())
    tests = [judge(*each) for each in functions()]
    if not tests:
        sys.exit("no checks were found")
    failed = sum(test["status"] == "failed" for test in tests)
    summary = {"tests": len(tests), "passed": len(tests) - failed, "failed": failed, "pending": 0, "skipped": 0}
    summary |= {"other": 0, "start": begun, "stop": round(1000 * time.time())}
    results = {"tool": {"name": "run_checks"}, "summary": summary, "tests": tests}
    write("ctrf.json", json.dumps({"results": results}, indent=1) + "\n")
    write("reward.txt", "0\n" if failed else "1\n")


if __name__ == "__main__":
    # Checks import this module by name; it is the one that runs.
    sys.modules["run_checks"] = sys.modules["__main__"]
    sys.dont_write_bytecode = True
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    main()
