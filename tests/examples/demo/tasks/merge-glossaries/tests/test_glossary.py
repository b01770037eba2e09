from run_checks import read_bytes, read_text, same

EXPECTED = [
    "Alert: a message that somebody must read",
    "API: what a program offers to other programs",
    "cache: a store of answers that were already given",
    "cookie: a name and a value, e.g. theme: dark",
    "Header: a line before the body",
    "Queue: tasks in the order in which they came",
    "redirect: an answer that names another address",
    "rollout: the way of a version to all machines",
    "session: what a server remembers between two requests",
    "shard: one part of a divided table",
    "zone: machines that share one power supply",
]


def entries():
    return [line.strip() for line in read_text("glossary.txt").splitlines() if line.strip()]


def term(entry):
    return entry.split(":")[0]


def test_terms():
    found = sorted(term(entry).lower() for entry in entries())
    same(found, sorted(term(entry).lower() for entry in EXPECTED), "terms in lower case")


def test_entries_that_hold():
    same(sorted(entries()), sorted(EXPECTED), "entries")


def test_order():
    same([term(entry).lower() for entry in entries()], [term(entry).lower() for entry in EXPECTED], "order of terms")


def test_line_ends():
    data = read_bytes("glossary.txt")
    assert b"\r" not in data, "expected no carriage return in glossary.txt"
    assert data.endswith(b"\n") and not data.endswith(b"\n\n"), "expected one newline at the end of glossary.txt"
    assert b" \n" not in data, "expected no blanks at line ends in glossary.txt"


def test_lists_are_untouched():
    sizes = [len(read_bytes(f"glossaries/{name}.txt")) for name in ("a-base", "b-web", "c-ops")]
    same(sizes, [208, 247, 223], "sizes of the lists")
