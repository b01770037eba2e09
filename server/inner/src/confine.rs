//! What a command is bound by besides the walls of the sandbox, set between fork and exec: a session of its own, limits,
//! no descriptor, no way to new rights, Landlock, and the filter of system calls.
//!
//! The system calls for which there is no safe wrapper are here and nowhere else.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr,
};
use rustix::process::{Resource, Rlimit};
use seccompiler::BpfProgram;

use crate::seccomp;
use crate::spawn;

/// Devices that a program may write to.
const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm"];

/// How much lower the priority of commands is: their supervisor must get its turn.
const NICE: i32 = 5;

/// What every command of a sandbox is bound by.
pub(super) struct Confinement {
    filters: Vec<BpfProgram>,
    landlock: Option<RulesetCreated>,
    limits: Vec<(Resource, u64)>,
}

impl Confinement {
    /// Prepares it, so that little is left to do for each command.
    ///
    /// # Errors
    /// Why it cannot be had on this machine.
    pub(super) fn new(writable: &[String], processes: u64, file_bytes: u64) -> Result<Self, String> {
        let landlock = match landlock_abi() {
            0 => None,
            _ => Some(ruleset(writable).map_err(|error| format!("Landlock cannot be used: {error}"))?),
        };
        let limits = vec![
            (Resource::Nproc, processes),
            (Resource::Fsize, file_bytes),
            (Resource::Nofile, 1024),
            (Resource::Core, 0),
            (Resource::Data, 4 << 30),
            (Resource::Memlock, 64 << 10),
        ];
        Ok(Self { filters: seccomp::programs()?, landlock, limits })
    }

    /// Has a command bound by it when it starts. The process that starts it may have one thread only.
    ///
    /// # Errors
    /// The system's, if no more descriptors can be had.
    #[expect(unsafe_code, reason = "a command is confined between fork and exec, or not at all")]
    pub(super) fn apply(&self, command: &mut Command) -> io::Result<()> {
        let mut landlock = match &self.landlock {
            Some(ruleset) => Some(ruleset.try_clone()?),
            None => None,
        };
        let (filters, limits) = (self.filters.clone(), self.limits.clone());
        let confine = move || {
            rustix::process::setsid()?;
            rustix::process::nice(NICE)?;
            for (resource, most) in &limits {
                let limit = Rlimit { current: Some(*most), maximum: Some(*most) };
                rustix::process::setrlimit(*resource, limit)?;
            }
            spawn::close_all_at_exec()?;
            rustix::thread::set_no_new_privs(true)?;
            let sets = rustix::thread::capabilities(None)?;
            if !(sets.effective | sets.permitted | sets.inheritable).is_empty() {
                return Err(io::Error::other("a command would have capabilities"));
            }
            if let Some(ruleset) = landlock.take() {
                ruleset.restrict_self().map_err(io::Error::other)?;
            }
            for filter in &filters {
                seccompiler::apply_filter(filter).map_err(io::Error::other)?;
            }
            Ok(())
        };
        // SAFETY: the first process of a sandbox has one thread, so no lock is held by another one when it forks, and
        // the closure may allocate.
        unsafe { command.pre_exec(confine) };
        Ok(())
    }
}

/// Reading everywhere, writing where the task may. Commands are not kept from signalling each other: a later command may
/// end what an earlier one has started, and other processes are out of sight anyway.
fn ruleset(writable: &[String]) -> Result<RulesetCreated, landlock::RulesetError> {
    // Newer kernels are not asked for more than this policy knows.
    let abi = ABI::V5;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .create()?;
    let read = AccessFs::from_read(abi);
    let rules = std::iter::once(("/", read));
    let all = AccessFs::from_all(abi);
    let written = writable.iter().map(String::as_str).chain(DEVICES.iter().copied());
    for (path, access) in rules.chain(written.map(|path| (path, all))) {
        // A device that this machine does not have needs no rule.
        let Ok(place) = PathFd::new(path) else { continue };
        let is_directory = std::fs::metadata(path).is_ok_and(|there| there.is_dir());
        let access = if is_directory { access } else { access & AccessFs::from_file(abi) };
        ruleset = ruleset.add_rule(PathBeneath::new(place, access))?;
    }
    Ok(ruleset)
}

/// The version of Landlock that the kernel has; 0 if it has none.
#[expect(unsafe_code, reason = "the library does not tell the version")]
pub(super) fn landlock_abi() -> i64 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no pointer (landlock_create_ruleset(2)).
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    version.max(0)
}

/// Whether this process can make a namespace of its own. For the probe alone: it has one if it can.
#[expect(unsafe_code, reason = "there is no safe wrapper")]
pub(super) fn can_nest() -> bool {
    // SAFETY: the probe has one thread; nothing else shares what is unshared.
    unsafe { libc::unshare(libc::CLONE_NEWUSER) == 0 }
}
