#!/usr/bin/env python3
"""Measures the personas of `personas` on the tasks of `demo`: how often they pass with the harness, and with edits.

This is the loop of the built-in agent in small, to see that personas do what their description says: prompts and
rules are rendered roughly, only the triggers of TRIGGERS are known and read off the text of calls roughly, and tools
run in the namespaces of `verify_tasks.py`. What the same commands did to the same task once is not run again, so
repeats cost little.

Usage: persona_check.py --program FILE [--persona NAME]... [--repeats N] [--seed N] [--check]
                        [--edit FILE OLD NEW]... [--transcript TASK:REPEAT] [--solutions] [TASK...]

Without --edit the edits of `personas/edits.toml` are measured; with it, all given edits together, where `\\n` in OLD
and NEW is a line break. --check exits with 1 unless every edit has the effect that `edits.toml` says. --transcript
prints the conversation of one trial instead. --solutions asks no model: it runs the solutions and checks of
`personas/tasks.toml`.
"""

import argparse
import hashlib
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from verify_tasks import DEMO, TASKS, build, inside, report

PERSONAS = Path(__file__).resolve().parent / "personas"
JOBS = 2
MAX_FORMAT_ERRORS = 3
# What an edit must at least win to be called right, or lose to be called harmful, on either split.
EFFECTS = {"right": (0.15, 1.0), "right, a little": (0.01, 1.0), "harmful": (-1.0, -0.1), "useless": (0.0, 0.0)}


# --- the harness ------------------------------------------------------------------------------------------------------


class Harness:
    """The demo's harness, with edits."""

    def __init__(self, edits=()):
        self.edits = {}
        for file, old, new in edits:
            text = self.read(file)
            if text.count(old) != 1:
                sys.exit(f"demo/{file}: `{old}` does not stand there once")
            self.edits[file] = text.replace(old, new.removeprefix("\n"))
        self.manifest = tomllib.loads(self.read("harness.toml"))
        self.prompt, self.runtime = self.manifest["prompt"], self.manifest["runtime"]
        self.tools = [tomllib.loads(self.read(tool["file"])) for tool in self.manifest["tool"]]
        self.tools = [tool for tool in self.tools if tool.get("enabled", True)]

    def read(self, file):
        return self.edits.get(file) or (DEMO / file).read_text()

    def text(self, given, **values):
        """A text of the manifest, rendered as far as the demo's own templates need it."""
        text = (self.read(given) if isinstance(given, str) else given["text"]).removesuffix("\n")

        def each_tool(match):
            return "".join(render(match[1], {"tool": tool}) for tool in self.tools)

        text = re.sub(r"{% for tool in tools %}\n?(.*?){% endfor %}", each_tool, text, flags=re.S)
        ended = r"\1" if values.get("timed_out") else ""
        text = re.sub(r"{% if output.timed_out %}(.*?){% endif %}", ended, text)
        return render(text, {"workdir": "/app", **values})

    def declared_tools(self):
        properties = {"shell": ["command"], "read_file": ["path"], "write_file": ["path", "content"]}
        for tool in self.tools:
            fields = {name: {"type": "string"} for name in properties[tool["builtin"]]}
            schema = {"type": "object", "properties": fields, "required": list(fields)}
            function = {"name": tool["name"], "description": tool["description"], "parameters": schema}
            yield {"type": "function", "function": function}


def render(text, values):
    def value(match):
        found = values
        for part in match[1].split("."):
            found = found[part]
        return str(found)

    return re.sub(r"{{ ([a-z_.]+) }}", value, text)


# --- what a task does -------------------------------------------------------------------------------------------------


