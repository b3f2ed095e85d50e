//! Whom the simulator lets in, and whom it turns away.
//! Owns the table of deviations; each changes one thing of a request that would else be accepted.

use rstest::rstest;

use super::client::{Call, header};
use super::{DETAIL, settings};
use crate::simulator::Simulator;

#[rstest]
#[case::no_signature(|call: Call| call_of(call))]
#[case::foreign_key(|call: Call| {
    let call = call.signed();
    let value = header(&call, "authorization").replace("Access=SIMULATOR", "Access=SOMEBODY");
    call.set("authorization", &value)
})]
#[case::other_algorithm(|call: Call| {
    let call = call.signed();
    let value = header(&call, "authorization").replace("SDK-HMAC-SHA256", "V11-HMAC-SHA256");
    call.set("authorization", &value)
})]
#[case::changed_body(|call: Call| {
    let mut call = call.signed();
    call.body = call.body.replace("HARD", "SOFT");
    call
})]
#[case::changed_query(|call: Call| {
    let mut call = call.signed();
    call.target.push_str("?x=1");
    call
})]
#[case::changed_header(|call: Call| call.signed().set("content-type", "application/json;charset=utf-8"))]
#[case::changed_host(|call: Call| call.signed().set("host", "elsewhere.example.com"))]
#[case::host_not_signed(|call: Call| call.signed_over("content-type;x-sdk-date"))]
#[case::date_not_signed(|call: Call| call.signed_over("content-type;host"))]
#[case::unsorted(|call: Call| call.signed().with_names("x-sdk-date;host"))]
#[case::unknown_signed_header(|call: Call| call.signed().with_names("host;x-absent;x-sdk-date"))]
#[case::stale(|call: Call| call.set("x-sdk-date", "20200101T000000Z").signed())]
#[case::malformed_date(|call: Call| call.set("x-sdk-date", "2026-11-28T00:00:00Z").signed())]
#[case::no_date(|call: Call| call.signed().without("x-sdk-date"))]
#[case::unexpected_security_token(|call: Call| call.set("x-security-token", "x").signed())]
#[case::wrong_token(|call: Call| call.set("x-auth-token", "x"))]
fn whoever_cannot_prove_who_they_are_is_turned_away(#[case] change: fn(Call) -> Call) {
    let simulator = Simulator::start(settings(1)).unwrap();
    let answer = change(Call::stop(&simulator, &[0])).send().unwrap();
    assert_eq!(
        (answer.status, &*answer.code()),
        (401, "APIGW.0301"),
        "{answer:?}"
    );
    assert!(answer.json()["request_id"].is_string());
    assert!(simulator.stats().accepted.is_empty());
}

fn call_of(call: Call) -> Call {
    call
}

#[test]
fn fewer_signed_headers_and_a_token_are_enough() {
    let simulator = Simulator::start(settings(2)).unwrap();
    let few = Call::stop(&simulator, &[0]).signed_over("host;x-sdk-date");
    assert_eq!(few.send().unwrap().status, 200);
    let token = Call::stop(&simulator, &[1]).set("x-auth-token", simulator.token());
    assert_eq!(token.send().unwrap().status, 200);
}

#[test]
fn temporary_keys_need_their_security_token() {
    let mut temporary = settings(1);
    temporary.keys.security_token = Some("session".to_owned());
    let simulator = Simulator::start(temporary).unwrap();
    let without = Call::get(&simulator, DETAIL).signed().send().unwrap();
    assert_eq!(without.status, 401);
    let with = Call::get(&simulator, DETAIL).set("x-security-token", "session");
    assert_eq!(with.signed().send().unwrap().status, 200);
}
