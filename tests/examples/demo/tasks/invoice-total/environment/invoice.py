"""Prints an invoice. Usage: python3 invoice.py INVOICE.json"""

import json
import sys

TAX = 0.19


def amount(line):
    return line["quantity"] * line["price"] * (1 - line["discount"] / 100)


def main():
    invoice = json.load(open(sys.argv[1]))
    total = 0
    for line in invoice["lines"]:
        total += amount(line)
        print(f"{line['text']}: {amount(line):.2f}")
    tax = total * TAX
    print(f"tax: {tax:.2f}")
    print(f"total: {total + tax:.2f}")


main()
