//! What there is to tell of a run, read from its store: its report as a value, the texts of its harnesses, and what the agent did
//! in a trial. It writes nothing; how a report or a trace looks is for whoever shows it.

mod texts;
mod view;
mod trace;

pub use texts::Texts;
pub use trace::{TracedTrial, trace};
pub use view::{chronicle, cluster, counts, looks_before, report, report_after, scope};
