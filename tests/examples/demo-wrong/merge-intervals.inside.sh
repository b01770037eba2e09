# All but intervals that lie in one another.
# Fails: test_inside
bash /solution/solve.sh && sed -i 's/max(merged\[-1\]\[1\], end)/end/' intervals.py
