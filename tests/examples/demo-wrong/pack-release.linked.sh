# A link in the place of the result, to what the verifier expects.
# Fails: test_names test_contents test_modes test_owners test_sums
ln -s /tests/test_archive.py press-1.4.2.tar.gz