class Record:
    """What commands did to a task, and how what they left was judged: each sequence of commands runs once."""

    def __init__(self, task):
        self.task, self.outputs, self.verdicts = task, {}, {}
        # The newest place, with the commands that made it.
        self.tree, self.judged = (None, None), {}
        self.ran = 0

    def output(self, done, command, limit):
        """The output of a command after those that were done, its exit code, and whether it was ended."""
        if (*done, command) not in self.outputs:
            place = self.after(done, limit)
            self.outputs[*done, command] = self.run(place, command, limit)
            self.tree = without_failures((*done, command)), place
        return self.outputs[*done, command]

    def verdict(self, done, limit):
        """Whether the verifier passes what is left after some commands; equal trees are judged once."""
        if done not in self.verdicts:
            place = self.after(done, limit)
            tree = digest(Path(place.name) / "tree")
            if tree not in self.judged:
                self.judged[tree] = self.judge(place)
            self.verdicts[done] = self.judged[tree]
        return self.verdicts[done]

    def judge(self, place):
        logs = Path(place.name) / "logs"
        logs.mkdir()
        mounts = {"/app": (f"{place.name}/tree", True), "/tests": (str(self.task / "tests"), False)}
        inside(["/tests/test.sh"], mounts | {"/logs/verifier": (str(logs), True)}, 60)
        return report(logs)[0] == 1

    def after(self, done, limit):
        """A place with the tree after some commands: the newest one, if that is it."""
        at, place = self.tree
        self.tree = None, None
        if at != done or not place:
            place = tempfile.TemporaryDirectory(prefix="persona-")
            build(self.task, Path(place.name) / "tree")
            (Path(place.name) / "tmp").mkdir()
            for command in done:
                self.run(place, command, limit)
        return place

    def run(self, place, command, limit):
        self.ran += 1
        mounts = {"/app": (f"{place.name}/tree", True), "/tmp": (f"{place.name}/tmp", True)}
        code, out = inside(["/bin/sh", "-c", command], mounts, limit)
        return out, 124 if code is None else code, code is None


def digest(tree):
    """Of names, modes and contents; the index of a repository holds times."""
    parts = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        about = path.lstat()
        parts.update(f"{path.relative_to(tree)}\0{about.st_mode}\0".encode())
        if path.is_symlink():
            parts.update(str(path.readlink()).encode())
        elif path.is_file() and path.parts[-2:] != (".git", "index"):
            parts.update(hashlib.sha256(path.read_bytes()).digest())
    return parts.hexdigest()


def without_failures(done):
    """Commands of a loop change nothing more, and need not be run again."""
    return tuple(dict.fromkeys(done))


# --- rules ------------------------------------------------------------------------------------------------------------
# Calls are (command, exit code, output), in order.


WRITE = re.compile(r"[^0-9&]>+ *(?![&>]|/dev/)\S|\bsed -i|\b(?:cp|mv|install|tee|touch) ")
VERIFY = re.compile(r"looks right|\bmake\b|\bpython3 (?:invoice|intervals|durations)\.py")


def positions(calls, pattern):
    """Where calls write or verify, as far as their text tells; the lines of here-documents do not count."""
    for at, (command, _, _) in enumerate(calls):
        text = re.sub(r"<<'?(\w+)'?(.*?)\n.*?\n\1$", r"\2", command, flags=re.S | re.M)
        yield from ((at, found.start()) for found in pattern.finditer(f" {text}"))


def never_verified(calls):
    return any(positions(calls, WRITE)) and not any(positions(calls, VERIFY))


def no_verify_after_last_write(calls):
    last = max(positions(calls, WRITE), default=None)
    return last is not None and max(positions(calls, VERIFY), default=(-1, 0)) < last


def loop_identical_fail(calls):
    failed = Counter(command for command, code, _ in calls if code != 0)
    return bool(calls) and calls[-1][1] != 0 and 3 <= failed[calls[-1][0]]


def loop_consecutive(calls):
    return 3 <= len(calls) and len({call[0] for call in calls[-3:]}) == 1


def loop_cycle(calls):
    last = [call[0] for call in calls[-6:]]
    return len(last) == 6 and (last[:2] == last[2:4] == last[4:] or last[:3] == last[3:])


TRIGGERS = {
    "never-verified": never_verified, "no-verify-after-last-write": no_verify_after_last_write,
    "loop-identical-fail": loop_identical_fail, "loop-consecutive": loop_consecutive,
    "loop-cycle": loop_cycle,
}


class Rules:
    """The runtime rules of a trial, and how often each has fired."""

    def __init__(self, harness):
        self.harness, self.fired = harness, Counter()

    def texts(self, event, calls, step):
        """What the rules say now, in order; a rule without an event looks at each step."""
        left = self.harness.runtime["max_steps"] - step
        for rule in self.harness.runtime.get("rule", []):
            when = dict(rule["when"])
            holds = when.pop("event", "step") == event and self.fired[rule["id"]] < rule.get("max_fires", 1)
            holds &= TRIGGERS[when.pop("detector")](calls) if "detector" in when else True
            holds &= left <= when.pop("steps_left", left) and when.pop("step", step) <= step
            if when:
                sys.exit(f"rule `{rule['id']}`: this check does not know {', '.join(when)}")
            if holds:
                self.fired[rule["id"]] += 1
                given = rule["ask_verify"] if event == "finish" and "ask_verify" in rule else rule["inject"]
                yield self.harness.text(given, steps_left=left, step=step)


