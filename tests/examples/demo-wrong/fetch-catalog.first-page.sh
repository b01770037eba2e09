# Takes the first page for all of it.
# Fails: test_each_item_once test_order test_names test_prices
sed 's/page = body\["next"\]/page = None/' /solution/solve.sh > /tmp/s && bash /tmp/s
