//! Settings of the allocator for a process that makes the same large values again and again. Allocates nothing itself.

/// Keeps the memory that one tree of a document gave back for the next one, and all of it in two arenas, because no more than
/// two computations run at once. To be called before the first thread is started.
///
/// Without it the C library gives pages back to the system at each keystroke in a large document and takes them anew.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "a setting of the C library: it takes two integers and touches no memory of ours"
)]
pub fn keep() {
    const ARENAS: libc::c_int = 2;
    const KEPT_BYTES: libc::c_int = 64 * 1024 * 1024;
    const MAPPED_BYTES: libc::c_int = 16 * 1024 * 1024;
    // SAFETY: `mallopt` may be called at any time, and no other thread allocates yet (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
    }
}

/// Elsewhere the allocator does as it likes.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep() {}
