//! Windows in eight zones, each line with the instants that it means.
//!
//! The instants were worked out by another implementation from another copy of the database. The table is shown by
//! `cargo test --lib the_table_of_windows -- --nocapture`.

use jiff::SignedDuration;

use super::{Occurrence, moment, weekly};

/// Zone, what is special, when and how long; then opening and end in UTC, and both on the zone's clocks.
const TABLE: &str = "\
Asia/Singapore      | no changes                  | sat 01:00 4h | 2026-11-27T17:00Z | 2026-11-27T21:00Z | 2026-11-28T01:00+08:00 | 2026-11-28T05:00+08:00
Asia/Singapore      | the year's last day         | thu 23:30 2h | 2026-12-31T15:30Z | 2026-12-31T17:30Z | 2026-12-31T23:30+08:00 | 2027-01-01T01:30+08:00
Asia/Kolkata        | half-hour offset            | sat 01:00 4h | 2026-11-27T19:30Z | 2026-11-27T23:30Z | 2026-11-28T01:00+05:30 | 2026-11-28T05:00+05:30
Asia/Kolkata        | a month's last day          | mon 23:30 2h | 2026-11-30T18:00Z | 2026-11-30T20:00Z | 2026-11-30T23:30+05:30 | 2026-12-01T01:30+05:30
Europe/Berlin       | as usual                    | sat 01:00 4h | 2026-11-28T00:00Z | 2026-11-28T04:00Z | 2026-11-28T01:00+01:00 | 2026-11-28T05:00+01:00
Europe/Berlin       | over the skipped hour       | sun 01:00 4h | 2026-03-29T00:00Z | 2026-03-29T04:00Z | 2026-03-29T01:00+01:00 | 2026-03-29T06:00+02:00
Europe/Berlin       | in the skipped hour         | sun 02:30 4h | 2026-03-29T01:00Z | 2026-03-29T05:00Z | 2026-03-29T03:00+02:00 | 2026-03-29T07:00+02:00
Europe/Berlin       | over the doubled hour       | sun 01:00 4h | 2026-10-24T23:00Z | 2026-10-25T03:00Z | 2026-10-25T01:00+02:00 | 2026-10-25T04:00+01:00
Europe/Berlin       | in the doubled hour         | sun 02:30 4h | 2026-10-25T00:30Z | 2026-10-25T04:30Z | 2026-10-25T02:30+02:00 | 2026-10-25T05:30+01:00
Europe/Berlin       | 28 February of a leap year  | mon 23:30 2h | 2028-02-28T22:30Z | 2028-02-29T00:30Z | 2028-02-28T23:30+01:00 | 2028-02-29T01:30+01:00
Europe/Berlin       | 28 February of another year | sun 23:30 2h | 2027-02-28T22:30Z | 2027-03-01T00:30Z | 2027-02-28T23:30+01:00 | 2027-03-01T01:30+01:00
America/New_York    | in the skipped hour         | sun 02:30 4h | 2026-03-08T07:00Z | 2026-03-08T11:00Z | 2026-03-08T03:00-04:00 | 2026-03-08T07:00-04:00
America/New_York    | in the doubled hour         | sun 01:30 4h | 2026-11-01T05:30Z | 2026-11-01T09:30Z | 2026-11-01T01:30-04:00 | 2026-11-01T04:30-05:00
America/New_York    | 29 February                 | tue 23:30 2h | 2028-03-01T04:30Z | 2028-03-01T06:30Z | 2028-02-29T23:30-05:00 | 2028-03-01T01:30-05:00
Australia/Lord_Howe | in the skipped half hour    | sun 02:15 4h | 2026-10-03T15:30Z | 2026-10-03T19:30Z | 2026-10-04T02:30+11:00 | 2026-10-04T06:30+11:00
Australia/Lord_Howe | in the doubled half hour    | sun 01:45 4h | 2026-04-04T14:45Z | 2026-04-04T18:45Z | 2026-04-05T01:45+11:00 | 2026-04-05T05:15+10:30
America/Havana      | midnight is skipped         | sun 00:00 4h | 2026-03-08T05:00Z | 2026-03-08T09:00Z | 2026-03-08T01:00-04:00 | 2026-03-08T05:00-04:00
America/Havana      | after midnight comes twice  | sun 00:30 4h | 2025-11-02T04:30Z | 2025-11-02T08:30Z | 2025-11-02T00:30-04:00 | 2025-11-02T03:30-05:00
Africa/Cairo        | midnight is skipped         | fri 00:15 4h | 2026-04-23T22:00Z | 2026-04-24T02:00Z | 2026-04-24T01:00+03:00 | 2026-04-24T05:00+03:00
Africa/Cairo        | before midnight comes twice | thu 23:30 4h | 2026-10-29T20:30Z | 2026-10-30T00:30Z | 2026-10-29T23:30+03:00 | 2026-10-30T02:30+02:00
Asia/Beirut         | midnight is skipped         | sun 00:30 4h | 2026-03-28T22:00Z | 2026-03-29T02:00Z | 2026-03-29T01:00+03:00 | 2026-03-29T05:00+03:00
";

#[test]
fn the_table_of_windows_holds() {
    println!("{TABLE}");
    assert_eq!(TABLE.lines().count(), 21);
    for line in TABLE.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [zone, _, when, opens, closes, opens_there, closes_there] = cells[..] else {
            panic!("{line}");
        };
        let when: Vec<&str> = when.split(' ').collect();
        let window = weekly(zone, &when[..1], when[1], when[2], "45m");
        let occurrence = Occurrence {
            opens: moment(opens),
            closes: moment(closes),
            cutoff: moment(closes) - SignedDuration::from_mins(45),
        };
        let before = moment(opens) - SignedDuration::from_hours(30);
        assert_eq!(window.next_after(before), Some(occurrence), "{line}");
        let nanosecond = SignedDuration::from_nanos(1);
        let last = occurrence.closes - nanosecond;
        for within in [occurrence.opens, occurrence.cutoff, last] {
            assert_eq!(window.occurrence_at(within), Some(occurrence), "{line}");
        }
        for without in [occurrence.opens - nanosecond, occurrence.closes] {
            assert_eq!(window.occurrence_at(without), None, "{line}");
        }
        for (instant, there) in [(opens, opens_there), (closes, closes_there)] {
            let shown = window.zone().written(moment(instant));
            // The table leaves the seconds out.
            assert_eq!(shown, format!("{}:00{}", &there[..16], &there[16..]));
        }
    }
}
