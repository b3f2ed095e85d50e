//! The engine of `lightsout`.
pub mod bms;
pub mod clock;
pub mod diagnostic;
pub mod duration;
pub mod exit;
pub mod ids;
pub mod inventory;
pub mod plan;
pub mod untrusted;
pub mod workflow;
