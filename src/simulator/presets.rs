//! Faults by name, for `--faults NAME` and for tests.
//!
//! Owns the names, what they mean and the suggestion for a misspelt one. Invariant: every preset is a
//! faults file like any user's, so what a preset can do a file can do.

use super::faults::{Faults, FaultsError};

/// Name, description, file.
const PRESETS: [(&str, &str, &str); 12] = [
    ("calm", "nothing goes wrong", "{}"),
    (
        "throttled",
        "30 % of all answers are 429, and 30 % are slow",
        r#"{"calls": {
            "stop": [{"fault": "slow", "delay": "800ms", "rate": 0.3}, {"fault": "throttle", "retry_after": "3s", "rate": 0.3}],
            "job":  [{"fault": "slow", "delay": "800ms", "rate": 0.3}, {"fault": "throttle", "rate": 0.3}],
            "list": [{"fault": "slow", "delay": "800ms", "rate": 0.3}, {"fault": "throttle", "rate": 0.3}],
            "show": [{"fault": "slow", "delay": "800ms", "rate": 0.3}, {"fault": "throttle", "retry_after": "2s", "rate": 0.3}]
        }}"#,
    ),
    (
        "flaky-reads",
        "30 % of all reads end with 500, 502, a page of HTML or a broken connection",
        r#"{"calls": {
            "job":  [{"fault": "error", "status": 500, "rate": 0.2}, {"fault": "reset", "rate": 0.1}],
            "list": [{"fault": "error", "status": 500, "rate": 0.2}, {"fault": "broken_body", "rate": 0.1}],
            "show": [{"fault": "error", "status": 502, "rate": 0.2}, {"fault": "html", "rate": 0.1}]
        }}"#,
    ),
    (
        "failing-sends",
        "40 % of all stop requests end with 500, 503 or a closed connection before the cloud acts",
        r#"{"calls": {"stop": [
            {"fault": "error", "status": 503, "rate": 0.2},
            {"fault": "error", "status": 500, "rate": 0.1},
            {"fault": "reset", "rate": 0.1}
        ]}}"#,
    ),
    (
        "lost-answers",
        "half of all stop requests are accepted, and the answer is lost",
        r#"{"state_lag": "5s", "calls": {"stop": [
            {"fault": "reset", "accepted": true, "rate": 0.2},
            {"fault": "error", "status": 504, "accepted": true, "rate": 0.15},
            {"fault": "broken_body", "rate": 0.1},
            {"fault": "html", "accepted": true, "rate": 0.1}
        ]}}"#,
    ),
    (
        "odd-responses",
        "stop requests are accepted, and the job ID comes in a broken body or an error, or they are accepted late",
        r#"{"state_lag": "3s", "calls": {"stop": [
            {"fault": "error_with_job", "status": 500, "rate": 0.1},
            {"fault": "error_with_job", "status": 401, "rate": 0.05},
            {"fault": "error_with_job", "status": 429, "rate": 0.05},
            {"fault": "error_with_job", "status": 503, "rate": 0.05},
            {"fault": "odd_body", "form": "too_long", "rate": 0.1},
            {"fault": "odd_body", "form": "no_last_chunk", "rate": 0.1},
            {"fault": "odd_body", "form": "byte_order_mark", "rate": 0.05},
            {"fault": "odd_body", "form": "trailing_byte", "rate": 0.05},
            {"fault": "odd_body", "form": "doubled_key", "rate": 0.05},
            {"fault": "reset", "accepted_after": "15s", "rate": 0.1},
            {"fault": "error", "status": 504, "accepted_after": "15s", "rate": 0.1}
        ]}}"#,
    ),
    (
        "stuck-jobs",
        "some jobs never end, some are forgotten, and 2 % of the servers never go off",
        r#"{"jobs": {"stuck": 0.3, "forgotten": 0.2}, "servers": {"stuck": {"share": 0.02}}}"#,
    ),
    (
        "failing-jobs",
        "10 % of the servers stay on: their sub-jobs fail, or succeed without effect",
        r#"{"servers": {"failing": {"share": 0.08}, "ignored": {"share": 0.02}}}"#,
    ),
    (
        "mixed-states",
        "servers are off, missing, locked, in error, busy, stopping or renamed; states lag",
        r#"{"state_lag": "3s", "servers": {
            "missing": {"share": 0.02}, "error": {"share": 0.02}, "locked": {"share": 0.03},
            "off": {"share": 0.1}, "stopping": {"share": 0.03, "for": "40s"},
            "busy": {"share": 0.03, "for": "50s"}, "renamed": {"share": 0.02}
        }}"#,
    ),
    (
        "late-conflicts",
        "as `mixed-states`, but a wrong state fails the server's sub-job, not the request",
        r#"{"conflicts": "subjob", "partial_failure": "success", "servers": {
            "missing": {"share": 0.02}, "error": {"share": 0.02}, "locked": {"share": 0.03},
            "off": {"share": 0.1}, "stopping": {"share": 0.03, "for": "40s"},
            "busy": {"share": 0.03, "for": "50s"}
        }}"#,
    ),
    (
        "odd-rows",
        "rows have null and odd members or are there twice, and the project has 1,500 more servers",
        r#"{"bystanders": 1500, "doubled": [{"share": 0.1}, {"share": 0.02, "name": "another", "apart": true}],
        "rows": [
            {"member": "tags", "form": "null_value", "share": 0.1},
            {"member": "tags", "form": "object", "share": 0.05},
            {"member": "name", "form": "null_value", "share": 0.02},
            {"member": "name", "form": "object", "share": 0.02, "in": "list"},
            {"member": "status", "form": "null_value", "share": 0.02},
            {"member": "locked", "form": "absent", "share": 0.1},
            {"member": "flavor", "form": "empty", "share": 0.1},
            {"member": "id", "form": "twice", "share": 0.02, "in": "list"}
        ]}"#,
    ),
    (
        "storm",
        "all of it at once",
        r#"{"state_lag": "4s", "jobs": {"stuck": 0.05, "forgotten": 0.05},
        "servers": {
            "missing": {"share": 0.01}, "error": {"share": 0.01}, "locked": {"share": 0.01},
            "off": {"share": 0.05}, "stopping": {"share": 0.01, "for": "40s"},
            "busy": {"share": 0.01, "for": "50s"}, "failing": {"share": 0.02},
            "ignored": {"share": 0.01}, "stuck": {"share": 0.005},
            "restarted": {"share": 0.01, "for": "3m"}
        },
        "calls": {
            "stop": [
                {"fault": "slow", "delay": "1s", "rate": 0.2},
                {"fault": "throttle", "retry_after": "2s", "rate": 0.15},
                {"fault": "reset", "rate": 0.05}, {"fault": "reset", "accepted": true, "rate": 0.05},
                {"fault": "error", "status": 502, "rate": 0.05},
                {"fault": "error", "status": 504, "accepted": true, "rate": 0.05},
                {"fault": "broken_body", "rate": 0.03}
            ],
            "job": [
                {"fault": "slow", "delay": "500ms", "rate": 0.2}, {"fault": "throttle", "rate": 0.1},
                {"fault": "error", "status": 500, "rate": 0.1}, {"fault": "reset", "rate": 0.05}
            ],
            "list": [
                {"fault": "throttle", "rate": 0.1}, {"fault": "error", "status": 503, "rate": 0.05},
                {"fault": "broken_body", "rate": 0.05}
            ],
            "show": [
                {"fault": "throttle", "rate": 0.1}, {"fault": "error", "status": 500, "rate": 0.05},
                {"fault": "html", "rate": 0.05}
            ]
        }}"#,
    ),
];

