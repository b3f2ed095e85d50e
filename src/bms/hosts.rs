//! To which hosts credentials may go (design §14).
//!
//! Owns one pure rule: the cloud's own domains, this machine, and hosts that the operator names
//! outside the workflow. Invariant: a name is compared by whole labels, so nothing that merely
//! contains or resembles a permitted name passes.

use url::Url;

use crate::ids::Endpoint;

/// Domains whose hosts are the cloud's own.
const CLOUD_DOMAINS: [&str; 4] = [
    "myhuaweicloud.com",
    "myhuaweicloud.cn",
    "myhuaweicloud.eu",
    "otc.t-systems.com",
];

/// The endpoint is not one that credentials may go to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("credentials may not be sent to `{host}`")]
pub struct HostRefused {
    /// Host, and port where spelled.
    pub host: String,
}

impl HostRefused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        format!(
            "if this host is yours, set LIGHTSOUT_ENDPOINTS={} where the run is started",
            self.host
        )
    }
}

/// Whether credentials may go to `endpoint`; `extra` are host names or URLs that the operator adds,
/// see [`named_hosts`]. One with a port admits that port only.
pub fn permitted(endpoint: &Endpoint, extra: &[String]) -> Result<(), HostRefused> {
    let host = endpoint.host();
    let known = CLOUD_DOMAINS.iter().any(|domain| is_below(host, domain));
    if known || endpoint.is_loopback() || extra.iter().any(|entry| names(entry, endpoint)) {
        return Ok(());
    }
    Err(HostRefused {
        host: endpoint.authority(),
    })
}

/// The entries of `LIGHTSOUT_ENDPOINTS`, separated by commas or blanks.
pub fn named_hosts(text: &str) -> Vec<String> {
    text.split(|letter: char| letter == ',' || letter.is_whitespace())
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|rest| rest.split('.').all(|label| !label.is_empty()))
}

fn names(entry: &str, endpoint: &Endpoint) -> bool {
    let url = if entry.contains("://") {
        Url::parse(entry)
    } else {
        Url::parse(&format!("https://{entry}"))
    };
    let Ok(url) = url else { return false };
    let port_fits = match url.port() {
        Some(port) => endpoint.authority() == format!("{}:{port}", endpoint.host()),
        None => true,
    };
    port_fits && url.host_str() == Some(endpoint.host())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://bms.ap-southeast-1.myhuaweicloud.com")]
    #[case("https://BMS.EU-WEST-101.MyHuaweiCloud.EU")]
    #[case("https://bms.cn-north-4.myhuaweicloud.cn:8443")]
    #[case("https://ecs.eu-de.otc.t-systems.com/base")]
    #[case("http://127.0.0.1:9000")]
    #[case("http://127.8.8.8")]
    #[case("http://localhost:9000")]
    #[case("http://[::1]:9000")]
    #[case("https://LOCALHOST")]
    fn the_cloud_and_this_machine_are_permitted(#[case] endpoint: &str) {
        let endpoint = endpoint.parse().unwrap();
        assert_eq!(permitted(&endpoint, &[]), Ok(()));
    }

    #[rstest]
    #[case("https://evilmyhuaweicloud.com")]
    #[case("https://bms.evilmyhuaweicloud.com")]
    #[case("https://myhuaweicloud.com.evil.org")]
    #[case("https://bms.myhuaweicloud.com.evil.org")]
    #[case("https://myhuaweicloud.com")]
    #[case("https://.myhuaweicloud.com")]
    #[case("https://a..myhuaweicloud.com")]
    #[case("https://bms.x.myhuaweicloud.com.")]
    #[case("https://bms.x.myhuaweicloud.org")]
    #[case("https://otc.t-systems.com")]
    #[case("https://bms.t-systems.com")]
    #[case("https://evil.org/bms.x.myhuaweicloud.com")]
    #[case("https://bms-x-myhuaweicloud-com.evil.org")]
    #[case("https://bms.x.myhuaweicloud。com.evil.org")]
    #[case("https://bms.x.rnyhuaweicloud.com")]
    #[case("https://127.0.0.1.evil.org")]
    #[case("https://localhost.evil.org")]
    #[case("https://10.0.0.1")]
    #[case("https://169.254.169.254")]
    #[case("https://[2001:db8::1]")]
    #[case("https://2130706434.evil.org")]
    #[case("https://bms.example.com:8443")]
    fn other_hosts_are_not(#[case] endpoint: &str) {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        assert_eq!(
            permitted(&endpoint, &[]).unwrap_err().host,
            endpoint.authority()
        );
    }

    #[rstest]
    #[case("https://bms.example.com", "bms.example.com", true)]
    #[case("https://bms.example.com:8443", "bms.example.com", true)]
    #[case("https://bms.example.com:8443", "BMS.Example.com:8443", true)]
    #[case("https://bms.example.com:8443", "https://bms.example.com:8443/x", true)]
    #[case("https://bms.example.com", "https://bms.example.com", true)]
    #[case("https://bms.example.com", "https://bms.example.com:443", true)]
    #[case("https://bms.example.com", "bms.example.com:8443", false)]
    #[case("https://bms.example.com:9443", "bms.example.com:8443", false)]
    #[case("https://a.bms.example.com", "bms.example.com", false)]
    #[case("https://bms.example.com", "example.com", false)]
    #[case("https://bms.example.com", "*.example.com", false)]
    #[case("https://bms.example.com.evil.org", "bms.example.com", false)]
    #[case("https://10.0.0.1:8443", "10.0.0.1", true)]
    #[case("https://[2001:db8::1]:8443", "[2001:db8::1]", true)]
    #[case("https://bms.example.com", "", false)]
    #[case("https://bms.example.com", "https://", false)]
    fn the_operator_may_name_more(
        #[case] endpoint: &str,
        #[case] extra: &str,
        #[case] expected: bool,
    ) {
        let endpoint = endpoint.parse().unwrap();
        let verdict = permitted(&endpoint, &[extra.to_owned()]);
        assert_eq!(verdict.is_ok(), expected);
    }

    #[test]
    fn named_hosts_are_separated_by_commas_or_blanks() {
        let named = named_hosts(" a.example.com, b.example.com:8443\thttps://c.example.com,,");
        let expected = [
            "a.example.com",
            "b.example.com:8443",
            "https://c.example.com",
        ];
        assert_eq!(named, expected);
        assert!(named_hosts(" , ").is_empty());
    }
}
