//! The servers of the whole project, from as many passes over the list pages as it takes.
//!
//! Owns the passes: page by page until a short page, again until two passes in a row see the same servers,
//! never more than five. A listing that does not end is an error: no part of it is taken for the whole.
//! Invariant: the result is the union of all passes, each server once as the last pass that saw it shows it,
//! with every name that this pass shows, sorted by ID. The order in which the API lists decides nothing, and
//! a server that was there all the time and seen by any pass is in it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::bms::request::{MOST_PAGES, PAGE_SIZE};
use crate::bms::{Client, Evidence, Page, Patience, ServerDetail, StateClass, Unanswered};
use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;

/// Most passes over the listing.
pub const MOST_PASSES: u32 = 5;

/// So many full pages in a row without a server that the pass had not seen: the listing does not go on.
const STANDSTILL: u32 = 3;

/// Every server that the passes over a project's listing saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    servers: Vec<ServerDetail>,
    /// How many servers the last pass saw that are not deleted.
    count: usize,
    passes: u32,
    agreement: Agreement,
}

/// Whether the last two passes saw the same servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They did.
    Agreed,
    /// Servers came or went to the end, so that some may be missing.
    Moved,
}

impl Survey {
    /// The servers, sorted by ID.
    pub fn servers(&self) -> &[ServerDetail] {
        &self.servers
    }

    /// How many servers the project has: those that the last pass saw. Neither servers that were deleted nor
    /// those that went away in the meantime make the project larger than it is.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many passes were made.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Whether the last two passes saw the same servers.
    pub fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// The warning `listing-moved`, if the passes never agreed.
    pub fn warning(&self) -> Option<Diagnostic> {
        moved(self.agreement)
    }

    /// The servers, to be moved on.
    pub fn into_servers(self) -> Vec<ServerDetail> {
        self.servers
    }
}

/// The warning about passes that never agreed.
pub(super) fn moved(agreement: Agreement) -> Option<Diagnostic> {
    match agreement {
        Agreement::Agreed => None,
        Agreement::Moved => {
            let message = format!(
                "servers came or went during each of {MOST_PASSES} passes over the project's listing"
            );
            let hint = "what any pass saw is taken; look whether a server is missing, or try again when the project is at rest";
            Some(Diagnostic::warning("listing-moved", message).with_hint(hint))
        }
    }
}

/// Goes through the listing of the client's project.
///
/// # Errors
/// A page that has no answer within the patience, or that the cloud refuses; a listing that does not end.
pub async fn survey(client: &Client, patience: Patience) -> Result<Survey, Unanswered> {
    let page = async |number| {
        let wanted = patience.clock.elapsed();
        patience.answer(wanted, || client.detail_page(number)).await
    };
    survey_pages(page).await
}

async fn survey_pages<R, F>(page: R) -> Result<Survey, Unanswered>
where
    R: Fn(u32) -> F,
    F: Future<Output = Result<Page<ServerDetail>, Unanswered>>,
{
    let mut union = BTreeMap::new();
    let mut before: Option<BTreeSet<ServerId>> = None;
    let (mut passes, mut count, mut agreement) = (0, 0, Agreement::Moved);
    while passes < MOST_PASSES && agreement == Agreement::Moved {
        let pass = one_pass(&page).await?;
        passes += 1;
        let present = pass.values().filter(|it| it.state != StateClass::Gone);
        count = present.count();
        let seen: BTreeSet<ServerId> = pass.keys().copied().collect();
        if before.as_ref() == Some(&seen) {
            agreement = Agreement::Agreed;
        }
        before = Some(seen);
        union.extend(pass);
    }
    Ok(Survey {
        servers: union.into_values().collect(),
        count,
        passes,
        agreement,
    })
}

