# The index is refused because of duplicates, and the error is ignored.
# Fails: test_which_lines_stay test_orders_and_products test_quantities test_index
sqlite3 shop.db "DELETE FROM line WHERE order_id NOT IN (SELECT id FROM orders); UPDATE line SET product = UPPER(product);"
sqlite3 shop.db "CREATE UNIQUE INDEX line_once ON line (order_id, product);" || true
