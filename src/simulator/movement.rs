//! Servers that come and go while the project is listed.
//!
//! Owns which servers are there after so many list pages. Invariant: what is there follows from the
//! number of pages answered alone, so that a test can say between which pages a server moves.

use std::collections::HashSet;

use serde::Deserialize;

use crate::ids::ServerId;

/// What changes once so many list pages have been answered.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Movement {
    /// How many list pages have been answered by then.
    pub after_pages: u64,
    /// Servers that are there from then on; those that are not named earlier were not there before.
    pub appear: Vec<ServerId>,
    /// Servers that are not there from then on.
    pub disappear: Vec<ServerId>,
}

/// Who is not there at the moment.
#[derive(Debug)]
pub(super) struct Absences {
    movements: Vec<Movement>,
    pages: u64,
    absent: HashSet<ServerId>,
}

impl Absences {
    pub(super) fn new(movements: &[Movement]) -> Self {
        let mut movements = movements.to_vec();
        movements.sort_by_key(|movement| movement.after_pages);
        let (mut absent, mut named) = (HashSet::new(), HashSet::new());
        for movement in &movements {
            let newcomers = movement.appear.iter().filter(|id| !named.contains(*id));
            absent.extend(newcomers.copied());
            named.extend(movement.appear.iter().chain(&movement.disappear).copied());
        }
        let mut absences = Self {
            movements,
            pages: 0,
            absent,
        };
        absences.move_on();
        absences
    }

    /// One more list page has been answered.
    pub(super) fn page_answered(&mut self) {
        self.pages += 1;
        self.move_on();
    }

    fn move_on(&mut self) {
        let now = |movement: &&Movement| movement.after_pages == self.pages;
        for movement in self.movements.iter().filter(now) {
            for id in &movement.appear {
                self.absent.remove(id);
            }
            self.absent.extend(&movement.disappear);
        }
    }

    pub(super) fn has(&self, id: ServerId) -> bool {
        self.absent.contains(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.absent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_come_and_go_with_the_pages() {
        let id = |number| ServerId::from_bytes([number; 16]);
        let movement = |after_pages, appear: &[u8], disappear: &[u8]| Movement {
            after_pages,
            appear: appear.iter().copied().map(id).collect(),
            disappear: disappear.iter().copied().map(id).collect(),
        };
        let mut absences = Absences::new(&[
            movement(2, &[1], &[3]),
            movement(1, &[], &[2]),
            movement(3, &[2, 3], &[]),
        ]);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let there = (1..=3).filter(|number| !absences.has(id(*number)));
            seen.push(there.collect::<Vec<_>>());
            absences.page_answered();
        }
        assert_eq!(seen, [vec![2, 3], vec![3], vec![1], vec![1, 2, 3]]);
    }
}
