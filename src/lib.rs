//! The engine of `lightsout`, which powers off fleets of Huawei Cloud Bare Metal Servers from a
//! reviewed YAML file.
//!
//! ```text
//! text ──parse──▶ Workflow ──resolve──▶ Targets ──make──▶ Plan ──execute──▶ Events ──fold──▶ Report
//!       (pure)              (files)             (pure)         (the cloud)    │    (pure)
//!                                                                             └─▶ journal (durable)
//! ```
//!
//! Each arrow is one function, each noun one type that only its stage can make: [`workflow::parse`],
//! [`inventory::resolve`], [`plan::make`], [`run::execute`], [`ledger::Ledger::apply`] and
//! [`report::Report::build`]. No later stage checks again what an earlier one promised. A dry run
//! stops after the [`plan::Plan`].
//!
//! A stop is a power cut and nobody watches, so the rules that the code is built around are: what was
//! reviewed is what runs; nothing is sent again unless the cloud had not taken it; and what is not
//! known is called unknown.

pub mod bms;
pub mod cli;
pub mod clock;
pub mod diagnostic;
pub mod doctor;
pub(crate) mod document;
pub mod duration;
pub mod error;
pub mod event;
pub mod exit;
pub mod freeze;
pub mod glob;
pub mod http;
pub mod ids;
pub mod inventory;
pub mod journal;
pub mod ledger;
pub mod named_file;
pub mod outcome;
pub mod outlook;
pub mod plan;
pub mod policy;
pub mod power;
pub mod report;
pub mod run;
pub mod simulator;
pub mod state;
pub mod status;
pub mod undo;
pub mod untrusted;
pub mod window;
pub mod workflow;
