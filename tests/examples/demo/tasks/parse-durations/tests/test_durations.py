from run_checks import run, same


def printed(*arguments):
    ran = run(["python3", "durations.py", *arguments])
    last = ran.err.strip().splitlines()[-1:]
    same(ran.code, 0, f"exit code for {' '.join(arguments)} {last}")
    return ran.out.split()


def test_examples():
    same(printed("90s", "2m", "1h30m", "1d"), ["90", "120", "5400", "86400"], "seconds of the examples")


def test_many_digits():
    same(printed("100s", "12h", "365d"), ["100", "43200", "31536000"], "seconds of 100s, 12h and 365d")


def test_all_units():
    same(printed("1w2d3h4m5s", "2w", "0s"), ["788645", "1209600", "0"], "seconds of 1w2d3h4m5s, 2w and 0s")


def refused(*arguments, bad):
    ran = run(["python3", "durations.py", *arguments])
    same((ran.code, ran.out, ran.err), (2, "", f"no duration: {bad}\n"), f"code, output and error for {arguments}")


def test_letters_and_missing_units():
    for bad in ("5x", "10", "m", "1h30", "1H"):
        refused(bad, bad=bad)


def test_blanks_and_signs():
    for bad in ("", "1h 30m", "-5m", " 5m", "1.5h"):
        refused(bad, bad=bad)


def test_order_of_units():
    for bad in ("30m1h", "1m1m"):
        refused(bad, bad=bad)


def test_nothing_is_printed_for_good_arguments():
    refused("5m", "1h", "1y", "3", bad="1y")
