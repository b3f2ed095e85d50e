//! Events as log lines: what happened, in words.
//!
//! Pure: one event and the plan in, one line out. Names and messages from outside are escaped.
//! Invariant: every event has a line, and whatever names a job shows its whole ID, so that a log alone
//! is enough to find every job again.

use std::time::Duration;

use tracing::Level;

use crate::bms::Evidence;
use crate::clock::Uptime;
use crate::duration;
use crate::event::{
    Event, JobEnd, JobResult, Launch, Mode, Phase, SendAnswer, Slots, StopCause, WaitReason,
};
use crate::ids::{BatchIndex, JobId};
use crate::outcome::{Outcome, OutcomeKind};
use crate::plan::Plan;
use crate::power::{Action, StateClass};
use crate::report::{count, grouped, words};
use crate::untrusted::{for_terminal, shorten};

/// Longest text of the cloud that is shown, in characters.
const LONGEST: usize = 300;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) text: String,
    /// The batch that it is about.
    pub(super) batch: Option<BatchIndex>,
}

/// The line for an event.
pub(super) fn narrate(plan: &Plan, event: &Event) -> Line {
    let about = |batch: &BatchIndex, (level, text): (Level, String)| Line {
        level,
        text: format!("batch {batch} ({}): {text}", group(plan, *batch)),
        batch: Some(*batch),
    };
    let of_run = |level, text| Line {
        level,
        text,
        batch: None,
    };
    let action = plan.action;
    let noun = action.noun();
    match event {
        Event::Began { launch, .. } => of_run(Level::INFO, began(plan, launch)),
        Event::Resumed { forbidden, .. } => of_run(Level::INFO, resumed(*forbidden)),
        Event::WaveBegan { group, wave } => {
            let (level, text) = wave_begins(plan, *group as usize, *wave);
            of_run(level, text)
        }
        Event::Soaking {
            group,
            wave,
            milliseconds,
        } => {
            let wave = of_wave(plan, *group as usize, *wave);
            of_run(Level::INFO, soaking(&wave, *milliseconds))
        }
        Event::Observed {
            batch,
            phase,
            states,
            said: _,
        } => about(batch, observed(*phase, states)),
        Event::Waiting {
            batch,
            reason,
            milliseconds,
        } => about(
            batch,
            waiting(action, *reason, Duration::from_millis(*milliseconds)),
        ),
        Event::SendIntended {
            batch,
            attempt,
            servers,
        } => {
            let servers = count(servers.len(), "server");
            let text = format!("sending {noun} request {attempt} for {servers}");
            about(batch, (Level::DEBUG, text))
        }
        Event::SendAnswered {
            batch,
            attempt,
            answer,
            evidence,
        } => about(
            batch,
            answered(&format!("{noun} request {attempt}"), answer, evidence),
        ),
        Event::SendWithdrawn {
            batch,
            attempt,
            cause,
        } => {
            let text = format!("{noun} request {attempt} did not leave: {}", why(*cause));
            about(batch, (Level::WARN, text))
        }
        Event::JobSeenRunning { batch, .. } => {
            about(batch, (Level::INFO, "the job still runs".to_owned()))
        }
        Event::JobEnded {
            batch,
            end,
            results,
            ..
        } => about(batch, ended(end, results)),
        Event::Settled { batch, outcomes } => about(batch, settled(action, outcomes)),
        Event::GateAnswered {
            group,
            wave,
            status,
        } => {
            let wave = of_wave(plan, *group as usize, *wave);
            let text = format!("{wave}: the gate answered {status}");
            of_run(Level::INFO, text)
        }
        Event::SendingStopped { cause, evidence } => {
            of_run(Level::ERROR, stopped(*cause, evidence))
        }
        Event::StillRunning => of_run(Level::INFO, "still running".to_owned()),
        Event::UptimeRead { uptime } => of_run(Level::DEBUG, up(uptime)),
        Event::Finished => of_run(Level::INFO, "finished".to_owned()),
        Event::ReportMisplaced => {
            let text = "the report could not be written where it was asked for";
            of_run(Level::ERROR, text.to_owned())
        }
    }
}

fn up(uptime: &Uptime) -> String {
    let up = duration::format(Duration::from_secs(uptime.milliseconds / 1000));
    format!("this machine has been up for {up}")
}

fn group(plan: &Plan, batch: BatchIndex) -> String {
    let group = plan
        .batch(batch)
        .and_then(|batch| plan.groups.get(batch.group()));
    let name = group.map_or("?", |group| &group.name);
    for_terminal(name).into_owned()
}

