import tomllib

from run_checks import files_below, read_text, same

EXPECTED = {
    "name": "parcels",
    "server": {"host": "127.0.0.1", "port": 9000, "debug": False, "workers": 8},
    "origin": [
        {"url": "https://shop.example", "methods": ["GET"]},
        {"url": "https://depot.example", "methods": ["GET", "POST", "DELETE"]},
        {"url": "https://staff.example", "methods": ["GET", "POST"]},
    ],
    "limits": {"requests": 60, "body": "2MB"},
}
COMMENTS = [
    "# Settings of the service. Ask before you raise a limit.", "# shown in the head of every page",
    "# the port behind the proxy", "# In requests for each minute.",
]
DEFAULTS = {"server": {"workers": 4}, "limits": {"body": "1MB", "requests": 100}, "mail": {"host": "localhost"}}


def settings():
    return tomllib.loads(read_text("service/settings.toml"))


def test_tables():
    same(sorted(settings()), sorted(EXPECTED), "tables and keys of the root")


def test_server():
    same(settings().get("server"), EXPECTED["server"], "server")


def test_origins():
    same(settings().get("origin"), EXPECTED["origin"], "origins")


def test_limits_and_name():
    found = settings()
    same(found.get("limits"), EXPECTED["limits"], "limits")
    same(found.get("name"), EXPECTED["name"], "name")


def test_comments():
    text = read_text("service/settings.toml")
    for comment in COMMENTS:
        assert comment in text, f"expected this comment as it was: {comment}"


def test_no_other_files():
    same(tomllib.loads(read_text("service/defaults.toml")), DEFAULTS, "defaults.toml")
    same(files_below("service"), ["defaults.toml", "settings.toml"], "files of service")
