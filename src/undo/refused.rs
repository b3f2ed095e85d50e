//! Why a run is not undone.
//!
//! Owns the words of every refusal, and what to do about it; deciding is the neighbour's. Invariant: every
//! refusal has a hint.

use std::time::Duration;

use crate::duration;
use crate::ids::RunId;

/// Why a run is not undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its own work is not over.
    #[error("run {0} is not finished")]
    Unfinished(RunId),
    /// It is an undo itself.
    #[error("run {run} is itself an undo, of run {of}")]
    Undo {
        /// The run.
        run: RunId,
        /// The run that it has undone.
        of: RunId,
    },
    /// It touched nothing real.
    #[error("it is a {0}: no real server was stopped")]
    NotReal(&'static str),
    /// It is too long ago.
    #[error("run {run} began {} ago, and the limit is {}", duration::format_age(*age), duration::format_age(*limit))]
    TooOld {
        /// The run.
        run: RunId,
        /// How long ago it began.
        age: Duration,
        /// How long ago it may have begun.
        limit: Duration,
    },
    /// Its undos have started all that it stopped, or may have; or one of them is still to be gone on with.
    #[error("run {run} was undone before, by run {by}")]
    UndoneBefore {
        /// The run.
        run: RunId,
        /// The undo.
        by: RunId,
        /// Whether that is over.
        over: bool,
    },
    /// There is nothing to start.
    #[error("run {0} has stopped no server that it saw on before and off after")]
    NothingStopped(RunId),
    /// The state folder has no run of the workflow.
    #[error("there is no run of a workflow named `{0}`")]
    NoneOf(String),
    /// A report names a run that the state folder does not have.
    #[error("the run {0} of the report is not in the state folder")]
    NotHere(RunId),
    /// A report and the run that it names are of different plans.
    #[error("the report is not that of run {0}: their plans differ")]
    OtherPlan(RunId),
    /// More became known of the run while it was looked at.
    #[error("run {0} has changed in the meantime")]
    Changed(RunId),
}

impl Refused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unfinished(run) => format!(
                "first `lightsout resume {run}` goes on with it, or `lightsout settle {run}` ends it"
            ),
            Self::Undo { .. } => "to stop the servers again, run the workflow".to_owned(),
            Self::NotReal(_) => "name a run of real servers".to_owned(),
            Self::TooOld { .. } => {
                "see that its servers are still to be started, then give a longer `--max-age`"
                    .to_owned()
            }
            Self::UndoneBefore { by, over: true, .. } => format!(
                "see `lightsout report {by}`: what it tried in vain is to be started by hand"
            ),
            Self::UndoneBefore { by, .. } => {
                format!("that is not finished: `lightsout resume {by}` goes on with it")
            }
            Self::NothingStopped(run) => {
                format!("see `lightsout report {run}` for what became of its servers")
            }
            Self::NoneOf(_) => "give the name as it stands in the workflow, or the ID of a run; \
                                check `--state-dir`"
                .to_owned(),
            Self::NotHere(run) => format!(
                "undo it on the machine that ran it, or copy its folder `runs/{run}` from there into \
                 the state folder; a report alone does not prove what was stopped"
            ),
            Self::OtherPlan(_) => "name the run by its ID".to_owned(),
            Self::Changed(_) => "look at it, and try again".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_do() {
        let run: RunId = "20261128T170000Z-3f9a1c".parse().unwrap();
        let by = run.clone();
        for over in [true, false] {
            let (run, by) = (run.clone(), by.clone());
            let refused = Refused::UndoneBefore { run, by, over };
            let verb = if over {
                "lightsout report"
            } else {
                "lightsout resume"
            };
            assert!(refused.hint().contains(verb));
        }
        assert!(
            Refused::Unfinished(run.clone())
                .hint()
                .contains("lightsout settle")
        );
        assert!(
            Refused::NotHere(run)
                .hint()
                .contains("on the machine that ran it")
        );
    }
}
