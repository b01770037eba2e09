import sqlite3

from run_checks import APP, same

# Identity, order, product and quantity of every line that stays.
EXPECTED = [
    (1, 1, "B2", 4), (2, 2, "A2", 3), (3, 3, "A1", 3), (4, 3, "B2", 5), (5, 4, "B2", 1), (6, 4, "B1", 3),
    (7, 5, "C2", 2), (9, 5, "B2", 1), (10, 5, "A2", 3), (11, 6, "A2", 1), (12, 6, "A1", 1), (13, 6, "C2", 5),
    (17, 8, "B1", 8), (20, 9, "A1", 7), (21, 9, "C2", 2), (23, 10, "B1", 5), (24, 11, "A2", 1), (25, 11, "C2", 1),
    (28, 12, "B2", 1), (29, 13, "B2", 3), (30, 13, "B1", 1), (31, 13, "C2", 3), (33, 14, "A2", 1), (34, 15, "A2", 4),
    (35, 16, "B1", 5), (38, 18, "C1", 2), (39, 18, "B2", 1), (40, 19, "B2", 11), (43, 20, "A1", 6), (44, 20, "B2", 3),
    (46, 21, "C2", 4), (47, 22, "C2", 3), (48, 22, "A1", 4), (49, 22, "C1", 4), (50, 22, "A2", 2), (53, 24, "B2", 2),
    (54, 24, "C1", 4), (55, 25, "C2", 5), (57, 25, "B1", 1), (58, 25, "B2", 5), (59, 26, "B1", 2), (60, 26, "B2", 4),
    (61, 26, "C2", 5), (62, 26, "C1", 4), (64, 28, "A1", 5), (65, 28, "B2", 4), (66, 29, "B1", 10), (68, 29, "B2", 2),
    (69, 29, "A2", 4), (71, 31, "B2", 4), (72, 32, "C2", 3), (73, 32, "B2", 4), (74, 33, "C1", 2), (75, 34, "B2", 5),
    (76, 35, "A1", 2), (77, 35, "C2", 9), (80, 36, "A2", 3), (81, 37, "B1", 5), (82, 37, "A1", 1), (86, 39, "A2", 1),
    (87, 39, "A1", 4), (88, 40, "A2", 2),
]


def rows(query):
    """Reads the file as it is; nothing in its schema may call functions."""
    with sqlite3.connect(f"file:{APP}/shop.db?mode=ro", uri=True) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        return database.execute(query).fetchall()


def lines():
    return rows("SELECT id, order_id, product, quantity FROM line ORDER BY id")


def test_which_lines_stay():
    same([row[0] for row in lines()], [row[0] for row in EXPECTED], "ids")


def test_orders_and_products():
    same([row[:3] for row in lines()], [row[:3] for row in EXPECTED], "ids, orders and products")


def test_quantities():
    same([row[::3] for row in lines()], [row[::3] for row in EXPECTED], "ids and quantities")


def test_index():
    unique = {row[1]: row[2] for row in rows("PRAGMA index_list(line)")}
    same(unique.get("line_once"), 1, "whether line_once is there and unique")
    same([row[2] for row in rows("PRAGMA index_info(line_once)")], ["order_id", "product"], "columns of line_once")


def test_other_tables_are_untouched():
    same(rows("SELECT COUNT(*), SUM(id) FROM orders"), [(37, 752)], "number and sum of orders")
    same(rows("SELECT COUNT(*), SUM(price) FROM product"), [(6, 2100)], "number and prices of products")
