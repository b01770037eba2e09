#!/bin/bash
set -e
cat glossaries/*.txt | tr -d '\r' | grep -v -e '^#' -e '^[[:space:]]*$' |
    awk -F: '{ key = tolower($1) } !(key in seen) { seen[key] = 1; print key "\t" $0 }' |
    LC_ALL=C sort -t "$(printf '\t')" -k1,1 | cut -f2- > glossary.txt
