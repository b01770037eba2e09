from run_checks import read_text, same

EXPECTED = {
    ".config/defaults.ini": "platform",
    "README": "-",
    "core/io/files.py": "storage",
    "core/io/sockets.py": "network",
    "core/late.py": "-",
    "core/rates.conf": "billing",
    "empty-parts/parts.yaml": "platform",
    "web pages/about.html": "-",
    "web pages/menu.js": "frontend",
    "web pages/start page.html": "frontend",
}


def rows():
    found = [line.split("\t") for line in read_text("owners.tsv").splitlines()]
    for row in found:
        assert len(row) == 2, f"expected path and owner with one tab between them, found {row}"
    return found


def test_every_file_is_listed():
    same(sorted(path for path, _ in rows()), sorted(EXPECTED), "paths")


def test_owners():
    found = dict(rows())
    for path, owner in EXPECTED.items():
        same(found.get(path), owner, f"owner of {path}")


def test_order():
    paths = [path for path, _ in rows()]
    same(paths, sorted(paths, key=str.encode), "order of paths")
