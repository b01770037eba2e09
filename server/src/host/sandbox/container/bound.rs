//! Whether the kernel bounds the memory of a container, as an engine was asked to have it: rootless engines without delegated
//! cgroups only warn that they do not.

use std::fs;
use std::path::{Path, PathBuf};

/// Where cgroups are seen.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The bound on the memory of a process and of those beside it, in bytes; none if there is none, or none can be seen.
pub(super) fn memory(pid: i32) -> Option<u64> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    files(&groups).iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
}

/// The files that may say it: of the memory hierarchy of version 1, and of version 2 (cgroups(7)).
fn files(groups: &str) -> Vec<PathBuf> {
    let each = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|controller| controller == "memory") {
            return Some(Path::new(CGROUPS).join("memory").join(path).join("memory.limit_in_bytes"));
        }
        controllers.is_empty().then(|| Path::new(CGROUPS).join(path).join("memory.max"))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_cgroups_are_known() {
        let first = "12:cpu,cpuacct:/x\n5:memory:/libpod/a\n0::/libpod/a\n";
        let paths =
            ["/sys/fs/cgroup/memory/libpod/a/memory.limit_in_bytes", "/sys/fs/cgroup/libpod/a/memory.max"];
        assert_eq!(files(first), paths.map(PathBuf::from));
        assert_eq!(files("0::/\n"), [PathBuf::from("/sys/fs/cgroup/memory.max")]);
        assert!(files("").is_empty() && files("no cgroup").is_empty());
        assert_eq!(memory(i32::MAX), None);
    }
}
