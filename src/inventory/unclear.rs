//! Warnings about servers of which the listing does not say whether a group means them.
//!
//! Owns the wording. Such a server is never selected and always excluded, as `selection` decides. Invariant: no
//! server is left out for this reason without a warning that names it.

use super::group::{Resolver, servers};
use crate::diagnostic::Diagnostic;
use crate::ids::ServerId;
use crate::workflow::{Group, Select, locate};

/// Codes of these warnings. A plan that takes its servers from an earlier plan takes the warnings along.
pub const CODES: [&str; 2] = [SELECT, EXCLUDE];
const SELECT: &str = "select-unclear";
const EXCLUDE: &str = "exclude-unclear";
/// Most servers that are named.
const NAMED: usize = 3;

impl Resolver<'_> {
    /// Warns of servers that `select` of a group may mean.
    pub(super) fn warn_of_unclear_selection(&mut self, group: &Group, select: &Select) {
        let unclear = self.known.doubtful(select);
        self.warn_of_unclear(group, (SELECT, "select", "does not select"), &unclear);
    }

    /// Warns of servers, among those that a group lists, that its `exclude.select` may mean.
    pub(super) fn warn_of_unclear_exclusion(
        &mut self,
        group: &Group,
        select: &Select,
        listed: &[ServerId],
    ) {
        let mut unclear = self.known.doubtful(select);
        unclear.retain(|(server, _)| listed.contains(server));
        self.warn_of_unclear(group, (EXCLUDE, "exclude/select", "leaves out"), &unclear);
    }

    fn warn_of_unclear(
        &mut self,
        group: &Group,
        (code, key, does): (&'static str, &str, &str),
        unclear: &[(ServerId, &'static str)],
    ) {
        let Some((_, member)) = unclear.first() else {
            return;
        };
        let count = u32::try_from(unclear.len()).unwrap_or(u32::MAX);
        let named: Vec<String> = unclear
            .iter()
            .take(NAMED)
            .map(|(server, _)| format!("`{server}`"))
            .collect();
        let more = if unclear.len() > NAMED { ", …" } else { "" };
        let message = format!(
            "`{}` of `{}` {does} {}, because the API does not report `{member}` clearly: {}{more}",
            key.replace('/', "."),
            group.name,
            servers(count),
            named.join(", "),
        );
        let place = locate(&self.workflow.source, &format!("{}/{key}", group.origin));
        let warning = Diagnostic::warning(code, message).at(place);
        self.warnings.push(warning.with_hint(
            "the member is absent, null, of another type, or differs between two rows of the server: look at the servers in the console",
        ));
    }
}
