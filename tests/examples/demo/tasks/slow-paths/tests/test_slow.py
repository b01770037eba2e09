from run_checks import read_text, same

EXPECTED = [
    ["/report", "241.8", "1573"],
    ["/search", "173.7", "3573"],
    ["/login", "60.3", "2323"],
    ["/orders/N", "57.9", "1207"],
    ["/items", "40.4", "4633"],
]


def rows():
    return [line.split() for line in read_text("slow.txt").splitlines()]


def test_form():
    for row in rows():
        same(len(row), 3, f"fields of the line {' '.join(row)}")


def test_paths():
    same([row[0] for row in rows()], [row[0] for row in EXPECTED], "paths, slowest first")


def test_counts():
    same([row[::2] for row in rows()], [row[::2] for row in EXPECTED], "paths and counts")


def test_means():
    same([row[:2] for row in rows()], [row[:2] for row in EXPECTED], "paths and means")
