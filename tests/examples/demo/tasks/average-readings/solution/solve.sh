#!/bin/bash
set -e
python3 - <<'PYTHON'
import json

last = {}
for line in open("input/readings.jsonl"):
    try:
        reading = json.loads(line)
    except ValueError:
        continue
    last[reading["id"]] = reading
groups = {}
for reading in last.values():
    if reading.get("value") is not None:
        groups.setdefault((reading["station"], reading["time"][:7]), []).append(reading["value"])
with open("averages.csv", "w") as file:
    print("station,month,mean,count", file=file)
    for (station, month), values in sorted(groups.items()):
        print(f"{station},{month},{sum(values) / len(values):.2f},{len(values)}", file=file)
PYTHON
