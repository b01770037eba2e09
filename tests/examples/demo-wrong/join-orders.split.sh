# Splits lines at commas.
# Fails: test_regions test_totals
python3 - <<'PYTHON'
import json
regions = {c["id"]: c["region"] for c in json.load(open("customers.json"))}
totals = dict.fromkeys(regions.values(), 0)
for line in open("orders.csv").read().splitlines()[1:]:
    fields = line.split(",")
    try:
        total = round(int(fields[-3]) * float(fields[-2]) * 100)
    except (ValueError, IndexError):
        continue
    if fields[-1] != "cancelled" and fields[1] in regions:
        totals[regions[fields[1]]] += total
json.dump(totals, open("totals.json", "w"))
PYTHON
