# Prints good arguments before it comes to the bad one.
# Fails: test_nothing_is_printed_for_good_arguments
bash /solution/solve.sh
sed -i 's/^for total in .*/for total in map(seconds, sys.argv[1:]):/' durations.py
