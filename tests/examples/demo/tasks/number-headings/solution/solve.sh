#!/bin/bash
set -e
awk '
    fence != "" { if (index($0, fence) == 1) fence = ""; print; next }
    /^(```|~~~)/ { fence = substr($0, 1, 3); print; next }
    /^## / { section++; part = 0; print "## " section substr($0, 3); next }
    /^### / { part++; print "### " section "." part substr($0, 4); next }
    { print }
' manual.md > manual.new
mv manual.new manual.md
