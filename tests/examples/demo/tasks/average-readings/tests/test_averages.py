from run_checks import read_text, same

HEADER = "station,month,mean,count"
EXPECTED = {
    ("bay", "2024-01"): ("4.33", "6"),
    ("bay", "2024-02"): ("16.23", "6"),
    ("bay", "2024-03"): ("1.68", "6"),
    ("hill", "2024-01"): ("15.50", "6"),
    ("hill", "2024-02"): ("8.98", "6"),
    ("hill", "2024-03"): ("11.20", "6"),
    ("mill", "2024-01"): ("8.47", "6"),
    ("mill", "2024-02"): ("50.00", "1"),
    ("mill", "2024-03"): ("7.54", "5"),
}


def rows():
    found = [line.split(",") for line in read_text("averages.csv").splitlines() if line != HEADER]
    for row in found:
        same(len(row), 4, f"fields of the row {row}")
    return found


def test_header():
    same(read_text("averages.csv").splitlines()[:1], [HEADER], "header")


def test_groups_and_order():
    same([(row[0], row[1]) for row in rows()], list(EXPECTED), "stations and months")


def test_counts():
    for station, month, _, count in rows():
        same(count, EXPECTED.get((station, month), ("", ""))[1], f"count of {station} in {month}")


def test_means():
    for station, month, mean, _ in rows():
        same(mean, EXPECTED.get((station, month), ("", ""))[0], f"mean of {station} in {month}")
