//! What bubblewrap says when it cannot start, in words that say what to do. Pure.

use super::guarantee::Unavailable;

/// Pieces of messages, what they mean, and the remedy. The first that fits is taken.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (
        &[
            "No permissions to create",
            "Creating new namespace failed: Operation not permitted",
            "clone failed",
        ],
        "user namespaces are off, or an outer container forbids them",
        "allow them with `sysctl kernel.unprivileged_userns_clone=1`; in a container run it with \
         `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`",
    ),
    (
        &["uid map: Permission denied", "RTM_NEWADDR", "setting up uid map"],
        "a security profile forbids what a sandbox needs",
        "load the distribution's AppArmor profile for `bwrap` (package `apparmor-profiles`), or set \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    (
        &["No space left on device", "nesting depth"],
        "a limit of namespaces is reached",
        "raise `sysctl user.max_user_namespaces` (and `user.max_pid_namespaces`, `user.max_net_namespaces`)",
    ),
    (
        &["Can't mount proc"],
        "an outer container masks parts of `/proc`",
        "run the container with `--security-opt systempaths=unconfined`, or run outside of it",
    ),
    (&["Unknown option"], "this version of bubblewrap is too old", "install bubblewrap 0.8 or newer"),
    (
        &["Permission denied", "Can't find source path"],
        "the sandbox cannot read what is mounted into it",
        "as root it runs as an ordinary user: the directory of the trial trees has to lie where that user may read it",
    ),
];

/// What a message of bubblewrap means.
pub(super) fn of(message: &str) -> Unavailable {
    let message = message.trim();
    let fits = |(pieces, _, _): &&(&[&str], &str, &str)| pieces.iter().any(|piece| message.contains(piece));
    match KNOWN.iter().find(fits) {
        Some((_, meaning, remedy)) => Unavailable::new(format!("{meaning} (`{message}`)"), *remedy),
        None => Unavailable::new(
            format!("bubblewrap did not start a sandbox: `{message}`"),
            "see whether `bwrap --unshare-all --ro-bind / / true` works for this user",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_remedies() {
        let cases = [
            (
                "bwrap: No permissions to create new namespace, likely because the kernel does not allow …",
                "user namespaces are off",
            ),
            ("bwrap: setting up uid map: Permission denied", "a security profile"),
            ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "a security profile"),
            ("bwrap: Creating new namespace failed: No space left on device", "a limit of namespaces"),
            ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "an outer container"),
            ("bwrap: Can't find source path /root/x: Permission denied", "the sandbox cannot read"),
            ("bwrap: Unknown option --disable-userns", "this version"),
            ("bwrap: something else", "bubblewrap did not start"),
        ];
        for (message, meaning) in cases {
            let found = of(message);
            assert!(found.reason.starts_with(meaning) && found.reason.contains(message), "{found:?}");
        }
    }
}
