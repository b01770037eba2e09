import json

from run_checks import read_text, same

EXPECTED = {
    "unknown": 90, "timeout": 16, "out-of-memory": 64, "bad-config": 19, "disk-full": 30, "lost-database": 26,
}


def causes():
    found = json.loads(read_text("causes.json"))
    assert isinstance(found, dict), f"expected an object, found {type(found).__name__}"
    return found


def test_names():
    same(sorted(causes()), sorted(EXPECTED), "causes")


def test_all_restarts():
    same(sum(causes().values()), sum(EXPECTED.values()), "number of restarts")


def test_counts():
    found = causes()
    for cause, count in EXPECTED.items():
        same(found.get(cause), count, f"restarts for {cause}")
