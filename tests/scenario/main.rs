//! The real program against the simulated cloud: what an operator can rely on, one scenario a test.
//!
//! Every scenario has a folder, a state folder, an environment and a cloud of its own. The clock of both
//! sides passes faster than the wall's. Invariant: tests know nothing of each other and of wall time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod accounts;
mod annotations;
mod attacks;
mod batches;
mod binding;
mod broken_servers;
mod causes;
mod checks;
mod clock_storms;
mod clocks;
mod conflicts;
mod connections;
mod crash;
mod damage;
mod disk;
mod doctor;
mod environment;
mod estimates;
mod exit_codes;
mod forge;
mod freeze;
mod gates;
mod hostile_clocks;
mod hostile_files;
mod hostile_names;
mod interloper;
mod invalid_files;
mod inventories;
mod last_look;
mod late;
mod locks;
mod lost_answers;
mod not_sent;
mod odd_responses;
mod odd_rows;
mod overrides;
mod pasted;
mod pipeline;
mod pipeline_attacks;
mod pipeline_failures;
mod pipelines;
mod policy;
mod porter;
mod process;
mod quarantine;
mod refusals;
mod rehearsal;
mod reports;
mod reviews;
mod sameness;
mod scenario;
mod secrecy;
mod selection;
mod settle;
mod signals;
mod speech;
mod stragglers;
mod undo;
mod undo_again;
mod verbs;
mod waiting;
mod warnings;
mod waves;
mod weather;
mod window;
mod windows;
