# owner: storage
open_all = True
