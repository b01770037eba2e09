# Builds everything every time.
# Fails: test_nothing_to_do
bash /solution/solve.sh && sed -i 's/^.PHONY: clean/.PHONY: clean build\/handbook.txt/' Makefile
