# Adds a file that overrides all others.
# Fails: test_files_agree test_no_other_files
printf '[listen]\nport = 8443\n[upstream]\ntimeout = 15\nretries = 3\n[cache]\nenabled = yes\n[log]\nlevel = warning\n' > proxy/conf.d/99-new.ini
