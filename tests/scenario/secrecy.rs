//! No secret in anything that the program says or keeps, whatever happens to it.
//!
//! Invariant: each scenario really sends the secrets, or at least loads them.

use serde_json::json;

use crate::interloper::{Call, Mischief, Request, Rule, Treatment, always, answer};
use crate::scenario::{ACCESS_KEY, Ended, SECRET_KEY, Scenario, Stage, TOKEN, at_once, ids};

const SECURITY_TOKEN: &str = "canarysecuritytoken/with+odd=characters&more==";
const LOUD: [&str; 3] = ["-vv", "-vv --log-format json", "-vv --color always"];

fn canaries() -> [&'static str; 4] {
    [ACCESS_KEY, SECRET_KEY, TOKEN, SECURITY_TOKEN]
}

#[track_caller]
fn keeps_them(stage: &Stage, ended: &Ended, line: &str) {
    let kept = stage.everything_kept();
    for text in [&ended.out, &ended.err, &kept] {
        for canary in canaries() {
            assert!(!text.contains(canary), "{line} tells {canary}:\n{text}");
        }
        let signed = text.replace("Signature=[redacted]", "");
        assert!(!signed.contains("Signature="), "{line}:\n{text}");
    }
    assert!(!ended.err.is_empty(), "{line} says nothing");
}

fn with_token(servers: u32) -> Scenario {
    Scenario::new(&ids(servers))
        .without_keys()
        .variable("OS_AUTH_TOKEN", TOKEN)
}

fn with_temporary_keys(servers: u32) -> Scenario {
    Scenario::new(&ids(servers))
        .variable("HUAWEICLOUD_SDK_SECURITY_TOKEN", SECURITY_TOKEN)
        .settings(|cloud| cloud.keys.security_token = Some(SECURITY_TOKEN.to_owned()))
}

fn quickly(scenario: Scenario) -> Scenario {
    scenario
        .with("rollout: { retry_for: 5s }\nchecks: { grace: 5s }\njobs: { timeout: 30s, poll: 5s }")
        .pace(40)
}

#[test]
fn a_run_that_goes_well_keeps_its_secrets() {
    at_once(&LOUD, |loud| {
        for scenario in [
            Scenario::new(&ids(2)),
            with_token(2),
            with_temporary_keys(2),
        ] {
            let stage = scenario.start();
            let line = format!("run night.yaml {loud}");
            let ended = stage.run(&line).with_code(0);
            assert!(ended.err.contains("DEBUG"), "{}", ended.err);
            keeps_them(&stage, &ended, &line);
        }
    });
}

#[test]
fn a_run_in_a_storm_keeps_its_secrets() {
    at_once(&[1, 2], |seed| {
        let stage = quickly(with_temporary_keys(2))
            .storm("storm", *seed)
            .start();
        let ended = stage.run("run night.yaml -vv");
        keeps_them(&stage, &ended, "storm");
    });
}

/// An answer that repeats all that it was asked with, and the keys that the cloud knows besides.
fn echo(status: &str, request: &Request) -> Mischief {
    let token = request.header("x-auth-token");
    let known = token.map_or(format!("{SECRET_KEY} {ACCESS_KEY}"), str::to_owned);
    let message = format!("{known} {}", request.head);
    let body = json!({"error": {"code": "BMS.0033", "message": message}});
    let header = request.header("authorization").or(token).unwrap();
    let status = format!("{status}\r\nx-request-id: {header}");
    answer(&status, "application/json", body.to_string())
}

fn echoing(call: Call, status: &'static str) -> Rule {
    Box::new(move |request| match request.call == call {
        true => Treatment::Instead(echo(status, request)),
        false => Treatment::Pass,
    })
}

#[test]
fn a_cloud_that_repeats_what_it_was_asked_with_is_not_repeated() {
    let statuses = [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "200 OK",
        "302 Found",
    ];
    let calls = [Call::Stop, Call::Job, Call::Show];
    let cases: Vec<_> = statuses
        .iter()
        .flat_map(|status| calls.map(|call| (status, call)))
        .collect();
    at_once(&cases, |(status, call)| {
        let makers: [fn() -> Scenario; 3] = [
            || Scenario::new(&ids(1)),
            || with_token(1),
            || with_temporary_keys(1),
        ];
        for scenario in makers {
            let stage = quickly(scenario()).through(echoing(*call, status)).start();
            let ended = stage.run("run night.yaml -vv");
            assert!(
                !stage.interloper().seen(*call).is_empty(),
                "{call:?} was not made"
            );
            keeps_them(&stage, &ended, &format!("{status} {call:?}"));
        }
    });
}

#[test]
fn a_job_that_fails_with_a_secret_in_its_words_does_not_spread_it() {
    let id = ids(1)[0];
    let failed = json!({
        "status": "FAIL", "error_code": SECRET_KEY, "fail_reason": ACCESS_KEY,
        "entities": {"sub_jobs_total": 1, "sub_jobs": [{
            "status": "FAIL", "error_code": "BMS.1007", "fail_reason": format!("of {SECRET_KEY}"),
            "entities": {"server_id": id}
        }]}
    });
    let failed = answer("200 OK", "application/json", failed.to_string());
    let stage = Scenario::new(&ids(1))
        .with("checks: { after: false }")
        .through(always(Call::Job, Treatment::Afterwards(failed)))
        .start();
    let ended = stage
        .run("run night.yaml -vv")
        .with_code(30)
        .saying(&["[redacted]"]);
    keeps_them(&stage, &ended, "job");
}

