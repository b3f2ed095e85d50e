//! What stands between this machine and the API until it is changed: certificates, TLS, proxies.
//!
//! Owns telling such faults from those that pass, and their words. Invariant: a fault that may pass by itself, such
//! as a name server that does not answer or a refused connection, is never one of these.

use std::error::Error;
use std::fmt;

use rustls::{CertificateError, Error as TlsError};

/// Why no connection can be made until somebody changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// No trusted authority has signed the server's certificate.
    UnknownAuthority,
    /// The server shows a certificate of an authority as its own.
    SelfSigned,
    /// The certificate is for other hosts.
    OtherHost,
    /// The certificate is out of date.
    Expired,
    /// The certificate is for a later time.
    NotYetValid,
    /// The certificate was revoked.
    Revoked,
    /// Another fault of the certificate.
    BadCertificate,
    /// What is spoken there is not TLS.
    NotTls,
    /// Both sides speak TLS, but have no version or method in common.
    NoCommonTls,
    /// The proxy asks for a user and a password.
    ProxyLogin,
    /// This header has a value that cannot be sent.
    BadHeader(String),
    /// The request itself cannot be made.
    BadRequest,
}

impl Obstacle {
    /// The obstacle behind an error of the HTTP library that came before any byte was sent.
    pub(super) fn of(error: &reqwest::Error) -> Option<Self> {
        if error.is_builder() {
            return Some(Self::BadRequest);
        }
        let mut next: Option<&(dyn Error + 'static)> = error.source();
        while let Some(cause) = next {
            if let Some(obstacle) = tls_of(cause).and_then(Self::of_tls) {
                return Some(obstacle);
            }
            // The library has no type for it.
            if cause.to_string().contains("proxy authorization required") {
                return Some(Self::ProxyLogin);
            }
            next = cause.source();
        }
        None
    }

    fn of_tls(error: &TlsError) -> Option<Self> {
        if let TlsError::InvalidCertificate(why) = error {
            return Some(Self::of_certificate(why));
        }
        if matches!(error, TlsError::InvalidMessage(_)) {
            return Some(Self::NotTls);
        }
        matches!(error, TlsError::PeerIncompatible(_)).then_some(Self::NoCommonTls)
    }

    fn of_certificate(why: &CertificateError) -> Self {
        use CertificateError as Why;
        // The library below has no public type for the last one.
        let is_authority = |other: &Why| other.to_string().contains("CaUsedAsEndEntity");
        let table = [
            (matches!(why, Why::UnknownIssuer), Self::UnknownAuthority),
            (
                matches!(why, Why::Expired | Why::ExpiredContext { .. }),
                Self::Expired,
            ),
            (
                matches!(why, Why::NotValidYet | Why::NotValidYetContext { .. }),
                Self::NotYetValid,
            ),
            (
                matches!(
                    why,
                    Why::NotValidForName | Why::NotValidForNameContext { .. }
                ),
                Self::OtherHost,
            ),
            (matches!(why, Why::Revoked), Self::Revoked),
            (is_authority(why), Self::SelfSigned),
        ];
        let found = table.into_iter().find(|(is_it, _)| *is_it);
        found.map_or(Self::BadCertificate, |(_, obstacle)| obstacle)
    }

    /// A short word for reports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAuthority
            | Self::SelfSigned
            | Self::OtherHost
            | Self::Expired
            | Self::NotYetValid
            | Self::Revoked
            | Self::BadCertificate => "certificate",
            Self::NotTls | Self::NoCommonTls => "tls",
            Self::ProxyLogin => "proxy",
            Self::BadHeader(_) | Self::BadRequest => "bad-request",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownAuthority => {
                "name the CA certificate of the proxy or private cloud with `--ca-file CA.pem`"
            }
            Self::SelfSigned => {
                "let the server use a certificate that a CA has signed, and name that CA with `--ca-file CA.pem`"
            }
            Self::OtherHost => {
                "check the host in `endpoint` of the workflow, and what a proxy in between shows"
            }
            Self::Expired | Self::NotYetValid => {
                "check the clock of this machine, then have the server's certificate renewed"
            }
            Self::Revoked | Self::BadCertificate => "have the server's certificate replaced",
            Self::NotTls => "check the port in `endpoint` of the workflow, and HTTPS_PROXY",
            Self::NoCommonTls => "the server must speak TLS 1.2 or 1.3",
            Self::ProxyLogin => {
                "put user and password into the proxy's URL: `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`"
            }
            Self::BadHeader(_) | Self::BadRequest => {
                "check `endpoint` of the workflow, and the credentials for hidden characters"
            }
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::BadHeader(name) = self {
            return write!(f, "the header `{name}` cannot be sent");
        }
        f.write_str(match self {
            Self::UnknownAuthority => {
                "the server's certificate is signed by an authority that is not trusted here"
            }
            Self::SelfSigned => {
                "the server uses the certificate of an authority as its own, which is not accepted even if `--ca-file` names it"
            }
            Self::OtherHost => "the server's certificate is for another host name",
            Self::Expired => "the server's certificate has expired, by the clock of this machine",
            Self::NotYetValid => "the server's certificate is not valid yet, by the clock of this machine",
            Self::Revoked => "the server's certificate was revoked",
            Self::BadCertificate => "the server's certificate cannot be used",
            Self::NotTls => "the server, or a proxy in between, does not speak TLS on this port",
            Self::NoCommonTls => "the server supports no version or method of TLS that is supported here",
            Self::ProxyLogin => "the proxy asks for a user and a password",
            Self::BadHeader(_) | Self::BadRequest => {
                "the request cannot be made: its URL is not valid"
            }
        })
    }
}

