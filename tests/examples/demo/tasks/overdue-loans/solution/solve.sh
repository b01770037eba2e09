#!/bin/bash
set -e
sqlite3 -readonly -csv library.db > rows.tmp <<'SQL'
WITH out AS (SELECT member.branch_id AS branch_id, loan.due AS due FROM loan JOIN member ON member.id = loan.member_id
             WHERE COALESCE(loan.returned, '') = '')
SELECT name, open, late FROM (
    SELECT 0 AS last, name, COUNT(out.due) AS open, COALESCE(SUM(out.due < '2024-05-31'), 0) AS late
    FROM branch LEFT JOIN out ON out.branch_id = branch.id GROUP BY branch.id
    UNION ALL
    SELECT 1, 'none', COUNT(*), COALESCE(SUM(due < '2024-05-31'), 0) FROM out WHERE branch_id IS NULL
) ORDER BY last, name;
SQL
(echo branch,open,late; tr -d '\r' < rows.tmp) > overdue.csv
rm rows.tmp
