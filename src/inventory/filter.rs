//! `where`: which rows of an inventory count, and which only look as if they did.
//!
//! Owns the comparison of cells with the values that the workflow names. Blanks around a text do not count,
//! everything else does. Invariant: a row counts only if each of its cells is spelled as the workflow spells
//! the value, and rows that differ by case or blanks alone are remembered, for a warning.

use std::borrow::Cow;
use std::fmt::Write;

use super::reading::Reading;
use crate::untrusted::shorten;

/// Most values that a warning names.
const SHOWN: usize = 5;
/// Longest value that a warning shows.
const LONGEST: usize = 40;

/// The conditions of one reading.
pub(super) struct Filter<'a> {
    conditions: Vec<Condition<'a>>,
}

struct Condition<'a> {
    column: &'a str,
    wanted: &'a str,
    matched: bool,
    near: Vec<(String, usize)>,
    /// The first distinct values, while no row has matched.
    others: Vec<String>,
}

/// A condition that rows miss in a way that was most likely not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Miss {
    pub(super) column: String,
    wanted: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// These values differ from the wanted one by case or blanks alone, each in so many rows.
    Near(Vec<(String, usize)>),
    /// No row has the wanted value; the first ones that rows have.
    Never(Vec<String>),
}

/// How a cell compares with the wanted value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Near,
    Other,
}

impl<'a> Filter<'a> {
    pub(super) fn of(reading: Reading<'a>) -> Self {
        let matching = reading.inventory.matching.iter();
        let conditions = matching.map(|(column, wanted)| Condition {
            column,
            wanted: wanted.trim(),
            matched: false,
            near: Vec::new(),
            others: Vec::new(),
        });
        Self {
            conditions: conditions.collect(),
        }
    }

    /// Whether a row counts; `cell` gives the text of a condition's column, by number and name.
    pub(super) fn admits<'c>(
        &mut self,
        cell: impl Fn(usize, &str) -> Option<Cow<'c, str>>,
    ) -> bool {
        if self.conditions.is_empty() {
            return true;
        }
        let cells: Vec<_> = (0..)
            .zip(&self.conditions)
            .map(|(at, condition)| cell(at, condition.column))
            .collect();
        let pairs = self.conditions.iter_mut().zip(&cells);
        let found: Vec<Likeness> = pairs
            .map(|(condition, cell)| condition.see(cell.as_deref()))
            .collect();
        let admitted = found.iter().all(|likeness| *likeness == Likeness::Same);
        if !admitted && !found.contains(&Likeness::Other) {
            let rows = self.conditions.iter_mut().zip(cells).zip(found);
            for ((condition, cell), _) in rows.filter(|(_, found)| *found == Likeness::Near) {
                condition.note(&cell.unwrap_or_default());
            }
        }
        admitted
    }

    /// What was missed, in the order of the columns.
    pub(super) fn misses(self) -> impl Iterator<Item = Miss> {
        self.conditions.into_iter().filter_map(Condition::miss)
    }
}

impl Condition<'_> {
    fn see(&mut self, cell: Option<&str>) -> Likeness {
        let Some(cell) = cell.map(str::trim) else {
            return Likeness::Other;
        };
        if cell == self.wanted {
            self.matched = true;
            return Likeness::Same;
        }
        let is_new = || !self.others.iter().any(|known| known == cell);
        if !self.matched && self.others.len() <= SHOWN && is_new() {
            self.others.push(cell.to_owned());
        }
        match same_but_for_case(cell, self.wanted) {
            true => Likeness::Near,
            false => Likeness::Other,
        }
    }

    fn note(&mut self, cell: &str) {
        let cell = cell.trim();
        let is_full = self.near.len() >= SHOWN;
        match self.near.iter_mut().find(|(known, _)| known == cell) {
            Some((_, rows)) => *rows += 1,
            None if is_full => {}
            None => self.near.push((cell.to_owned(), 1)),
        }
    }

    fn miss(self) -> Option<Miss> {
        let kind = match (self.near.is_empty(), self.matched || self.others.is_empty()) {
            (false, _) => Kind::Near(self.near),
            (true, false) => Kind::Never(self.others),
            (true, true) => return None,
        };
        Some(Miss {
            column: self.column.to_owned(),
            wanted: self.wanted.to_owned(),
            kind,
        })
    }
}

