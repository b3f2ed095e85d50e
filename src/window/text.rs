//! What a calendar says of a moment, and the next openings, as text for people.
//!
//! Owns the layout; each time stands there twice, on the clocks of the window's zone and in UTC. Invariant: text
//! from outside is escaped, and everything that keeps a run from beginning is named.

use std::fmt::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calendar::{Calendar, Closed, Dated, End, Explanation};
use super::{Occurrence, Opening, Window};
use crate::duration;
use crate::untrusted::{for_terminal, shorten};

/// How many openings are shown.
const OPENINGS: usize = 5;
/// Longest reason, or name of a file, that is shown.
const REASON: usize = 200;

impl Calendar {
    /// Whether a moment is open or closed, why, when that changes, and the next openings after it.
    pub fn to_text(&self, moment: Timestamp) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, moment);
        text
    }

    fn write(&self, out: &mut String, moment: Timestamp) -> fmt::Result {
        match self.explain(moment) {
            Explanation::Open { occurrence, until } => {
                self.line(out, "open", moment)?;
                if let Some(end) = &until {
                    self.line(out, "until", end.at())?;
                }
                because(out, open_for(occurrence))?;
                until.map_or(Ok(()), |end| self.end(out, end))?;
            }
            Explanation::Closed { why, opens } => {
                self.line(out, "closed", moment)?;
                match opens {
                    Some(opens) => self.line(out, "until", opens)?,
                    None => field(out, "until", unknown_opening(&why))?,
                }
                why.iter().try_for_each(|why| self.closed(out, why))?;
            }
        }
        match self.window() {
            Some(window) => self.openings(out, window, moment),
            None => Ok(()),
        }
    }

    fn end(&self, out: &mut String, end: End<'_>) -> fmt::Result {
        match end {
            End::Cutoff(occurrence) if occurrence.cutoff == occurrence.closes => {
                field(out, "then", "the window closes")
            }
            End::Cutoff(occurrence) => {
                field(out, "then", "the cutoff: nothing is sent any more")?;
                self.line(out, "closes", occurrence.closes)
            }
            End::Closure(dated) => field(out, "then", shown(&Closed::Frozen(dated))),
        }
    }

    fn closed(&self, out: &mut String, why: &Closed<'_>) -> fmt::Result {
        because(out, shown(why))?;
        match why {
            Closed::Outside | Closed::Unread(_) => Ok(()),
            Closed::PastCutoff(occurrence) => self.line(out, "closes", occurrence.closes),
            Closed::Frozen(dated) => self.line(out, "ends", dated.closure.to),
        }
    }

    fn openings(&self, out: &mut String, window: &Window, moment: Timestamp) -> fmt::Result {
        let opens: Vec<String> = window.opens().iter().map(Opening::to_string).collect();
        let (zone, offsets) = (window.zone().name(), window.zone().offsets());
        let opens = opens.join("; ");
        writeln!(out, "\nwindow     {opens} in {zone} ({offsets})")?;
        let duration = duration::format(window.duration());
        match window.cutoff().is_zero() {
            true => field(out, "", format!("for {duration}"))?,
            false => {
                let cutoff = duration::format(window.cutoff());
                field(
                    out,
                    "",
                    format!("for {duration}, nothing sent in the last {cutoff}"),
                )?;
            }
        }
        let upcoming = window.upcoming(moment, OPENINGS);
        if upcoming.is_empty() {
            return writeln!(out, "\nno further opening");
        }
        writeln!(out, "\nnext openings")?;
        for occurrence in upcoming {
            writeln!(out)?;
            self.line(out, "opens", occurrence.opens)?;
            self.line(out, "cutoff", occurrence.cutoff)?;
            self.line(out, "closes", occurrence.closes)?;
            let closures = self.closures_in(&occurrence);
            closures
                .into_iter()
                .try_for_each(|it| self.closure(out, it))?;
        }
        Ok(())
    }

    fn closure(&self, out: &mut String, dated: &Dated) -> fmt::Result {
        self.line(out, "frozen", dated.closure.from)?;
        self.line(out, "  until", dated.closure.to)?;
        field(out, "", shown(&Closed::Frozen(dated)))
    }

    /// A moment by the window's clocks, and in UTC.
    fn line(&self, out: &mut String, name: &str, moment: Timestamp) -> fmt::Result {
        let utc = by(&TimeZone::UTC, moment);
        match self.window().map(|window| window.zone().rules()) {
            Some(zone) => field(out, name, format!("{:<30} {utc}", by(zone, moment))),
            None => field(out, name, utc),
        }
    }
}

fn open_for(occurrence: Option<Occurrence>) -> &'static str {
    match occurrence {
        Some(_) => "the window is open",
        None => "there is no window: sends are allowed at any time",
    }
}

fn unknown_opening(why: &[Closed<'_>]) -> &'static str {
    match why.iter().any(|why| matches!(why, Closed::Unread(_))) {
        true => "it is known again when nothing may be sent",
        false => "ever: the window does not open again",
    }
}

fn because(out: &mut String, why: impl fmt::Display) -> fmt::Result {
    field(out, "because", why)
}

fn field(out: &mut String, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(out, "{name:<9}  {value}")
}

fn shown(why: &Closed<'_>) -> String {
    for_terminal(&shorten(&why.to_string(), REASON)).into_owned()
}

/// Such as `Sat 2026-11-28 01:00 +08:00`.
fn by(zone: &TimeZone, moment: Timestamp) -> String {
    let zoned = moment.to_zoned_datetime(zone.clone());
    let whole_minute = zoned.second() == 0;
    let time = if whole_minute { "%H:%M" } else { "%H:%M:%S" };
    let offset = if *zone == TimeZone::UTC { "UTC" } else { "%:z" };
    zoned
        .strftime(&format!("%a %Y-%m-%d {time} {offset}"))
        .to_string()
}
