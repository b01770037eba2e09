from run_checks import files_below, read_text, same

EXPECTED = [
    "198.51.100.1", "198.51.100.10", "198.51.100.19", "198.51.100.28", "198.51.100.37", "198.51.100.55",
    "198.51.100.64", "198.51.100.91", "198.51.100.100", "198.51.100.109", "198.51.100.118",
]
ACCEPTED_ONCE = "198.51.100.46"


def addresses():
    return read_text("block.txt").splitlines()


def test_one_address_on_each_line():
    for line in addresses():
        parts = line.split(".")
        assert len(parts) == 4 and all(part.isdigit() for part in parts), f"expected an address, found {line[:60]!r}"


def test_addresses():
    same(sorted(addresses()), sorted(EXPECTED), "addresses")


def test_accepted_ones_are_left_out():
    found = addresses()
    assert ACCEPTED_ONCE not in found, f"expected no {ACCEPTED_ONCE}, which was accepted once"


def test_order():
    found = addresses()
    same(found, sorted(found, key=lambda line: [int(part) for part in line.split(".")]), "order of addresses")


def test_logs_are_untouched():
    same(files_below("logs"), ["auth.log", "auth.log.1.gz", "auth.log.2.gz"], "files of logs")
