//! What the answers to a few reads tell: connection, clock, credentials, project, permissions.
//!
//! Owns one pure function a check. Invariant: a check is a problem only if the answer says so; an answer
//! that tells nothing of it makes it unknown.

use jiff::SignedDuration;

use super::Check;
use crate::bms::{Evidence, ProbeError, Probed, ReadError, ReadFailure, parse_page, parse_server};
use crate::duration;
use crate::exit::Exit;
use crate::ids::{ProjectId, ServerId};

/// A difference that is worth a look.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(30);
/// A difference with which no run begins.
const TOO_MUCH: SignedDuration = SignedDuration::from_secs(300);
/// Where the cloud says that the credentials are of another project.
const OTHER_PROJECT: &str = "Common.0018";
/// Where the gateway does not know the API.
const NO_SUCH_API: [&str; 2] = ["APIGW.0101", "APIG.0101"];

/// Whether the cloud can be reached.
pub fn connection(probed: &Probed) -> Check {
    const NAME: &str = "connection";
    match &probed.result {
        Ok(_) => Check::ok(NAME, "the cloud answers"),
        Err(ProbeError::NotConnected(message)) => {
            let problem = Check::problem(NAME, Exit::Refused, format!("no connection: {message}"));
            problem.with_hint(connection_hint(message))
        }
        Err(ProbeError::Blocked(obstacle)) => {
            let message = format!("no connection: {obstacle}");
            Check::problem(NAME, Exit::Refused, message).with_hint(obstacle.hint())
        }
        Err(ProbeError::Broken(message)) => Check::problem(NAME, Exit::Refused, message)
            .with_hint("look for a proxy or firewall in between, and try again"),
        Err(ProbeError::Answered(error)) => match (error.class, code(error)) {
            (ReadFailure::Retry { .. }, _) => {
                let message = format!("the cloud answers, but not usefully: {}", said(error));
                Check::problem(NAME, Exit::Refused, message).with_hint("try again in a while")
            }
            (ReadFailure::Blocked { .. }, _) => {
                let message = format!("the API does not answer: {}", said(error));
                Check::problem(NAME, Exit::Refused, message).with_hint(
                    "log in to the network or proxy, or check `endpoint` of the workflow and HTTPS_PROXY",
                )
            }
            (_, code) if NO_SUCH_API.contains(&code) => {
                let message = format!(
                    "the host answers, but does not have this API: {}",
                    said(error)
                );
                Check::problem(NAME, Exit::Refused, message)
                    .with_hint("check `region` or `endpoint` of the workflow")
            }
            (_, _) => Check::ok(NAME, "the cloud answers"),
        },
    }
}

fn connection_hint(message: &str) -> &'static str {
    let lower = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["dns", "lookup", "resolve"]) {
        "the name of the host cannot be resolved: check `region` or `endpoint`, and the name server"
    } else if has(&["tls", "handshake"]) {
        "the encrypted connection broke while it was set up: check the port in `endpoint`, and HTTPS_PROXY"
    } else if has(&["refused"]) {
        "nothing listens there: check `endpoint` and its port"
    } else {
        "check the network, and HTTPS_PROXY if there is a proxy"
    }
}

/// Whether both clocks agree.
pub fn clock(probed: &Probed) -> Check {
    const NAME: &str = "clock";
    const HINT: &str = "set this machine's clock, with NTP for example";
    let Some(ahead) = probed.ahead else {
        return Check::unknown(NAME, "the cloud did not tell the time");
    };
    let (amount, by) = (ahead.abs(), words(ahead));
    if amount > TOO_MUCH {
        let message = format!("{by}; over {} no run begins", plain(TOO_MUCH));
        Check::problem(NAME, Exit::NotNow, message).with_hint(HINT)
    } else if amount > NOTICEABLE {
        Check::warning(NAME, by).with_hint(HINT)
    } else {
        Check::ok(NAME, by)
    }
}

fn words(ahead: SignedDuration) -> String {
    match ahead.as_secs() {
        0 => "agrees with the cloud's".to_owned(),
        seconds if seconds > 0 => format!("{} behind the cloud's", plain(ahead)),
        _ => format!("{} ahead of the cloud's", plain(ahead)),
    }
}

fn plain(time: SignedDuration) -> String {
    duration::format(std::time::Duration::from_secs(
        time.unsigned_abs().as_secs(),
    ))
}

