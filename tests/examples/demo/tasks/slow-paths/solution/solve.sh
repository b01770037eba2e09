#!/bin/bash
set -e
python3 - <<'PYTHON'
import re

LINE = re.compile(r'\S+ \[[0-9:]+\] "GET ([^ ?"]+)\S* HTTP/1.1" 200 \d+ (\d+)ms')
times = {}
for line in open("log/access.log"):
    found = LINE.fullmatch(line.rstrip("\n"))
    if found:
        path = re.sub(r"/\d+(?=[/.]|$)", "/N", found[1])
        times.setdefault(path, []).append(int(found[2]))
means = sorted(((sum(each) / len(each), path) for path, each in times.items() if 500 <= len(each)), reverse=True)
with open("slow.txt", "w") as file:
    for mean, path in means[:5]:
        print(f"{path} {mean:.1f} {len(times[path])}", file=file)
PYTHON
