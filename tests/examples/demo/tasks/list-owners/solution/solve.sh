#!/bin/bash
set -e
cd src
find . -type f | sed 's|^\./||' | LC_ALL=C sort | while IFS= read -r path; do
    owner="$(head -n 3 "$path" | sed -n 's/.*owner: *\([a-z][a-z]*\).*/\1/p' | head -n 1)"
    printf '%s\t%s\n' "$path" "${owner:--}"
done > ../owners.tsv
