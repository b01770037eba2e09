# Appends tables that are there already, and never reads the file back.
# Fails: test_tables test_server test_origins test_limits_and_name
sed -i -e '/^\[log\]/,$d' -e 's/^port = 8000/port = 9000/' -e 's/debug = true/debug = false/' service/settings.toml
printf '[server]\nworkers = 8\n[limits]\nbody = "2MB"\n[[origin]]\nurl = "https://staff.example"\nmethods = ["GET", "POST"]\n' >> service/settings.toml
