# Names the pages that it saw, and none that come later.
# Fails: test_added_page
bash /solution/solve.sh && sed -i 's/^PAGES = .*/PAGES = site\/index.html site\/prices.html site\/contact.html/' Makefile
