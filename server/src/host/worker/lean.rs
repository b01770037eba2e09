//! Settings of the allocator for a process in which many trials hold large texts for a short time. Allocates nothing itself.

/// Gives large values back to the system as soon as they are dropped: the requests and transcripts of trials that run side by
/// side are megabytes each, and a worker that keeps their room grows with the largest of them. What
/// [`crate::host::memory::keep`] sets for documents in an editor is the opposite of that.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "a setting of the C library: it takes two integers and touches no memory of ours"
)]
pub(super) fn give_back() {
    const KEPT_BYTES: libc::c_int = 1024 * 1024;
    const MAPPED_BYTES: libc::c_int = 64 * 1024;
    // Texts that are smaller come from arenas, and what a thread has freed in its own is of use to no other.
    const ARENAS: libc::c_int = 2;
    // SAFETY: `mallopt` takes two integers, and the C library guards its settings by a lock of its own (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
    }
}

/// Elsewhere the allocator does as it likes.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}