/// A wave by its place: `group canary, wave 1 of 3`, or the group alone where it has one wave.
fn of_wave(plan: &Plan, group: usize, wave: u32) -> String {
    let name = plan.groups.get(group).map_or("?", |group| &group.name);
    let name = for_terminal(name);
    match plan.waves_of(group) {
        0 | 1 => format!("group {name}"),
        waves => format!("group {name}, wave {} of {waves}", wave + 1),
    }
}

fn wave_begins(plan: &Plan, group: usize, wave: u32) -> (Level, String) {
    let batches = plan.wave(group, wave);
    let targets = batches
        .iter()
        .map(|batch| batch.servers().len())
        .sum::<usize>();
    let plural = if batches.len() == 1 { "" } else { "es" };
    let text = format!(
        "{} begins: {} in {} batch{plural}",
        of_wave(plan, group, wave),
        count(targets, "target"),
        batches.len()
    );
    // The batches of the only wave of a group tell its name themselves.
    let level = if plan.waves_of(group) > 1 {
        Level::INFO
    } else {
        Level::DEBUG
    };
    (level, text)
}

fn soaking(wave: &str, milliseconds: u64) -> String {
    // What was spent since it was reckoned is nobody's concern.
    let pause = duration::format(Duration::from_secs(milliseconds.div_ceil(1000)));
    format!("{wave} is settled; waiting {pause} before anything else is sent")
}

fn began(plan: &Plan, launch: &Launch) -> String {
    let run = &launch.run;
    let mode = match (launch.mode, plan.action) {
        (Mode::Run, Action::Stop(_)) => "run",
        (Mode::Run, Action::Start) => "undo",
        (Mode::DryRun, _) => "dry run",
        (Mode::Rehearsal, _) => "rehearsal",
    };
    let targets = count(plan.target_count(), "target");
    let batches = plan.batches.len();
    let plural = if batches == 1 { "" } else { "es" };
    let digest = plan.digest;
    let of = launch.undoes.as_ref();
    let of = of.map_or_else(String::new, |undone| format!(" of run {undone}"));
    let lifted = lifted(launch);
    let until = launch.permit.obeyed();
    let until = until.map_or_else(String::new, |it| format!("; sends until {}", it.cutoff));
    format!(
        "{mode} {run}{of} begins: {targets} in {batches} batch{plural}, plan {digest}{until}{lifted}"
    )
}

/// What a person lifted for the run, and why.
fn lifted(launch: &Launch) -> String {
    let Some(lifted) = &launch.permit.lifted else {
        return String::new();
    };
    let rules: Vec<&str> = lifted.rules.iter().map(|rule| rule.as_str()).collect();
    if rules.is_empty() {
        return String::new();
    }
    let reason = for_terminal(&shorten(&lifted.reason, LONGEST)).into_owned();
    format!("; overridden: {} ({reason})", rules.join(", "))
}

fn observed(phase: Phase, states: &[(StateClass, Slots)]) -> (Level, String) {
    let states = states.iter();
    let parts: Vec<String> = states
        .map(|(state, slots)| format!("{} {}", grouped(slots.len()), told(*state)))
        .collect();
    let (level, phase) = match phase {
        Phase::Before => (Level::INFO, "before"),
        Phase::After => (Level::DEBUG, "after"),
    };
    (level, format!("states {phase}: {}", parts.join(", ")))
}

/// A state as the log tells it: here a server that is powering on is more than busy.
fn told(state: StateClass) -> &'static str {
    if state == StateClass::Starting {
        "starting"
    } else {
        state.as_str()
    }
}

fn waiting(action: Action, reason: WaitReason, time: Duration) -> (Level, String) {
    let moving = format!("servers are {}", action.powering());
    let (level, what) = match reason {
        WaitReason::Throttled => (Level::INFO, "the cloud throttles"),
        WaitReason::Unreachable => (Level::WARN, "the cloud cannot be reached"),
        WaitReason::Busy => (Level::INFO, "servers are at work"),
        WaitReason::Moving => (Level::DEBUG, moving.as_str()),
        WaitReason::Grace => (Level::DEBUG, "states may lag behind the job"),
        WaitReason::Reconcile => (
            Level::INFO,
            "an answer was lost, states tell whether it was accepted",
        ),
    };
    (level, format!("{what}; waiting {}", duration::format(time)))
}

