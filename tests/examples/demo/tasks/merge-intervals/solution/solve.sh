#!/bin/bash
set -e
python3 - <<'PYTHON'
text = open("intervals.py").read()
text = text.replace('''        start, end = line.split()
        intervals.append((start, end))
''', '''        if not line.strip() or line.startswith("#"):
            continue
        start, end = sorted(int(number) for number in line.split())
        intervals.append((start, end))
''')
text = text.replace("start < merged[-1][1]", "start <= merged[-1][1]")
text = text.replace("(merged[-1][0], end)", "(merged[-1][0], max(merged[-1][1], end))")
open("intervals.py", "w").write(text)
PYTHON
