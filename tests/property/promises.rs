//! What the readers of foreign text promise for any bytes whatever.
//!
//! Owns the promises that need no knowledge of where the bytes come from; the tests beside it bring bytes
//! that look like real ones, the fuzz targets bring any. Invariant: a promise that is broken panics.

use std::path::Path;

use lightsout::bms::{
    Conflict, PowerAnswer, ReadFailure, ServerDetail, classify_power, classify_read,
    parse_detail_page, parse_job, parse_page, parse_server,
};
use lightsout::diagnostic::{Diagnostic, Severity, SourceFile, to_text};
use lightsout::event::Stamped;
use lightsout::http::Response;
use lightsout::ids::{JobId, ServerId};
use lightsout::power::Action;
use lightsout::untrusted::is_hidden;
use lightsout::workflow::{Inputs, StopType};
use lightsout::{inventory, journal, workflow};

/// A workflow is read, or every finding can be shown; what `render` gives means the same.
pub(crate) fn workflow(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = SourceFile::new("night.yaml", text);
    let inputs = Inputs::default();
    let rendered = workflow::render(&source, &inputs);
    match workflow::parse(&source, &inputs) {
        Ok(read) => {
            let (rendered, _) = rendered.unwrap_or_else(|findings| panic!("{findings:?}"));
            let again = SourceFile::new("night.yaml", &rendered);
            let again = workflow::parse(&again, &inputs);
            let again = again.unwrap_or_else(|findings| panic!("{rendered}\n{findings:?}"));
            assert_eq!(again.name, read.name);
            assert_eq!(again.project, read.project);
            assert_eq!(again.groups.len(), read.groups.len());
            for (again, read) in again.groups.iter().zip(&read.groups) {
                assert_eq!((&again.name, &again.servers), (&read.name, &read.servers));
                assert_eq!(again.select, read.select);
                assert_eq!(again.exclude.select, read.exclude.select);
            }
        }
        Err(findings) => can_be_shown(&findings, text),
    }
}

/// The servers of an inventory are those that its text spells, or every finding can be shown.
pub(crate) fn inventory(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let name = ["fleet.txt", "fleet.csv", "fleet.json"][usize::from(*choice) % 3];
    match inventory::listed(Path::new(name), text) {
        Ok(servers) => {
            let text = text.to_ascii_lowercase();
            // A JSON escape spells a character in another way.
            let plain = !text.contains('\\');
            for server in servers.iter().filter(|_| plain) {
                assert!(text.contains(&server.to_string()), "{server} is invented");
            }
        }
        Err(findings) => can_be_shown(&findings, text),
    }
}

/// A saved listing is refused without a word of its own, or reads again as it is written.
pub(crate) fn listing(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(read) = inventory::Listing::read(text) else {
        return;
    };
    let ids = read.servers().iter().map(|server| server.id);
    assert!(ids.is_sorted_by(|one, next| one < next));
    let mut written = Vec::new();
    read.write(&mut written).unwrap();
    let again = inventory::Listing::read(std::str::from_utf8(&written).unwrap());
    assert_eq!(again.unwrap(), read);
}

/// A journal is read up to the first thing that is wrong, and that much of it reads again the same.
pub(crate) fn journal(bytes: &[u8]) -> Vec<Stamped> {
    let (salvaged, error) = journal::salvage(bytes);
    let whole = usize::try_from(salvaged.whole).unwrap();
    assert!(whole <= bytes.len());
    if salvaged.next_seq > 0 {
        let again = journal::replay(&bytes[..whole]).unwrap();
        assert_eq!(again.events, salvaged.events);
        assert_eq!(again.next_seq, salvaged.next_seq);
    } else {
        assert!(error.is_some() && salvaged.events.is_empty());
    }
    journal::is_over(bytes);
    salvaged.events
}

/// Whatever the cloud answers has one meaning, and no meaning claims more than the answer says.
pub(crate) fn answer(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let response = Response {
        status: 100 + u16::from_le_bytes(*status) % 500,
        headers: vec![(
            "Retry-After".to_owned(),
            String::from_utf8_lossy(body).into_owned(),
        )],
        body: body.to_vec().into(),
    };
    power_answer(&response);
    read_answer(&response);
    if let Some(page) = parse_page(body) {
        assert!(page.rows.len() <= page.listed);
    }
    if let Some(page) = parse_detail_page(body) {
        let lean = parse_page(body).unwrap();
        let seen = |row: &ServerDetail| (row.id, row.name.clone(), row.state);
        let rows: Vec<_> = lean
            .rows
            .iter()
            .map(|row| (row.id, row.name.clone(), row.state))
            .collect();
        assert_eq!(page.rows.iter().map(seen).collect::<Vec<_>>(), rows);
    }
    if let Some(job) = parse_job(body) {
        let open = job.sub_jobs.iter().any(|sub| !sub.status.is_final());
        assert_eq!(job.is_final(), job.status.is_final() && !open);
    }
    let asked = ServerId::from_bytes([7; 16]);
    if let Some(row) = parse_server(body, asked) {
        assert_eq!(row.id, asked);
    }
}

fn power_answer(response: &Response) {
    for action in [Action::Stop(StopType::Hard), Action::Start] {
        of_action(action, response);
    }
}

fn of_action(action: Action, response: &Response) {
    let (class, evidence) = classify_power(action, &Ok(response.clone()));
    let status = response.status;
    assert_eq!(evidence.http_status, Some(status));
    match class {
        PowerAnswer::Accepted(job) => {
            assert!((200..300).contains(&status) && !job.as_str().is_empty());
        }
        // Somebody answered, so the request was sent.
        PowerAnswer::NotSent | PowerAnswer::Blocked => panic!("{status} is an answer"),
        PowerAnswer::Ambiguous => {}
        PowerAnswer::AmbiguousWithJobs(jobs) => {
            let plain = |job: &JobId| job.as_str().bytes().all(JobId::can_hold);
            assert!(jobs.as_slice().iter().all(plain));
        }
        PowerAnswer::Throttled { .. }
        | PowerAnswer::Conflict(Conflict::There | Conflict::Other)
        | PowerAnswer::Credentials
        | PowerAnswer::RefusedForAll
        | PowerAnswer::Rejected { .. } => {
            assert!((400..600).contains(&status), "{status} refuses nothing");
        }
    }
}

fn read_answer(response: &Response) {
    match classify_read(Ok(response.clone())) {
        Ok(read) => assert!((200..300).contains(&read.status)),
        Err(error) => {
            let gone = error.class == ReadFailure::NotFound;
            assert!(!gone || response.status == 404, "{}", response.status);
        }
    }
}

/// Findings that forbid the file, each with a line of it, and nothing in them that a terminal obeys.
fn can_be_shown(findings: &[Diagnostic], text: &str) {
    let errors = findings
        .iter()
        .filter(|one| one.severity == Severity::Error);
    assert!(errors.count() > 0, "refused without a reason");
    let lines = text.matches('\n').count() + 1;
    for place in findings.iter().filter_map(|one| one.place.as_ref()) {
        assert!(place.line <= lines, "line {} of {lines}", place.line);
    }
    let shown = to_text(findings, false);
    assert!(
        !shown.chars().any(|c| c != '\n' && is_hidden(c)),
        "{shown:?}"
    );
}
