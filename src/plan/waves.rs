//! A group's targets → its waves.
//!
//! Owns the arithmetic of sizes. Invariant: the sizes add up to the group, none is zero, and there are at
//! most as many as the workflow names.

use crate::workflow::{WaveSize, Waves};

/// How many targets each wave of a group has; a wave for which none are left is not there.
pub(super) fn sizes(waves: &Waves, targets: usize) -> Vec<usize> {
    let mut left = targets;
    let mut sizes = Vec::new();
    for size in waves.sizes() {
        if left == 0 {
            break;
        }
        let wanted = match size {
            WaveSize::Count(count) => count.get() as usize,
            WaveSize::Percent(percent) => (targets * usize::from(percent.get())).div_ceil(100),
            WaveSize::Rest => left,
        };
        let taken = wanted.min(left);
        sizes.push(taken);
        left -= taken;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn waves(text: &str) -> Waves {
        serde_json::from_str(text).unwrap()
    }

    /// Computed by hand: 5 % of 999, 1000, 1001, 2,500 and 100,000 are 49.95, 50, 50.05, 125 and 5,000.
    #[rstest]
    #[case(0, &[])]
    #[case(1, &[1])]
    #[case(2, &[1, 1])]
    #[case(11, &[1, 10])]
    #[case(12, &[1, 10, 1])]
    #[case(13, &[1, 10, 1, 1])]
    #[case(999, &[1, 10, 50, 938])]
    #[case(1000, &[1, 10, 50, 939])]
    #[case(1001, &[1, 10, 51, 939])]
    #[case(2500, &[1, 10, 125, 2364])]
    #[case(100_000, &[1, 10, 5000, 94_989])]
    fn a_careful_rollout_has_these_waves(#[case] targets: usize, #[case] expected: &[usize]) {
        assert_eq!(sizes(&waves(r#"[1, 10, "5%", "rest"]"#), targets), expected);
    }

    #[rstest]
    #[case(r#"["rest"]"#, 7, &[7])]
    #[case(r#"["50%", "50%"]"#, 7, &[4, 3])]
    #[case(r#"["50%", "50%", "50%"]"#, 8, &[4, 4])]
    #[case(r#"["1%"]"#, 3, &[1, 2])]
    #[case(r#"["100%", 5, "rest"]"#, 3, &[3])]
    #[case(r#"[10000000]"#, 3, &[3])]
    fn what_is_left_goes_last(
        #[case] text: &str,
        #[case] targets: usize,
        #[case] expected: &[usize],
    ) {
        assert_eq!(sizes(&waves(text), targets), expected);
    }

    prop_compose! {
        fn any_waves()(sizes in prop::collection::vec((any::<bool>(), 1u32..300), 0..8)) -> Waves {
            let size = |(share, number): (bool, u32)| match share {
                true => WaveSize::Percent(u16::try_from(number % 100 + 1).unwrap().try_into().unwrap()),
                false => WaveSize::Count(number.try_into().unwrap()),
            };
            Waves::new(sizes.into_iter().map(size).collect()).unwrap()
        }
    }

    proptest! {
        #[test]
        fn no_wave_is_empty_and_all_together_are_the_group(waves in any_waves(), targets in 0usize..2000) {
            let sizes = sizes(&waves, targets);
            prop_assert_eq!(sizes.iter().sum::<usize>(), targets);
            prop_assert!(sizes.iter().all(|size| *size > 0));
            prop_assert!(sizes.len() <= waves.sizes().len());
        }
    }
}
