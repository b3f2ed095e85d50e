//! The environment variables that a workflow may read with `vars.*.env`.
//!
//! Owns the prefixes that are granted and the names that are never read. A workflow comes from a pull request, so
//! without a grant nothing of the environment reaches a plan or a report. Invariant: [`EnvVariables::get`] returns
//! only variables that are granted and are no credentials.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::diagnostic::Severity;

/// The prefix that needs no policy.
pub(super) const OPEN_PREFIX: &str = "LIGHTSOUT_VAR_";

/// Variables of the environment that credentials are taken from.
pub const SECRET_VARIABLES: [&str; 7] = [
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN",
    "HW_ACCESS_KEY",
    "HW_SECRET_KEY",
    "HW_SECURITY_TOKEN",
    "OS_AUTH_TOKEN",
];

/// Words between underscores that mark a credential, or a URL that can contain one.
const SECRET_WORDS: [&str; 24] = [
    "AK",
    "APIKEY",
    "AUTH",
    "COOKIE",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "JWT",
    "KEY",
    "KEYS",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PASSWORDS",
    "PAT",
    "PROXY",
    "PW",
    "PWD",
    "SECRET",
    "SECRETS",
    "SK",
    "TOKEN",
    "TOKENS",
];

/// The start of names that a policy lets workflows read: at least four characters, the last one `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvPrefix(String);

impl FromStr for EnvPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        let begins_well = !text.starts_with(|first: char| first.is_ascii_digit());
        if text.len() >= 4 && text.ends_with('_') && plain && begins_well {
            Ok(Self(text.to_owned()))
        } else {
            Err("not a prefix of at least four characters that ends in `_`")
        }
    }
}

/// What the policies of the machine grant: one list for each policy that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvGrants(Vec<Vec<EnvPrefix>>);

impl EnvGrants {
    /// Grants the names that have a prefix in each of these lists, and none if there is no list.
    pub fn common_to(lists: impl Iterator<Item = Vec<EnvPrefix>>) -> Self {
        Self(lists.collect())
    }

    fn allow(&self, name: &str) -> bool {
        let listed = |list: &Vec<EnvPrefix>| list.iter().any(|prefix| name.starts_with(&prefix.0));
        name.starts_with(OPEN_PREFIX) || (!self.0.is_empty() && self.0.iter().all(listed))
    }
}

/// The environment as a workflow may see it.
#[derive(Debug, Clone)]
pub struct EnvVariables {
    variables: BTreeMap<String, String>,
    grants: EnvGrants,
    ungranted: Severity,
}

impl Default for EnvVariables {
    fn default() -> Self {
        Self::new(BTreeMap::new(), EnvGrants::default(), Severity::Error)
    }
}

impl EnvVariables {
    /// These variables under these grants. `ungranted` is how much it matters if a workflow declares another one.
    pub fn new(
        variables: BTreeMap<String, String>,
        grants: EnvGrants,
        ungranted: Severity,
    ) -> Self {
        Self {
            variables,
            grants,
            ungranted,
        }
    }

    /// The value of a variable that may be read.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let readable = self.grants.allow(name) && !is_credential(name);
        self.variables
            .get(name)
            .filter(|_| readable)
            .map(String::as_str)
    }

    /// How much it matters that a name is not granted; `None` if it is.
    pub(super) fn refusal(&self, name: &str) -> Option<Severity> {
        (!self.grants.allow(name)).then_some(self.ungranted)
    }
}

/// Whether a variable holds credentials, or looks as if it did.
pub(super) fn is_credential(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let rest = match upper.strip_prefix(OPEN_PREFIX) {
        // The operator set it for workflows, under this name.
        Some(_) => return false,
        None => upper.as_str(),
    };
    SECRET_VARIABLES.contains(&rest) || rest.split('_').any(|word| SECRET_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(list: &[&str]) -> Vec<EnvPrefix> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn grants(lists: &[&[&str]]) -> EnvGrants {
        EnvGrants::common_to(lists.iter().map(|list| prefixes(list)))
    }

    #[test]
    fn a_prefix_is_long_enough_and_ends_in_an_underscore() {
        for good in ["STOP_", "abc_", "_AB_", "A1B2_"] {
            assert!(good.parse::<EnvPrefix>().is_ok(), "{good}");
        }
        for wrong in ["", "_", "AB_", "STOP", "1AB_", "ST-P_", "STOP_*_", "ST P_"] {
            assert!(wrong.parse::<EnvPrefix>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_needs_a_prefix_in_each_list() {
        let open = "LIGHTSOUT_VAR_RACK";
        for (lists, allowed, refused) in [
            (
                &[][..],
                &[open][..],
                &["STOP_RACK", "LIGHTSOUT_VAR", ""][..],
            ),
            (&[&[][..]], &[open], &["STOP_RACK"]),
            (
                &[&["STOP_"]],
                &[open, "STOP_RACK"],
                &["STOPRACK", "stop_rack"],
            ),
            (
                &[&["STOP_", "NIGHT_"], &["STOP_A_", "OTHER_"]],
                &[open, "STOP_A_RACK"],
                &["STOP_RACK", "NIGHT_RACK", "OTHER_RACK"],
            ),
        ] {
            let grants = grants(lists);
            for name in allowed {
                assert!(grants.allow(name), "{name} by {lists:?}");
            }
            for name in refused {
                assert!(!grants.allow(name), "{name} by {lists:?}");
            }
        }
    }

    #[test]
    fn credentials_are_never_read_whatever_is_granted() {
        let secrets = [
            "HTTPS_PROXY",
            "https_proxy",
            "GITHUB_TOKEN",
            "CI_JOB_TOKEN",
            "OS_PASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "OPS_API_KEY",
            "HW_ACCESS_KEY",
        ];
        let lists = [&[
            "HTTPS_", "https_", "GITHUB_", "CI_JOB_", "OS_PASS_", "AWS_", "OPS_",
        ][..]];
        let variables = secrets.map(|name| (name.to_owned(), "x".to_owned()));
        let all = EnvVariables::new(variables.into(), grants(&lists), Severity::Error);
        for name in secrets.iter().chain(&SECRET_VARIABLES) {
            assert!(is_credential(name), "{name}");
            assert_eq!(all.get(name), None, "{name}");
        }
        for plain in ["STOP_RACK", "MONKEY_SIZE", "LIGHTSOUT_VAR_TOKENS"] {
            assert!(!is_credential(plain), "{plain}");
        }
    }
}
