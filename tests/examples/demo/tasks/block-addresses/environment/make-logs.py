"""Writes three parts of a login log, the same every time; the one without a number is the newest."""

import random

chance = random.Random(17)


def below(limit):
    return int(chance.random() * limit)


second = 0


def stamp():
    global second
    second += below(5)
    minute = second // 60
    clock = f"{minute // 60 % 24:02}:{minute % 60:02}:{second % 60:02}"
    return f"May {1 + minute // 1440:2} {clock} gate sshd[{200 + below(900)}]:"


USERS = ["root", "deploy", "backup", "admin", "git"]
good = [f"192.0.2.{10 + n}" for n in range(12)]
bad = [f"198.51.100.{1 + 9 * n}" for n in range(20)] + [f"203.0.113.{2 + 11 * n}" for n in range(14)]
late = bad[5]
for name, lines in (("auth.log.2", 9000), ("auth.log.1", 14000), ("auth.log", 12000)):
    with open(f"logs/{name}", "w") as file:
        for number in range(lines):
            drawn = below(100)
            user = USERS[below(5)]
            if drawn < 60:
                host = good[below(12)]
                print(stamp(), f"Accepted publickey for {user} from {host} port {1024 + below(60000)} ssh2", file=file)
            elif drawn < 64:
                host = good[below(12)]
                print(stamp(), f"Failed password for {user} from {host} port {1024 + below(60000)} ssh2", file=file)
            elif drawn < 66:
                host = bad[int(chance.random() ** 3 * len(bad))]
                wrong = "invalid user " if below(2) else ""
                user = wrong + user
                print(stamp(), f"Failed password for {user} from {host} port {1024 + below(60000)} ssh2", file=file)
            elif drawn < 67:
                print(stamp(), f"message repeated 2 times: [ Connection from {bad[below(34)]} closed]", file=file)
            else:
                print(stamp(), f"Connection closed by {(good + bad)[below(46)]} port {1024 + below(60000)}", file=file)
        if name == "auth.log.1":
            print(stamp(), f"Accepted password for git from {late} port 4022 ssh2", file=file)
