//! In which form the API reports tags: a list, null, nothing at all or something else.
//!
//! Owns this one check, which matters to policies that protect by tag. Invariant: a form that such a policy
//! refuses is a warning, never in order.

use super::Check;
use crate::bms::{Probed, Tags, parse_detail_page};
use crate::policy::Untagged;

const NAME: &str = "tags";

/// The form of tags on the first page of the listing. `untagged` is what the policies make of servers without
/// reported tags, if any policy protects by tag.
pub fn tags(probed: &Probed, untagged: Option<Untagged>) -> Check {
    let page = probed.result.as_ref().ok();
    let Some(page) = page.and_then(|body| parse_detail_page(body)) else {
        return Check::unknown(NAME, "no server was listed");
    };
    let all = page.rows.len();
    if all == 0 {
        return Check::unknown(NAME, "no server was listed");
    }
    let count = |of: fn(&Tags) -> bool| page.rows.iter().filter(|row| of(&row.tags)).count();
    let (null, absent) = (
        count(|tags| matches!(tags, Tags::Null)),
        count(|tags| matches!(tags, Tags::Absent)),
    );
    let other = count(|tags| {
        matches!(
            tags,
            Tags::Unreadable | Tags::Conflicting(_) | Tags::Partial(_)
        )
    });
    let forms = [
        ("as a list", all - null - absent - other),
        ("as null", null),
        ("not at all", absent),
        ("in a form that is not understood", other),
    ];
    let forms: Vec<String> = forms
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(form, count)| format!("{form} for {count}"))
        .collect();
    let message = format!("the API reports tags {} of {all} servers", forms.join(", "));
    let refused = match untagged {
        None => 0,
        Some(Untagged::Allow) => other,
        Some(Untagged::Refuse) => null + absent + other,
    };
    match refused {
        0 => Check::ok(NAME, message),
        _ if null + absent > 0 && untagged == Some(Untagged::Refuse) => Check::warning(NAME, message)
            .with_hint(
                "a policy protects by tag, so targets among these are refused with exit code 23: if null and absent mean that a server has no tags, set `protected.untagged: allow` in the policy",
            ),
        _ => Check::warning(NAME, message).with_hint(
            "a policy protects by tag, so targets among these are refused with exit code 23: look at the tags of these servers in the console",
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Health;

    fn listed(rows: &[&str]) -> Probed {
        let row = |(at, tags): (usize, &&str)| {
            format!(r#"{{"id":"616fb98f-46ca-475e-917e-2563e5a8cd{at:02}"{tags}}}"#)
        };
        let rows: Vec<String> = rows.iter().enumerate().map(row).collect();
        Probed {
            ahead: None,
            result: Ok(format!(r#"{{"servers":[{}]}}"#, rows.join(",")).into()),
        }
    }

    #[rstest]
    #[case(None, Health::Ok)]
    #[case(Some(Untagged::Allow), Health::Ok)]
    #[case(Some(Untagged::Refuse), Health::Warning)]
    fn forms_that_a_policy_refuses_are_warned_of(
        #[case] untagged: Option<Untagged>,
        #[case] health: Health,
    ) {
        let rows = [r#","tags":[]"#, r#","tags":["a"]"#, r#","tags":null"#, ""];
        let check = tags(&listed(&rows), untagged);
        assert_eq!(check.health, health);
        assert_eq!(
            check.message,
            "the API reports tags as a list for 2, as null for 1, not at all for 1 of 4 servers"
        );
        let hint = check.hint.unwrap_or_default();
        assert_eq!(
            hint.contains("`protected.untagged: allow`"),
            health == Health::Warning
        );
    }

    #[rstest]
    #[case(None, Health::Ok)]
    #[case(Some(Untagged::Allow), Health::Warning)]
    #[case(Some(Untagged::Refuse), Health::Warning)]
    fn other_forms_are_refused_whatever_the_policy_allows(
        #[case] untagged: Option<Untagged>,
        #[case] health: Health,
    ) {
        let check = tags(&listed(&[r#","tags":"a=b""#]), untagged);
        assert_eq!(check.health, health);
        assert!(!check.hint.unwrap_or_default().contains("untagged"));
    }

    #[test]
    fn without_a_server_nothing_is_known() {
        let check = tags(&listed(&[]), Some(Untagged::Refuse));
        assert_eq!(check.health, Health::Unknown);
    }
}
