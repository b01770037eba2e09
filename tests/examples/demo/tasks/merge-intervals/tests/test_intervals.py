import tempfile
from pathlib import Path

from run_checks import run, same


def union(text):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "intervals.txt"
        file.write_text(text)
        ran = run(["python3", "intervals.py", str(file)])
    last = ran.err.strip().splitlines()[-1:]
    same(ran.code, 0, f"exit code of intervals.py {last}")
    return ran.out.splitlines()


def test_sample():
    same(union("# booked hours\n9 11\n10 12\n14 15\n"), ["9 12", "14 15"], "union of the sample")


def test_numbers_are_no_texts():
    same(union("100 110\n9 12\n-5 -4\n-20 -10\n"), ["-20 -10", "-5 -4", "9 12", "100 110"], "order of numbers")


def test_touching():
    same(union("3 5\n1 3\n7 8\n"), ["1 5", "7 8"], "union of touching intervals")


def test_inside():
    same(union("1 20\n2 3\n4 5\n19 21\n"), ["1 21"], "union of intervals that lie in one another")


def test_wrong_way_round():
    same(union("8 2\n5 9\n"), ["2 9"], "union with an interval the wrong way round")


def test_blank_lines_and_blanks():
    same(union("\n  4\t 6  \n\n# 1 9\n"), ["4 6"], "union with blank lines and comments")


def test_empty():
    same(union(""), [], "union of nothing")
