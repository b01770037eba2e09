# Takes the file of the other branch as it is there, coupons and all.
# Fails: test_program_on_main
cd shop
git checkout "$(git rev-list --grep='^Fix totals' --max-count=1 next)" -- total.awk
git -c user.name=demo -c user.email=demo@localhost commit -m 'Fix totals: keep the cents, skip comments'
