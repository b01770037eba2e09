"""Prints an access log of a few megabytes, the same every time."""

import random

chance = random.Random(16)


def below(limit):
    return int(chance.random() * limit)


PATHS = {
    "/": 8, "/items": 40, "/items/{}": 22, "/search": 95, "/cart": 31, "/login": 60, "/images/{}.png": 3,
    "/report": 240, "/export": 900, "/admin/stats": 310, "/help": 6, "/orders/{}": 57,
}
NAMES = list(PATHS)
WEIGHTS = [20, 12, 18, 9, 7, 6, 14, 4, 1, 1, 5, 3]
TOTAL = sum(WEIGHTS)
second = 0
for number in range(40000):
    second += below(3)
    drawn = below(TOTAL)
    at = 0
    while WEIGHTS[at] <= drawn:
        drawn -= WEIGHTS[at]
        at += 1
    path = NAMES[at]
    took = int(PATHS[path] * (0.5 + chance.random()) + 1)
    if path == "/search" and below(10) == 0:
        took *= 9
    if path == "/help" and below(400) == 0:
        took += 9000
    shown = path.format(1 + below(900))
    if path == "/search" or below(8) == 0:
        shown += f"?q={below(5000)}&from=menu"
    status = 200 if below(30) else (500 if below(2) else 304)
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    host = f"10.0.{below(4)}.{1 + below(250)}"
    line = f'{host} [{clock}] "GET {shown} HTTP/1.1" {status} {200 + below(9000)} {took}ms'
    if below(700) == 0:
        line = line[: 20 + below(20)]
    print(line)
