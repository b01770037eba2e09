import sqlite3

from run_checks import APP, read_text, same

HEADER = "branch,open,late"
EXPECTED = [
    ["Centre", "39", "24"],
    ["Hill", "12", "5"],
    ["Lake", "0", "0"],
    ["Station", "13", "7"],
    ["none", "13", "9"],
]


def rows():
    return [line.split(",") for line in read_text("overdue.csv").splitlines() if line != HEADER]


def test_header():
    same(read_text("overdue.csv").splitlines()[:1], [HEADER], "header")


def test_branches_and_order():
    same([row[0] for row in rows()], [row[0] for row in EXPECTED], "branches")


def test_open_loans():
    same([row[:2] for row in rows()], [row[:2] for row in EXPECTED], "open loans")


def test_late_loans():
    same([row[::2] for row in rows()], [row[::2] for row in EXPECTED], "late loans")


def test_database_is_untouched():
    with sqlite3.connect(f"file:{APP}/library.db?mode=ro&immutable=1", uri=True) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        found = database.execute("SELECT COUNT(*), COUNT(returned), SUM(member_id) FROM loan").fetchone()
    same(found, (160, 107, 2449), "number of loans, of returns, and sum of members")
