# Repairs what the first error names, and takes the first success for the end.
# Fails: test_fresh_tree test_changed_header test_changed_chapter test_new_chapter test_nothing_to_do test_clean
sed -i 's/^    /\t/' Makefile && mkdir -p build && make
