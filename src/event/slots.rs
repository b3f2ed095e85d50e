//! A set of targets of one batch, by their places in it.
//!
//! Owns the compact form that events carry: ranges such as `0-998,1000`, so that a batch of 1000 costs
//! a few bytes on disk. Invariant: the places are distinct and in rising order.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Place of a target in its batch, from 0.
pub type Slot = u16;

/// Distinct places in a batch, in rising order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots(Vec<RangeInclusive<Slot>>);

impl Slots {
    /// Every place of a batch of `size` targets.
    pub fn all(size: usize) -> Self {
        (0..size)
            .filter_map(|slot| Slot::try_from(slot).ok())
            .collect()
    }

    /// The places in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0.iter().cloned().flatten()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0
            .iter()
            .map(|range| usize::from(range.end() - range.start()) + 1)
            .sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `slot` is one of them.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0.iter().any(|range| range.contains(&slot))
    }

    /// The largest place, if there is any.
    pub fn last(&self) -> Option<Slot> {
        self.0.last().map(|range| *range.end())
    }
}

/// Gathers places by what is said of each; in the order in which a thing is first said.
pub fn grouped<K: Eq + Hash + Clone>(said: impl IntoIterator<Item = (K, Slot)>) -> Vec<(K, Slots)> {
    let mut order: Vec<K> = Vec::new();
    let mut places: HashMap<K, Vec<Slot>> = HashMap::new();
    for (key, slot) in said {
        match places.get_mut(&key) {
            Some(slots) => slots.push(slot),
            None => {
                order.push(key.clone());
                places.insert(key, vec![slot]);
            }
        }
    }
    let take = |key: K| {
        places
            .remove(&key)
            .map(|slots| (key, slots.into_iter().collect()))
    };
    order.into_iter().filter_map(take).collect()
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(places: I) -> Self {
        let mut places: Vec<Slot> = places.into_iter().collect();
        places.sort_unstable();
        let mut ranges: Vec<RangeInclusive<Slot>> = Vec::new();
        for place in places {
            match ranges.last_mut() {
                Some(range) if place <= range.end().saturating_add(1) => {
                    *range = *range.start()..=place;
                }
                _ => ranges.push(place..=place),
            }
        }
        Self(ranges)
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, range) in self.0.iter().enumerate() {
            let comma = if count == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (start, end) if start == end => write!(f, "{comma}{start}")?,
                (start, end) => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

/// A text that is not a set of places such as `0-998,1000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not places in rising order such as `0-998,1000`")]
pub struct InvalidSlots;

impl FromStr for Slots {
    type Err = InvalidSlots;

    fn from_str(text: &str) -> Result<Self, InvalidSlots> {
        let mut ranges: Vec<RangeInclusive<Slot>> = Vec::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (start, end) = part.split_once('-').unwrap_or((part, part));
            let start: Slot = start.parse().map_err(|_| InvalidSlots)?;
            let end: Slot = end.parse().map_err(|_| InvalidSlots)?;
            let rises = ranges.last().is_none_or(|range| *range.end() < start);
            if !rises || end < start {
                return Err(InvalidSlots);
            }
            ranges.push(start..=end);
        }
        Ok(Self(ranges))
    }
}

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn places_are_spelled_as_ranges() {
        let slots: Slots = [5, 0, 1, 2, 7, 8].into_iter().collect();
        assert_eq!(slots.to_string(), "0-2,5,7-8");
        assert_eq!(Slots::all(1000).to_string(), "0-999");
        assert_eq!(Slots::all(0).to_string(), "");
    }

    #[test]
    fn texts_that_are_no_set_are_refused() {
        for text in ["a", "1-", "3-1", "1,1", "5,1", ",", "1,,2", "0-99999"] {
            assert_eq!(text.parse::<Slots>(), Err(InvalidSlots), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_set_keeps_its_places_and_reads_back(places in prop::collection::btree_set(0u16..1000, 0..60)) {
            let slots: Slots = places.iter().copied().collect();
            prop_assert_eq!(slots.iter().collect::<BTreeSet<_>>(), places.clone());
            prop_assert_eq!(slots.len(), places.len());
            prop_assert_eq!(slots.to_string().parse::<Slots>().unwrap(), slots);
        }
    }
}
