//! Windows against a walk through time, minute by minute.
//!
//! The walk knows nothing of how windows are computed: it only asks what the clocks of a zone show, and takes a
//! local time for reached when they first show it or a later one. Invariant: for any window and moment, both say
//! the same of whether sends are allowed, until when, and when that begins again.

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use lightsout::window::{Occurrence, Standing, Window};
use proptest::prelude::*;
use serde_json::json;

/// Zones with changes at two and at midnight, of half an hour and of two hours, over a day, and without any.
const ZONES: [&str; 18] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Asuncion",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
const DAY: i64 = 24 * 60;

/// In which way a window opens, as the walk sees it.
#[derive(Debug, Clone)]
enum Way {
    Weekly { days: Vec<usize>, at: i64 },
    Fixed(DateTime),
}

#[derive(Debug, Clone)]
struct Case {
    zone: &'static str,
    ways: Vec<Way>,
    /// In minutes.
    duration: i64,
    cutoff: i64,
    moment: Timestamp,
}

fn clocks(zone: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(zone).unwrap()
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_secs(60 * count)
}

/// Minutes since the beginning of the calendar.
fn civil_minute(local: DateTime) -> i64 {
    let days = local.date().duration_since(Date::constant(2000, 1, 1));
    days.as_secs() / 60 + i64::from(local.hour()) * 60 + i64::from(local.minute())
}

impl Way {
    /// Whether a window opens at the local time that is so many minutes after the beginning of the calendar.
    fn opens_at(&self, minute: i64) -> bool {
        match self {
            // The first of January 2000 was a Saturday.
            Self::Weekly { days, at } => {
                let day = (minute.div_euclid(DAY) + 5).rem_euclid(7);
                minute.rem_euclid(DAY) == *at && days.contains(&usize::try_from(day).unwrap())
            }
            Self::Fixed(from) => civil_minute(*from) == minute,
        }
    }

    fn written(&self) -> serde_json::Value {
        match self {
            Self::Weekly { days, at } => json!({
                "days": days.iter().map(|day| DAYS[*day]).collect::<Vec<_>>(),
                "at": format!("{:02}:{:02}", at / 60, at % 60),
            }),
            Self::Fixed(from) => json!({ "from": from.strftime("%Y-%m-%dT%H:%M").to_string() }),
        }
    }
}

impl Case {
    fn window(&self) -> Window {
        let window = json!({
            "timezone": self.zone,
            "opens": self.ways.iter().map(Way::written).collect::<Vec<_>>(),
            "duration": format!("{}m", self.duration),
            "cutoff": format!("{}m", self.cutoff),
        });
        serde_json::from_value(window).unwrap()
    }

    /// Every opening from some days before the moment to nine days after it.
    fn walk(&self) -> Vec<Timestamp> {
        let zone = clocks(self.zone);
        let whole = self.moment.as_second().div_euclid(60) * 60;
        let moment = Timestamp::from_second(whole).unwrap();
        let begins = moment - minutes(self.duration + 3 * DAY);
        let counts = moment - minutes(self.duration + DAY);
        let ends = moment + minutes(9 * DAY);
        let (mut now, mut reached) = (begins, civil_minute(zone.to_datetime(begins)));
        let mut opens = Vec::new();
        while now <= ends {
            let shown = civil_minute(zone.to_datetime(now));
            let new = reached + 1..=shown;
            if new
                .into_iter()
                .any(|minute| self.ways.iter().any(|way| way.opens_at(minute)))
                && now >= counts
            {
                opens.push(now);
            }
            reached = reached.max(shown);
            now += MINUTE;
        }
        opens
    }

    fn occurrence(&self, opens: Timestamp) -> Occurrence {
        Occurrence {
            opens,
            closes: opens + minutes(self.duration),
            cutoff: opens + minutes(self.duration - self.cutoff),
        }
    }
}

fn way(around: DateTime) -> impl Strategy<Value = Way> {
    let days = proptest::sample::subsequence((0..7).collect::<Vec<usize>>(), 1..=7);
    // Most changes of clocks are at night, and on the quarters of an hour.
    let at = prop_oneof![
        0..DAY,
        (0_i64..16).prop_map(|quarter| quarter * 15),
        23 * 60..DAY
    ];
    let fixed = -8 * DAY..8 * DAY;
    prop_oneof![
        4 => (days, at).prop_map(|(days, at)| Way::Weekly { days, at }),
        1 => fixed.prop_map(move |away| {
            Way::Fixed(around.saturating_add(minutes(away)))
        }),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    // From 2001 to 2037, half of the moments near a change of the clocks.
    let anywhere = 980_000_000_i64..2_140_000_000;
    let near = proptest::option::of(-2 * DAY * 60..2 * DAY * 60);
    let moment = (proptest::sample::select(&ZONES[..]), anywhere, near);
    let moment = moment.prop_map(|(zone, second, near)| {
        let moment = Timestamp::from_second(second).unwrap();
        let change = clocks(zone)
            .following(moment)
            .next()
            .map(|it| it.timestamp());
        let moment = match (change, near) {
            (Some(change), Some(near)) => change + SignedDuration::from_secs(near),
            _ => moment,
        };
        (zone, moment)
    });
    moment.prop_flat_map(|(zone, moment)| {
        let around = clocks(zone).to_datetime(moment);
        let ways = proptest::collection::vec(way(around), 1..4);
        let lengths = (1_i64..60 * 60).prop_flat_map(|duration| (Just(duration), 0..duration));
        (ways, lengths).prop_map(move |(ways, (duration, cutoff))| Case {
            zone,
            ways,
            duration,
            cutoff,
            moment,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_window_says_what_a_walk_through_time_finds(case in case()) {
        let (window, opens, moment) = (case.window(), case.walk(), case.moment);
        let all = opens.iter().map(|opens| case.occurrence(*opens));
        let within = all.clone().filter(|it| it.opens <= moment && moment < it.closes);
        let counts = within.max_by_key(|it| it.closes);
        prop_assert_eq!(window.occurrence_at(moment), counts);
        let next: Vec<Occurrence> = all.filter(|it| it.opens > moment).take(5).collect();
        let upcoming = window.upcoming(moment, 5);
        // The walk ends after nine days.
        let seen = upcoming.iter().take_while(|it| it.opens <= moment + minutes(9 * DAY - 1));
        prop_assert_eq!(seen.copied().collect::<Vec<_>>(), next.clone());
        match window.standing(moment) {
            Standing::Open(it) => {
                prop_assert_eq!(Some(it), counts);
                prop_assert!(moment < it.cutoff);
            }
            Standing::PastCutoff { occurrence, next } => {
                prop_assert_eq!(Some(occurrence), counts);
                prop_assert!(occurrence.cutoff <= moment);
                prop_assert_eq!(next, upcoming.first().copied());
            }
            Standing::Outside(next) => {
                prop_assert_eq!(counts, None);
                prop_assert_eq!(next, upcoming.first().copied());
            }
        }
    }
}
