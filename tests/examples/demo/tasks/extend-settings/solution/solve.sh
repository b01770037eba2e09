#!/bin/bash
set -e
sed -i -e 's/^port = 8000 /port = 9000 /' -e 's/^debug = true/debug = false\nworkers = 8/' \
    -e 's/"GET", "POST"\]/"GET", "POST", "DELETE"]/' -e 's/^requests = 60/requests = 60\nbody = "2MB"/' \
    -e '/^\[log\]/,$d' service/settings.toml
printf '[[origin]]\nurl = "https://staff.example"\nmethods = ["GET", "POST"]\n' >> service/settings.toml
