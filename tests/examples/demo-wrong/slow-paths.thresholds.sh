# Forgets that rare paths and other statuses do not count.
# Fails: test_paths test_counts test_means
sed -e 's/ 200 / \\d+ /' -e 's/if 500 <= len(each)/if True/' /solution/solve.sh > /tmp/s && bash /tmp/s
