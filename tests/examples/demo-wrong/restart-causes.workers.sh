# One worker gets the errors of another.
# Fails: test_counts
sed 's/worker, level = fields\[2\], fields\[3\]/worker, level = 0, fields[3]/' /solution/solve.sh > /tmp/s && bash /tmp/s
