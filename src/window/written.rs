//! A window as workflows and plans write it, and the way from there to a [`Window`].
//!
//! Owns the members and their limits. The written form is also the canonical one of the digest: its members
//! stand in the order of their names. Invariant: a window is within its limits, and is written back with the
//! days in their order and nothing left out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Window;
use super::opening::{Opening, date_time, day, day_name, time};
use super::zone::{UnknownZone, Zone};

/// The members of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenWindow {
    /// How long before the end nothing is sent any more.
    #[serde(with = "crate::duration", default)]
    pub cutoff: Duration,
    /// How long an occurrence lasts.
    #[serde(with = "crate::duration")]
    pub duration: Duration,
    /// Files of closures, as written.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// In which ways it opens.
    pub opens: Vec<WrittenOpening>,
    /// The zone's name.
    pub timezone: String,
}

/// The members of an opening: `days` and `at`, or `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOpening {
    /// Time of day, such as `01:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Days of the week, such as `sat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<String>>,
    /// A local date and time, such as `2026-11-28T01:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Why something written is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The zone is not in the embedded database.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    /// It never opens.
    #[error("the window has no opening")]
    NoOpening,
    /// An opening is neither weekly nor fixed, or not spelled as one.
    #[error("an opening is neither `days` and `at` nor `from`, or not spelled as one")]
    Opening,
    /// It lasts no time.
    #[error("the window lasts no time")]
    NoDuration,
    /// Nothing could ever be sent.
    #[error("the cutoff leaves nothing of the window")]
    Cutoff,
}

impl TryFrom<WrittenWindow> for Window {
    type Error = WindowError;

    fn try_from(written: WrittenWindow) -> Result<Self, WindowError> {
        let zone = Zone::named(&written.timezone)?;
        let opens = written.opens.iter().map(Opening::try_from);
        let opens: Vec<Opening> = opens.collect::<Result<_, _>>()?;
        if opens.is_empty() {
            return Err(WindowError::NoOpening);
        }
        if written.duration.is_zero() {
            return Err(WindowError::NoDuration);
        }
        if written.cutoff >= written.duration {
            return Err(WindowError::Cutoff);
        }
        Ok(Self {
            zone,
            opens,
            duration: written.duration,
            cutoff: written.cutoff,
            freeze: written.freeze,
        })
    }
}

impl From<Window> for WrittenWindow {
    fn from(window: Window) -> Self {
        Self {
            cutoff: window.cutoff,
            duration: window.duration,
            opens: window.opens.iter().map(WrittenOpening::from).collect(),
            timezone: window.zone.name().to_owned(),
            freeze: window.freeze,
        }
    }
}

impl TryFrom<&WrittenOpening> for Opening {
    type Error = WindowError;

    fn try_from(written: &WrittenOpening) -> Result<Self, WindowError> {
        let opening = match (&written.days, &written.at, &written.from) {
            (Some(days), Some(at), None) => weekly(days, at),
            (None, None, Some(from)) => date_time(from).map(|from| Self::Fixed { from }),
            _ => None,
        };
        opening.ok_or(WindowError::Opening)
    }
}

fn weekly(days: &[String], at: &str) -> Option<Opening> {
    let mut days: Vec<_> = days.iter().map(|name| day(name)).collect::<Option<_>>()?;
    days.sort_by_key(|day| day.to_monday_zero_offset());
    days.dedup();
    let at = time(at)?;
    (!days.is_empty()).then_some(Opening::Weekly { days, at })
}

impl From<&Opening> for WrittenOpening {
    fn from(opening: &Opening) -> Self {
        match opening {
            Opening::Weekly { days, at } => Self {
                at: Some(at.strftime("%H:%M").to_string()),
                days: Some(days.iter().map(|day| day_name(*day).to_owned()).collect()),
                from: None,
            },
            Opening::Fixed { from } => Self {
                at: None,
                days: None,
                from: Some(from.strftime("%Y-%m-%dT%H:%M").to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Window, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn a_window_is_written_with_everything_filled_in() {
        let window = read(json!({
            "timezone": "Asia/Singapore",
            "opens": [{ "days": ["sun", "sat", "sun"], "at": "01:00" }, { "from": "2026-11-28T01:00" }],
            "duration": "240m",
        }));
        let written = serde_json::to_string(&window.unwrap()).unwrap();
        assert_eq!(
            written,
            concat!(
                r#"{"cutoff":"0s","duration":"4h","freeze":[],"opens":[{"at":"01:00","days":["sat","sun"]},"#,
                r#"{"from":"2026-11-28T01:00"}],"timezone":"Asia/Singapore"}"#
            )
        );
        let again = read(serde_json::from_str(&written).unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), written);
    }

    #[rstest]
    #[case("/timezone", json!("Asia/Singapur"), "no time zone")]
    #[case("/opens", json!([]), "no opening")]
    #[case("/opens", json!([{}]), "neither")]
    #[case("/opens", json!([{ "days": [], "at": "01:00" }]), "neither")]
    #[case("/opens", json!([{ "days": ["sat"] }]), "neither")]
    #[case("/opens", json!([{ "days": ["sat"], "at": "25:00" }]), "neither")]
    #[case("/opens", json!([{ "days": ["sat"], "at": "01:00", "from": "2026-11-28T01:00" }]), "neither")]
    #[case("/duration", json!("0s"), "no time")]
    #[case("/cutoff", json!("4h"), "cutoff")]
    #[case("/more", json!(1), "unknown field")]
    fn what_is_no_window_is_refused(
        #[case] pointer: &str,
        #[case] value: Value,
        #[case] says: &str,
    ) {
        let mut written = json!({
            "timezone": "Asia/Singapore",
            "opens": [{ "days": ["sat"], "at": "01:00" }],
            "duration": "4h",
        });
        written[&pointer[1..]] = value;
        let error = read(written).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
