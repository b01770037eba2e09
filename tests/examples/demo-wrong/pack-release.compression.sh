# A tar archive by another name.
# Fails: test_names test_contents test_modes test_owners test_sums
bash /solution/solve.sh && gzip -dc press-1.4.2.tar.gz > t && mv t press-1.4.2.tar.gz
