//! Servers of the listing that `select` misses by upper and lower case or blanks alone.
//!
//! Pure. Owns finding them and naming what differs. Names are patterns, so only the other criteria are looked at.
//! Invariant: a server that meets the criteria, or whose tags are not known, is never among them.

use std::collections::BTreeSet;

use super::filter::same_but_for_case;
use super::selection::meets;
use crate::bms::ServerDetail;
use crate::glob::Glob;
use crate::untrusted::shorten;
use crate::workflow::Select;

/// Most values that a warning names.
const SHOWN: usize = 5;
/// Longest value that a warning shows.
const LONGEST: usize = 60;

/// How many servers are missed, and the values that differ, as in `tag keep=True`.
pub(super) fn misses<'s>(
    select: &Select,
    servers: impl Iterator<Item = &'s ServerDetail>,
) -> Option<(usize, Vec<String>)> {
    let mut values = BTreeSet::new();
    let mut count = 0;
    for server in servers.filter(|server| !meets(select, server)) {
        if let Some(differing) = differing(select, server) {
            count += 1;
            values.extend(differing);
        }
    }
    let shown = values.iter().take(SHOWN);
    let shown = shown.map(|value| format!("`{}`", shorten(value, LONGEST)));
    (count > 0).then(|| (count, shown.collect()))
}

/// The values by which a server differs, if folding them is all that it needs to meet the criteria.
fn differing(select: &Select, server: &ServerDetail) -> Option<Vec<String>> {
    let Select {
        name,
        tags,
        status,
        flavor,
        availability_zone,
        enterprise_project_id,
    } = select;
    let fits = |name: &Glob| server.names().any(|own| name.matches(own));
    if name.as_ref().is_some_and(|name| !fits(name)) {
        return None;
    }
    let mut differing = Vec::new();
    let own = [
        ("status", status, Some(&server.status)),
        ("flavor", flavor, server.flavor.as_ref()),
        (
            "availability_zone",
            availability_zone,
            server.availability_zone.as_ref(),
        ),
        (
            "enterprise_project_id",
            enterprise_project_id,
            server.enterprise_project_id.as_ref(),
        ),
    ];
    for (criterion, wanted, own) in own {
        let Some(wanted) = wanted else { continue };
        let own = own?;
        if own != wanted {
            differing.push(format!("{criterion} {own}"));
            same_but_for_case(own, wanted).then_some(())?;
        }
    }
    for (key, value) in tags {
        let own = server.tags.listed()?;
        let wanted = format!("{key}={value}");
        let like = |tag: &&String| match value.is_empty() && !tag.contains('=') {
            true => same_but_for_case(tag, key),
            false => same_but_for_case(tag, &wanted),
        };
        let exact = |tag: &String| *tag == wanted || (value.is_empty() && tag == key);
        if !own.iter().any(exact) {
            differing.push(format!("tag {}", own.iter().find(like)?));
        }
    }
    // A server that is unclear for another reason, such as two names, misses nothing by case or blanks.
    (!differing.is_empty()).then_some(differing)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::bms::{StateClass, Tags};
    use crate::ids::ServerId;

    fn server(tags: Option<&[&str]>) -> ServerDetail {
        ServerDetail {
            id: ServerId::from_bytes([1; 16]),
            name: "web-1".to_owned(),
            other_names: Vec::new(),
            status: "ACTIVE".into(),
            state: StateClass::On,
            flavor: Some("physical.S4".into()),
            availability_zone: Some("az1".into()),
            enterprise_project_id: None,
            tags: tags.map_or(Tags::Absent, |tags| {
                Tags::Listed(tags.iter().map(|tag| (*tag).to_owned()).collect())
            }),
        }
    }

    #[rstest]
    #[case(json!({ "tags": { "keep": "true" } }), Some("`tag Keep= TRUE`"))]
    #[case(json!({ "flavor": "physical.s4" }), Some("`flavor physical.S4`"))]
    #[case(json!({ "status": "ACTIVE", "tags": { "BARE": "" } }), Some("`tag bare`"))]
    #[case(json!({ "tags": { "keep": "true" }, "availability_zone": "az2" }), None)]
    #[case(json!({ "name": "db-*", "tags": { "keep": "true" } }), None)]
    #[case(json!({ "tags": { "bare": "" } }), None)]
    #[case(json!({ "tags": { "keep": "no" } }), None)]
    #[case(json!({ "enterprise_project_id": "0" }), None)]
    fn a_server_that_differs_by_case_or_blanks_is_found(
        #[case] select: serde_json::Value,
        #[case] expected: Option<&str>,
    ) {
        let select: Select = serde_json::from_value(select).unwrap();
        let tagged = server(Some(&["Keep= TRUE", "bare"]));
        let found = misses(&select, [&tagged].into_iter());
        let found = found.map(|(count, values)| (count, values.join(", ")));
        assert_eq!(found, expected.map(|values| (1, values.to_owned())));
        let silent = misses(&select, [&server(None)].into_iter());
        let is_flavor = expected.is_some_and(|it| it.contains("flavor"));
        assert_eq!(silent.is_some(), is_flavor);
    }
}
