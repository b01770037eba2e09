"""Prints the union of intervals. Usage: python3 intervals.py FILE"""

import sys


def read(path):
    intervals = []
    for line in open(path):
        start, end = line.split()
        intervals.append((start, end))
    return intervals


def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


if __name__ == "__main__":
    for start, end in merge(read(sys.argv[1])):
        print(start, end)
