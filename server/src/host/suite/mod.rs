//! Tasks under the sandbox: what a task asks for, its start tree, its verifier, and the proof that its verdicts mean
//! something.
//!
//! A [`TaskPlan`] says everything that is needed to run a task; [`build`] makes its [`Template`]; [`admit`] tries the task
//! without an agent and gives an [`AdmittedTask`]; [`begin`] makes the tree of a trial; [`verify`] judges what is left of
//! it; [`combine`] makes one verdict of several steps.

pub mod bundle;
pub mod places;
pub mod plan;
mod planning;
pub mod environment;
pub mod canary;
pub mod judging;
pub mod admission;
pub mod verifying;
pub mod admitting;
pub mod combining;

pub use admission::{Admission, AdmittedTask, Mark, Proof};
pub use admitting::{FAILS_SOLUTION, NotAdmitted, PASSES_IDLE, admit};
pub use bundle::{Bundle, BundleError};
pub use combining::{combine, goes_on};
pub use environment::{Bench, PrepareError, Template, begin, build, healthy};
pub use plan::{Changed, Health, Reach, StepPlan, TaskPlan, TaskRefused};
pub(in crate::host) use planning::registered;
pub use verifying::{Judged, verify};
