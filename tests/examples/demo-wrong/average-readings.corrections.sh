# Corrections count as further readings.
# Fails: test_counts test_means
sed 's/last\[reading\["id"\]\] = reading/last[len(last)] = reading/' /solution/solve.sh > /tmp/s && bash /tmp/s
