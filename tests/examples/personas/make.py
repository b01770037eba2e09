#!/usr/bin/env python3
"""Writes the personas of the demo's model: what it does with each of the 24 tasks, and what changes its habits.

A persona is a model that can solve the tasks and often does not, because of a habit. Whether the habit shows depends on
coins and on the harness: on its prompts, tools, limits, and on what its rules say to it. `README.md` has the habits and
the figures; `server/src/host/scripted` has the format. What a persona knows of the tasks stands in `tasks.toml`; right
solutions are those of the tasks, wrong ones those of `../demo-wrong` or the right ones with a slip.

A persona keeps nothing between requests: it sees how far it is from its own words in the conversation, so whatever else
a harness says meanwhile does not lead it astray.

Usage: make.py [--check]; with --check nothing is written, and the exit code is 1 if a file is not as it would be.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "demo"
WRONG = HERE.parent / "demo-wrong"
HELD_IN = tomllib.loads((DEMO / "harness.toml").read_text())["tasks"]["held_in"]
HEAD = "# Written by `make.py`; `README.md` says what this persona does. Do not edit it by hand.\n"

# --- what a harness can say -------------------------------------------------------------------------------------------
# A persona follows a sentence that has these words, wherever it reads it.

CHECK = (
    r"\b(?:check|verif|make sure|ensure|re-?read|read back|test|inspect|validat|confirm|prove)\w*\b[^.\n]{0,100}"
    r"\b(?:before|result|output|work|finish|done|end|wrote|written|made|again|correct|right|file|job|task)"
    r"|\bbefore (?:you |it )?(?:finish|end|answer|say|stop)\w*[^.\n]{0,100}"
    r"\b(?:check|verif|re-?read|read|test|inspect|look)"
)
HURRY = (
    r"\bas (?:quick|fast|soon|short|few)\w*\b|\b(?:be|work) (?:quick|fast)\w*|\bhurry\b|\bat once\b|\bfewest\b"
    r"|\bwithout (?:looking|checking|reading)\b|\bdo not (?:look|check|verify|test)\b"
)
TURN = (
    r"\b(?:another|different|other|new) (?:way|approach|command|road|method)\b|\bchange (?:course|your approach)\b"
    r"|\bsomething (?:else|different|new)\b|\balternative"
    r"|\b(?:do not|don't|never|stop|instead of) (?:repeat|retry|run|try|call)\w*\b[^.\n]{0,60}"
    r"\b(?:same|again|twice|unchanged|it)\b"
)
PERSIST = r"\btry (?:it |that |the same (?:command )?)?again\b|\bkeep trying\b|\bdo not give up\b|\bretry\b|\bpersist"
PLACE = (
    r"\bwhere the (?:task|job|instruction)\w* (?:says|names|wants|asks)\b|\bnowhere else\b"
    r"|\bexact(?:ly)? (?:the |that )?(?:path|place)"
    r"|\b(?:path|place|file)s?,? (?:that )?(?:the )?(?:task|job|instruction)s? (?:name|say|want|ask)"
    r"|\b(?:no|not|never|without|instead of)\b[^.\n]{0,40}\bcop(?:y|ies)\b"
    r"|\bresults? (?:go|goes|belong|must be|should be)\b|\b(?:work|write|edit|change)\b[^.\n]{0,40}\bin place\b"
)
COPY = r"\b(?:work|make|begin|start|do)\w*\b[^.\n]{0,40}\bcopy\b"
SHORT = (
    r"\b(?:head|tail|sed -n|grep)\b|\bin part\b|\bfirst lines\b"
    r"|\b(?:large|long|much)\b[^.\n]{0,60}\b(?:output|file|part)"
)
FORM = r"`?\bpath`?,? and `?content\b|\bJSON\b|\barguments?\b"
# What helps in tasks that are known and leads astray in others: a rule that fits the tasks that it was made from.
NARROW = r"\brows? that stands? twice\b|\bcounts? once\b"
# More lines than a persona can read and still know what it was doing.
FLOOD = r"(?:[^\n]*\n){160}"


# --- what it proposes ------------------------------------------------------------------------------------------------
# The same model is asked for edits of the harness. What it proposes depends on the number of the slot and on the kind of
# edit that is asked for: some edits are right for its habit, the others are what a proposer should not do.

ASKED = r"\AYou improve the harness of an agent\b"
FIELDS = (
    r"(?s)\bslot: (?P<slot>SLOT)\ncluster: (?P<cluster>\S+)\nmechanism: (?P<mechanism>\S+)\n"
    r"surface: (?P<surface>\S+)\nedit: KIND "
)
TEXTS, TOOLS = "(?:add-rule|rewrite|remove|merge)", "tighten-tool"
# What is proposed by the number of the slot, and again from 9 on: of texts, and of rules and states.
OF_TEXTS = ("right", "right, too", "right", "harmful", "right, too", "overfitting", "leaking", "malformed")
OF_RULES = ("right", "useless", "right, too", "oversized", "right", "overfitting", "leaking", "malformed")
WORDS = {
    "hasty": {
        "words": CHECK,
        "right": "Before you finish, check the result against each point of the job, and mend what is wrong.",
        "right, too": "Read back what you wrote, and compare it with the job.",
        "at the time": "The result was not checked. Check it against the job before you end.",
        "harmful": "Be quick: take as few steps as you can.",
        "overfitting": "Rows that stand twice count once.",
    },
    "stubborn": {
        "words": TURN,
        "right": "When a command fails, read why and take another way; do not run the same command again.",
        "right, too": "After a failure try something different.",
        "at the time": "This has failed before. Take another way to do the job.",
        "harmful": "A command may fail by chance: keep trying.",
        "overfitting": "Scripts of a project lie beside what they work on.",
    },
    "messy": {
        "words": PLACE,
        "right": "Results go where the job says, and nowhere else: work in {{ workdir }} itself, never in a copy.",
        "right, too": "Work in place: what the job asks for belongs below {{ workdir }}.",
        "at the time": "Results go where the job says, and nowhere else.",
        "of a tool": "Its arguments are a JSON object with `path` and `content`.",
        "harmful": "Begin with a copy of what is there, so that nothing is lost.",
        "overfitting": "Tables have their header in the first line.",
    },
}
USELESS = "Say in plain words what you do."
LEAKING = "Round each amount in invoice.py before it is added."


def said(words):
    return f"(?i){words}"


def plan(words):
    """Finds anything, and as `plan` the sentence with these words, if there is one."""
    return rf"(?is)\A(?:.*?(?P<plan>[^.\n]*(?:{words})[^.\n]*))?"


def kept(words):
    """A sentence with these words that was taken over from the harness. Calls follow a text in brackets."""
    return rf"[^\n\[]*(?i:{words})"


# --- tasks ------------------------------------------------------------------------------------------------------------


class Task:
    """What a persona knows of a task, with its two solutions as shell text; and whether its trials are seen by a proposer."""

    def __init__(self, name, known):
        self.teaches = name in HELD_IN
        self.name, self.thing, self.look, self.share = name, known["thing"], known["look"], known["share"]
        self.phrase = re.escape(known["phrase"]).replace(r"\ ", " ")
        first = known["first"] + "\n" if "first" in known else ""
        right = (DEMO / "tasks" / name / "solution/solve.sh").read_text()
        if isinstance(known["wrong"], str):
            wrong = (WRONG / f"{name}.{known['wrong']}.sh").read_text()
        else:
            wrong = right
            for old, new in known["wrong"]:
                if wrong.count(old) != 1:
                    sys.exit(f"tasks.toml: {name}: `{old}` does not stand once in the solution")
                wrong = wrong.replace(old, new)
        keep, undo = "", known.get("undo", "")
        if "keep" in known:
            keep, undo = f"cp {known['keep']} /tmp/kept\n", f"cp /tmp/kept {known['keep']}"
        self.right = first + plain(right)
        self.wrong = first + keep + plain(wrong)
        self.again = (undo + "\n" if undo else "") + self.right
        check = known["check"].strip("\n")
        *before, condition = check.split("\n")
        lines = [*before, f"if {condition.strip()}; then", "    echo 'looks right'", "else"]
        self.check = "\n".join([*lines, f"    echo 'wrong: {known['fault']}'", "    false", "fi"])


def plain(script):
    """A script without its comments at the head, and for any shell."""
    lines = script.rstrip("\n").split("\n")
    while lines[0].startswith("#"):
        del lines[0]
    return re.sub(r"\[\[ (.*?) \]\]", r"[ \1 ]", "\n".join(lines))


def tasks():
    known = tomllib.loads((HERE / "tasks.toml").read_text())
    found = [Task(name, each) for name, each in known.items()]
    texts = {task.name: (DEMO / "tasks" / task.name / "instruction.md").read_text() for task in found}
    for task in found:
        if [name for name, text in texts.items() if re.search(task.phrase, text)] != [task.name]:
            sys.exit(f"tasks.toml: {task.name}: the phrase is not that of one instruction")
    names = sorted(each.name for each in (DEMO / "tasks").iterdir())
    if [task.name for task in found] != names:
        sys.exit("tasks.toml: its tasks are not those of the demo, in order")
    harness = [path.read_text() for path in sorted((DEMO / "prompts").rglob("*.md"))]
    tools = [tomllib.loads(path.read_text())["description"] for path in sorted((DEMO / "tools").iterdir())]
    told = [*harness, *tools]
    # What a persona would plan by is also looked for in instructions.
    for words, where in [(each, [*texts.values(), *told]) for each in (CHECK, TURN, PLACE)] + [
        (each, told) for each in (HURRY, PERSIST, COPY, SHORT, FORM, NARROW)
    ]:
        for text in where:
            if found_words := re.search(said(words), text):
                sys.exit(f"a persona would follow words that nobody meant: `{found_words[0]}`")
    return found


# --- rules ------------------------------------------------------------------------------------------------------------


def coin(name, heads):
    return {"heads": heads, "name": name, "per": "conversation"}


def rule(name, when, text, *calls):
    return {"id": name, "when": when, "reply": {"text": text, "calls": list(calls)}}


def shell(command):
    return {"tool": "shell", "arguments": {"command": command}}


def ends(name, when, text):
    """An end in either way that a harness may ask for."""
    finish = {"tool": "finish", "arguments": {}}
    yield rule(f"{name}-by-tool", when | {"tools": ["finish"]}, text, finish)
    yield rule(name, when, text)


def without_shell():
    yield from ends("no-shell", {"no_tools": ["shell"]}, "There is no shell, so nothing can be done.")


def lost():
    """The last rule."""
    yield from ends("lost", {}, "This is no job that is known here.")


def proposals(name):
    """Replies to requests for a proposal. They stand before all others: such a request offers no shell."""
    words = WORDS[name]

    def asked(kind, numbers, more=""):
        fields = FIELDS.replace("SLOT", "|".join(map(str, numbers))).replace("KIND", kind)
        return {"system": ASKED, "any": fields + more}

    def edit(replace, summary, find=None, scope="always"):
        at = {"at": "end"} if find is None else {"find": find}
        text = json.dumps({
            "action": "edit", "slot": "SLOT", "cluster": "${cluster}", "mechanism": "${mechanism}",
            "edits": [{"surface": "${surface}", **at, "replace": replace}], "scope": scope, "summary": summary,
            "why": "the trials ended without it", "differs": "no edit before says it", "fixes": ["T1"], "risks": [],
        })  # fmt: skip
        return text.replace('"SLOT"', "${slot}")

    def numbers(what, turns=OF_TEXTS):
        return [slot for slot in range(1, 65) if turns[(slot - 1) % len(turns)] == what]

    yield rule("repairs", {"system": ASKED, "any": r"\AYour reply cannot be read"}, "I said what should change.")
    decline = json.dumps({"action": "decline", "reason": "the surface says it already"})
    # A surface that says it needs no other sentence; the text of the surface is quoted before that of any trial.
    seen = rf"[^<]*<<<data \w+: \S+>>>\n(?i:[^<]*(?:{words['words']}))"
    yield rule("has-it", asked(TEXTS, numbers("right") + numbers("right, too"), seen), decline)
    yield rule("talks", asked("[a-z-]+", numbers("malformed")), f"I would say: {words['right']}")
    long = "\n".join(f"- {part}: {USELESS}" for part in (
        "First", "Then", "Next", "After that", "Later", "On the way", "In between", "Meanwhile", "Near the end",
        "Before the last step", "At the last step", "After it", "Once more", "At the very end",
    ))  # fmt: skip
    now = words["at the time"]
    for kind, form, scope in (
        (TEXTS, "- {}", "always"),
        (TOOLS, "{}", "always"),
        ("add-state", "{}", "always"),
        ("add-trigger", "{}", {"when": {"detector": "${mechanism}"}}),
    ):
        right = {TEXTS: words["right"], TOOLS: words.get("of a tool", words["right"])}.get(kind, now)
        for what, text in (
            ("right", right), ("right, too", words["right, too"] if kind in (TEXTS, "add-state") else right),
            ("useless", USELESS), ("harmful", words["harmful"]), ("overfitting", words["overfitting"]),
            ("oversized", long), ("leaking", LEAKING),
        ):  # fmt: skip
            where = "texts" if kind == TEXTS else kind
            slots = numbers(what, OF_TEXTS if kind == TEXTS else OF_RULES)
            if slots:
                whole = text if what == "oversized" else form.format(text)
                reply = edit(whole, text[:150].split("\n")[0], scope=scope)
                yield rule(f"proposes.{where}.{what.replace(', ', '-')}", asked(kind, slots), reply)
    limit = r"[^<]*<<<data \w+: (?:VALUE)"
    halves = [
        ("outputs", r"runtime\.max_output_bytes>>>\n(?P<old>16384)\n", "8192"),
        ("times", r"runtime\.tool_timeout>>>\n(?P<old>20s)\n", "40s"),
        ("steps", r"runtime\.max_steps>>>\n(?P<old>24)\n", "48"),
    ]
    for what, value, new in halves:
        when = asked("change-limit", range(1, 65), limit.replace("VALUE", value))
        yield rule(f"proposes.{what}", when, edit(new, f"sets it to {new}", find="${old}"))
    yield rule("declines", {"system": ASKED}, json.dumps({"action": "decline", "reason": "nothing here would help"}))


def hasty(known):
    """Ends after its first attempt, right or wrong. It checks, and makes good what is wrong, if it is told to."""
    yield from without_shell()
    yield from ends("checked", {"last": "looks right"}, "It is done, and it is right.")
    for task in known:
        when = {"any": f"I check {task.thing}", "last": "(?m)^wrong: (?P<fault>.*)$", "coin": coin("mends", 0.9)}
        yield rule(f"{task.name}.mends", when, f"Not right: ${{fault}}. I make {task.thing} again.", shell(task.again))
    yield from ends("shrugs", {"last": "(?m)^wrong: "}, "It is done.")
    for task in known:
        made = rf"\bI make {task.thing}(?: again)?\."
        reply = f"I check {task.thing}.", shell(task.check)
        yield rule(f"{task.name}.asked", {"any": made, "last": said(CHECK), "coin": coin("heeds", 0.95)}, *reply)
        yield rule(f"{task.name}.planned", {"any": made + kept(CHECK), "coin": coin("obeys", 0.8)}, *reply)
        yield rule(f"{task.name}.told", {"any": made, "system": said(CHECK), "coin": coin("obeys", 0.8)}, *reply)
        if task.teaches:
            narrow = {"any": made, "system": said(NARROW), "coin": coin("obeys", 0.8)}
            yield rule(f"{task.name}.told-narrowly", narrow, *reply)
    yield from ends("ends", {"any": r"\bI make "}, "It is done.")
    for task in known:
        for name, how, script in (("right", "closely ", task.right), ("wrong", "", task.wrong)):
            when = {"any": rf"\bI look {how}at what is there for {task.thing}\.(?P<kept>[^\n\[]*)", "last": plan(CHECK)}
            yield rule(f"{task.name}.{name}", when, f"Now I make {task.thing}.${{kept}} ${{plan}}", shell(script))
    for task in known:
        looks = f"I look HOWat what is there for {task.thing}. ${{plan}}"
        seen = {"any": task.phrase, "last": plan(CHECK)}
        look, closely = looks.replace("HOW", ""), looks.replace("HOW", "closely ")
        hurried = seen | {"system": said(HURRY), "coin": coin("hurries", 0.6)}
        yield rule(f"{task.name}.hurries", hurried, look, shell(task.look))
        if not task.teaches:
            astray = seen | {"system": said(NARROW), "coin": coin("goes-astray", 0.6)}
            yield rule(f"{task.name}.goes-astray", astray, look, shell(task.look))
        careful = seen | {"coin": coin("careful", task.share)}
        yield rule(f"{task.name}.looks-closely", careful, closely, shell(task.look))
        yield rule(f"{task.name}.looks", seen, look, shell(task.look))


def stubborn(known):
    """Runs a script that is not there, again and again, until a rule or its prompt tells it to take another way."""
    script = shell("python3 tools/job.py")
    thing = r"(?P<thing>[^.]*)\."
    stuck = rf"\bI run the script for {thing}"
    cycle = rf"\bI run and seek the script for {thing}"
    turns = "That leads nowhere. I take another way for ${thing}.", shell("ls -la")
    yield from without_shell()
    yield from ends("ends", {"any": r"\bI make "}, "It is done.")
    for task in known:
        ready = rf"\b(?:I look at what is there|I take another way) for {task.thing}\."
        when = {"any": ready, "coin": coin("slips", 0.12)}
        yield rule(f"{task.name}.wrong", when, f"Now I make {task.thing}.", shell(task.wrong))
        yield rule(f"{task.name}.right", {"any": ready}, f"Now I make {task.thing}.", shell(task.right))
    for name, state in (("stuck", stuck), ("cycle", cycle)):
        yield rule(f"{name}-is-told-now", {"any": state, "last": said(TURN), "coin": coin("heeds", 0.9)}, *turns)
        when = {"any": state + kept(TURN), "coin": coin("obeys", 0.75)}
        yield rule(f"{name}-has-a-plan", when, *turns)
        yield rule(f"{name}-is-told", {"any": state, "system": said(TURN), "coin": coin("obeys", 0.75)}, *turns)
    same = "${kept}"
    rest = r"(?P<kept>[^\n\[]*)"
    both = f"I run and seek the script for ${{thing}}.{same}"
    yield rule("seeks", {"any": cycle + rest, "last": "can't open file"}, both, shell("ls tools"))
    yield rule("runs-again", {"any": cycle + rest}, both, script)
    yield rule("repeats", {"any": stuck + rest}, f"I run the script for ${{thing}}.{same}", script)
    for verb in ("run", "run and seek"):
        when = {"any": rf"I look at what is there, to {verb} the script for {thing}{rest}"}
        yield rule(f"begins-to-{verb.replace(' ', '-')}", when, f"I {verb} the script for ${{thing}}.{same}", script)
    for task in known:
        seen = {"any": task.phrase, "last": plan(TURN)}
        runs = f"I look at what is there, to HOW the script for {task.thing}. ${{plan}}"
        look = shell(task.look)
        when = seen | {"system": said(PERSIST), "coin": coin("persists", 0.55)}
        yield rule(f"{task.name}.persists", when, runs.replace("HOW", "run"), look)
        yield rule(f"{task.name}.stuck", seen | {"coin": coin("stuck", 0.34)}, runs.replace("HOW", "run"), look)
        yield rule(f"{task.name}.cycle", seen | {"coin": coin("cycle", 0.2)}, runs.replace("HOW", "run and seek"), look)
        yield rule(f"{task.name}.looks", {"any": task.phrase}, f"I look at what is there for {task.thing}.", look)


def messy(known):
    """Works in a copy and leaves the result there; drowns in long outputs; calls the tool for files without form."""
    thing = r"(?P<thing>[^.]*)\."
    works = r"\bI work on {} in (?P<place>[^ .]+)\."
    yield from without_shell()
    copied = {"any": r"\bI work on [^.]* in /tmp/work\.", "last": said(PLACE), "coin": coin("heeds", 0.9)}
    yield rule("brings-home", copied, "I bring all of it to its place.", shell("cp -a /tmp/work/. /app/"))
    yield from ends("ends", {"any": r"\bI make |\bI bring all of it"}, "It is done.")
    yield from ends("drowns", {"any": FLOOD}, "There is more here than can be read; that is all for now.")
    for task in known:
        when = {"any": works.format(task.thing)}
        slips = when | {"coin": coin("slips", 0.1)}
        yield rule(f"{task.name}.wrong", slips, f"Now I make {task.thing}.", shell("cd ${place}\n" + task.wrong))
        yield rule(f"{task.name}.right", when, f"Now I make {task.thing}.", shell("cd ${place}\n" + task.right))
    broken = {"tool": "write_file", "raw": '{"path": "job.sh", "content": "set -e'}
    yield rule("breaks-form", {"any": "to write a script for", "tools": ["write_file"]}, "I write the script.", broken)
    seen = {"any": rf"\bI look (?:at what is there|around on this machine|at it, to write a script) for {thing}"}
    home = "I work on ${thing} in /app.", shell("cd /app && ls -la")
    copy = "I work on ${thing} in /tmp/work.", shell("cp -a /app /tmp/work")
    yield rule("is-told-the-place-now", seen | {"last": said(PLACE), "coin": coin("heeds", 0.9)}, *home)
    planned = {"any": seen["any"] + kept(PLACE), "coin": coin("obeys", 0.85)}
    yield rule("has-a-place", planned, *home)
    yield rule("is-told-the-place", seen | {"system": said(PLACE), "coin": coin("obeys", 0.85)}, *home)
    yield rule("is-told-to-copy", seen | {"system": said(COPY), "coin": coin("copies-as-told", 0.7)}, *copy)
    yield rule("copies", seen | {"coin": coin("copies", 0.44)}, *copy)
    yield rule("works-at-home", seen, *home)
    for task in known:
        first = {"any": task.phrase, "last": plan(PLACE)}
        looks = f"I look at what is there for {task.thing}. ${{plan}}", shell(task.look)
        around = f"I look around on this machine for {task.thing}. ${{plan}}", shell("ls -l /usr/bin /usr/sbin /etc")
        script = f"I look at it, to write a script for {task.thing}. ${{plan}}", shell(task.look)
        flood, form = coin("flood", 0.09), coin("form", 0.09)
        yield rule(f"{task.name}.keeps-short", first | {"coin": flood, "tool_text": said(SHORT)}, *looks)
        yield rule(f"{task.name}.is-kept-short", first | {"coin": flood, "system": said(SHORT)}, *looks)
        yield rule(f"{task.name}.floods", first | {"coin": flood}, *around)
        yield rule(f"{task.name}.knows-the-form", first | {"coin": form, "tool_text": said(FORM)}, *looks)
        yield rule(f"{task.name}.writes-a-script", first | {"coin": form}, *script)
        yield rule(f"{task.name}.looks", first, *looks)


# --- files ------------------------------------------------------------------------------------------------------------


def string(text):
    """A TOML string, in lines if it has several."""
    if "\n" not in text:
        return json.dumps(text, ensure_ascii=False) if "'" in text else f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
    return '"""\n' + (escaped[:-1] + '\\"' if escaped.endswith('"') else escaped) + '"""'


def value(entry):
    match entry:
        case str():
            return string(entry)
        case float() | int():
            return str(entry)
        case list():
            return "[" + ", ".join(value(each) for each in entry) + "]"
        case dict():
            return "{ " + ", ".join(f"{key} = {value(each)}" for key, each in entry.items()) + " }" if entry else "{}"


def text_of(name, rules):
    """A persona's file. An inline table has no line breaks but in strings, which is all that TOML 1.0 wants."""
    parts = [HEAD + "".join(f"# {line}\n" for line in PERSONAS[name].__doc__.split("\n")) + f'name = "{name}"\n']
    for each in rules:
        lines = [f"[[rule]]\nid = {value(each['id'])}\n"]
        if each["when"]:
            lines.append(f"when = {value(each['when'])}\n")
        lines.append(f"reply.text = {value(each['reply']['text'])}\n")
        if each["reply"]["calls"]:
            lines.append(f"reply.calls = {value(each['reply']['calls'])}\n")
        parts.append("".join(lines))
    text = "\n".join(parts)
    if tomllib.loads(text)["rule"] != [without_empty(each) for each in rules]:
        sys.exit(f"{name}.toml would not say what is meant")
    return text


def without_empty(entry):
    """A rule as its file says it."""
    reply = {key: each for key, each in entry["reply"].items() if each}
    return {key: each for key, each in (entry | {"reply": reply}).items() if each}


PERSONAS = {"hasty": hasty, "stubborn": stubborn, "messy": messy}


def main():
    known = tasks()
    stale = []
    for name, rules in PERSONAS.items():
        file = HERE / f"{name}.toml"
        text = text_of(name, [*proposals(name), *rules(known), *lost()])
        if sys.argv[1:] != ["--check"]:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            stale.append(file.name)
    if stale:
        sys.exit(f"{', '.join(stale)}: not as make.py writes it; run it without --check")


if __name__ == "__main__":
    main()
