import csv
import io

from run_checks import read_bytes, read_text, same

HEADER = ["sku", "name", "warehouse", "shelf", "count", "tags"]
EXPECTED = [
    ["B-07", 'Brush 2"', "airport", "Z1", "5", "new"],
    ["B-07", 'Brush 2"', "harbour", "A2", "40", ""],
    ["L-02", "Löschblatt", "airport", "Z1", "100", "paper"],
    ["P-30", "Paint, white", "harbour", "A1", "3", "liquid;heavy"],
    ["P-30", "Paint, white", "harbour", "A2", "12", "liquid;heavy"],
    ["T-11", "Tape", "harbour", "A1", "0", ""],
]


def rows():
    return list(csv.reader(io.StringIO(read_text("stock.csv"), newline=""), strict=True))


def test_header():
    same(rows()[:1], [HEADER], "header")


def test_rows():
    same(sorted(rows()[1:]), EXPECTED, "rows without their order")


def test_order():
    same([row[0::2] for row in rows()[1:]], [row[0::2] for row in EXPECTED], "order of rows")


def test_line_ends():
    data = read_bytes("stock.csv")
    assert b"\r" not in data, "expected lines that end with a newline alone in stock.csv"
    assert data.endswith(b"\n"), "expected a newline at the end of stock.csv"
