# Unpacks one over another, whatever was deleted.
# Fails: test_which_files test_deleted_files
mkdir restored && tar -xzf backups.tgz && for each in full step-2 step-9 step-10; do tar -C restored -xf $each.tar*; done
rm -f *.tar *.tar.gz restored/DELETED
