//! The filter of system calls of a command: what is refused, and what does not exist. A list of what is forbidden, because
//! agents run everything; namespaces, mounts and Landlock bound what the rest can reach.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The programs, in the order in which they are to be installed.
///
/// # Errors
/// Why there is none for this processor.
pub(super) fn programs() -> Result<Vec<BpfProgram>, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("there is no filter of system calls for `{}`", std::env::consts::ARCH))?;
    let failed = |error: BackendError| format!("the filter of system calls cannot be made: {error}");
    let mut refused = compile(refused().map_err(failed)?, libc::EPERM, arch).map_err(failed)?;
    let absent = compile(absent(), libc::ENOSYS, arch).map_err(failed)?;
    if cfg!(target_arch = "x86_64") {
        refused.splice(0..0, without_x32());
    }
    Ok(vec![refused, absent])
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(rules: Rules, errno: i32, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    // A call from a foreign architecture kills: the numbers mean something else there.
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, errno, arch)?.try_into()
}

/// Numbers with this bit are calls of the x32 ABI: they do not exist here.
const X32: u32 = 0x4000_0000;

/// Answers `ENOSYS` for those numbers, and goes on for others.
fn without_x32() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const RETURN_ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| seccompiler::sock_filter { code, jt, jf, k };
    vec![
        // The number is the first field of `seccomp_data`.
        step(LOAD_WORD, 0, 0, 0),
        step(JUMP_IF_GREATER_OR_EQUAL, 0, 1, X32),
        step(RETURN, 0, 0, RETURN_ERRNO | libc::ENOSYS.unsigned_abs()),
    ]
}

/// Calls whose arguments cannot be judged, for which programs have another way; and memory without a name, which the
/// supervisor of memory cannot see.
fn absent() -> Rules {
    [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_memfd_create, libc::SYS_memfd_secret]
        .into_iter()
        .map(|call| (call, Vec::new()))
        .collect()
}

/// Calls that are refused whatever their arguments are.
const REFUSED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Large surfaces of the kernel.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Keys of the session.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Files without a path.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    // Rare calls with a history.
    libc::SYS_lookup_dcookie,
    libc::SYS_vmsplice,
    libc::SYS_mbind,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// `fchmodat2` and `open_tree_attr`: younger than the names that we have.
const FCHMODAT2: i64 = 452;
const OPEN_TREE_ATTR: i64 = 467;

fn refused() -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED.iter().chain(&[OPEN_TREE_ATTR]).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, namespaces()?);
    rules.insert(libc::SYS_personality, vec![rule(&[not(0, u64::from(u32::MAX)), not(0, 0)])?]);
    rules.insert(
        libc::SYS_ioctl,
        vec![
            rule(&[is(1, 0x5412)])?, // TIOCSTI: input for the terminal
            rule(&[is(1, 0x541C)])?, // TIOCLINUX
            rule(&[is(1, 0x5423)])?, // TIOCSETD
        ],
    );
    rules.insert(libc::SYS_socket, sockets()?);
    rules.insert(libc::SYS_socketpair, vec![rule(&[not(0, UNIX)])?]);
    for (call, mode) in [
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (FCHMODAT2, 2),
        (libc::SYS_mknodat, 2),
        (libc::SYS_mkdirat, 2),
    ] {
        rules.insert(call, set_id_bits(mode, None)?);
    }
    rules.insert(libc::SYS_openat, set_id_bits(3, Some(2))?);
    #[cfg(target_arch = "x86_64")]
    {
        for call in [libc::SYS_chmod, libc::SYS_mknod, libc::SYS_mkdir, libc::SYS_creat] {
            rules.insert(call, set_id_bits(1, None)?);
        }
        rules.insert(libc::SYS_open, set_id_bits(2, Some(1))?);
    }
    Ok(rules)
}

/// `clone` with any flag that makes a namespace.
fn namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    flags.into_iter().map(|flag| rule(&[has(0, u64::from(flag.unsigned_abs()))])).collect()
}

/// Bits that give whoever runs a file the rights of its owner: in a mode, and where `flags` says that a file is created.
fn set_id_bits(mode: u8, flags: Option<u8>) -> Result<Vec<SeccompRule>, BackendError> {
    const CREATE: u64 = libc::O_CREAT as u64;
    // The bit of `O_TMPFILE` without that of `O_DIRECTORY`.
    const TEMPORARY: u64 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    let mut rules = Vec::new();
    for bit in [0o4000, 0o2000] {
        match flags {
            None => rules.push(rule(&[has(mode, bit)])?),
            Some(flags) => {
                rules.push(rule(&[has(mode, bit), has(flags, CREATE)])?);
                rules.push(rule(&[has(mode, bit), has(flags, TEMPORARY)])?);
            }
        }
    }
    Ok(rules)
}

const UNIX: u64 = libc::AF_UNIX as u64;
const INET: u64 = libc::AF_INET as u64;
const INET6: u64 = libc::AF_INET6 as u64;
const NETLINK: u64 = libc::AF_NETLINK as u64;

/// Families that no program of a task needs, raw packets, and netlink but for the table of routes.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let raw = |family| rule(&[is(0, family), masked(1, 0xF, 3)]);
    Ok(vec![
        rule(&[not(0, UNIX), not(0, INET), not(0, INET6), not(0, NETLINK)])?,
        rule(&[is(0, NETLINK), not(2, 0)])?,
        raw(INET)?,
        raw(INET6)?,
        // The obsolete type for packets.
        rule(&[is(0, INET), masked(1, 0xF, 10)])?,
    ])
}

/// A comparison with an argument, on the 32 bits that the kernel looks at.
#[derive(Clone, Copy)]
struct Compare {
    argument: u8,
    how: How,
    value: u64,
}

#[derive(Clone, Copy)]
enum How {
    Is,
    Not,
    Masked(u64),
}

fn is(argument: u8, value: u64) -> Compare {
    Compare { argument, how: How::Is, value }
}

fn not(argument: u8, value: u64) -> Compare {
    Compare { argument, how: How::Not, value }
}

fn masked(argument: u8, mask: u64, value: u64) -> Compare {
    Compare { argument, how: How::Masked(mask), value }
}

fn has(argument: u8, bit: u64) -> Compare {
    masked(argument, bit, bit)
}

/// A rule of which every comparison has to hold.
fn rule(all: &[Compare]) -> Result<SeccompRule, BackendError> {
    let condition = |compare: &Compare| {
        let how = match compare.how {
            How::Is => SeccompCmpOp::Eq,
            How::Not => SeccompCmpOp::Ne,
            How::Masked(mask) => SeccompCmpOp::MaskedEq(mask),
        };
        SeccompCondition::new(compare.argument, SeccompCmpArgLen::Dword, how, compare.value)
    };
    SeccompRule::new(all.iter().map(condition).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_made() {
        let programs = programs().unwrap();
        assert_eq!(programs.len(), 2);
        // The kernel takes no longer ones.
        assert!(programs.iter().all(|program| program.len() < 4096));
    }

    #[test]
    fn no_call_is_named_twice() {
        let absent = absent();
        assert!(REFUSED.iter().all(|call| !absent.contains_key(call)));
        let mut refused = REFUSED.to_vec();
        refused.sort_unstable();
        refused.dedup();
        assert_eq!(refused.len(), REFUSED.len());
    }
}
