//! The servers of a listing as the simulator has them.
//!
//! Owns this one conversion. Invariant: the simulator's listing of these servers gives the same rows
//! again, but for states that only a moment in time can show.

use crate::bms::{ServerDetail, StateClass};
use crate::simulator::{Condition, Particulars, SimulatedServer};

/// The simulated server that a listing shows like this.
pub(super) fn server(detail: &ServerDetail) -> SimulatedServer {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    SimulatedServer {
        id: detail.id,
        name: detail.name.clone(),
        initial: match detail.state {
            StateClass::On => Condition::On,
            StateClass::Off => Condition::Off,
            StateClass::Stopping => Condition::Stopping(None),
            StateClass::Starting => Condition::Starting(None),
            StateClass::Gone => Condition::Missing,
            StateClass::Error => Condition::Error,
            StateClass::Locked => Condition::Locked,
            StateClass::Busy => Condition::Rebooting(None),
        },
        particulars: Particulars {
            flavor: text(&detail.flavor),
            availability_zone: text(&detail.availability_zone),
            enterprise_project_id: text(&detail.enterprise_project_id),
            tags: detail.tags.listed().unwrap_or_default().to_vec(),
        },
    }
}
