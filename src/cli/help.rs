//! The longer help texts: examples for each verb, and what the exit codes mean.
//!
//! Owns prose only; the flags' own lines stand beside the flags. Invariant: every example is a command
//! that the argument parser accepts, which a test checks.

pub(super) const EXIT_CODES: &str = "\
Exit codes:
   0  all well                            24  halted before the first send
   2  usage, workflow or place invalid    30  some targets failed or were not sent
   3  refused, or cloud out of reach      31  stopped by max_failures or a gate
  10  plans differ                        32  stopped by the window's cutoff
  20  not now: window, gate, clock        33  some outcomes are unknown
  21  locked by another run               34  interrupted; can be resumed
  22  the plan does not match             40  report not written where asked
  23  a guard or policy forbids it        70  internal error
2 to 29: nothing was accepted by the cloud. 30 to 40: something may have been.";

pub(super) const ALL: &str = "\
Examples:
  lightsout validate workflows/*.yaml
  lightsout plan workflows/weekly-stop.yaml
  lightsout rehearse workflows/weekly-stop.yaml --faults storm
  lightsout run workflows/weekly-stop.yaml

Exit codes:
   0  every target stopped, already off or skipped; or the file or plan is fine
   2  wrong usage, or the workflow, policy, inventory or report place is invalid
   3  credentials, permission or project refused, or the cloud cannot be reached
  10  plans differ (`plan --check`, `--exit-code`)
  20  not now: window closed, frozen, gate, already ran, or this machine's clock is wrong (`doctor`)
  21  another run holds the lock, or an earlier run cannot be settled
  22  the plan does not match
  23  a guard or policy forbids it, or nobody can tell what a policy says
  24  halted before the first send, for example because nobody confirmed it
  30  finished, some targets failed or were not sent
  31  stopped by `max_failures` or a gate, the rest not sent
  32  stopped by the window's cutoff, the rest not sent
  33  finished, some outcomes unknown
  34  interrupted or halted; can be resumed
  40  success, but the report could not be written where asked, or not at all
  70  internal error; the log and the report say what was sent
2 to 29: no request to stop or start servers was, or may have been, accepted. 30 to 40: one may have been.";

pub(super) const VALIDATE: &str = "\
Examples:
  lightsout validate workflows/weekly-stop.yaml
  lightsout validate workflows/*.yaml --deny-warnings --format json
  lightsout validate workflows/*.yaml --format github
Ends with 2 if anything is wrong; all findings of all files are shown in one go.";

pub(super) const RENDER: &str = "\
Examples:
  lightsout render workflows/weekly-stop.yaml --var rack=b7";

pub(super) const PLAN: &str = "\
Examples:
  lightsout plan workflows/weekly-stop.yaml
  lightsout plan workflows/weekly-stop.yaml --format md
  lightsout plan workflows/weekly-stop.yaml --format json --out weekly-stop.plan.json
  lightsout plan workflows/weekly-stop.yaml --requests
  lightsout plan workflows/weekly-stop.yaml --write
  lightsout plan workflows/weekly-stop.yaml --check
  lightsout plan workflows/by-tag.yaml --frozen --format md
  lightsout plan workflows/weekly-stop.yaml --against old.plan.json --exit-code --format md
  lightsout plan workflows/weekly-stop.yaml --base ../main --exit-code --format md
  lightsout plan workflows/by-tag.yaml --inventory az1.listing.json
  lightsout plan workflows/weekly-stop.yaml --live
Same inputs, same bytes. A plan that breaks a guard is shown whole and ends with 23.";

pub(super) const PLAN_LONG: &str = "\
Show what a run would do; sends nothing.

Where a group has `select`, the project's listing is needed: it is asked of the cloud, or taken from \
--inventory, and what it gives is frozen in the plan. Without `select` no connection is opened and no \
credentials are needed; nor for --check, which takes what was found from the committed plan.";

pub(super) const INVENTORY_LONG: &str = "\
Write the listing of a workflow's project, for `plan --inventory`.

All list pages are gone through until two passes in a row see the same servers. The file has one server \
a line and no time, so it can be kept in git; a job that plans from it needs no credentials.";

pub(super) const INVENTORY: &str = "\
Examples:
  lightsout inventory workflows/by-tag.yaml --out az1.listing.json
  lightsout inventory workflows/by-tag.yaml --credentials file:credentials
Reads only. Servers that came or went all the time draw the warning `listing-moved`.";

pub(super) const RUN_LONG: &str = "\
Stop the servers of a workflow or a plan.

A stop is a power cut. States are read before and after, up to 1000 servers travel in one request, \
and every job is followed to its end. What became of each server is in the JSON report in the run's \
folder, whose place the summary tells. On a terminal the number of targets is asked for first; \
without one nothing ever asks. Nothing is printed on stdout, except the report of a dry run.

A plan must keep every policy: /etc/lightsout/policy.yaml, the file that LIGHTSOUT_POLICY names, and that of \
--policy. A breach, or a policy that cannot be relied on, ends with 23 before anything is sent.

On a terminal it asks for the number of targets. Without one it needs --locked, --plan or --yes, or exits with code 2.

A workflow's window must be open, or the run ends with 20 and says when it opens; --wait waits for that. From the \
window's cutoff on nothing is sent (32). --override lifts the window, freezes and an earlier run of the same opening.

Credentials come from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK (with HUAWEICLOUD_SDK_SECURITY_TOKEN), \
HW_ACCESS_KEY and HW_SECRET_KEY, OS_AUTH_TOKEN, or the file ~/.huaweicloud/credentials; never from the workflow.";

pub(super) const RUN: &str = "\
Examples:
  lightsout run workflows/weekly-stop.yaml
  lightsout run workflows/weekly-stop.yaml --dry-run
  lightsout run --plan weekly-stop.plan.json --report reports/tonight.json
  lightsout run workflows/weekly-stop.yaml --label change=CHG0042 --yes --quiet
  lightsout run workflows/weekly-stop.yaml --locked --wait
  lightsout run workflows/weekly-stop.yaml --override CHG0042";

pub(super) const RESUME_LONG: &str = "\
Go on with a run that was interrupted, halted or killed.

Jobs that were accepted are followed, requests whose answer was lost are found out by the states of \
their servers, and what was never sent is sent now. A run that was left, or stood still, for over 15 \
minutes is late and stays late: somebody may have started servers again. Nothing more is sent unless its window is still \
open, or `--send` is given, and never a server of a request that may have been accepted. After the cutoff of its window nothing is sent at all. Policies are read again: what they forbid by now is not sent, and what was sent is still followed. \
Repeated any number of times, the result is the same.";

pub(super) const RESUME: &str = "\
Examples:
  lightsout resume
  lightsout resume 20261128T170000Z-3f9a1c --send";

pub(super) const SETTLE_LONG: &str = "\
Find out what became of what a run has sent. Sends nothing.

Jobs are followed, requests whose answer was lost are found out by the states of their servers, and \
outcomes that were unknown are replaced by what is seen now. The run is finished afterwards; what was \
never sent stays so.";

pub(super) const SETTLE: &str = "\
Examples:
  lightsout settle
  lightsout settle 20261128T170000Z-3f9a1c";

pub(super) const UNDO_LONG: &str = "\
Start again the servers that a run has stopped.

Exactly those that the run saw on before its stop and off after it, also where the answer to the stop was \
lost, in the same groups, batches and waves. It is a run of its own, with a plan, a journal and a report; \
`status`, `resume`, `settle`, `report` and `halt` know it like any other. A server that is on already is \
left alone.

Refused: a run that is not finished, a rehearsal, an undo itself, a run that was undone before, and one that \
began longer ago than `--max-age`. A report names its run; what was stopped is told by the run's own folder, \
so that must be in the state folder. The workflow's `report` is not written to. Without a terminal it needs `--yes`.

What an undo left out or did not come to, a further one starts; no server is started that an earlier undo \
has started, or may have.";

pub(super) const UNDO: &str = "\
Examples:
  lightsout undo 20261128T170000Z-3f9a1c --dry-run
  lightsout undo 20261128T170000Z-3f9a1c
  lightsout undo --last weekly-stop --exclude broken.txt --yes";

pub(super) const STATUS_LONG: &str = "\
Tell how a run is going, or went.

Reads the run's journal without taking a lock, so it works beside a live run, after a crash and after \
the end. `latest` is the newest run against real servers; a rehearsal only where there was no such run. \
Whether a process still works on a run can be told for processes of this host alone.";

pub(super) const STATUS: &str = "\
Examples:
  lightsout status
  lightsout status 20261128T170000Z-3f9a1c
  lightsout status latest --format json
Ends with 0 whatever became of the run, and with 2 if its journal is damaged; what can be read is told \
all the same.";

pub(super) const REPORT_LONG: &str = "\
Show the report of a run again.

Of a run, the report is made from its plan and its journal alone: the JSON form is byte for byte what \
the run wrote. Of a file, it is what the file says. Opens no connection.";

pub(super) const REPORT: &str = "\
Examples:
  lightsout report latest
  lightsout report 20261128T170000Z-3f9a1c --format json
  lightsout report reports/tonight.json
Ends with 0 whatever became of the run, which the report tells.";

pub(super) const DOCTOR_LONG: &str = "\
Tell whether everything that a run needs is in order; sends nothing.

Looks at the workflow and its committed plan, the state folder, where credentials would go and where they \
are found, and then asks the cloud for the first page of its servers, for one server and for a job that does not \
exist: whether it can be reached, whether its clock agrees, whether it knows the credentials and the project, \
and whether each read is allowed. Whether servers may be stopped can only be known by stopping one, so that \
is told as unknown. Writes nothing, and never shows a credential.";

pub(super) const DOCTOR: &str = "\
Examples:
  lightsout doctor workflows/weekly-stop.yaml
  lightsout doctor workflows/weekly-stop.yaml --credentials file:/etc/lightsout/credentials --format json
Ends with 0 if all that can be known is in order, 2 for files, 3 for credentials, permissions and the network, \
20 for the clock, 22 and 23 as a run would.";

pub(super) const HALT_LONG: &str = "\
Forbid sending to every run, or allow it again.

Sets a stop switch in the state folder. Every run that uses the folder sends nothing more from within a \
second; what was sent already is not undone. A run that is under way ends with 34, or with 24 if nothing \
was sent yet, and can be taken up again once the switch is lifted. Runs that start meanwhile send nothing.";

pub(super) const HALT: &str = "\
Examples:
  lightsout halt --reason cooling
  lightsout halt --reason CHG0042 --for 4h
  lightsout halt --clear";

pub(super) const QUARANTINE_LONG: &str = "\
Set aside a run that cannot be read, or release it.

A run whose plan or journal is damaged blocks the next run of its project. This command lists its requests that may \
have been accepted and asks for a confirmation. Then the run blocks nothing any more. New runs leave out the servers \
of those requests until `--release`. Check these servers first. A live run is refused, and so is one whose newest \
record or file is younger than 15 minutes or in the future.";

pub(super) const QUARANTINE: &str = "\
Examples:
  lightsout runs quarantine 20261128T170000Z-3f9a1c
  lightsout runs quarantine 20261128T170000Z-3f9a1c --release";

pub(super) const WINDOW_LONG: &str = "\
Tell when sends are allowed, and why not now.

Of the present moment, or that of `--at`: whether a run may begin by the workflow's window, its freeze files and \
those of policies, why or why not, and when that changes; then the next five openings. Every time is shown on \
the clocks of the window's zone and in UTC. Opens no connection.";

pub(super) const WINDOW: &str = "\
Examples:
  lightsout window workflows/weekly-stop.yaml
  lightsout window workflows/weekly-stop.yaml --at 2026-11-28T01:00
  lightsout window workflows/weekly-stop.yaml --at 2026-11-27T17:00:00Z
Ends with 0 whatever the answer is.";

pub(super) const REHEARSE_LONG: &str = "\
Run a workflow against simulated servers; touches nothing real.

The plan is that of the real file, and the engine is the one that `run` uses, over HTTP on a loopback \
port. No credentials are needed or read, and no other host is contacted. A minute passes in a second, \
unless --real-time is given. What the workflow's window, closures and policies would forbid is only told, unless a \
time is given with --at: then the rehearsal begins there and keeps to them. The report says mode `rehearsal` and is \
kept apart from those of real runs.";

pub(super) const REHEARSE: &str = "\
Examples:
  lightsout rehearse workflows/weekly-stop.yaml
  lightsout rehearse workflows/weekly-stop.yaml --faults storm --seed 7
  lightsout rehearse workflows/weekly-stop.yaml --at 2026-11-28T04:00:00+08:00
Faults by name:
  calm, throttled, flaky-reads, failing-sends, lost-answers, odd-responses, stuck-jobs,
  failing-jobs, mixed-states, late-conflicts, odd-rows, storm";

pub(super) const SIMULATE_LONG: &str = "\
Serve a simulated cloud on a loopback port.

Prints one JSON line with `endpoint`, `access_key`, `secret_key` and `project` and serves until it is \
interrupted. `GET /__stats` tells how many stops each server accepted. Listens on loopback only.";

pub(super) const SIMULATE: &str = "\
Examples:
  lightsout simulate --servers 2500
  lightsout simulate --ids fleet.txt --port 8080 --faults storm";

pub(super) const SCHEMA: &str = "\
Examples:
  lightsout schema workflow
  lightsout schema report";

pub(super) const COMPLETIONS: &str = "\
Examples:
  lightsout completions bash";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;

    #[test]
    fn every_example_is_accepted() {
        let texts = [
            ALL,
            VALIDATE,
            RENDER,
            PLAN,
            INVENTORY,
            RUN,
            STATUS,
            REPORT,
            DOCTOR,
            HALT,
            QUARANTINE,
            WINDOW,
            REHEARSE,
            SIMULATE,
            SCHEMA,
            COMPLETIONS,
        ];
        let lines = texts.iter().flat_map(|text| text.lines());
        let examples: Vec<&str> = lines
            .filter(|line| line.starts_with("  lightsout"))
            .collect();
        assert!(examples.len() > 15);
        for example in examples {
            let words = example.split_whitespace().map(Into::into);
            assert!(args::parse(words).is_ok(), "{example}");
        }
    }

    #[test]
    fn every_storm_is_named() {
        let (_, list) = REHEARSE.split_once("Faults by name:").unwrap();
        let named: Vec<&str> = list.split(',').map(str::trim).collect();
        let known = crate::simulator::names().iter().map(|(name, _)| *name);
        assert_eq!(named, known.collect::<Vec<_>>());
    }

    #[test]
    fn every_exit_code_is_explained() {
        for code in [0, 2, 3, 10, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 40, 70] {
            let entry = format!("{code:>4}  ");
            assert!(ALL.contains(&entry), "{code}");
            assert!(EXIT_CODES.contains(&entry), "{code}");
        }
    }
}
