//! How the groups are sent: batch sizes, waves, pauses, and how much failure is borne.
//!
//! Owns these settings, their limits and their spelling. Invariant: waves always end with exactly one
//! `rest`, and no wave and no percentage is zero.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::gate::Gate;
use super::model::{BatchSize, InFlight, Percent};

/// How the groups are sent, unless a group says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// Most targets in one request.
    pub batch_size: BatchSize,
    /// Batches under way at the same time.
    pub in_flight: InFlight,
    /// How each group is cut into waves.
    pub waves: Waves,
    /// Pause after a wave, before anything else is sent.
    #[serde(with = "crate::duration")]
    pub soak: Duration,
    /// What is asked before each wave, if anything.
    pub gate: Option<Gate>,
    /// How many failed and unknown targets are borne.
    pub max_failures: MaxFailures,
    /// How long a read or a safe send is tried again before giving up.
    #[serde(with = "crate::duration")]
    pub retry_for: Duration,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            batch_size: BatchSize::fixed::<1000>(),
            in_flight: InFlight::fixed::<1>(),
            waves: Waves::default(),
            soak: Duration::ZERO,
            gate: None,
            max_failures: MaxFailures::default(),
            retry_for: Duration::from_secs(60 * 60),
        }
    }
}

/// How much of a group one wave takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveSize {
    /// As many targets.
    Count(NonZeroU32),
    /// A share of the group's targets, rounded up.
    Percent(Percent),
    /// All targets that are left.
    Rest,
}

/// The sizes of a group's waves, in order; `rest` stands at the end and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves(Vec<WaveSize>);

/// Why a list of sizes is not one of waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`rest` is not the last wave")]
pub struct RestNotLast;

impl Waves {
    /// Waves of these sizes; `rest` is added at the end where it is not written.
    ///
    /// # Errors
    /// `rest` stands before another size.
    pub fn new(mut sizes: Vec<WaveSize>) -> Result<Self, RestNotLast> {
        match sizes.iter().position(|size| *size == WaveSize::Rest) {
            None => sizes.push(WaveSize::Rest),
            Some(at) if at + 1 == sizes.len() => {}
            Some(_) => return Err(RestNotLast),
        }
        Ok(Self(sizes))
    }

    /// The sizes; the last one is [`WaveSize::Rest`].
    pub fn sizes(&self) -> &[WaveSize] {
        &self.0
    }
}

/// One wave for the whole group.
impl Default for Waves {
    fn default() -> Self {
        Self(vec![WaveSize::Rest])
    }
}

impl fmt::Display for WaveSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{}%", percent.get()),
            Self::Rest => f.write_str("rest"),
        }
    }
}

impl fmt::Display for Waves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, size) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            write!(f, "{separator}{size}")?;
        }
        Ok(())
    }
}

/// How many failed and unknown targets a run bears; with one more it sends nothing further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxFailures {
    /// As many over the whole run.
    Count(u32),
    /// A share of the targets in waves begun so far, rounded down.
    Percent(Percent),
}

impl MaxFailures {
    /// How many are borne when the waves begun so far have `begun` targets.
    pub fn borne(self, begun: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = u64::from(begun) * u64::from(percent.get()) / 100;
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }
}

impl Default for MaxFailures {
    fn default() -> Self {
        Self::Percent(Percent::fixed::<10>())
    }
}

impl fmt::Display for MaxFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{}%", percent.get()),
        }
    }
}

/// A text such as `5%`.
struct Share(Percent);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|digits| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            (plain && !digits.starts_with('0')).then_some(digits)
        });
        let number: Option<u16> = number.and_then(|digits| digits.parse().ok());
        match number.map(Percent::try_from) {
            Some(percent) => percent.map(Self),
            None => Err(format!("`{text}` is no percent such as `5%`")),
        }
    }
}

/// A whole number or a word, as YAML and JSON give it.
enum Scalar {
    Number(u32),
    Word(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or a percent")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
                let number = u32::try_from(number);
                number.map(Scalar::Number).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Scalar, E> {
                Ok(Scalar::Word(word.to_owned()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for WaveSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Number(number) => {
                let count = NonZeroU32::new(number);
                let count = count.ok_or_else(|| de::Error::custom("a wave of 0 targets"))?;
                Ok(Self::Count(count))
            }
            Scalar::Word(word) if word == "rest" => Ok(Self::Rest),
            Scalar::Word(word) => {
                let Share(percent) = word.parse().map_err(de::Error::custom)?;
                Ok(Self::Percent(percent))
            }
        }
    }
}

impl Serialize for WaveSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(count.get()),
            Self::Percent(_) | Self::Rest => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Waves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Waves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MaxFailures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Number(count) => Ok(Self::Count(count)),
            Scalar::Word(word) => {
                let Share(percent) = word.parse().map_err(de::Error::custom)?;
                Ok(Self::Percent(percent))
            }
        }
    }
}

impl Serialize for MaxFailures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(r#"[1, 10, "5%", "rest"]"#, Some("1, 10, 5%, rest"))]
    #[case(r#"[1, "100%"]"#, Some("1, 100%, rest"))]
    #[case(r#"[]"#, Some("rest"))]
    #[case(r#"["rest", 1]"#, None)]
    #[case(r#"["rest", "rest"]"#, None)]
    #[case("[0]", None)]
    #[case(r#"["0%"]"#, None)]
    #[case(r#"["05%"]"#, None)]
    #[case(r#"["101%"]"#, None)]
    #[case(r#"["+5%"]"#, None)]
    #[case(r#"["5"]"#, None)]
    #[case("[-1]", None)]
    #[case("[1.5]", None)]
    #[case("[4294967296]", None)]
    fn waves_are_read_and_written(#[case] text: &str, #[case] shown: Option<&str>) {
        let waves: Option<Waves> = serde_json::from_str(text).ok();
        assert_eq!(waves.as_ref().map(ToString::to_string).as_deref(), shown);
        if let Some(waves) = waves {
            let written = serde_json::to_value(&waves).unwrap();
            assert_eq!(serde_json::from_value::<Waves>(written).unwrap(), waves);
        }
    }

    #[rstest]
    #[case(json!(0), 1000, Some(0))]
    #[case(json!(7), 1, Some(7))]
    #[case(json!("10%"), 1, Some(0))]
    #[case(json!("10%"), 9, Some(0))]
    #[case(json!("10%"), 10, Some(1))]
    #[case(json!("10%"), 109, Some(10))]
    #[case(json!("100%"), u32::MAX, Some(u32::MAX))]
    #[case(json!("0%"), 1, None)]
    #[case(json!("ten"), 1, None)]
    #[case(json!(-1), 1, None)]
    fn a_share_of_failures_is_rounded_down(
        #[case] value: serde_json::Value,
        #[case] begun: u32,
        #[case] borne: Option<u32>,
    ) {
        let limit: Option<MaxFailures> = serde_json::from_value(value.clone()).ok();
        assert_eq!(limit.map(|limit| limit.borne(begun)), borne);
        if let Some(limit) = limit {
            assert_eq!(serde_json::to_value(limit).unwrap(), value);
        }
    }
}
