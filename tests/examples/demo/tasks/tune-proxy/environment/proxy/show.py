"""Prints the settings that hold, as SECTION.KEY = VALUE."""

import configparser
from pathlib import Path

here = Path(__file__).parent
settings = configparser.ConfigParser(strict=False)
settings.read([here / "proxy.ini", *sorted((here / "conf.d").glob("*.ini"))])
for section in settings.sections():
    for key, value in settings[section].items():
        print(f"{section}.{key} = {value}")
