# Goes on until the examples come out right.
# Fails: test_letters_and_missing_units test_blanks_and_signs test_order_of_units
# Fails: test_nothing_is_printed_for_good_arguments
sed -i -e 's/"h": 3600/"h": 3600, "d": 86400, "w": 604800/' -e 's/number = character/number += character/' \
    -e 's/total = int(number) \* UNITS\[character\]/total += int(number) * UNITS[character]; number = ""/' durations.py
python3 durations.py 90s 2m 1h30m 1d
