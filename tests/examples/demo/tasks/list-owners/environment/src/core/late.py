# A long head
# of a file
# before it says
# owner: nobody
x = 1
