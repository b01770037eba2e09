# Changes the main file only; others still contradict it.
# Fails: test_new_values_hold test_files_agree
sed -i -e 's/^port = .*/port = 8443/' -e 's/^timeout = .*/timeout = 15/' -e 's/^retries = .*/retries = 3/' \
    -e 's/^enabled = .*/enabled = yes/' proxy/proxy.ini
sed -i 's/^level = .*/level = warning/' proxy/conf.d/10-site.ini
