//! A status as text for people.
//!
//! Owns the wording. Names, reasons and job IDs come from outside and are escaped. Invariant: the first
//! lines say whether somebody works on the run, and what to type if nobody does.

use std::time::Duration;

use jiff::Timestamp;

use super::{Life, Status, Waiting, outcomes, pending, waiting};
use crate::duration;
use crate::event::{Mode, WaitReason};
use crate::ledger::{BatchRecord, SendRecord, Totals};
use crate::plan::Batch;
use crate::power::Action;
use crate::report::{Ending, Verdict, cause_text, count, grouped, hours, words};
use crate::untrusted::{for_terminal, shorten};

/// Most groups that are told; the JSON form has all.
const GROUPS: usize = 50;
/// Most batches under way that are told; as many as can be in flight.
const BATCHES: usize = 50;
/// Longest text from outside that is shown, in characters.
const LONGEST: usize = 300;

impl Status<'_> {
    /// The status as text, the final line end included. `now` tells how long ago things were.
    pub fn to_text(&self, now: Timestamp) -> String {
        let action = self.plan.action;
        let mut lines = vec![title(self), format!("  state: {}", state(self))];
        lines.extend(self.undoes().map(|run| format!("  undoes: run {run}")));
        lines.extend(stopped(self));
        lines.extend(advice(self));
        lines.extend(times(self, now));
        lines.extend(switch(self));
        lines.extend(soak(self, now));
        lines.push(format!(
            "  targets: {}",
            tally(&self.ledger.totals(), action)
        ));
        lines.extend(groups(self));
        lines.push(format!("  {} requests: {}", action.noun(), sends(self)));
        lines.extend(under_way(self, now));
        lines.push(String::new());
        lines.join("\n")
    }
}

fn title(status: &Status<'_>) -> String {
    let workflow = &status.plan.workflow;
    let what = match (status.around.mode, status.plan.action) {
        (Mode::Run, Action::Stop(_)) => "run",
        (Mode::Run, Action::Start) => "undo",
        (Mode::DryRun, _) => "dry run",
        (Mode::Rehearsal, _) => "rehearsal",
    };
    let (run, name) = (&status.around.run, shown(&workflow.name));
    format!("{what} {run} of {name} (`{}`)", shown(&workflow.file))
}

fn state(status: &Status<'_>) -> String {
    match status.life {
        Life::Running => running(status),
        Life::Finished => {
            let ending = status.end().map(|facts| facts.ending);
            let phrase = ending.map(|ending| Verdict::of(ending).phrase(status.plan.action));
            let exit = ending.and_then(Ending::exit);
            match (phrase, exit) {
                (Some(phrase), Some(exit)) => format!("over: {phrase} (exit code {})", exit.code()),
                (_, _) => "over".to_owned(),
            }
        }
        Life::Unfinished if status.around.mode == Mode::Rehearsal => {
            "not finished: either it still runs, or it was broken off".to_owned()
        }
        Life::Unfinished => match status.stopped() {
            Some(cause) => {
                format!(
                    "not finished: {}, and no process works on it",
                    cause_text(cause)
                )
            }
            None => {
                "not finished: it was broken off, no process of this host works on it".to_owned()
            }
        },
        Life::Unreadable => {
            "its journal cannot be read to the end; this is what stands before the damage"
                .to_owned()
        }
    }
}

fn running(status: &Status<'_>) -> String {
    let mut text = "running".to_owned();
    if let Some(holder) = &status.around.holder {
        text = format!(
            "running: process {} on `{}`",
            holder.process,
            shown(&holder.host)
        );
    }
    if let Some(cause) = status.stopped() {
        text.push_str(&format!("; it sends nothing more: {}", cause_text(cause)));
    }
    text
}

/// What stopped the sending.
fn stopped(status: &Status<'_>) -> Option<String> {
    let stopped = status.stopped_by()?;
    Some(format!("  sending stopped: {}", stopped.line()))
}

/// What to type next.
fn advice(status: &Status<'_>) -> Vec<String> {
    let next = status
        .next()
        .map(|next| format!("  next: {}", for_terminal(next)));
    let settle = status.settle();
    let settle = settle.map(|command| format!("  or, to read states only: {command}"));
    next.into_iter().chain(settle).collect()
}

/// The occurrence of the window that the run goes by, and how long that still sends.
fn window(status: &Status<'_>, now: Timestamp) -> Option<String> {
    let permit = &status.ledger.began()?.launch.permit;
    let window = permit.window.as_ref()?;
    let left = permit.obeyed().filter(|_| status.life == Life::Running);
    let left = left.and_then(|it| Duration::try_from(it.cutoff.duration_since(now)).ok());
    let left = left.filter(|left| !left.is_zero()).map(|left| {
        let left = Duration::from_secs(left.as_secs());
        format!("; it may send for {} more", duration::format(left))
    });
    let hours = hours(&window.timezone, &window.occurrence);
    Some(format!("  window: {hours}{}", left.unwrap_or_default()))
}

fn times(status: &Status<'_>, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(began) = status.ledger.began() {
        lines.push(format!("  began: {}", since(began.at, now)));
    }
    lines.extend(window(status, now));
    if status.ledger.resumed() > 0 {
        let times = count(status.ledger.resumed(), "time");
        lines.push(format!("  taken up again: {times}"));
    }
    if let Some(over) = status.ledger.finished_at() {
        lines.push(format!("  ended: {}", since(over, now)));
    } else if let Some(last) = status.around.last_at {
        lines.push(format!("  last event: {}", since(last, now)));
    }
    lines
}

