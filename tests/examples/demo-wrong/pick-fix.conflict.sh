# Commits the conflict without reading it.
# Fails: test_program_on_main test_program_adds_up
cd shop
git -c user.name=demo -c user.email=demo@localhost cherry-pick "$(git rev-list --grep='^Fix totals' --max-count=1 next)"
git add . && git -c user.name=demo -c user.email=demo@localhost -c core.editor=true cherry-pick --continue
