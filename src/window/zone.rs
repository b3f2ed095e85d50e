//! An IANA time zone of the embedded database, and the instant at which a local time is reached.
//!
//! Owns the look-up by name and the rule for local times that the clocks skip or repeat. The database of the
//! machine is never asked, so that a plan means the same everywhere. Invariant: a zone's name is spelled as
//! the database spells it.

mod advice;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

pub use advice::Pitfall;

/// A time zone; two are the same if their names are.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// There is no zone of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`")]
pub struct UnknownZone(pub String);

impl Zone {
    /// The zone of a name such as `Asia/Singapore`, spelled exactly so.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(name.to_owned());
        let rules = TimeZoneDatabase::bundled().get(name);
        let rules = rules.map_err(|_| unknown())?;
        // The database does not mind upper and lower case, and takes `Etc/Unknown` for one of its zones.
        if rules.iana_name() != Some(name) || rules.is_unknown() {
            return Err(unknown());
        }
        let name = name.to_owned();
        Ok(Self { name, rules })
    }

    /// All names that [`Zone::named`] knows, in their order.
    pub fn names() -> Vec<String> {
        let database = TimeZoneDatabase::bundled();
        let mut names: Vec<String> = database.available().map(|name| name.to_string()).collect();
        names.retain(|name| Self::named(name).is_ok());
        names.sort();
        names
    }

    /// The name that was probably meant: the same but for upper and lower case, the same place in another
    /// area, or one that is a letter or two away.
    pub fn nearest(wrong: &str) -> Option<String> {
        if wrong.len() > 64 {
            return None;
        }
        let fold = |name: &str| name.to_lowercase().replace([' ', '-'], "_");
        let place = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let wrong = fold(wrong);
        let near = Self::names().into_iter().filter_map(|name| {
            let folded = fold(&name);
            let distance = strsim::osa_distance(&wrong, &folded);
            let is_near = distance <= 2.min(wrong.len() / 4);
            (is_near || place(&wrong) == place(&folded)).then_some((!is_near, distance, name))
        });
        near.min().map(|(.., name)| name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules.
    pub(super) fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// What the clocks of the zone show at a moment.
    pub fn local(&self, moment: Timestamp) -> DateTime {
        self.rules.to_datetime(moment)
    }

    /// A moment as people of the zone write it: `2026-11-28T01:00:00+08:00`.
    pub fn written(&self, moment: Timestamp) -> String {
        let offset = self.rules.to_offset(moment);
        moment.display_with_offset(offset).to_string()
    }

    /// The first instant at which the clocks show `local`, or have skipped it; `None` past the end of time.
    pub fn reaches(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.rules.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok(),
            AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
            // The clocks go forward between these two readings of a time that never comes.
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                let change = self.rules.following(before).next();
                change.map(|change| change.timestamp())
            }
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn zones_come_from_the_embedded_database_and_are_spelled_as_there() {
        let names = Zone::names();
        assert!(names.len() > 400, "{}", names.len());
        for name in [
            "Asia/Singapore",
            "Europe/Berlin",
            "America/Havana",
            "UTC",
            "Etc/UTC",
        ] {
            assert_eq!(Zone::named(name).unwrap().name(), name);
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        for name in [
            "",
            "asia/singapore",
            "Asia/Singapur",
            "SGT-8",
            "+08:00",
            "Etc/Unknown",
            "localtime",
            "../etc/passwd",
        ] {
            assert_eq!(Zone::named(name), Err(UnknownZone(name.to_owned())));
        }
    }

    #[rstest]
    #[case("asia/singapore", Some("Asia/Singapore"))]
    #[case("Asia/Singapur", Some("Asia/Singapore"))]
    #[case("Europe/Singapore", Some("Asia/Singapore"))]
    #[case("Berlin", Some("Europe/Berlin"))]
    #[case("New York", Some("America/New_York"))]
    #[case("Asia/Beijing", None)]
    #[case("SGT", None)]
    #[case("", None)]
    fn only_a_near_name_is_suggested(#[case] wrong: &str, #[case] near: Option<&str>) {
        assert_eq!(Zone::nearest(wrong).as_deref(), near, "{wrong}");
    }

    #[rstest]
    #[case::as_usual("Asia/Singapore", "2026-11-28T01:00", "2026-11-27T17:00:00Z")]
    #[case::skipped("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00Z")]
    #[case::the_first_skipped("America/New_York", "2026-03-08T02:00", "2026-03-08T07:00:00Z")]
    #[case::after_the_skipped("America/New_York", "2026-03-08T03:00", "2026-03-08T07:00:00Z")]
    #[case::twice("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z")]
    #[case::half_an_hour_skipped("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z")]
    #[case::half_an_hour_twice("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z")]
    #[case::midnight_skipped("America/Havana", "2026-03-08T00:00", "2026-03-08T05:00:00Z")]
    #[case::a_day_skipped("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z")]
    fn a_local_time_is_reached_once(
        #[case] zone: &str,
        #[case] local: DateTime,
        #[case] instant: Timestamp,
    ) {
        assert_eq!(Zone::named(zone).unwrap().reaches(local), Some(instant));
    }
}
