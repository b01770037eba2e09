# The directory is a prerequisite: each page makes the others old.
# Fails: test_changed_page test_nothing_to_do
bash /solution/solve.sh && sed -i -e 's/ | site$/ site/' -e 's/template.html render.sh site/site/' Makefile
