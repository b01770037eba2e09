# Members begin with `./`.
# Fails: test_names test_contents test_modes test_owners test_sums
sed 's/-czf press-1.4.2.tar.gz press-1.4.2/-czf press-1.4.2.tar.gz .\/press-1.4.2/' /solution/solve.sh > /tmp/s && bash /tmp/s
