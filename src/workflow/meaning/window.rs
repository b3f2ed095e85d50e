//! What the schema cannot say of a window.
//!
//! Owns the rules between its members, the names of zones and the dates that do not exist. Invariant: a
//! window that passes this and the schema is one that [`Window`](crate::window::Window) takes.

use serde_json::Value;

use super::Rules;
use crate::document::finding::{Finding, PLENTY, Spot};
use crate::duration;
use crate::window::{Pitfall, Zone, date_time};

const WINDOW: &str = "/window";

impl Rules<'_> {
    /// The rules of `window`, where there is one.
    pub(super) fn window(&mut self) {
        self.timezone();
        self.lengths();
        match self.root.pointer("/window/opens") {
            Some(Value::Array(openings)) => {
                for at in 0..openings.len() {
                    self.opening(&format!("{WINDOW}/opens/{at}"));
                }
            }
            _ => self.opening(&format!("{WINDOW}/opens")),
        }
    }

    fn timezone(&mut self) {
        let pointer = format!("{WINDOW}/timezone");
        let Some(name) = self.text(&pointer).filter(|name| !name.is_empty()) else {
            return;
        };
        let is_secret = self.is_secret(&pointer);
        let shown = self.named(&pointer, name);
        let Ok(zone) = Zone::named(name) else {
            let message = format!("there is no time zone {shown}");
            let near = || Some(format!("did you mean `{}`?", Zone::nearest(name)?));
            let hint = match is_secret {
                true => None,
                false => Zone::meant(name).or_else(near),
            };
            let usual = || "use an IANA name such as `Asia/Singapore` or `UTC`".to_owned();
            let hint = hint.unwrap_or_else(usual);
            self.error("unknown-timezone", &pointer, message).hint = Some(hint);
            return;
        };
        if let Some(Pitfall { meaning, advice }) = zone.pitfall().filter(|_| !is_secret) {
            let message = format!("the time zone {shown} {meaning}");
            let finding = Finding::warning("timezone-pitfall", Spot::Value(pointer), message);
            self.findings.push(finding.hint(advice));
        }
    }

    /// A window lasts for some time, of which the cutoff leaves something.
    fn lengths(&mut self) {
        let pointer = |name: &str| format!("{WINDOW}/{name}");
        let length = |name: &str| duration::parse(self.text(&pointer(name))?).ok();
        let (Some(open), cutoff) = (length("duration"), length("cutoff")) else {
            return;
        };
        if open.is_zero() {
            let message = "`duration` must be longer than nothing".to_owned();
            self.error("invalid-value", &pointer("duration"), message);
        } else if cutoff.is_some_and(|cutoff| cutoff >= open) {
            let message = "`cutoff` leaves nothing of the window".to_owned();
            let finding = self.error("invalid-value", &pointer("cutoff"), message);
            let duration = Spot::Value(pointer("duration"));
            finding.related = Some((duration, "the window lasts so long".to_owned()));
            finding.hint = Some("`cutoff` must be shorter than `duration`".to_owned());
        }
    }

    fn opening(&mut self, pointer: &str) {
        let Some(Value::Object(members)) = self.root.pointer(pointer) else {
            return;
        };
        if self.findings.len() > PLENTY {
            return;
        }
        let weekly = ["days", "at"];
        let weekly = weekly.iter().find(|name| members.contains_key(**name));
        if let Some(name) = weekly.filter(|_| members.contains_key("from")) {
            let message = format!("`from` does not go with `{name}`");
            let from = format!("{pointer}/from");
            let finding = self.error("invalid-value", &from, message);
            finding.hint = Some(
                "a window that opens every week and once has a list of two `opens`".to_owned(),
            );
        }
        self.days(&format!("{pointer}/days"));
        self.date(&format!("{pointer}/from"));
    }

    /// A day that is named twice was probably meant to be another one.
    fn days(&mut self, pointer: &str) {
        let Some(Value::Array(days)) = self.root.pointer(pointer) else {
            return;
        };
        let days: Vec<Option<&str>> = days.iter().map(Value::as_str).take(PLENTY).collect();
        for (at, day) in days.iter().enumerate() {
            let first = days[..at].iter().position(|earlier| earlier == day);
            if let (Some(first), Some(day)) = (first, day) {
                let again = format!("{pointer}/{at}");
                let message = format!("the day {} is listed twice", self.named(&again, day));
                let finding = self.error("duplicate-day", &again, message);
                let first = Spot::Value(format!("{pointer}/{first}"));
                finding.related = Some((first, "first listed here".to_owned()));
            }
        }
    }

    /// The pattern lets days pass that a month does not have.
    fn date(&mut self, pointer: &str) {
        let Some(text) = self.text(pointer).filter(|text| text.len() == 16) else {
            return;
        };
        let day = text.get(8..10).and_then(|day| day.parse::<u8>().ok());
        let is_late = day.is_some_and(|day| (29..=31).contains(&day));
        let first = format!(
            "{}01{}",
            &text.get(..8).unwrap_or(""),
            &text.get(10..).unwrap_or("")
        );
        if is_late && date_time(text).is_none() && date_time(&first).is_some() {
            let shown = self.named(pointer, text);
            let message = format!("{shown} is no date that there is");
            self.error("invalid-time", pointer, message).hint =
                Some("the month has no such day".to_owned());
        }
    }
}