fn answered(request: &str, answer: &SendAnswer, evidence: &Evidence) -> (Level, String) {
    let said = said(evidence);
    let refused = |text: &str| (Level::WARN, format!("{request} {text}{said}"));
    match answer {
        SendAnswer::Accepted { job } => {
            let job = for_terminal(job.as_str());
            (Level::INFO, format!("{request} accepted, job {job}"))
        }
        SendAnswer::AmbiguousWithJobs { jobs } => {
            let jobs: Vec<_> = jobs.as_slice().iter().map(JobId::as_str).collect();
            let jobs = for_terminal(&jobs.join(", ")).into_owned();
            refused(&format!(
                "may have been accepted: unclear response that names job {jobs}, following it"
            ))
        }
        SendAnswer::NotConnected => refused("did not get through"),
        SendAnswer::Throttled => refused("was throttled"),
        SendAnswer::Conflict => refused("met servers in another state"),
        SendAnswer::Ambiguous => refused("has no clear answer, it may have been accepted"),
        SendAnswer::Credentials => refused("was refused: the credentials were not accepted"),
        SendAnswer::RefusedForAll => refused("was refused, as every such request would be"),
        SendAnswer::Rejected => refused("was refused"),
    }
}

/// What the cloud said, as an appendix to a sentence.
fn said(evidence: &Evidence) -> String {
    let status = evidence.http_status.map(|status| format!("HTTP {status}"));
    let request = evidence
        .request_id
        .as_deref()
        .map(|id| format!("request {id}"));
    let parts = [
        status,
        evidence.code.clone(),
        evidence.message.clone(),
        request,
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(|part| for_terminal(&shorten(&part, LONGEST)).into_owned())
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

fn ended(end: &JobEnd, results: &[(JobResult, Slots)]) -> (Level, String) {
    let (level, end) = match end {
        JobEnd::Final { status } => (
            Level::INFO,
            format!("job ended: {}", for_terminal(status.as_str())),
        ),
        JobEnd::TimedOut { .. } => (Level::WARN, "job did not end in time".to_owned()),
        JobEnd::Gone => (Level::WARN, "the cloud no longer knows the job".to_owned()),
        JobEnd::Unreadable => (Level::WARN, "job can no longer be read".to_owned()),
    };
    let parts: Vec<String> = results.iter().map(result).collect();
    (level, format!("{end}; {}", parts.join(", ")))
}

fn result((result, slots): &(JobResult, Slots)) -> String {
    let number = grouped(slots.len());
    match result {
        JobResult::Succeeded => format!("{number} succeeded"),
        JobResult::Failed(error) => {
            let text = format!("{}: {}", error.code, error.message);
            format!(
                "{number} failed ({})",
                for_terminal(&shorten(&text, LONGEST))
            )
        }
        JobResult::Untold => format!("{number} not told of"),
    }
}

fn settled(action: Action, outcomes: &[(Outcome, Slots)]) -> (Level, String) {
    let bad = outcomes.iter().any(|(outcome, _)| match outcome.kind() {
        OutcomeKind::Failed | OutcomeKind::Unknown | OutcomeKind::NotSent => true,
        OutcomeKind::Done | OutcomeKind::Already | OutcomeKind::Skipped => false,
    });
    let parts: Vec<String> = outcomes
        .iter()
        .map(|(outcome, slots)| {
            let (number, kind) = (grouped(slots.len()), words(outcome.kind(), action));
            match outcome.reason() {
                Some(reason) => format!("{number} {kind} ({})", reason.as_str()),
                None => format!("{number} {kind}"),
            }
        })
        .collect();
    let level = if bad { Level::WARN } else { Level::INFO };
    (level, parts.join(", "))
}

fn stopped(cause: StopCause, evidence: &Evidence) -> String {
    let hint = match (cause, evidence.code.as_deref()) {
        (StopCause::Clock, _) => ": set this machine's clock, best by NTP",
        (_, Some("APIGW.0301" | "APIG.0301")) => {
            ": a signature is refused also where this machine's clock is over 15 minutes off"
        }
        (_, Some(_) | None) => "",
    };
    format!(
        "nothing more is sent: {}{}{hint}",
        why(cause),
        said(evidence)
    )
}

fn why(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Refused => "credentials, permission or project were refused",
        StopCause::Unreachable => "the cloud cannot be reached",
        StopCause::Interrupted => "the run was interrupted",
        StopCause::Halted => "the stop switch is set",
        StopCause::Journal => "the journal cannot be written",
        StopCause::Late => "the run is late: it was left, or stood still, for over 15m",
        StopCause::Policy => "a policy or guard forbids the plan",
        StopCause::Frozen => "a closure forbids it now",
        StopCause::MaxFailures => "more targets failed, or are unknown, than are borne",
        StopCause::Gate => "the gate does not answer as expected",
        StopCause::Cutoff => "the window leaves no time for more",
        StopCause::Clock => "this machine's clock differs from the cloud's",
        StopCause::Settling => "the run is only settled",
    }
}

fn resumed(forbidden: Option<StopCause>) -> String {
    match forbidden {
        None => "taken up again".to_owned(),
        Some(cause) => format!("taken up again, and nothing is sent: {}", why(cause)),
    }
}

#[cfg(test)]
mod tests;
