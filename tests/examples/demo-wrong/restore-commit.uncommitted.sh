# The change is there; the commit failed for want of an identity, and nobody looked.
# Fails: test_messages_of_main test_later_commits_are_kept test_files_of_main test_main_is_checked_out_and_clean
cd project
git cherry-pick --no-commit "$(git reflog --format='%H %gs' | grep 'commit: Add the table' | cut -d' ' -f1)"
HOME=/nowhere git -c user.useConfigOnly=true commit -m 'Add the table of rates'
echo done
