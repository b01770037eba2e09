#!/bin/bash
set -e
sed -i -e 's/^port = .*/port = 8443/' -e 's/^timeout = .*/timeout = 15/' -e 's/^retries = .*/retries = 3/' \
    -e 's/^enabled = .*/enabled = yes/' -e 's/^level = .*/level = warning/' proxy/proxy.ini proxy/conf.d/*.ini