/// Whether the cloud accepts the credentials.
pub fn sign_in(probed: &Probed) -> Check {
    const NAME: &str = "sign-in";
    match &probed.result {
        Ok(_) => Check::ok(NAME, "the cloud accepts the credentials"),
        Err(ProbeError::Answered(error)) => match error.class {
            ReadFailure::Credentials => {
                let message = format!("the cloud refuses the credentials: {}", said(error));
                Check::problem(NAME, Exit::Refused, message)
                    .with_hint("are they current, and of this cloud? a wrong clock also does this")
            }
            ReadFailure::Refused if code(error) != OTHER_PROJECT && !is_no_api(error) => Check::ok(
                NAME,
                "the cloud knows the credentials, and refuses what they ask for",
            ),
            ReadFailure::NotFound => Check::ok(NAME, "the cloud accepts the credentials"),
            ReadFailure::Retry { .. }
            | ReadFailure::Blocked { .. }
            | ReadFailure::Refused
            | ReadFailure::Rejected => Check::unknown(NAME, "the answer does not tell"),
        },
        Err(ProbeError::NotConnected(_) | ProbeError::Blocked(_) | ProbeError::Broken(_)) => {
            unasked(NAME)
        }
    }
}

/// Whether the project is one that the credentials may use.
pub fn project(probed: &Probed, project: &ProjectId) -> Check {
    const NAME: &str = "project";
    match &probed.result {
        Ok(_) => Check::ok(NAME, format!("the cloud lists servers of {project}")),
        Err(ProbeError::Answered(error)) if code(error) == OTHER_PROJECT => {
            let message = format!(
                "the credentials are not of project {project}: {}",
                said(error)
            );
            Check::problem(NAME, Exit::Refused, message)
                .with_hint("check `project` of the workflow, or take credentials of that project")
        }
        Err(ProbeError::Answered(_)) => Check::unknown(NAME, "the answer does not tell"),
        Err(ProbeError::NotConnected(_) | ProbeError::Blocked(_) | ProbeError::Broken(_)) => {
            unasked(NAME)
        }
    }
}

/// Whether servers may be listed.
pub fn list(probed: &Probed) -> Check {
    const NAME: &str = "bms:servers:list";
    permission(NAME, probed, |body| match parse_page(body) {
        Some(page) if page.listed >= crate::bms::request::PAGE_SIZE => {
            Check::ok(NAME, format!("{} servers on the first page", page.listed))
        }
        Some(page) if page.listed == 0 => {
            Check::warning(NAME, "allowed, but the project has no servers to see")
                .with_hint("check `project`; an enterprise project may hide servers")
        }
        Some(page) => Check::ok(NAME, format!("sees the project's {}", servers(page.listed))),
        None => Check::problem(NAME, Exit::Refused, "the answer is no list of servers")
            .with_hint("check `endpoint`: something else than this API answers there"),
    })
}

fn servers(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} server{plural}")
}

/// Whether a single server may be looked at.
pub fn show(probed: &Probed, server: ServerId) -> Check {
    const NAME: &str = "bms:servers:get";
    if let Err(ProbeError::Answered(error)) = &probed.result
        && error.class == ReadFailure::NotFound
    {
        return Check::warning(NAME, format!("allowed, but there is no server {server}"))
            .with_hint("it is a target of the workflow: is its ID right, and of this project?");
    }
    permission(NAME, probed, |body| match parse_server(body, server) {
        Some(_) => Check::ok(NAME, format!("sees {server}")),
        None => Check::problem(NAME, Exit::Refused, "the answer is not that server")
            .with_hint("check `endpoint`: something else than this API answers there"),
    })
}

/// Whether jobs may be asked for. There is none to ask for, so the right answer is that there is none.
pub fn job_query(probed: &Probed) -> Check {
    const NAME: &str = "job-query";
    match &probed.result {
        Err(ProbeError::Answered(error)) if error.class == ReadFailure::NotFound => {
            Check::ok(NAME, "the cloud looks for jobs")
        }
        Err(ProbeError::Answered(error)) if error.class == ReadFailure::Rejected => Check::unknown(
            NAME,
            "the answer for a job that does not exist does not tell",
        ),
        Ok(_) | Err(_) => permission(NAME, probed, |_| {
            Check::ok(NAME, "the cloud looks for jobs")
        }),
    }
}

/// Whether servers may be stopped, which nothing but a stop tells.
pub fn stop() -> Check {
    Check::unknown(
        "bms:servers:stop",
        "only a stop request could tell, and none is sent",
    )
    .with_hint("look whether the account's policies allow `bms:servers:stop` in this project")
}

fn permission(name: &'static str, probed: &Probed, granted: impl Fn(&[u8]) -> Check) -> Check {
    match &probed.result {
        Ok(body) => granted(body),
        Err(ProbeError::Answered(error)) => match error.class {
            ReadFailure::Refused if code(error) != OTHER_PROJECT && !is_no_api(error) => {
                let message = format!("refused: {}", said(error));
                Check::problem(name, Exit::Refused, message)
                    .with_hint(format!("have `{name}` granted in this project"))
            }
            ReadFailure::Rejected | ReadFailure::NotFound => {
                let message = format!("the cloud does not answer this: {}", said(error));
                Check::problem(name, Exit::Refused, message)
                    .with_hint("check `project` and `endpoint` of the workflow")
            }
            ReadFailure::Retry { .. }
            | ReadFailure::Blocked { .. }
            | ReadFailure::Credentials
            | ReadFailure::Refused => Check::unknown(name, "the answer does not tell"),
        },
        Err(ProbeError::NotConnected(_) | ProbeError::Blocked(_) | ProbeError::Broken(_)) => {
            unasked(name)
        }
    }
}