/// The TLS library's own error, which may stand inside an error of the system.
fn tls_of<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    let mut at = cause;
    loop {
        if let Some(error) = at.downcast_ref::<TlsError>() {
            return Some(error);
        }
        // Errors of the system stand inside each other, and do not name what they hold as their cause.
        at = at.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use rstest::rstest;
    use rustls::{AlertDescription, InvalidMessage, OtherError};

    fn certificate(why: CertificateError) -> Option<Obstacle> {
        let error = TlsError::InvalidCertificate(why);
        let wrapped = std::io::Error::other(std::io::Error::other(error));
        tls_of(&wrapped).and_then(Obstacle::of_tls)
    }

    #[rstest]
    #[case(CertificateError::UnknownIssuer, Obstacle::UnknownAuthority)]
    #[case(CertificateError::Expired, Obstacle::Expired)]
    #[case(CertificateError::NotValidYet, Obstacle::NotYetValid)]
    #[case(CertificateError::NotValidForName, Obstacle::OtherHost)]
    #[case(CertificateError::Revoked, Obstacle::Revoked)]
    #[case(CertificateError::BadEncoding, Obstacle::BadCertificate)]
    fn each_fault_of_a_certificate(#[case] why: CertificateError, #[case] expected: Obstacle) {
        assert_eq!(certificate(why), Some(expected.clone()));
        assert!(!expected.to_string().is_empty() && !expected.hint().is_empty());
        assert_eq!(expected.code(), "certificate");
    }

    #[test]
    fn a_certificate_of_an_authority_is_told_by_its_name() {
        let other = std::io::Error::other("CaUsedAsEndEntity");
        let other = CertificateError::Other(OtherError(Arc::new(other)));
        assert_eq!(certificate(other), Some(Obstacle::SelfSigned));
    }

    #[test]
    fn what_the_other_side_may_take_back_is_no_obstacle() {
        let of = |error| Obstacle::of_tls(&error);
        let alert = TlsError::AlertReceived(AlertDescription::InternalError);
        assert_eq!(of(alert), None);
        assert_eq!(of(TlsError::HandshakeNotComplete), None);
        let garbage = TlsError::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(of(garbage), Some(Obstacle::NotTls));
    }
}
