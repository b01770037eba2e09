# Splits paths at blanks, and misses hidden files.
# Fails: test_every_file_is_listed test_owners test_order
cd src
for path in $(find . -type f -not -path '*/.*/*' | sed 's|^\./||' | LC_ALL=C sort); do
    owner="$(head -n 3 "$path" 2> /dev/null | sed -n 's/.*owner: *\([a-z]*\).*/\1/p')"
    printf '%s\t%s\n' "$path" "${owner:--}"
done > ../owners.tsv