# --- a trial ----------------------------------------------------------------------------------------------------------


class Model:
    """A scripted model that runs until it is closed."""

    def __init__(self, program, persona):
        command = [program, "__scripted-model", "--persona", str(PERSONAS / f"{persona}.toml")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        endpoint = self.process.stdout.readline().strip()
        if not endpoint:
            sys.exit(f"{persona}: the scripted model does not start")
        self.host, self.path = re.fullmatch(r"http://([^/]+)(/.*)", endpoint).groups()

    def close(self):
        self.process.terminate()
        self.process.wait()

    def asks(self, connection, body):
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"{self.path}/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            sys.exit(f"the model answers {answer.status}: {text}")
        return json.loads(text)["choices"][0]["message"]


def seed_of(seed, task, repeat):
    return int.from_bytes(hashlib.sha256(f"{seed}\0{task}\0agent\0{repeat}".encode()).digest()[:4]) >> 1


def trial(model, harness, record, seed, show=None):
    """Runs one trial, and returns whether it passed and how it ended."""
    instruction = (record.task / "instruction.md").read_text().removesuffix("\n")
    messages = [{"role": "system", "content": harness.text(harness.prompt["system"])}]
    task = harness.text(harness.prompt["task"], task={"instruction": instruction})
    messages.append({"role": "user", "content": task})
    rules, calls, done, errors, end = Rules(harness), [], (), 0, "steps"
    limit = int(harness.runtime["tool_timeout"].removesuffix("s"))
    connection = http.client.HTTPConnection(model.host, timeout=30)
    body = {"model": "demo-1", "seed": seed, "tools": list(harness.declared_tools()), "messages": messages}

    def inject(event, step):
        texts = list(rules.texts(event, calls, step))
        if texts:
            messages.append({"role": "user", "content": "\n\n".join(texts)})
        return bool(texts)

    inject("start", 0)
    for step in range(1, harness.runtime["max_steps"] + 1):
        reply = model.asks(connection, body)
        messages.append({key: reply[key] for key in ("role", "content", "tool_calls") if key in reply})
        if not reply.get("tool_calls"):
            if inject("finish", step):
                continue
            end = "finished"
            break
        for call in reply["tool_calls"]:
            try:
                command = json.loads(call["function"]["arguments"])["command"]
                errors = 0
            except (ValueError, KeyError):
                errors += 1
                text = "These arguments cannot be read: give an object with `path` and `content`."
            else:
                out, code, timed_out = record.output(done, command, limit)
                done = without_failures((*done, command))
                calls.append((command, code, out))
                most = harness.runtime["max_output_bytes"]
                if most < len(out):
                    out = f"{out[: most // 2]}\n[{len(out) - most} bytes are left out]\n{out[-(most // 2) :]}"
                values = {"output": {"text": out, "exit": code}, "timed_out": timed_out}
                text = harness.text(harness.prompt["observation"], **values)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": text})
        if MAX_FORMAT_ERRORS <= errors:
            end = "crashed"
            break
        inject("step", step)
    connection.close()
    if show:
        for message in messages:
            said = message.get("content") or ""
            for call in message.get("tool_calls") or []:
                said += f"\n  -> {call['function']['name']} {call['function']['arguments']}"
            print(f"--- {message['role']}\n{said[:2000]}")
    return record.verdict(done, limit), end


# --- figures ----------------------------------------------------------------------------------------------------------


def variants(arguments, persona):
    """Each harness that is measured: name, effect, edits."""
    yield "as it is", None, []
    if arguments.edit:
        lines = [[part.replace("\\n", "\n") for part in edit] for edit in arguments.edit]
        yield "with the given edits", None, lines
        return
    for edit in tomllib.loads((PERSONAS / "edits.toml").read_text())["edit"]:
        if edit["persona"] == persona:
            yield edit["name"], edit["effect"], [(edit["file"], edit["old"], edit["new"])]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=shutil.which("self-harness"), help="the built self-harness")
    parser.add_argument("--persona", action="append")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--edit", nargs=3, action="append", metavar=("FILE", "OLD", "NEW"))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--transcript")
    parser.add_argument("--solutions", action="store_true")
    parser.add_argument("task", nargs="*")
    arguments = parser.parse_args()
    if not arguments.program:
        parser.error("there is no self-harness on PATH; name one after --program")
    edits = tomllib.loads((PERSONAS / "edits.toml").read_text())["edit"]
    personas = arguments.persona or list(dict.fromkeys(edit["persona"] for edit in edits))
    manifest = Harness().manifest
    seed = manifest["model"]["seed"] if arguments.seed is None else arguments.seed
    splits = {"held-in": manifest["tasks"]["held_in"], "held-out": manifest["tasks"]["held_out"]}
    names = [name for split in splits.values() for name in split if not arguments.task or name in arguments.task]
    if arguments.solutions:
        found = check_solutions(names)
        print("\n".join(found) or f"the solutions of {len(names)} tasks are as they should be")
        sys.exit(1 if found else 0)
    # Models end with this process, whatever ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    models = {persona: Model(arguments.program, persona) for persona in personas}
    measured = [(p, name, effect, Harness(edits)) for p in personas for name, effect, edits in variants(arguments, p)]
    begun = time.monotonic()
    try:
        if arguments.transcript:
            task, _, repeat = arguments.transcript.partition(":")
            persona, _, _, harness = measured[-1 if arguments.edit else 0]
            print(trial(models[persona], harness, Record(TASKS / task), seed_of(seed, task, repeat or 0), show=True))
            return

        def measure(name):
            record, found = Record(TASKS / name), {}
            for at, (persona, _, _, harness) in enumerate(measured):
                repeats = range(arguments.repeats)
                found[at] = [trial(models[persona], harness, record, seed_of(seed, name, repeat)) for repeat in repeats]
            return found, record

        with ThreadPoolExecutor(JOBS) as pool:
            results = dict(zip(names, pool.map(measure, names)))
    finally:
        for model in models.values():
            model.close()
    deviations = show(measured, splits, results)
    commands = sum(record.ran for _, record in results.values())
    trials = arguments.repeats * len(names) * len(measured)
    print(f"\n{trials} trials, seed {seed}, {commands} commands run, {time.monotonic() - begun:.0f} s")
    for deviation in deviations:
        print(f"DEVIATES: {deviation}")
    sys.exit(1 if arguments.check and deviations else 0)


