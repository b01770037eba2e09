# Counts all errors.
# Fails: test_names test_all_restarts test_counts
grep -o 'ERROR cause=[a-z-]*' var/service.log | sort | uniq -c | awk '{ sub(/cause=/, "", $3); printf "%s\"%s\": %d", (NR == 1 ? "{" : ", "), $3, $1 } END { print "}" }' > causes.json
