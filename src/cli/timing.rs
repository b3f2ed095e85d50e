//! When a run may begin, and until when it may send.
//!
//! Owns holding a moment against the calendar and earlier runs of its occurrence, and what a person has lifted of
//! that. Invariant: what is lifted is in the permit that the run's journal keeps, and an occurrence is
//! resolved once.

use std::path::Path;

use jiff::Timestamp;

use super::Invocation;
use super::calendar::{self, FreezeFile, RequiredContent, calendar, planned_freeze_files};
use super::policies::InForce;
use crate::error::Error;
use crate::event::{Lifted, ObeyedCalendar, Opened, Permit, TimeRule};
use crate::ids::RunId;
use crate::plan::{Plan, PlanWarning};
use crate::policy::Lifting;
use crate::run::{Hours, NotNow};
use crate::state::{Ran, ran_in};
use crate::window::{Calendar, Occurrence};

/// What keeps a run from sending at its time.
pub(super) struct Timing<'a> {
    calendar: Calendar,
    files: Vec<FreezeFile>,
    /// Why a person lifts all of it, if somebody does.
    reason: Option<&'a str>,
}

/// The occurrence in which a run begins, and what has run in it already.
#[derive(Default)]
pub(super) struct Turn {
    opened: Option<Opened>,
    ran: Option<RunId>,
}

impl<'a> Timing<'a> {
    /// What the policies, the plan's window and the files beside it say, unless somebody lifts it.
    pub(super) fn of(
        in_force: &InForce,
        plan: &Plan,
        beside: &Path,
        reason: Option<&'a str>,
    ) -> Self {
        let files = planned_freeze_files(plan, beside);
        Self {
            calendar: calendar(plan.window.as_ref(), &files, in_force.policies()),
            files,
            reason,
        }
    }

    /// The same for a run that is taken up: its occurrence is the one in which it began, whatever the window says
    /// by now, and its files are where they were then.
    pub(super) fn of_earlier(in_force: &InForce, permit: &'a Permit) -> Self {
        let file = |kept: &ObeyedCalendar| FreezeFile {
            name: kept.path.clone(),
            place: Ok(kept.path.clone().into()),
            content: RequiredContent::Planned(kept.sha256.clone()),
        };
        let files: Vec<FreezeFile> = permit.freeze.iter().map(file).collect();
        let lifted = permit.lifted.as_ref();
        Self {
            calendar: calendar(None, &files, in_force.policies()),
            files,
            reason: lifted.map(|lifted| lifted.reason.as_str()),
        }
    }

    /// Refuses freeze calendars that do not hold what they held when the plan was made.
    pub(super) fn check_calendars(&self) -> Result<(), Error> {
        calendar::check_unchanged(&self.files)
    }

    /// Refuses a moment at which nothing may be sent.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), Error> {
        match (self.reason, NotNow::of_moment(&self.calendar, now)) {
            (None, Some(why)) => Err(why.into()),
            (_, _) => Ok(()),
        }
    }

    /// Finds the occurrence that a run which begins now goes by, and refuses a second run in it.
    pub(super) fn turn(&self, now: Timestamp, plan: &Plan, state: &Path) -> Result<Turn, Error> {
        let turn = self.rehearsed_turn(now)?;
        let Some(Opened { occurrence, .. }) = turn.opened else {
            return Ok(turn);
        };
        let workflow = (&plan.project, plan.workflow.name.as_str());
        let ran = ran_in(state, workflow, occurrence.opens)?;
        match (ran, self.reason) {
            (None, _) => Ok(turn),
            (Some(Ran::Finished(run)), None) => {
                Err(NotNow::already(&self.calendar, occurrence, run).into())
            }
            (Some(Ran::Unread(run, error)), None) => {
                Err(Error::PerhapsRan(run, Box::new(error.into())))
            }
            // What may have run is lifted like what has.
            (Some(Ran::Finished(run) | Ran::Unread(run, _)), Some(_)) => Ok(Turn {
                ran: Some(run),
                ..turn
            }),
        }
    }

    /// The same for a rehearsal, which no run precedes.
    pub(super) fn rehearsed_turn(&self, now: Timestamp) -> Result<Turn, Error> {
        self.check(now)?;
        let opened = self.calendar.window().and_then(|window| {
            let occurrence = window.occurrence_at(now)?;
            let timezone = window.zone().name().to_owned();
            Some(Opened {
                timezone,
                occurrence,
            })
        });
        Ok(Turn { opened, ran: None })
    }

    /// Refuses a moment at which nothing may be sent any more in this turn.
    pub(super) fn check_turn(&self, now: Timestamp, turn: &Turn) -> Result<(), Error> {
        self.check(now)?;
        match (&turn.opened, self.reason) {
            (Some(Opened { occurrence, .. }), None) if occurrence.cutoff <= now => {
                Err(NotNow::cut_off(&self.calendar, *occurrence).into())
            }
            (_, _) => Ok(()),
        }
    }

    /// When a run that begins now, in this turn, may send.
    pub(super) fn permit(&self, now: Timestamp, turn: Turn) -> Permit {
        let reason = self.reason.map(str::to_owned);
        let rules = self.rules(now, &turn);
        let kept = self.files.iter().filter_map(|file| {
            Some(ObeyedCalendar {
                path: file.place.as_ref().ok()?.display().to_string(),
                sha256: file.content.planned().map(str::to_owned),
            })
        });
        Permit {
            window: turn.opened,
            freeze: kept.collect(),
            lifted: reason.map(|reason| Lifted { reason, rules }),
        }
    }

    /// What there is to lift.
    fn rules(&self, now: Timestamp, turn: &Turn) -> Vec<TimeRule> {
        let calendar = &self.calendar;
        let closures = calendar.frozen_at(now).or(calendar.next_closure(now));
        let there = [
            (TimeRule::Window, calendar.window().is_some()),
            (
                TimeRule::Freeze,
                closures.is_some() || calendar.has_unread(),
            ),
            (TimeRule::AlreadyRan, turn.ran.is_some()),
        ];
        let there = there.into_iter().filter(|(_, is_there)| *is_there);
        there.map(|(rule, _)| rule).collect()
    }

    /// Until when a run with this occurrence may send, from now on.
    pub(super) fn hours(&self, now: Timestamp, occurrence: Option<Occurrence>) -> Hours {
        let closure = self.calendar.next_closure(now);
        match self.reason {
            Some(_) => Hours::default(),
            None => Hours {
                occurrence,
                freezes: closure.map(|dated| dated.closure.from),
            },
        }
    }

    /// The warning that a real run would be refused now. It is printed, and returned for the report.
    pub(super) fn warn(&self, invocation: &Invocation<'_>, now: Timestamp) -> Option<PlanWarning> {
        let error = self.check(now).err()?;
        let message = format!("a real run would be refused now: {}", error.message());
        invocation.printer.note(format!("warning: {message}"));
        Some(PlanWarning {
            code: "not-now".to_owned(),
            message,
        })
    }
}

/// What a reason to lift something asks of the policies.
pub(super) fn lifting(reason: Option<&str>) -> Lifting {
    match reason {
        Some(_) => Lifting::Times,
        None => Lifting::Nothing,
    }
}

/// Says so where there is nothing to lift.
pub(super) fn tell_idle(invocation: &Invocation<'_>, permit: &Permit) {
    let idle = permit.lifted.as_ref().is_some_and(|it| it.rules.is_empty());
    if idle {
        let note = "warning: `--override` lifts nothing: nothing would keep this run from sending";
        invocation.printer.note(note);
    }
}
