# Deletes duplicates without adding them up.
# Fails: test_quantities
sed '/^UPDATE line SET quantity/,/^    WHERE id IN/d' /solution/solve.sh > /tmp/s && bash /tmp/s
