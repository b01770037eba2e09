#!/bin/bash
set -e
python3 - <<'PYTHON'
import csv, decimal, json

regions = {customer["id"]: customer["region"] for customer in json.load(open("customers.json"))}
totals = dict.fromkeys(regions.values(), 0)
for order in csv.DictReader(open("orders.csv", newline="")):
    if order["status"].lower() == "cancelled":
        continue
    region = regions.get(order["customer"], "unknown")
    totals[region] = totals.get(region, 0) + int(int(order["quantity"]) * decimal.Decimal(order["price"]) * 100)
json.dump(totals, open("totals.json", "w"))
PYTHON
