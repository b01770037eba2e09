#!/bin/bash
set -e
cat > durations.py <<'PYTHON'
"""Prints durations in seconds. Usage: python3 durations.py DURATION..."""

import re
import sys

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
PARTS = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in UNITS))


def seconds(text):
    found = PARTS.fullmatch(text)
    if not text or not found:
        print(f"no duration: {text}", file=sys.stderr)
        sys.exit(2)
    return sum(int(number or 0) * unit for number, unit in zip(found.groups(), UNITS.values()))


for total in [seconds(argument) for argument in sys.argv[1:]]:
    print(total)
PYTHON
