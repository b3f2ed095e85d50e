//! Why a run may not begin at this time. Pure.
//!
//! Owns the words, and from when on it is worth another try. Invariant: an opening is told in the window's local
//! time, where there is a window, and in UTC.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use crate::ids::RunId;
use crate::window::{Calendar, Closed, Dated, Explanation, Occurrence, Unread, Zone};

/// Why a run may not begin now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// No occurrence of the window contains the moment.
    #[error("the window is closed; {opens}")]
    Closed {
        /// When a run may begin.
        opens: Next,
    },
    /// The occurrence is not over, but nothing is sent any more.
    #[error("the window's cutoff was {cutoff}; {opens}")]
    PastCutoff {
        /// Since when.
        cutoff: Told,
        /// When a run may begin.
        opens: Next,
    },
    /// A run has finished in the same occurrence of the window.
    #[error("run {run} has finished in this occurrence of the window; {opens}")]
    AlreadyRan {
        /// That run.
        run: RunId,
        /// When another may begin.
        opens: Next,
    },
    /// A closure contains the moment.
    #[error("`{}` of {} forbids it until {}: {}{}", .dated.file, .dated.keeper, .dated.closure.to, .dated.closure.reason, .opens.later_than(.dated.closure.to))]
    Frozen {
        /// The closure, and whose it is.
        dated: Dated,
        /// When a run may begin.
        opens: Next,
    },
    /// It is not known what a file of closures says.
    #[error("`{}` of the workflow, which says when nothing may be sent, {}", .0.file, .0.why)]
    Unread(Unread),
}

/// When a run may begin, if ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next(Option<Told>);

/// A moment, and how the clocks of a window's zone show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    moment: Timestamp,
    local: Option<(String, String)>,
}

impl Told {
    /// The moment as the zone tells it, if there is one.
    pub fn of(zone: Option<&Zone>, moment: Timestamp) -> Self {
        let local = zone.map(|zone| (zone.written(moment), zone.name().to_owned()));
        Self { moment, local }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.local {
            Some((local, zone)) => write!(f, "{local} {zone} ({})", self.moment),
            None => self.moment.fmt(f),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(told) => write!(f, "a run may begin at {told}"),
            None => f.write_str("it never opens again"),
        }
    }
}

impl Next {
    /// What is added to the end of a closure, where that alone opens nothing.
    fn later_than(&self, end: Timestamp) -> String {
        match &self.0 {
            Some(told) if told.moment == end => String::new(),
            Some(_) | None => format!("; {self}"),
        }
    }
}

impl NotNow {
    /// Why a calendar forbids a run to begin at a moment, if it does.
    pub fn of_moment(calendar: &Calendar, moment: Timestamp) -> Option<Self> {
        let Explanation::Closed { why, opens } = calendar.explain(moment) else {
            return None;
        };
        let zone = zone(calendar);
        let opens = Next(opens.map(|opens| Told::of(zone, opens)));
        // The first is what nothing but another file, or time, can change.
        Some(match why.into_iter().next()? {
            Closed::Unread(unread) => Self::Unread(unread.clone()),
            Closed::Frozen(dated) => Self::Frozen {
                dated: dated.clone(),
                opens,
            },
            Closed::PastCutoff(occurrence) => Self::PastCutoff {
                cutoff: Told::of(zone, occurrence.cutoff),
                opens,
            },
            Closed::Outside => Self::Closed { opens },
        })
    }

    /// That a run has finished in this occurrence.
    pub fn already(calendar: &Calendar, occurrence: Occurrence, run: RunId) -> Self {
        let opens = following(calendar, occurrence);
        Self::AlreadyRan { run, opens }
    }

    /// That the cutoff of this occurrence has come.
    pub fn cut_off(calendar: &Calendar, occurrence: Occurrence) -> Self {
        Self::PastCutoff {
            cutoff: Told::of(zone(calendar), occurrence.cutoff),
            opens: following(calendar, occurrence),
        }
    }

    /// From when on it is worth another try, if ever.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { opens }
            | Self::PastCutoff { opens, .. }
            | Self::AlreadyRan { opens, .. }
            | Self::Frozen { opens, .. } => opens.0.as_ref().map(|told| told.moment),
            Self::Unread(_) => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Cow<'static, str> {
        let lifted = "`--override REASON` lifts it for one run, where the policies allow that";
        match self {
            Self::AlreadyRan { run, .. } => {
                format!("`lightsout report {run}` tells what it did; {lifted}").into()
            }
            Self::Closed { opens }
            | Self::PastCutoff { opens, .. }
            | Self::Frozen { opens, .. }
                if opens.0.is_none() =>
            {
                lifted.into()
            }
            Self::Closed { .. } | Self::PastCutoff { .. } | Self::Frozen { .. } => {
                format!("`--wait` waits for it to open; {lifted}").into()
            }
            Self::Unread(_) => format!("mend the file; {lifted}").into(),
        }
    }
}

fn zone(calendar: &Calendar) -> Option<&Zone> {
    calendar.window().map(crate::window::Window::zone)
}

/// When a run may begin after an occurrence.
fn following(calendar: &Calendar, occurrence: Occurrence) -> Next {
    let next = calendar
        .window()
        .and_then(|it| it.next_after(occurrence.opens));
    let opens = next.and_then(|next| calendar.opens_after(next.opens));
    Next(opens.map(|opens| Told::of(zone(calendar), opens)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::freeze::Closure;
    use crate::window::Keeper;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn calendar() -> Calendar {
        let window = serde_json::json!({
            "timezone": "Asia/Singapore",
            "opens": [{ "days": ["sat"], "at": "01:00" }],
            "duration": "4h",
            "cutoff": "45m",
        });
        Calendar::new(Some(serde_json::from_value(window).unwrap()))
    }

    fn closure(from: &str, to: &str) -> Closure {
        Closure {
            from: moment(from),
            to: moment(to),
            reason: "end of the year".to_owned(),
        }
    }

    #[test]
    fn an_opening_is_told_in_local_time_and_in_utc() {
        let open = calendar();
        let occurrence = open.occurrence_at(moment("2026-11-27T18:00:00Z")).unwrap();
        let run = "20261127T170000Z-3f9a1c".parse().unwrap();
        let mut frozen = calendar();
        let closed = closure("2026-11-27T00:00:00Z", "2026-12-05T00:00:00Z");
        frozen.close(Keeper::Workflow, "freeze.yaml", [closed]);
        let mut without = Calendar::default();
        let closed = closure("2026-11-27T00:00:00Z", "2026-12-05T00:00:00Z");
        without.close(Keeper::Policy, "policy.yaml", [closed]);
        let mut unread = calendar();
        unread.close_for_lack_of("freeze.yaml", "cannot be found".to_owned());
        let at = |calendar: &Calendar, text: &str| NotNow::of_moment(calendar, moment(text));
        assert_eq!(at(&open, "2026-11-27T18:00:00Z"), None);
        let all = [
            at(&open, "2026-11-27T16:59:59Z").unwrap(),
            at(&open, "2026-11-27T20:15:00Z").unwrap(),
            NotNow::already(&open, occurrence, run),
            NotNow::cut_off(&open, occurrence),
            at(&frozen, "2026-11-27T18:00:00Z").unwrap(),
            at(&without, "2026-11-27T18:00:00Z").unwrap(),
            at(&unread, "2026-11-27T18:00:00Z").unwrap(),
            NotNow::Closed { opens: Next(None) },
        ];
        let lines = all.map(|it| format!("{it}\n  hint: {}\n  until: {:?}", it.hint(), it.until()));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
