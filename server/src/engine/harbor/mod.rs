//! Harbor's jobs as values: the document that asks for one, and what the files that it leaves say (`formats` 5.3). Harbor owns
//! environments, agents and verifiers; what it says of them is untrusted, and its exit code is not read.

pub mod job;
pub mod result;
pub mod lock;
pub mod verdict;

#[cfg(test)]
mod tests;