const LISTED: [(&str, &str); PRESETS.len()] = {
    let mut listed = [("", ""); PRESETS.len()];
    let mut at = 0;
    while at < PRESETS.len() {
        listed[at] = (PRESETS[at].0, PRESETS[at].1);
        at += 1;
    }
    listed
};

/// Every name with what it means.
pub fn names() -> &'static [(&'static str, &'static str)] {
    &LISTED
}

pub(super) fn named(name: &str) -> Result<Faults, FaultsError> {
    match PRESETS.iter().find(|(known, _, _)| *known == name) {
        Some((_, _, file)) => Faults::from_text(file),
        None => Err(FaultsError::Unknown {
            name: name.to_owned(),
            near: near(name),
        }),
    }
}

fn near(name: &str) -> Option<&'static str> {
    let scored = PRESETS
        .iter()
        .map(|(known, _, _)| (strsim::jaro_winkler(known, name), *known));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_reads_and_only_calm_is_calm() {
        for (name, description) in names() {
            let faults = named(name).expect(name);
            assert_eq!(faults == Faults::default(), *name == "calm", "{name}");
            assert!(!description.is_empty());
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let error = named("strom").unwrap_err();
        assert_eq!(error.to_string(), "no faults named `strom`");
        assert_eq!(error.hint().unwrap(), "did you mean `storm`?");
        let hint = named("xyz").unwrap_err().hint().unwrap();
        assert!(
            hint.contains("`calm`") && hint.contains("`storm`"),
            "{hint}"
        );
    }
}
