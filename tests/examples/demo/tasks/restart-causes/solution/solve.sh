#!/bin/bash
set -e
python3 - <<'PYTHON'
import collections, json

last, counts = {}, collections.Counter()
for line in open("var/service.log"):
    fields = line.split()
    if len(fields) < 5 or line.startswith(" "):
        continue
    worker, level = fields[2], fields[3]
    if level == "ERROR" and fields[4].startswith("cause="):
        last[worker] = fields[4].removeprefix("cause=")
    elif level == "INFO" and fields[4] == "restarted":
        counts[last.pop(worker, "unknown")] += 1
json.dump(counts, open("causes.json", "w"))
PYTHON
