//! Asking a person at a terminal for the number of targets.
//!
//! Owns the question. Invariant: only a [`Terminal`] is asked, and one exists only if stdin and stderr are both
//! terminals. A run that nothing else approves cannot start without it.

use super::Invocation;
use crate::error::Error;
use crate::plan::Plan;
use crate::report::count;

/// A terminal on which a person can read the question and answer it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal(());

impl Terminal {
    /// The terminal of this invocation. Without one, the error suggests `command`, which needs no confirmation.
    pub(super) fn require(
        invocation: &Invocation<'_>,
        command: impl FnOnce() -> String,
    ) -> Result<Self, Error> {
        let around = invocation.around;
        let missing = match (around.stdin_is_terminal, around.stderr_is_terminal) {
            (true, true) => return Ok(Self(())),
            (false, true) => "stdin is not a terminal",
            (true, false) => "stderr is not a terminal",
            (false, false) => "stdin and stderr are not terminals",
        };
        let command = command();
        Err(Error::NoTerminal { missing, command })
    }
}

/// Asks for the number of targets. Any other answer is an error.
pub(super) fn confirm(
    invocation: &Invocation<'_>,
    _terminal: Terminal,
    plan: &Plan,
    targets: usize,
) -> Result<(), Error> {
    let Invocation {
        printer, signals, ..
    } = invocation;
    let ask = || printer.ask(question(plan, targets));
    let answer = signals.exiting(printer, ask);
    let answer = answer.map_err(|error| super::internal("ask for confirmation", error))?;
    if is_number(&answer, targets) {
        return Ok(());
    }
    Err(Error::Declined {
        targets: count(targets, "server"),
        done: plan.action.done(),
        answer,
    })
}

fn question(plan: &Plan, targets: usize) -> String {
    let servers = count(targets, "server");
    let (project, endpoint) = (&plan.project.id, &plan.project.endpoint);
    let powered = plan.action.powered_how();
    format!(
        "{servers} of project {project} at {endpoint} will be {powered}.\n\
         Type the number of servers to go on:"
    )
}

fn is_number(answer: &str, targets: usize) -> bool {
    answer.replace(',', "") == targets.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample;

    #[test]
    fn only_the_number_itself_is_consent() {
        for answer in ["2500", "2,500"] {
            assert!(is_number(answer, 2500), "{answer}");
        }
        for answer in ["", "y", "yes", "2501", "250", "02500", "2500 "] {
            assert!(!is_number(answer, 2500), "{answer}");
        }
    }

    #[test]
    fn the_question_says_what_is_at_stake() {
        let text = question(&sample::fleet(), 2500);
        assert!(text.starts_with("2,500 servers of project bbf1946d374b44a0a2a95533562ba954 at "));
        assert!(text.contains("powered off (HARD)"));
    }
}
