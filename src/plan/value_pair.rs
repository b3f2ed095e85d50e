//! Two values of a setting that differ, cut so that a reader sees where.
//!
//! Owns which part of long values is shown, and naming characters that look alike. Escaping is the work of
//! those who show them. Invariant: two different values never yield the same text.

/// Characters that are shown before the first difference.
const LEAD: usize = 20;
/// Characters of a value that are shown.
const SHOWN: usize = 120;

/// The parts of two values that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValuePair {
    /// A part of the old value; `None` if the plan does not have the setting. Untrusted.
    pub(super) old: Option<String>,
    /// A part of the new value.
    pub(super) new: Option<String>,
    /// The code points of the first difference, if the characters may look alike.
    pub(super) note: Option<String>,
}

/// The parts of both values around their first difference.
pub(super) fn value_pair(old: Option<&str>, new: Option<&str>) -> ValuePair {
    let (Some(was), Some(is)) = (old, new) else {
        let shown = |value: Option<&str>| value.map(|value| window(&characters(value), 0));
        return ValuePair {
            old: shown(old),
            new: shown(new),
            note: None,
        };
    };
    let (was, is) = (characters(was), characters(is));
    let same = was.iter().zip(&is).take_while(|(a, b)| a == b).count();
    let from = match was.len().max(is.len()) > SHOWN {
        true => same.saturating_sub(LEAD),
        false => 0,
    };
    let (before, after) = (was.get(same).copied(), is.get(same).copied());
    let is_told_apart = [before, after]
        .into_iter()
        .flatten()
        .all(|c| c.is_ascii_graphic());
    ValuePair {
        old: Some(window(&was, from)),
        new: Some(window(&is, from)),
        note: (!is_told_apart).then(|| {
            let place = same + 1;
            format!(
                "character {place}: {} → {}",
                code_point(before),
                code_point(after)
            )
        }),
    }
}

fn characters(value: &str) -> Vec<char> {
    value.chars().collect()
}

fn window(value: &[char], from: usize) -> String {
    let from = from.min(value.len());
    let to = (from + SHOWN).min(value.len());
    let (lead, rest) = (from > 0, to < value.len());
    let part: String = value[from..to].iter().collect();
    let dots = |are: bool| if are { "…" } else { "" };
    format!("{}{part}{}", dots(lead), dots(rest))
}

fn code_point(character: Option<char>) -> String {
    character.map_or_else(
        || "end".to_owned(),
        |character| format!("U+{:04X}", u32::from(character)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_values_are_shown_whole() {
        let pair = value_pair(Some("5000"), Some("7"));
        assert_eq!(pair.old.as_deref(), Some("5000"));
        assert_eq!((pair.new.as_deref(), pair.note), (Some("7"), None));
    }

    #[test]
    fn long_values_are_cut_around_the_first_difference() {
        let same = "a".repeat(5000);
        let (old, new) = (format!("{same}-keep{same}"), format!("{same}-kept{same}"));
        let pair = value_pair(Some(&old), Some(&new));
        let (old, new) = (pair.old.unwrap(), pair.new.unwrap());
        assert!(old.starts_with("…aaaa") && old.contains("-keep"), "{old}");
        assert!(new.contains("-kept") && new.ends_with('…'), "{new}");
        assert!(old.chars().count() <= SHOWN + 2, "{old}");
    }

    #[test]
    fn characters_that_look_alike_are_named() {
        for (old, new, note) in [
            ("rack-a", "rack-\u{430}", "character 6: U+0061 → U+0430"),
            ("a b", "a\u{a0}b", "character 2: U+0020 → U+00A0"),
            ("a", "a ", "character 2: end → U+0020"),
            ("ab", "a\u{200b}b", "character 2: U+0062 → U+200B"),
        ] {
            let pair = value_pair(Some(old), Some(new));
            assert_eq!(pair.note.as_deref(), Some(note));
        }
    }

    proptest! {
        #[test]
        fn different_values_are_shown_differently(same in "[ab ]{0,200}", old in any::<String>(), new in any::<String>()) {
            prop_assume!(old != new);
            let pair = value_pair(Some(&format!("{same}{old}")), Some(&format!("{same}{new}")));
            prop_assert!(pair.note.is_some() || pair.old != pair.new);
        }
    }
}
