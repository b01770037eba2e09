import json

from run_checks import read_text, same

EXPECTED = {"north": 33705, "south": 23933, "west": 12540, "east": 0, "unknown": 6615}


def totals():
    found = json.loads(read_text("totals.json"))
    assert isinstance(found, dict), f"expected an object, found {type(found).__name__}"
    return found


def test_regions():
    same(sorted(totals()), sorted(EXPECTED), "regions")


def test_integers():
    for region, total in totals().items():
        assert type(total) is int, f"expected an integer for {region}, found {total!r}"


def test_totals():
    found = totals()
    for region, total in EXPECTED.items():
        same(found.get(region), total, f"total of {region}")