fn switch(status: &Status<'_>) -> Option<String> {
    let switch = status.around.switch.as_ref()?;
    let until = match switch.until {
        Some(until) => format!("until {until:.0}"),
        None => "until `lightsout halt --clear`".to_owned(),
    };
    let reason = shown(&switch.reason);
    Some(format!(
        "  stop switch: set at {:.0}, {until}: {reason}",
        switch.set_at
    ))
}

/// The pause between waves that the run is in, or was left in.
fn soak(status: &Status<'_>, now: Timestamp) -> Option<String> {
    let (group, soak) = status.soak()?;
    let left = soak.until.as_second().saturating_sub(now.as_second());
    let left = match u64::try_from(left) {
        Ok(left) => format!("{} left", duration::format(Duration::from_secs(left))),
        Err(_) => "over by now".to_owned(),
    };
    Some(format!(
        "  pause: after wave {} of {}, until {:.0}, {left}",
        soak.wave + 1,
        shown(group),
        soak.until
    ))
}

fn groups(status: &Status<'_>) -> Vec<String> {
    let groups = status.plan.groups.iter().zip(status.ledger.groups());
    let mut lines: Vec<String> = groups
        .take(GROUPS)
        .enumerate()
        .map(|(index, (group, totals))| {
            format!(
                "    {}{}: {}",
                shown(&group.name),
                in_wave(status.wave_of(index)),
                tally(totals, status.plan.action)
            )
        })
        .collect();
    lines.extend(rest(status.plan.groups.len(), GROUPS));
    lines
}

/// Which wave of several a group is in.
fn in_wave(wave: Option<(u32, u32)>) -> String {
    wave.map_or_else(String::new, |(wave, total)| {
        format!(", wave {wave} of {total}")
    })
}

fn tally(totals: &Totals, action: Action) -> String {
    let settled =
        outcomes(totals).map(|(kind, count)| format!("{} {}", grouped(count), words(kind, action)));
    let pending = totals.pending();
    let pending = (pending > 0).then(|| format!("{} pending", grouped(pending)));
    let parts: Vec<String> = settled.chain(pending).collect();
    match parts.as_slice() {
        [] => "none".to_owned(),
        parts => format!("{} of {}", parts.join(", "), grouped(totals.targets())),
    }
}

fn sends(status: &Status<'_>) -> String {
    let sends = status.sends();
    let (sent, accepted) = (grouped(sends.sent), grouped(sends.accepted));
    let mut text = format!("{sent} sent, {accepted} accepted");
    if status.life == Life::Unreadable {
        text = format!("at least {sent} sent, at least {accepted} accepted");
    }
    if sends.unanswered > 0 {
        text.push_str(&format!(
            ", {} without an answer",
            grouped(sends.unanswered)
        ));
    }
    text
}

fn under_way(status: &Status<'_>, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    let all = status.under_way().count();
    if all > 0 {
        let were = if status.life == Life::Running {
            ""
        } else {
            " when it was left"
        };
        lines.push(format!("  under way{were}:"));
    }
    let noun = status.plan.action.noun();
    for (batch, record) in status.under_way().take(BATCHES) {
        lines.push(of_batch(status, batch, record));
        let sends = (1..).zip(record.sends());
        lines.extend(sends.filter_map(|(attempt, send)| of_send(noun, attempt, send, now)));
    }
    lines.extend(rest(all, BATCHES));
    lines
}

fn of_batch(status: &Status<'_>, batch: &Batch, record: &BatchRecord) -> String {
    let group = shown(status.group_of(batch));
    let (left, size) = (grouped(pending(record)), grouped(batch.servers().len()));
    let waits = waits_for(waiting(record), status.plan.action);
    format!(
        "    batch {} ({group}), {left} of {size} pending: {waits}",
        batch.index()
    )
}

/// A request that was accepted or has no answer yet.
fn of_send(noun: &str, attempt: u32, send: &SendRecord, now: Timestamp) -> Option<String> {
    let servers = count(send.servers.len(), "server");
    let what = match send.job() {
        Some(job) => format!("job {}", shown(job.as_str())),
        None if send.answer.is_none() && !send.withdrawn => "no answer yet".to_owned(),
        None => return None,
    };
    let sent = since(send.sent_at, now);
    Some(format!(
        "      {noun} request {attempt}, {servers}, sent {sent}: {what}"
    ))
}

fn waits_for(waiting: Waiting, action: Action) -> String {
    let waits = match waiting {
        Waiting::Said(WaitReason::Throttled) => "the cloud throttles",
        Waiting::Said(WaitReason::Unreachable) => "the cloud cannot be reached",
        Waiting::Said(WaitReason::Busy) => "waits for servers that are at work",
        Waiting::Said(WaitReason::Moving) => {
            return format!("waits for servers that are {}", action.powering());
        }
        Waiting::Said(WaitReason::Grace) => "waits for states, which may lag behind the job",
        Waiting::Said(WaitReason::Reconcile) => {
            "an answer was lost, waits for states to tell whether it was accepted"
        }
        Waiting::Answer => return format!("waits for the answer to a {} request", action.noun()),
        Waiting::Job => "waits for the job",
        Waiting::States => "reads states",
    };
    waits.to_owned()
}

/// A time, and how long ago it was.
fn since(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second());
    match u64::try_from(seconds) {
        Ok(seconds) => {
            let ago = duration::format(Duration::from_secs(seconds));
            format!("{at:.0}, {ago} ago")
        }
        // The clock of the run is ahead of this one.
        Err(_) => format!("{at:.0}"),
    }
}

/// How many are not told.
fn rest(all: usize, told: usize) -> Option<String> {
    let rest = all.checked_sub(told).filter(|rest| *rest > 0)?;
    Some(format!("    and {} more in the JSON form", grouped(rest)))
}

fn shown(text: &str) -> String {
    for_terminal(&shorten(text, LONGEST)).into_owned()
}
