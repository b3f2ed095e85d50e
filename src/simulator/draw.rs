//! Decisions that look random and are not: each follows from the seed, a purpose and a key.
//!
//! Owns the one source of chance in the simulator, and the names and IDs it invents. Knows nothing of
//! servers or faults. Invariant: no state, so the same question has the same answer in any order.

use crate::ids::ServerId;

/// Answers questions of chance from one seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    seed: u64,
}

impl Draw {
    /// The draw of this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 64 bits for `key` under `purpose`.
    pub(super) fn bits(self, purpose: &str, key: u64) -> u64 {
        let purpose = purpose
            .bytes()
            .fold(self.seed, |state, byte| scrambled(state ^ u64::from(byte)));
        scrambled(purpose ^ scrambled(key))
    }

    /// Whether `key` is among the given share (0 to 1) of all keys under `purpose`.
    pub(super) fn hits(self, purpose: &str, key: u64, share: f64) -> bool {
        // 53 bits are what a double holds exactly; the quotient is below 1, so a share of 1 always hits.
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.bits(purpose, key) >> 11) as f64) / STEPS < share
    }

    /// 128 bits as UUIDs and request IDs have them.
    pub(super) fn wide(self, purpose: &str, key: u64) -> u128 {
        let high = self.bits(purpose, key);
        (u128::from(high) << 64) | u128::from(scrambled(high ^ key))
    }

    /// `length` characters from `alphabet`, which is not empty.
    pub(super) fn text(self, purpose: &str, alphabet: &[u8], length: u64) -> String {
        let letter = |at| alphabet[(self.bits(purpose, at) % alphabet.len() as u64) as usize];
        (0..length).map(|at| char::from(letter(at))).collect()
    }
}

/// A key for a server: the same wherever and in whatever order the server is named.
pub(super) fn key_of(id: ServerId) -> u64 {
    let mut buffer = [0; 36];
    id.encode(&mut buffer).bytes().fold(0, |state, byte| {
        scrambled(state ^ u64::from(byte).wrapping_add(1))
    })
}

/// A friendly name for a server, always the same for the same ID: `amber-otter-4c1d`.
pub fn invented_name(id: ServerId) -> String {
    const FIRST: [&str; 16] = [
        "amber", "brisk", "calm", "dusty", "early", "frosty", "gentle", "hazel", "ivory", "jolly",
        "keen", "lunar", "misty", "noble", "olive", "proud",
    ];
    const SECOND: [&str; 16] = [
        "otter", "heron", "lynx", "finch", "badger", "crane", "marten", "plover", "raven", "stoat",
        "swift", "tapir", "vole", "wren", "yak", "zebra",
    ];
    let key = key_of(id);
    let (first, second) = (
        FIRST[(key >> 60) as usize],
        SECOND[(key >> 56 & 15) as usize],
    );
    format!("{first}-{second}-{:04x}", key & 0xffff)
}

/// The finaliser of splitmix64: every bit of the input reaches every bit of the output.
fn scrambled(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_has_the_same_answer_and_another_seed_another() {
        assert_eq!(Draw::new(7).bits("stop", 3), Draw::new(7).bits("stop", 3));
        assert_ne!(Draw::new(7).bits("stop", 3), Draw::new(8).bits("stop", 3));
        assert_ne!(Draw::new(7).bits("stop", 3), Draw::new(7).bits("list", 3));
        assert_ne!(Draw::new(7).bits("stop", 3), Draw::new(7).bits("stop", 4));
    }

    #[test]
    fn shares_come_out_as_asked() {
        let draw = Draw::new(1);
        for (share, low, high) in [(0.0, 0, 0), (0.3, 2_800, 3_200), (1.0, 10_000, 10_000)] {
            let hits = (0..10_000)
                .filter(|key| draw.hits("x", *key, share))
                .count();
            assert!((low..=high).contains(&hits), "{share}: {hits}");
        }
    }

    #[test]
    fn names_are_stable_and_differ() {
        let name = |byte| invented_name(ServerId::from_bytes([byte; 16]));
        assert_eq!(name(1), name(1));
        assert_ne!(name(1), name(2));
    }
}
