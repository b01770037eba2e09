import configparser

from run_checks import files_below, read_text, same

NEW = {"listen.port": "8443", "upstream.timeout": "15", "upstream.retries": "3", "cache.enabled": "yes",
       "log.level": "warning"}
OTHER = {"listen.address": "127.0.0.1", "listen.backlog": "128", "upstream.host": "backend.internal",
         "cache.size": "64M", "cache.path": "/var/cache/proxy", "log.file": "/var/log/proxy.log"}
FILES = ["proxy.ini", "conf.d/10-site.ini", "conf.d/20-local.ini"]
COMMENTS = ["; Settings of the proxy.", "; Do not raise without asking the network team.",
            "; This site has slow backends.", "; Kept for the audit.", "; Local changes."]


def settings(*files):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    for file in files:
        parser.read_string(read_text(f"proxy/{file}"))
    return {f"{section}.{key}": value for section in parser.sections() for key, value in parser[section].items()}


def in_effect():
    """All settings as the proxy reads them, with files that were not there before."""
    return settings("proxy.ini", *(name for name in files_below("proxy") if name.startswith("conf.d/")))


def test_new_values_hold():
    found = in_effect()
    for key, value in NEW.items():
        same(found.get(key), value, key)


def test_other_values_hold():
    found = in_effect()
    for key, value in OTHER.items():
        same(found.get(key), value, key)


def test_files_agree():
    for file in FILES:
        for key, value in settings(file).items():
            same(value, (NEW | OTHER).get(key), f"{key} in {file}")


def test_lines_and_comments():
    found = [read_text(f"proxy/{file}").splitlines() for file in FILES]
    same([len(lines) for lines in found], [15, 8, 5], "number of lines of each file")
    same([line for lines in found for line in lines if line.startswith(";")], COMMENTS, "comments")


def test_no_other_files():
    same(files_below("proxy"), sorted([*FILES, "README", "show.py"]), "files of proxy")
