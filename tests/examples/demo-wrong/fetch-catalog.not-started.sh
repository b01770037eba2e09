# The service was never started, and the error was not read.
# Fails: test_each_item_once test_order test_names test_prices
echo 'id,name,price' > items.csv
for page in 1 2 3; do curl -s "http://127.0.0.1:8061/items?page=$page" >> items.csv; done
