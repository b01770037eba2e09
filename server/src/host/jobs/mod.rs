//! Trials and checks of tasks as jobs of Harbor's: asks for one, has Harbor run it, and reads what it left. A job that was killed
//! goes on when it is asked for in the same words; one that is finished is taken as it is.

mod left;
mod bridge;
mod workshop;
mod trial;
mod admission;

pub use self::admission::admit;
pub use self::bridge::bridge;
pub use self::trial::{JobTrial, perform};
pub use self::workshop::Workshop;
