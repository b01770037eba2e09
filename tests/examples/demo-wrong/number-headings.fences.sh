# Knows no code blocks.
# Fails: test_headings test_code_blocks_are_untouched
awk '/^## / { s++; p = 0; print "## " s substr($0, 3); next } /^### / { p++; print "### " s "." p substr($0, 4); next } { print }' manual.md > m
mv m manual.md
