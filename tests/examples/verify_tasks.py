#!/usr/bin/env python3
"""Checks the tasks of `demo` the way a sandbox would run them: verdicts, reports, and what must not pass.

For each task the start tree is built from `environment/`, and the verifier judges in a fresh namespace, twice on copies
of one tree each:

- the start tree as it is, which must fail;
- the tree after `solution/solve.sh`, which must pass, and must fail once a failing check is added to the verifier;
- the tree after each wrong solution `demo-wrong/TASK.WHY.sh`, of which there is at least one; each must fail in just
  the checks that its line `# Fails: …` names. It finds the right solution at /solution, to spoil it; agents see
  neither.

Scripts run with their real paths: /app, /tests, /solution and /logs are mounts in a namespace of their own, without a
network but for its loopback. Needs `unshare` with user namespaces, or root. Writes below a temporary directory only.

Usage: verify_tasks.py [TASK...]; exits with 1 if anything deviates.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
DEMO = EXAMPLES / "demo"
TASKS = DEMO / "tasks"
WRONG = EXAMPLES / "demo-wrong"
JOBS = 2
# How long a verifier may take, in seconds: the faster one of two runs, since the machine may be busy.
VERIFIER_LIMIT = 5
# When anything else, or a verifier that hangs, is ended.
SCRIPT_LIMIT = 60
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STATUSES = {"passed", "failed", "skipped", "pending", "other"}
IGNORED = {"app", "tests", "solution", "logs", "tmp", "home", "proc", "dev", "sys", "run", "root", "mnt", "media"}
CANARY = "def test_added_to_fail():\n    assert False, 'added to fail'\n"


class Deviation(Exception):
    """What is wrong with a task, for the reader."""


# --- a namespace in which a script runs -------------------------------------------------------------------------------


def inside(argv, mounts, limit):
    """Runs a program with files at their real paths and returns exit code and output; nothing of it survives.

    `mounts` maps a path in the namespace to a directory or file and whether it may be written.
    """
    with tempfile.TemporaryDirectory(prefix="root-") as root:
        spec = json.dumps({"root": root, "argv": argv, "mounts": mounts})
        command = ["unshare", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child"]
        process = subprocess.Popen(
            [*command, sys.executable, "-I", __file__, "--inside", spec],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        try:
            out, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None, f"no end within {limit} s"
    return process.returncode, out.decode("utf-8", "replace")


def enter(spec):
    """The first process of a namespace: mounts, loopback, a root of its own, and then the script."""
    root = Path(spec["root"])
    mount("-t", "tmpfs", "-o", "mode=755,size=64m", "tmpfs", str(root))
    for entry in sorted(Path("/").iterdir()):
        target = root / entry.name
        if entry.name in IGNORED:
            continue
        if entry.is_symlink():
            target.symlink_to(os.readlink(entry))
        elif entry.is_dir() and entry.name in {"bin", "etc", "lib", "lib32", "lib64", "nix", "opt", "sbin", "usr"}:
            bind(entry, target, False)
    for name in ("app", "tests", "solution", "tmp", "home", "logs/verifier", "proc", "dev"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    mount("-t", "proc", "proc", str(root / "proc"))
    mount("--rbind", "/dev", str(root / "dev"))
    for target, (source, writable) in spec["mounts"].items():
        bind(Path(source), root / target.lstrip("/"), writable)
    raise_loopback()
    os.chroot(root)
    os.chdir("/app")
    environment = {"PATH": PATH, "HOME": "/home", "LANG": "C.UTF-8", "TZ": "UTC", "TMPDIR": "/tmp", "USER": "agent"}
    # A child, since the first process of a namespace has no default signals.
    sys.exit(subprocess.run(spec["argv"], env=environment).returncode)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def bind(source, target, writable):
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.touch()
    mount("--rbind", str(source), str(target))
    if not writable:
        mount("-o", "remount,bind,ro", str(target))


def raise_loopback():
    import fcntl
    import socket
    import struct

    up, get_flags, set_flags = 1, 0x8913, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, get_flags, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", request)[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", flags | up))


# --- trees ------------------------------------------------------------------------------------------------------------


def build(task, tree):
    """Makes the start tree from the instructions that a sandbox without images knows: COPY, RUN and WORKDIR."""
    tree.mkdir()
    environment = task / "environment"
    lines = re.sub(r"\\\n", " ", (environment / "Dockerfile").read_text()).splitlines()
    for line in lines:
        instruction, _, rest = line.strip().partition(" ")
        match instruction:
            case "" | "FROM":
                pass
            case "WORKDIR" if rest == "/app":
                pass
            case "COPY":
                copy(environment, tree, shlex.split(rest))
            case "RUN":
                code, out = inside(["/bin/sh", "-c", rest], {"/app": (str(tree), True)}, SCRIPT_LIMIT)
                if code != 0:
                    raise Deviation(f"`RUN {rest}` ended with {code}: {out.strip()[-300:]}")
            case _ if instruction.startswith("#"):
                pass
            case _:
                raise Deviation(f"environment/Dockerfile: `{instruction}` is not understood without an image")


def copy(environment, tree, names):
    *sources, target = names
    if not target.startswith("/app"):
        raise Deviation(f"environment/Dockerfile: COPY to {target}, which is not below /app")
    to = tree / target.removeprefix("/app").strip("/")
    for source in sources:
        origin = environment / source
        if origin.is_dir():
            shutil.copytree(origin, to, symlinks=True, dirs_exist_ok=True)
            continue
        file = to / origin.name if target.endswith("/") or to.is_dir() else to
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin, file)


def contents(tree):
    """Digests of all files and texts of links. The index of a repository holds times: it differs each time."""
    found = {}
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder) / name
            relative = path.relative_to(tree)
            if path.is_symlink():
                found[str(relative)] = os.readlink(path)
            elif relative.parts[-2:] != (".git", "index"):
                found[str(relative)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def duplicate(tree, place, name):
    copied = place / name
    shutil.copytree(tree, copied, symlinks=True)
    return copied


# --- verdicts ---------------------------------------------------------------------------------------------------------


def report(logs):
    """Reward and statuses of what a verifier left, which must be complete and agree."""
    try:
        reward = (logs / "reward.txt").read_text().strip()
        tests = json.loads((logs / "ctrf.json").read_text())["results"]["tests"]
        summary = json.loads((logs / "ctrf.json").read_text())["results"]["summary"]
    except (OSError, ValueError, KeyError, TypeError) as failure:
        raise Deviation(f"no complete report: {failure}") from None
    if reward not in ("0", "1"):
        raise Deviation(f"reward.txt holds {reward!r}")
    statuses = {}
    for test in tests:
        if test["status"] not in STATUSES or test["name"] in statuses:
            raise Deviation(f"ctrf.json: bad status or second entry of {test['name']}")
        if test["status"] == "failed" and not test.get("message"):
            raise Deviation(f"ctrf.json: {test['name']} failed without a message")
        statuses[test["name"]] = test["status"]
    failed = sum(status == "failed" for status in statuses.values())
    if (summary["tests"], summary["failed"], summary["passed"]) != (len(statuses), failed, len(statuses) - failed):
        raise Deviation("ctrf.json: the summary does not add up")
    if (reward == "1") != (failed == 0):
        raise Deviation(f"reward {reward}, but {failed} checks failed")
    return int(reward), statuses, [test["message"] for test in tests if test["status"] == "failed"]


def judge(tests, tree, place, expected, what):
    """Two verdicts on copies of one tree, as expected and equal; returns statuses and the shorter time."""
    verdicts, times = [], []
    for number in (1, 2):
        copied = duplicate(tree, place, f"judged-{number}")
        logs = place / f"logs-{number}"
        logs.mkdir()
        mounts = {"/app": (str(copied), True), "/tests": (str(tests), False), "/logs/verifier": (str(logs), True)}
        begun = time.monotonic()
        _, out = inside(["/tests/test.sh"], mounts, SCRIPT_LIMIT)
        times.append(time.monotonic() - begun)
        try:
            verdicts.append(report(logs))
        except Deviation as deviation:
            raise Deviation(f"{what}: {deviation}; {out.strip()[-300:]}") from None
        shutil.rmtree(copied)
        shutil.rmtree(logs)
    (reward, statuses, messages), second = verdicts
    if (reward, statuses) != second[:2]:
        raise Deviation(f"{what}: two runs of the verifier disagree")
    if reward != expected:
        raise Deviation(f"{what}: reward {reward}; {'; '.join(messages)[:300]}")
    if VERIFIER_LIMIT < min(times):
        raise Deviation(f"{what}: the verifier takes {min(times):.1f} s")
    return statuses, min(times)


# --- one task ---------------------------------------------------------------------------------------------------------


def check_files(task):
    """What a task directory must hold, and may not."""
    for name in ("task.toml", "instruction.md", "environment/Dockerfile", "tests/test.sh", "solution/solve.sh"):
        if not (task / name).is_file():
            raise Deviation(f"{name} is missing")
    for name in ("tests/test.sh", "solution/solve.sh"):
        if not os.access(task / name, os.X_OK):
            raise Deviation(f"{name} cannot be executed")
    settings = tomllib.loads((task / "task.toml").read_text())
    if settings["schema_version"] != "1.4" or settings["task"]["name"] != f"demo/{task.name}":
        raise Deviation("task.toml: another version or name")
    words = re.search(r"/(tests|solution|logs)\b|reward|verifier", (task / "instruction.md").read_text())
    if words:
        raise Deviation(f"instruction.md names `{words[0]}`, which an agent does not see")
    first = sorted(TASKS.iterdir())[0] / "tests"
    for name in ("run_checks.py", "test.sh"):
        if (task / "tests" / name).read_bytes() != (first / name).read_bytes():
            raise Deviation(f"tests/{name} is not that of the other tasks")


def wrong_solutions(task):
    return sorted(WRONG.glob(f"{task.name}.*.sh"))


def named_checks(script):
    """The checks in which a wrong solution says that it fails."""
    lines = [line.removeprefix("# Fails:") for line in script.read_text().splitlines() if line.startswith("# Fails:")]
    return " ".join(lines).split()


def check(task, place):
    """Everything about one task; returns a line that says what was seen."""
    check_files(task)
    begun = time.monotonic()
    start = place / "start"
    build(task, start)
    build(task, place / "again")
    if contents(start) != contents(place / "again"):
        raise Deviation("the start tree is another one each time that it is built")
    statuses, slowest = judge(task / "tests", start, place, 0, "start tree")
    names = list(statuses)

    solved = duplicate(start, place, "solved")
    solution = {"/app": (str(solved), True), "/solution": (str(task / "solution"), False)}
    code, out = inside(["/solution/solve.sh"], solution, SCRIPT_LIMIT)
    if code != 0:
        raise Deviation(f"solution/solve.sh ended with {code}: {out.strip()[-300:]}")
    statuses, took = judge(task / "tests", solved, place, 1, "solution")
    slowest = max(slowest, took)
    if list(statuses) != names:
        raise Deviation("the checks of the start tree are not those of the solution")

    stricter = duplicate(task / "tests", place, "stricter")
    (stricter / "test_zz_added.py").write_text(CANARY)
    statuses, _ = judge(stricter, solved, place, 0, "solution with a failing check added")
    if {name: status for name, status in statuses.items() if status == "failed"} != {"test_added_to_fail": "failed"}:
        raise Deviation("a check that was added to fail is not the only one that did")

    scripts = wrong_solutions(task)
    if not scripts:
        raise Deviation(f"no wrong solution {WRONG.name}/{task.name}.WHY.sh")
    for script in scripts:
        tree = duplicate(start, place, script.stem)
        mounts = {"/app": (str(tree), True), "/solution": (str(task / "solution"), False)}
        mounts["/wrong.sh"] = (str(script), False)
        code, out = inside(["/bin/bash", "/wrong.sh"], mounts, SCRIPT_LIMIT)
        if code is None:
            raise Deviation(f"{script.name}: {out}")
        if contents(tree) == contents(start):
            raise Deviation(f"{script.name} changed nothing: {out.strip()[-300:]}")
        statuses, took = judge(task / "tests", tree, place, 0, script.name)
        slowest = max(slowest, took)
        failed = [name for name, status in statuses.items() if status == "failed"]
        if failed != named_checks(script):
            raise Deviation(f"{script.name}: fails in {' '.join(failed)}")
    took = time.monotonic() - begun
    return f"{len(names)} checks, {len(scripts)} wrong solutions, verifier {slowest:.2f} s, all {took:.1f} s"


def outcome(task):
    with tempfile.TemporaryDirectory(prefix=f"{task.name}-") as place:
        try:
            return True, check(task, Path(place))
        except Deviation as deviation:
            return False, str(deviation)
        except Exception as failure:
            return False, f"cannot be checked: {type(failure).__name__}: {failure}"


# --- the suite --------------------------------------------------------------------------------------------------------


def check_suite(tasks):
    """What holds for all tasks together."""
    manifest = tomllib.loads((DEMO / "harness.toml").read_text())["tasks"]
    listed = manifest["held_in"] + manifest["held_out"]
    names = [task.name for task in tasks]
    if sorted(listed) != names:
        yield f"the splits of the manifest are not the tasks: {sorted(set(listed) ^ set(names))}"
    for script in sorted(WRONG.iterdir()):
        if script.name.split(".")[0] not in names:
            yield f"{script.name} belongs to no task"
    kinds = {}
    for task in tasks:
        kind = tomllib.loads((task / "task.toml").read_text())["metadata"]["category"]
        kinds.setdefault(kind, set()).add("held-in" if task.name in manifest["held_in"] else "held-out")
    for kind, splits in kinds.items():
        if len(splits) < 2:
            yield f"all tasks of the kind `{kind}` are {splits.pop()}"


def main():
    if sys.argv[1:2] == ["--inside"]:
        enter(json.loads(sys.argv[2]))
    tasks = sorted(each for each in TASKS.iterdir() if each.is_dir())
    findings = list(check_suite(tasks))
    for finding in findings:
        print(f"suite: {finding}")
    asked = [task for task in tasks if not sys.argv[1:] or task.name in sys.argv[1:]]
    good = 0
    begun = time.monotonic()
    with ThreadPoolExecutor(JOBS) as pool:
        for task, (held, text) in zip(asked, pool.map(outcome, asked)):
            good += held
            print(f"{task.name}: {'' if held else 'DEVIATES: '}{text}", flush=True)
    print(f"{good} of {len(asked)} tasks are as they should be ({time.monotonic() - begun:.1f} s)")
    sys.exit(0 if good == len(asked) and asked and not findings else 1)


if __name__ == "__main__":
    main()
