//! The seed of a request: never the manifest's own, or repeats of a task would be copies of each other.

use harness_schema::digest::Digest;

/// The seed that a request is sent with: the first 31 bits of SHA-256 over the manifest's seed (8 bytes, little endian),
/// the task's digest, the trial's role and the repeat (8 bytes, little endian), each preceded by its length
/// ([`Digest::of_parts`]). 31 bits, because some servers read a signed 32-bit number.
#[must_use]
pub fn of_request(seed: i64, task: &Digest, role: &str, repeat: u64) -> u32 {
    let parts: [&[u8]; 4] = [&seed.to_le_bytes(), task.bytes(), role.as_bytes(), &repeat.to_le_bytes()];
    let [a, b, c, d, ..] = *Digest::of_parts(parts).bytes();
    u32::from_be_bytes([a, b, c, d]) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_counts_and_the_result_is_stable() {
        let task = Digest::of(b"a task");
        let seed = of_request(7, &task, "baseline", 0);
        assert_eq!(seed, of_request(7, &task, "baseline", 0));
        assert!(seed < 1 << 31);
        let others = [
            of_request(8, &task, "baseline", 0),
            of_request(7, &Digest::of(b"another"), "baseline", 0),
            of_request(7, &task, "confirm", 0),
            of_request(7, &task, "baseline", 1),
        ];
        assert!(others.iter().all(|other| *other != seed));
    }
}
