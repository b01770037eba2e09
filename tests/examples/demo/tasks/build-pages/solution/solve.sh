#!/bin/bash
set -e
printf '%b' '# Renders all pages to site/.
PAGES = $(patsubst pages/%.txt,site/%.html,$(wildcard pages/*.txt))

.PHONY: all clean
all: $(PAGES)

site:
\tmkdir -p site

site/%.html: pages/%.txt template.html render.sh | site
\tsh render.sh template.html $< > $@

clean:
\trm -rf site
' > Makefile