#[test]
fn refused_credentials_are_not_shown() {
    let wrong = [
        ("HUAWEICLOUD_SDK_SK", "canarysecretkey-that-is-wrong"),
        ("HUAWEICLOUD_SDK_AK", "CANARYACCESSKEY-THAT-IS-WRONG"),
    ];
    for (name, value) in wrong {
        let stage = Scenario::new(&ids(1)).variable(name, value).start();
        let ended = stage.run("run night.yaml -vv").with_code(3);
        assert!(!ended.err.contains(value) && !stage.everything_kept().contains(value));
        keeps_them(&stage, &ended, name);
    }
}

#[test]
fn credentials_in_the_wrong_place_are_not_shown() {
    let stage = Scenario::new(&ids(1))
        .without_keys()
        .file("ini", format!("[basic]\nak = {ACCESS_KEY}\n"))
        .file(
            "json",
            format!("{{\"ak\": \"{ACCESS_KEY}\", \"sk\": \"{SECRET_KEY}\"}}"),
        )
        .file("odd-token", format!("{TOKEN}\n{TOKEN}\u{1}\n"))
        .file("token", TOKEN)
        .start();
    // What a test has written itself does not count as kept.
    let said = |line: &str, code: i32| {
        let ended = stage
            .run(&format!("run night.yaml -vv {line}"))
            .with_code(code);
        for canary in canaries() {
            assert!(
                !ended.err.contains(canary),
                "{line} tells {canary}: {}",
                ended.err
            );
        }
    };
    said("--credentials file:ini", 3);
    said("--credentials file:json", 3);
    said("--credentials token-file:odd-token", 3);
    said("--credentials env", 3);
    said("--credentials token-file:token", 0);
}

#[test]
fn keys_and_token_together_are_refused_without_showing_either() {
    let stage = Scenario::new(&ids(1))
        .variable("OS_AUTH_TOKEN", TOKEN)
        .start();
    let ended = stage
        .run("run night.yaml -vv")
        .with_code(2)
        .with_nothing_sent();
    keeps_them(&stage, &ended, "both");
}

#[test]
fn a_proxy_with_a_password_is_neither_used_for_this_machine_nor_shown() {
    let proxy = format!("http://user:{SECRET_KEY}@127.0.0.1:9");
    let stage = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ]
    .into_iter()
    .fold(Scenario::new(&ids(2)), |scenario, name| {
        scenario.variable(name, &proxy)
    })
    .start();
    let ended = stage.run("run night.yaml -vv").with_code(0);
    keeps_them(&stage, &ended, "proxy");
}

#[test]
fn a_proxy_with_a_password_that_refuses_is_not_shown() {
    let refusing = crate::interloper::Interloper::start(
        None,
        Box::new(|_| {
            Treatment::Instead(answer(
                "407 Proxy Authentication Required",
                "text/plain",
                "no",
            ))
        }),
    );
    let proxy = format!("http://user:{SECRET_KEY}@{}", refusing.address());
    let mut stage = Scenario::offline("groups:\n  - name: canary\n    servers: [a0000000-0000-0000-0000-000000000001]\nrollout: { retry_for: 1s }\n")
        .variable("HTTPS_PROXY", &proxy)
        .start();
    stage.set("LIGHTSOUT_ENDPOINTS", "bms.example.com");
    let ended = stage.run("run night.yaml -vv").with_code(3);
    keeps_them(&stage, &ended, "proxy that refuses");
}

#[test]
fn a_workflow_cannot_put_credentials_into_plan_or_report() {
    let stage = Scenario::new(&ids(1))
        .with("description: \"{{ leak }}\"\nvars: { leak: { env: HUAWEICLOUD_SDK_SK, default: none } }")
        .start();
    for line in [
        "validate night.yaml",
        "render night.yaml",
        "plan night.yaml --format json",
        "run night.yaml",
        "rehearse night.yaml",
    ] {
        let refused = stage.run(line).with_code(2).with_nothing_sent();
        let words = "`HUAWEICLOUD_SDK_SK` holds credentials, which no workflow may read";
        assert!(
            refused.err.contains(words) || refused.out.contains(words),
            "{line}"
        );
        keeps_them(&stage, &refused, line);
    }
}

#[test]
fn secrets_in_the_environment_do_not_get_into_plans_and_renderings() {
    let stage = Scenario::new(&ids(1))
        .variable("OS_AUTH_TOKEN", TOKEN)
        .start();
    for line in [
        "plan night.yaml -vv",
        "plan night.yaml --format json -vv",
        "plan night.yaml --requests -vv",
        "render night.yaml -vv",
        "run night.yaml --dry-run -vv",
        "rehearse night.yaml -vv",
    ] {
        let ended = stage.run(line).with_code(0);
        for canary in canaries() {
            assert!(
                !ended.err.contains(canary) && !ended.out.contains(canary),
                "{line}"
            );
        }
    }
    assert!(
        canaries()
            .iter()
            .all(|canary| !stage.everything_kept().contains(*canary))
    );
}