fn unasked(name: &'static str) -> Check {
    Check::unknown(name, "the cloud was not reached")
}

fn is_no_api(error: &ReadError) -> bool {
    NO_SUCH_API.contains(&code(error))
}

fn code(error: &ReadError) -> &str {
    error.evidence.code.as_deref().unwrap_or_default()
}

/// The cloud's own words.
fn said(error: &ReadError) -> String {
    let Evidence {
        http_status,
        request_id,
        code,
        message,
    } = &error.evidence;
    let status = http_status.map(|status| format!("HTTP {status}"));
    let request = request_id.as_ref().map(|id| format!("request {id}"));
    let parts = [
        status.as_ref(),
        code.as_ref(),
        message.as_ref(),
        request.as_ref(),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Health;

    fn ahead(seconds: i64) -> Probed {
        Probed {
            ahead: Some(SignedDuration::from_secs(seconds)),
            result: Err(ProbeError::Broken("x".to_owned())),
        }
    }

    #[rstest]
    #[case(0, Health::Ok, "agrees with the cloud's")]
    #[case(30, Health::Ok, "30s behind the cloud's")]
    #[case(-31, Health::Warning, "31s ahead of the cloud's")]
    #[case(300, Health::Warning, "5m behind the cloud's")]
    #[case(301, Health::Problem, "5m1s behind the cloud's; over 5m no run begins")]
    #[case(-86_400, Health::Problem, "24h ahead of the cloud's; over 5m no run begins")]
    fn a_clock_may_be_off_a_little(
        #[case] seconds: i64,
        #[case] health: Health,
        #[case] words: &str,
    ) {
        let check = clock(&ahead(seconds));
        assert_eq!((check.health, check.message.as_str()), (health, words));
    }

    fn refused(class: ReadFailure, code: &str) -> Probed {
        let evidence = Evidence {
            http_status: Some(400),
            code: Some(code.to_owned()),
            ..Evidence::default()
        };
        Probed {
            ahead: None,
            result: Err(ProbeError::Answered(ReadError { class, evidence })),
        }
    }

    /// How connection, sign-in, project, list, show and job query are seen.
    fn all(probed: &Probed) -> [Health; 6] {
        let id = "bbf1946d374b44a0a2a95533562ba954".parse().unwrap();
        let server = ServerId::from_bytes([7; 16]);
        let checks = [
            connection(probed),
            sign_in(probed),
            project(probed, &id),
            list(probed),
            show(probed, server),
            job_query(probed),
        ];
        checks.map(|check| check.health)
    }

    #[test]
    fn an_answer_speaks_of_one_thing_only() {
        use Health::{Ok, Problem, Unknown, Warning};
        let table = [
            (
                ReadFailure::Credentials,
                "APIGW.0301",
                [Ok, Problem, Unknown, Unknown, Unknown, Unknown],
            ),
            (
                ReadFailure::Refused,
                "BMS.0033",
                [Ok, Ok, Unknown, Problem, Problem, Problem],
            ),
            (
                ReadFailure::Refused,
                "Common.0018",
                [Ok, Unknown, Problem, Unknown, Unknown, Unknown],
            ),
            (
                ReadFailure::Refused,
                "APIGW.0101",
                [Problem, Unknown, Unknown, Unknown, Unknown, Unknown],
            ),
            (
                ReadFailure::Retry { after: None },
                "503",
                [Problem, Unknown, Unknown, Unknown, Unknown, Unknown],
            ),
            (
                ReadFailure::NotFound,
                "BMS.0040",
                [Ok, Ok, Unknown, Problem, Warning, Ok],
            ),
            (
                ReadFailure::Rejected,
                "BMS.0018",
                [Ok, Unknown, Unknown, Problem, Problem, Unknown],
            ),
        ];
        for (class, code, expected) in table {
            assert_eq!(all(&refused(class, code)), expected, "{code}");
        }
        let nobody = Probed {
            ahead: None,
            result: Err(ProbeError::NotConnected("dns error".to_owned())),
        };
        assert_eq!(
            all(&nobody),
            [Problem, Unknown, Unknown, Unknown, Unknown, Unknown]
        );
        assert!(
            connection(&nobody)
                .hint
                .unwrap()
                .contains("cannot be resolved")
        );
    }
}
