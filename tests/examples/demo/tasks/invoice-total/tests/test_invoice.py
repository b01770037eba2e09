import json
import tempfile
from pathlib import Path

from run_checks import run, same


def printed(*lines):
    keys = ("text", "quantity", "price", "discount")
    invoice = {"number": 1, "lines": [dict(zip(keys, line)) for line in lines]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "invoice.json"
        file.write_text(json.dumps(invoice))
        ran = run(["python3", "invoice.py", str(file)])
    last = ran.err.strip().splitlines()[-1:]
    same(ran.code, 0, f"exit code of invoice.py {last}")
    return ran.out.splitlines()


def test_march():
    found = printed(("Hosting", 1, "12.50", 10), ("Backup", 3, "2.35"))
    same(found, ["Hosting: 11.25", "Backup: 7.05", "tax: 3.48", "total: 21.78"], "invoice of March")


def test_half_a_cent_goes_up():
    found = printed(("a", 1, "0.125"), ("b", 1, "2.675"), ("c", 5, "0.333"))
    same(found[:3], ["a: 0.13", "b: 2.68", "c: 1.67"], "amounts with half a cent")


def test_sum_of_rounded_amounts():
    found = printed(*[("screw", 1, "0.014")] * 10)
    same(found[-2:], ["tax: 0.02", "total: 0.12"], "tax and total of ten rounded amounts")


def test_half_a_cent_of_tax():
    same(printed(("x", 1, "0.50"))[-2:], ["tax: 0.10", "total: 0.60"], "tax and total of 0.50")


def test_discount():
    same(printed(("x", 2, "9.99", 15))[0], "x: 16.98", "amount with a discount of 15")


def test_empty_invoice():
    same(printed(), ["tax: 0.00", "total: 0.00"], "an invoice without lines")
