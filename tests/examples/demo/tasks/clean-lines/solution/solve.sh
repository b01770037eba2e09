#!/bin/bash
set -e
sqlite3 -bail shop.db <<'SQL'
BEGIN;
UPDATE line SET product = UPPER(product);
DELETE FROM line WHERE order_id IS NULL OR product IS NULL
    OR order_id NOT IN (SELECT id FROM orders) OR product NOT IN (SELECT code FROM product);
UPDATE line SET quantity = (SELECT SUM(other.quantity) FROM line AS other
    WHERE other.order_id = line.order_id AND other.product = line.product)
    WHERE id IN (SELECT MIN(id) FROM line GROUP BY order_id, product);
DELETE FROM line WHERE id NOT IN (SELECT MIN(id) FROM line GROUP BY order_id, product);
CREATE UNIQUE INDEX line_once ON line (order_id, product);
COMMIT;
SQL
