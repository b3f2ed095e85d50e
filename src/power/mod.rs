//! Power: in which state a server is, what can be done about it, and how the two stand to each other.
//!
//! Everything that a stop and a start have in common is written once, in terms of a [`Standing`]: is the
//! server where the action wants it, on its way, or still where the action is to take it from. Pure.
//! Invariant: the two actions are mirror images; what only one of them has is its request's body.

mod action;
mod state;

use std::time::Duration;

pub use action::Action;
pub use state::{Standing, StateClass};

/// How long a job takes that nothing delays: so long the simulated cloud takes, and plans count on it.
pub const USUAL_JOB: Duration = Duration::from_secs(20);