impl Miss {
    pub(super) fn code(&self) -> &'static str {
        match self.kind {
            Kind::Near(_) => "where-near-miss",
            Kind::Never(_) => "where-unmatched",
        }
    }

    /// What is said of rows of the inventory `file`.
    pub(super) fn message(&self, file: &str) -> String {
        let (column, wanted) = (
            shorten(&self.column, LONGEST),
            shorten(&self.wanted, LONGEST),
        );
        let mut message = String::new();
        // Writing to a string cannot fail.
        let _ = match &self.kind {
            Kind::Near(values) => {
                let values: Vec<String> = values.iter().map(in_rows).collect();
                write!(
                    message,
                    "`{file}` has rows whose `{column}` differs from `{wanted}` only by case or blanks, and which do not count: {}",
                    values.join(", ")
                )
            }
            Kind::Never(values) => {
                let shown = values.iter().take(SHOWN);
                let mut shown: Vec<String> = shown
                    .map(|value| format!("`{}`", shorten(value, LONGEST)))
                    .collect();
                shown.extend((values.len() > SHOWN).then(|| "…".to_owned()));
                let values = shown.join(", ");
                write!(
                    message,
                    "no row of `{file}` has `{column}` = `{wanted}`, its values are {values}"
                )
            }
        };
        message
    }
}

fn in_rows((value, rows): &(String, usize)) -> String {
    let rows_word = if *rows == 1 { "row" } else { "rows" };
    format!("`{}` in {rows} {rows_word}", shorten(value, LONGEST))
}

/// Whether two texts differ by upper and lower case, blanks and invisible characters at most.
pub(super) fn same_but_for_case(one: &str, other: &str) -> bool {
    folded(one).eq(folded(other))
}

/// The text without blanks and invisible characters, in lower case.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let hidden = |c: &char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    text.chars()
        .filter(move |c| !hidden(c))
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::InventoryFile;

    /// What a file with these rows of `on` and `rack` gives for `on: yes` and perhaps a rack.
    fn missed(rack: Option<&str>, rows: &[(&str, &str)]) -> (usize, Vec<String>) {
        let rack = rack.map(|rack| ("rack".to_owned(), rack.to_owned()));
        let inventory = InventoryFile {
            file: "a.csv".to_owned(),
            column: None,
            name_column: None,
            matching: [("on".to_owned(), " yes".to_owned())]
                .into_iter()
                .chain(rack)
                .collect(),
            expect_count: None,
            sha256: None,
            origin: String::new(),
        };
        let mut filter = Filter::of(Reading {
            inventory: &inventory,
            split_by: None,
        });
        let admitted = rows.iter().filter(|(on, rack)| {
            filter.admits(|_, column| Some(Cow::Borrowed(if column == "on" { *on } else { *rack })))
        });
        let admitted = admitted.count();
        let messages = filter.misses().map(|miss| miss.message("a.csv")).collect();
        (admitted, messages)
    }

    #[test]
    fn blanks_around_a_text_do_not_count() {
        let rows = [("yes", ""), (" yes ", ""), ("\u{a0}yes", ""), ("no", "")];
        assert_eq!(missed(None, &rows), (3, Vec::new()));
    }

    #[test]
    fn values_that_differ_by_case_or_blanks_are_named() {
        let rows = [
            ("yes", ""),
            ("YES", ""),
            ("Yes", ""),
            ("YES", ""),
            ("y es", ""),
            ("no", ""),
        ];
        let message = "`a.csv` has rows whose `on` differs from `yes` only by case or blanks, and which do not count: `YES` in 2 rows, `Yes` in 1 row, `y es` in 1 row";
        assert_eq!(missed(None, &rows), (1, vec![message.to_owned()]));
    }

    #[test]
    fn a_row_that_another_condition_leaves_out_is_no_near_miss() {
        let rows = [("YES", "b8"), ("yes", "b7")];
        assert_eq!(missed(Some("b7"), &rows), (1, Vec::new()));
    }

    #[test]
    fn the_values_are_named_where_none_matches() {
        let message = "no row of `a.csv` has `on` = `yes`, its values are `true`, `false`";
        let rows = [("true", ""), ("false", ""), ("true", "")];
        assert_eq!(missed(None, &rows), (0, vec![message.to_owned()]));
        assert_eq!(missed(None, &[]), (0, Vec::new()));
        let many = [
            ("1", ""),
            ("2", ""),
            ("3", ""),
            ("4", ""),
            ("5", ""),
            ("6", ""),
            ("7", ""),
        ];
        let (_, messages) = missed(None, &many);
        assert!(messages[0].ends_with("`5`, …"), "{messages:?}");
    }
}
