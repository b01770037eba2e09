"""Prints durations in seconds. Usage: python3 durations.py DURATION..."""

import sys

UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text):
    total = 0
    number = ""
    for character in text:
        if character.isdigit():
            number = character
        else:
            total = int(number) * UNITS[character]
    return total


for argument in sys.argv[1:]:
    print(seconds(argument))
