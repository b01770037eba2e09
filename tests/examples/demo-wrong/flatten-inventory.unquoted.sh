# Joins fields with commas and never reads the table back.
# Fails: test_rows test_order
sed -e 's/table.writerow(\(.*\))$/print(*\1, sep=",", file=file)/' -e 's/table.writerows(rows)/[print(*r, sep=",", file=file) for r in rows]/' \
    /solution/solve.sh > /tmp/s && bash /tmp/s
