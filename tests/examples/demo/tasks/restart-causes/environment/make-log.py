"""Prints the log of a service, a few megabytes, the same every time."""

import random

chance = random.Random(18)


def below(limit):
    return int(chance.random() * limit)


CAUSES = ["out-of-memory", "disk-full", "lost-database", "bad-config", "timeout"]
WORKERS = ["w1", "w2", "w3", "w4"]
second = 0
for number in range(42000):
    second += below(4)
    day = second // 86400
    clock = f"2024-06-{1 + day:02} {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
    worker = WORKERS[below(4)]
    drawn = below(1000)
    if drawn < 12:
        cause = CAUSES[int(chance.random() ** 2 * 5)]
        print(f"{clock} {worker} ERROR cause={cause} attempt={1 + below(3)}")
    elif drawn < 18:
        print(f"{clock} {worker} INFO restarted after {1 + below(20)} s")
    elif drawn < 20:
        print(f"{clock} {worker} INFO note: ERROR cause={CAUSES[below(5)]} was seen on another machine")
    elif drawn < 40:
        print(f"{clock} {worker} WARN slow request, {500 + below(4000)} ms")
        if below(3) == 0:
            print(f"    at step {below(12)}")
    else:
        print(f"{clock} {worker} INFO handled request {100000 + below(900000)} in {below(90)} ms")
