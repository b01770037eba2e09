# Looks at the newest part only.
# Fails: test_addresses
sed 's|logs/auth.log\*|logs/auth.log|' /solution/solve.sh > /tmp/s && bash /tmp/s
