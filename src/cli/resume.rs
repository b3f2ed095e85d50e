//! `lightsout resume` and `lightsout settle`: going on with an earlier run.
//!
//! Owns what the two verbs ask for; the work is in `take_up`. Invariant: `settle` sends nothing.

use super::Invocation;
use super::args::{ResumeFlags, SettleFlags};
use super::take_up::{Aim, take_up};
use crate::error::Error;
use crate::exit::Exit;

pub(super) fn resume(invocation: &Invocation<'_>, flags: &ResumeFlags) -> Result<Exit, Error> {
    let aim = Aim::Resume {
        even_late: flags.send,
    };
    take_up(invocation, &flags.earlier, aim)
}

pub(super) fn settle(invocation: &Invocation<'_>, flags: &SettleFlags) -> Result<Exit, Error> {
    take_up(invocation, &flags.earlier, Aim::Settle)
}
