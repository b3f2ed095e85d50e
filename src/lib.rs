//! The engine of `lightsout`.
pub mod bms;
pub mod clock;
pub mod diagnostic;
pub mod duration;
pub mod event;
pub mod exit;
pub mod http;
pub mod ids;
pub mod inventory;
pub mod ledger;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod simulator;
pub mod state;
pub mod untrusted;
pub mod workflow;
