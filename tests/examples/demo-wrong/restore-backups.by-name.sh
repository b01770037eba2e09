# Steps in the order of their names: 10 comes before 2.
# Fails: test_which_files test_last_versions test_deleted_files test_executable_bits
sed 's/ | sort -t- -k2n / /' /solution/solve.sh > /tmp/s && bash /tmp/s
