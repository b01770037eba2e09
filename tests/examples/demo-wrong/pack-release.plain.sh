# Packs the directory as it is.
# Fails: test_names test_modes test_sums
tar -czf press-1.4.2.tar.gz --transform 's/^tool/press-1.4.2/' --exclude '*.tmp' tool
