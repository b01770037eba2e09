# Open is what is NULL, and only branches that have loans are there.
# Fails: test_branches_and_order test_open_loans test_late_loans
(echo branch,open,late; sqlite3 -csv library.db "SELECT b.name, COUNT(*), SUM(due < '2024-05-31') FROM loan l
    JOIN member m ON m.id = l.member_id JOIN branch b ON b.id = m.branch_id WHERE returned IS NULL
    GROUP BY b.name ORDER BY b.name" | tr -d '\r') > overdue.csv