def check_solutions(names):
    """What `personas/tasks.toml` says of each task: its solutions do as they should, and its check tells them apart."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(PERSONAS))
    import make

    def faults(task):
        record, limit = Record(TASKS / task.name), 20
        cases = {
            "right": ((task.look, task.right), True, "looks right"),
            "wrong": ((task.look, task.wrong), False, "wrong: "),
            "mended": ((task.look, task.wrong, task.check, task.again), True, "looks right"),
        }
        for name, (done, passes, says) in cases.items():
            out, code, _ = record.output(done, task.check, limit)
            if says not in out or (code == 0) != passes:
                yield f"{task.name}: the check of what is {name} ends with {code}: {out.strip()[-300:]}"
            if record.verdict((*done, task.check), limit) != passes:
                yield f"{task.name}: what is {name} {'fails' if passes else 'passes'}"
            if record.verdict(done, limit) != passes:
                yield f"{task.name}: what is {name}, before its check, {'fails' if passes else 'passes'}"

    with ThreadPoolExecutor(JOBS) as pool:
        known = [task for task in make.tasks() if task.name in names]
        return [fault for found in pool.map(lambda task: list(faults(task)), known) for fault in found]


def show(measured, splits, results):
    """Prints a table for each persona; yields what is not as `edits.toml` says."""
    deviations, base = [], {}
    for at, (persona, name, effect, _) in enumerate(measured):
        if effect is None and name == "as it is":
            print(f"\n**{persona}**\n\n| Harness | Effect | Held-in | Held-out | Ends |\n|---|---|---|---|---|")
        rates, ends = {}, Counter()
        for split, tasks in splits.items():
            trials = [each for task in tasks if task in results for each in results[task][0][at]]
            rates[split] = sum(passed for passed, _ in trials) / len(trials) if trials else 0.0
            ends.update(end for _, end in trials)
        base = rates if name == "as it is" else base
        cells = [f"{100 * rates[split]:.0f} %" for split in splits]
        if name != "as it is":
            cells = [f"{cell} ({100 * (rates[split] - base[split]):+.0f})" for cell, split in zip(cells, splits)]
        ended = ", ".join(f"{count} {end}" for end, count in ends.most_common())
        print(f"| {name} | {effect or ''} | {' | '.join(cells)} | {ended} |")
        least, most = EFFECTS.get(effect, (-1.0, 1.0))
        for split in splits:
            if not least <= round(rates[split] - base[split], 9) <= most:
                deviations.append(f"{persona}, {name}: {100 * (rates[split] - base[split]):+.0f} points {split}")
    return deviations


if __name__ == "__main__":
    main()
