# Decimal, with the rounding that it has by default.
# Fails: test_half_a_cent_goes_up
bash /solution/solve.sh && sed -i 's/, ROUND_HALF_UP)/)/' invoice.py
