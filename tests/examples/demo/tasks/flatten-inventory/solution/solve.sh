#!/bin/bash
set -e
python3 - <<'PYTHON'
import csv, json

rows = []
for warehouse in json.load(open("data/inventory.json", encoding="utf-8"))["warehouses"]:
    for shelf in warehouse.get("shelves", []):
        for item in shelf["items"]:
            tags = ";".join(item.get("tags", []))
            rows.append([item["sku"], item["name"], warehouse["name"], shelf["id"], item.get("count") or 0, tags])
rows.sort(key=lambda row: (row[0], row[2], row[3]))
with open("stock.csv", "w", encoding="utf-8", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["sku", "name", "warehouse", "shelf", "count", "tags"])
    table.writerows(rows)
PYTHON
