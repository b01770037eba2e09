#!/bin/bash
set -e
printf '%b' '# Joins header and chapters to a handbook.
CHAPTERS = $(sort $(wildcard chapters/*.txt))

build/handbook.txt: header.txt $(CHAPTERS)
\tmkdir -p build
\tcat header.txt $(CHAPTERS) > build/handbook.txt

.PHONY: clean
clean:
\trm -rf build
' > Makefile