/// The servers that one pass over all pages sees.
async fn one_pass<R, F>(page: &R) -> Result<BTreeMap<ServerId, ServerDetail>, Unanswered>
where
    R: Fn(u32) -> F,
    F: Future<Output = Result<Page<ServerDetail>, Unanswered>>,
{
    let mut seen: BTreeMap<ServerId, ServerDetail> = BTreeMap::new();
    let mut last_news = 0;
    for number in 1..=MOST_PAGES {
        let Page { rows, listed } = page(number).await?;
        let known = seen.len();
        for row in rows {
            match seen.entry(row.id) {
                Entry::Vacant(place) => drop(place.insert(row)),
                Entry::Occupied(mut place) => place.get_mut().take_in(row),
            }
        }
        if listed < PAGE_SIZE {
            return Ok(seen);
        }
        if seen.len() > known {
            last_news = number;
        } else if number - last_news >= STANDSTILL {
            return Err(endless(format!(
                "pages {} to {number} are full and show no server that an earlier page had not shown",
                last_news + 1
            )));
        }
    }
    Err(endless(format!(
        "page {MOST_PAGES} still shows servers that no page had shown"
    )))
}

/// The failure of a listing that does not end.
fn endless(message: String) -> Unanswered {
    Unanswered::GaveUp(Evidence {
        message: Some(message),
        ..Evidence::default()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::bms::Tags;
    use proptest::prelude::*;

    fn server(number: u32) -> ServerDetail {
        let mut bytes = [0; 16];
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        ServerDetail {
            id: ServerId::from_bytes(bytes),
            name: format!("server-{number}"),
            other_names: Vec::new(),
            status: "ACTIVE".into(),
            state: StateClass::On,
            flavor: None,
            availability_zone: None,
            enterprise_project_id: None,
            tags: Tags::Listed(Vec::new()),
        }
    }

    fn servers(numbers: impl IntoIterator<Item = u32>) -> Vec<ServerDetail> {
        numbers.into_iter().map(server).collect()
    }

    /// Surveys a cloud that shows `listing(n)` to the request number `n`, from 0; tells the pages asked for.
    fn look(listing: impl Fn(usize) -> Vec<ServerDetail>) -> (Survey, Vec<u32>) {
        let asked = Mutex::new(Vec::new());
        let page = async |number: u32| {
            let request = {
                let mut asked = asked.lock().unwrap();
                asked.push(number);
                asked.len() - 1
            };
            let all = listing(request);
            let skipped = all.into_iter().skip((number as usize - 1) * PAGE_SIZE);
            let rows: Vec<_> = skipped.take(PAGE_SIZE).collect();
            let listed = rows.len();
            Ok(Page { rows, listed })
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let survey = runtime.block_on(survey_pages(page)).unwrap();
        (survey, asked.into_inner().unwrap())
    }

    fn ids(survey: &Survey) -> Vec<ServerId> {
        survey.servers().iter().map(|server| server.id).collect()
    }

    #[test]
    fn a_project_at_rest_takes_two_passes() {
        let (survey, asked) = look(|_| servers((0..3_500).rev()));
        assert_eq!(survey.servers(), servers(0..3_500));
        assert_eq!((survey.passes(), survey.warning()), (2, None));
        assert_eq!(asked, [1, 2, 3, 4, 1, 2, 3, 4]);
    }

    #[test]
    fn a_full_last_page_is_followed_by_an_empty_one() {
        let (survey, asked) = look(|_| servers(0..2_000));
        assert_eq!(survey.servers().len(), 2_000);
        assert_eq!(asked, [1, 2, 3, 1, 2, 3]);
        let (survey, asked) = look(|_| Vec::new());
        assert_eq!((survey.servers().len(), asked), (0, vec![1, 1]));
    }

    /// The error of a survey of a project whose pages are like this, and how many were asked for.
    fn refused(page: impl Fn(u32) -> Page<ServerDetail>) -> (String, u32) {
        let asked = Mutex::new(0);
        let page = async |number| {
            *asked.lock().unwrap() += 1;
            Ok(page(number))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let error = runtime.block_on(survey_pages(page)).unwrap_err();
        let Unanswered::GaveUp(evidence) = error else {
            panic!("{error:?}");
        };
        (evidence.message.unwrap(), asked.into_inner().unwrap())
    }

    #[test]
    fn a_page_that_repeats_for_ever_is_not_taken_for_the_whole_listing() {
        let rows = servers(0..1_000);
        let (message, asked) = refused(|_| Page {
            listed: PAGE_SIZE,
            rows: rows.clone(),
        });
        let expected =
            "pages 2 to 4 are full and show no server that an earlier page had not shown";
        assert_eq!((message.as_str(), asked), (expected, 4));
    }

    #[test]
    fn pages_of_doubled_rows_do_not_end_the_pass() {
        // Every page but the last is there twice; what was last would be missed.
        let (survey, asked) = look(|_| {
            let pages = [0..1_000, 0..1_000, 1_000..2_000, 1_000..2_000, 2_000..2_007];
            servers(pages.into_iter().flatten())
        });
        assert_eq!(survey.servers(), servers(0..2_007));
        assert_eq!(survey.count(), 2_007);
        assert_eq!(asked, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_server_that_is_listed_twice_has_both_names() {
        let (survey, _) = look(|_| {
            let mut all = servers(0..1_500);
            all.push(server(3));
            all[1_500].name = "db-7".to_owned();
            all
        });
        let names: Vec<&str> = survey.servers()[3].names().collect();
        assert_eq!(names, ["server-3", "db-7"]);
        assert_eq!((survey.servers().len(), survey.count()), (1_500, 1_500));
    }

    #[test]
    fn neither_deleted_servers_nor_those_that_went_away_are_counted() {
        let (survey, _) = look(|request| {
            let mut all = servers(0..if request == 0 { 10 } else { 8 });
            all[7].state = StateClass::Gone;
            all
        });
        assert_eq!((survey.servers().len(), survey.count()), (10, 7));
    }

    #[test]
    fn a_listing_without_an_end_is_given_up() {
        // Few rows of a page that counts as full, to be quick.
        let (message, asked) = refused(|number| Page {
            listed: PAGE_SIZE,
            rows: servers(3 * number..3 * number + 3),
        });
        let expected = "page 2000 still shows servers that no page had shown";
        assert_eq!((message.as_str(), asked), (expected, 2_000));
    }

    #[test]
    fn one_that_slips_between_pages_is_found_by_the_next_pass() {
        // After the first page, a server of that page goes: what was first of page 2 is now last of page 1.
        let (survey, _) = look(|request| match request {
            0 => servers(0..3_500),
            _ => servers(1..3_500),
        });
        assert_eq!(survey.servers(), servers(0..3_500));
        assert_eq!(
            (survey.passes(), survey.agreement()),
            (3, Agreement::Agreed)
        );
    }

    #[test]
    fn one_that_moves_to_a_later_page_is_there_once() {
        let (survey, _) = look(|request| {
            let newcomers = 3_500..3_500 + request as u32;
            servers(newcomers.rev().chain(0..3_500))
        });
        let found = ids(&survey);
        assert!(found.is_sorted_by(|one, next| one < next));
        assert!(
            servers(0..3_500)
                .iter()
                .all(|server| found.contains(&server.id))
        );
        assert_eq!((survey.passes(), survey.agreement()), (5, Agreement::Moved));
        assert_eq!(survey.warning().unwrap().code, "listing-moved");
    }

    #[test]
    fn a_server_is_as_it_was_seen_last() {
        let (survey, _) = look(|request| {
            let mut all = servers(0..3);
            all[1].name = format!("name-{request}");
            all
        });
        assert_eq!(survey.servers()[1].name, "name-1");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_order_of_the_listing_decides_nothing(
            count in 0_u32..2_500,
            order in proptest::collection::vec(any::<u64>(), 10..20),
        ) {
            let mixed = |request: usize| {
                // Every pass (3 pages at most) has an order of its own.
                let salt = order[request / 3 % order.len()];
                let mut numbers: Vec<u32> = (0..count).collect();
                numbers.sort_by_key(|number| {
                    (u64::from(*number) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                });
                servers(numbers)
            };
            let (one, _) = look(|_| mixed(0));
            let (other, _) = look(|_| mixed(3));
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(one.servers(), servers(0..count));
        }

        #[test]
        fn what_was_there_all_the_time_and_seen_is_found_once(
            present in proptest::collection::btree_set(0_u32..4_000, 0..40),
            gone in proptest::collection::vec(proptest::collection::btree_set(0_u32..4_000, 0..40), 12),
        ) {
            let (survey, asked) = look(|request| {
                let extra = gone.get(request).cloned().unwrap_or_default();
                servers(present.union(&extra).copied())
            });
            let found = ids(&survey);
            prop_assert!(found.is_sorted_by(|one, next| one < next));
            prop_assert!(asked.len() <= 5);
            for server in servers(present) {
                prop_assert!(found.contains(&server.id));
            }
        }
    }
}
