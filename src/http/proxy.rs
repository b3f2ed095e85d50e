//! The proxy that the environment names: whether its value can be read, and whether a host is reached through it.
//!
//! Owns the reading of the variables; the HTTP library connects by the same rules. Invariant: the value of a
//! variable is never shown, as it can hold a password.

use reqwest::Url;

use super::failure::HttpError;

/// Variables for `https` hosts, strongest first. The first one that is set counts, even if it is empty.
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const EXCEPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// No proxy is named.
    Direct,
    /// A proxy is named, and this variable excepts the host.
    Excepted(&'static str),
    /// Through a proxy.
    Proxy {
        /// The variable that names it.
        variable: &'static str,
        /// Its host and port, without user and password.
        address: String,
    },
}

/// The route to an `https` host, by the variables that `get` gives.
///
/// # Errors
/// A variable that names a proxy in a way that cannot be read, whether it is needed or not.
pub fn route<'v>(host: &str, get: impl Fn(&str) -> Option<&'v str>) -> Result<Route, HttpError> {
    let first = |names: [&'static str; 2]| {
        let set = names.into_iter().find_map(|name| Some((name, get(name)?)));
        set.filter(|(_, value)| !value.is_empty())
    };
    let named = |names| match first(names) {
        Some((variable, value)) => match address(value) {
            Ok(address) => Ok(Some(Route::Proxy { variable, address })),
            Err(why) => Err(HttpError::Proxy { variable, why }),
        },
        None => Ok(None),
    };
    let (https, all) = (named(HTTPS)?, named(ALL)?);
    named(HTTP)?;
    Ok(match (https.or(all), first(EXCEPT)) {
        (None, _) => Route::Direct,
        (Some(_), Some((variable, list))) if excepts(list, host) => Route::Excepted(variable),
        (Some(proxy), _) => proxy,
    })
}

/// Host and port of a proxy.
fn address(value: &str) -> Result<String, &'static str> {
    let is_fine =
        |letter: char| letter.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:@/[]".contains(letter);
    if !value.chars().all(is_fine) {
        return Err("it has a blank or another character that a URL cannot have");
    }
    let url = match value.contains("://") {
        true => Url::parse(value),
        false => Url::parse(&format!("http://{value}")),
    };
    let url = url.map_err(|_| "it is not a URL")?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or("it has no host")?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err("only `http` and `https` proxies are supported"),
    }
    if !matches!(url.path(), "" | "/") {
        return Err("it has a path, or `:` is missing after `http`");
    }
    if value.matches('@').count() > 1 {
        return Err("it has two `@`: write one in a password as `%40`");
    }
    let port = url.port_or_known_default().unwrap_or_default();
    Ok(format!("{host}:{port}"))
}

/// Whether a list such as `.example.com, 10.0.0.1` excepts a host. Networks in it only concern hosts that are
/// written as addresses.
fn excepts(list: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let mut entries = list.split(',').map(str::trim);
    entries.any(|entry| {
        let domain = entry.trim_start_matches('.');
        let is_domain = !domain.is_empty()
            && host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        entry == "*" || is_domain || in_network(entry, host)
    })
}

fn in_network(network: &str, host: &str) -> bool {
    use std::net::IpAddr;
    let Some((base, bits)) = network.split_once('/') else {
        return false;
    };
    let (Ok(base), Ok(host), Ok(bits)) = (base.parse(), host.parse(), bits.parse::<u32>()) else {
        return false;
    };
    // Both as numbers of 128 bits, the first of which count.
    let (base, host, width) = match (base, host) {
        (IpAddr::V4(base), IpAddr::V4(host)) => (
            u128::from(u32::from(base)) << 96,
            u128::from(u32::from(host)) << 96,
            32,
        ),
        (IpAddr::V6(base), IpAddr::V6(host)) => (u128::from(base), u128::from(host), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let differing = base ^ host;
    bits <= width && differing.leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn routed(variables: &[(&str, &'static str)]) -> Result<Route, HttpError> {
        route("bms.example.com", |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        })
    }

    #[rstest]
    #[case(&[("HTTPS_PROXY", "http://user:canary@proxy:3128")], "HTTPS_PROXY", "proxy:3128")]
    #[case(&[("https_proxy", "proxy.example.com")], "https_proxy", "proxy.example.com:80")]
    #[case(&[("ALL_PROXY", "https://[::1]:8443/")], "ALL_PROXY", "[::1]:8443")]
    #[case(&[("HTTPS_PROXY", ""), ("https_proxy", "lower:1"), ("ALL_PROXY", "all:2")], "ALL_PROXY", "all:2")]
    #[case(&[("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", "other.com, 10.0.0.0/8")], "HTTPS_PROXY", "proxy:3128")]
    fn a_proxy_is_used(
        #[case] variables: &[(&str, &'static str)],
        #[case] variable: &'static str,
        #[case] address: &str,
    ) {
        let address = address.to_owned();
        let expected = Route::Proxy { variable, address };
        assert_eq!(routed(variables).unwrap(), expected);
    }

    #[rstest]
    #[case(&[], Route::Direct)]
    #[case(&[("HTTP_PROXY", "proxy:3128")], Route::Direct)]
    #[case(&[("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", "example.com")], Route::Excepted("NO_PROXY"))]
    #[case(&[("HTTPS_PROXY", "proxy:3128"), ("no_proxy", "a.b, .example.com")], Route::Excepted("no_proxy"))]
    #[case(&[("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", "*")], Route::Excepted("NO_PROXY"))]
    fn no_proxy_is_used(#[case] variables: &[(&str, &'static str)], #[case] expected: Route) {
        assert_eq!(routed(variables).unwrap(), expected);
    }

    #[rstest]
    #[case("10.0.0.0/8", "10.9.8.7", true)]
    #[case("10.0.0.0/8", "11.9.8.7", false)]
    #[case("10.0.0.0/33", "10.9.8.7", false)]
    #[case("fd00::/8", "[fd12::1]", true)]
    #[case("10.0.0.1", "10.0.0.1", true)]
    #[case("ample.com", "bms.example.com", false)]
    fn a_list_excepts_hosts_and_networks(
        #[case] list: &str,
        #[case] host: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(excepts(list, host), expected);
    }

    #[rstest]
    #[case("http://proxy.example.com:canary")]
    #[case("http//canary:3128")]
    #[case("socks5://canary:1080")]
    #[case("http://")]
    #[case("http://canary proxy")]
    #[case("http://user:can@ry@proxy:3128")]
    #[case("=canary\n")]
    #[case("'http://canary:3128'/x")]
    fn a_value_that_cannot_be_read_is_refused_and_not_shown(#[case] value: &'static str) {
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
            let error = routed(&[(variable, value)]).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(variable), "{message}");
            assert!(
                !message.contains("canary") && !message.contains("ry@"),
                "{message}"
            );
        }
    }
}
