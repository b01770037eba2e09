# Cents are cut off a float, and `Cancelled` counts.
# Fails: test_totals
sed -e 's/int(int(order\["quantity"\]) \* decimal.Decimal(order\["price"\]) \* 100)/int(int(order["quantity"]) * float(order["price"]) * 100)/' \
    -e 's/order\["status"\].lower()/order["status"]/' /solution/solve.sh > /tmp/s && bash /tmp/s
