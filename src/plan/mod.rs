//! Stage 3, pure: [`Targets`](crate::inventory::Targets) → [`Plan`], and everything that is shown of it.

mod model;

pub use model::{
    Batch, Contents, Guard, Plan, PlanWarning, PlannedGroup, Project, WorkflowSummary,
};
