//! Stage 2: the workflow's groups → [`Targets`], by reading inventory files.

mod model;

pub use model::{TargetGroup, Targets};
