//! Stage 1, pure: YAML text → [`Workflow`].
//!
//! The text is parsed, checked against `schemas/workflow.schema.json`, its templates are expanded, and
//! the result is checked again and turned into typed settings. Reads no file: the caller brings every
//! text and the environment. Invariant: a [`Workflow`] needs no further check of its own.

mod model;

pub use model::{
    BatchSize, Checks, Definition, Exclude, Expect, FailOrSkip, FailSkipOrSend, Group, Guards,
    InFlight, InventoryFile, Jobs, OnState, Rate, Rollout, StopType, Workflow,
};
