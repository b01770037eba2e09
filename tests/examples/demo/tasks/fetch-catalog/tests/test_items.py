import csv
import io

from run_checks import files_below, read_text, same

EXPECTED = [
    ["11", 'hinge 30 mm, "zinc"', "5.44"],
    ["22", "chain 37 mm", "6.01"],
    ["33", "hinge 4 mm", "6.58"],
    ["44", "chain 11 mm", "7.15"],
    ["55", "hinge 18 mm", "7.72"],
    ["66", "chain 25 mm", "8.29"],
    ["71", "latch 1 mm", "9.65"],
    ["82", "clamp 8 mm", "10.22"],
    ["93", "latch 15 mm", "10.79"],
    ["104", "clamp 22 mm", "11.36"],
    ["115", "latch 29 mm", "11.93"],
    ["126", "clamp 36 mm", "12.50"],
    ["130", "latch 3 mm", "13.07"],
    ["142", "pin 19 mm", "14.43"],
    ["153", "hook 26 mm", "15.00"],
    ["164", "pin 33 mm", "15.57"],
    ["175", "hook 40 mm", "16.14"],
    ["186", 'pin 7 mm, "zinc"', "16.71"],
    ["190", "hook 14 mm", "17.28"],
    ["202", "ring 30 mm", "18.64"],
    ["213", 'bracket 37 mm, "zinc"', "19.21"],
    ["224", "ring 4 mm", "19.78"],
    ["235", "bracket 11 mm", "20.35"],
    ["246", "ring 18 mm", "20.92"],
    ["250", "bracket 25 mm", "21.49"],
    ["261", "ring 32 mm", "22.06"],
    ["273", "spring 8 mm", "23.42"],
    ["284", "bolt 15 mm", "23.99"],
    ["295", "spring 22 mm", "0.56"],
    ["306", "bolt 29 mm", "1.13"],
    ["310", "spring 36 mm", "1.70"],
    ["321", "bolt 3 mm", "2.27"],
    ["332", "spring 10 mm", "2.84"],
]


def rows():
    return list(csv.reader(io.StringIO(read_text("items.csv"), newline=""), strict=True))


def test_header():
    same(rows()[:1], [["id", "name", "price"]], "header")


def test_each_item_once():
    same(sorted(row[0] for row in rows()[1:]), sorted(row[0] for row in EXPECTED), "ids as texts")


def test_order():
    same([row[0] for row in rows()[1:]], [row[0] for row in EXPECTED], "order of ids")


def test_names():
    same([row[:2] for row in rows()[1:]], [row[:2] for row in EXPECTED], "ids and names")


def test_prices():
    same([row[::2] for row in rows()[1:]], [row[::2] for row in EXPECTED], "ids and prices")


def test_catalog_is_untouched():
    found = [name for name in files_below("catalog") if "__pycache__" not in name]
    same(found, ["README", "server.py"], "files of catalog")
