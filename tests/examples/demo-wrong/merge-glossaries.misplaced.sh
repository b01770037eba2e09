# The right entries, below the directory in which it worked.
# Fails: test_terms test_entries_that_hold test_order test_line_ends
cd glossaries
cat *.txt | tr -d '\r' | grep -v -e '^#' -e '^[[:space:]]*$' |
    awk -F: '{ key = tolower($1) } !(key in seen) { seen[key] = 1; print key "\t" $0 }' |
    LC_ALL=C sort -t "$(printf '\t')" -k1,1 | cut -f2- > glossary.txt
