#!/bin/bash
set -e
cat > invoice.py <<'PYTHON'
"""Prints an invoice. Usage: python3 invoice.py INVOICE.json"""

import json
import sys
from decimal import ROUND_HALF_UP, Decimal

TAX = Decimal("0.19")


def rounded(value):
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def amount(line):
    share = 100 - Decimal(str(line.get("discount", 0)))
    return rounded(Decimal(str(line["quantity"])) * Decimal(line["price"]) * share / 100)


def main():
    invoice = json.load(open(sys.argv[1]))
    total = Decimal(0)
    for line in invoice["lines"]:
        total += amount(line)
        print(f"{line['text']}: {amount(line):.2f}")
    tax = rounded(total * TAX)
    print(f"tax: {tax:.2f}")
    print(f"total: {total + tax:.2f}")


main()
PYTHON
