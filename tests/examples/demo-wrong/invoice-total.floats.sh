# The traceback is gone, and so it is done.
# Fails: test_half_a_cent_goes_up test_sum_of_rounded_amounts test_half_a_cent_of_tax
sed -i -e 's/line\["price"\]/float(line["price"])/' -e 's/line\["discount"\]/line.get("discount", 0)/' invoice.py
python3 invoice.py invoices/march.json
