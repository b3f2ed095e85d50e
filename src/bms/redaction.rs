//! Taking secrets out of texts that the cloud, or somebody on the way to it, has sent back.
//!
//! Owns what is recognised: secrets as they are, the part of one that is left where a text was cut off,
//! and signatures, with which a request can be repeated for a quarter of an hour. Pure. Invariant: what
//! is returned holds no whole secret, and no beginning of one before `…`.

const REDACTED: &str = "[redacted]";
/// Anything shorter is no secret of the cloud's, and would garble every text.
const SHORTEST: usize = 8;
/// Shortest beginning of a secret that is recognised before `…`.
const SHORTEST_PART: usize = 4;
const SIGNATURE: &str = "Signature=";

/// The text without these secrets and without signatures.
pub(super) fn redact<'a>(text: String, secrets: impl Iterator<Item = &'a str>) -> String {
    let mut text = text;
    for secret in secrets.filter(|secret| secret.len() >= SHORTEST) {
        if text.contains(secret) {
            text = text.replace(secret, REDACTED);
        }
        if let Some(kept) = before_part(&text, secret) {
            text = format!("{kept}{REDACTED}…");
        }
    }
    if text.contains(SIGNATURE) {
        without_signatures(&text)
    } else {
        text
    }
}

/// What stands before the beginning of the secret with which a shortened text ends.
fn before_part<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    let shown = text.strip_suffix('…')?;
    let mut lengths = (SHORTEST_PART..secret.len()).rev();
    lengths.find_map(|length| shown.strip_suffix(secret.get(..length)?))
}

fn without_signatures(text: &str) -> String {
    let mut parts = text.split(SIGNATURE);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str(SIGNATURE);
        clean.push_str(REDACTED);
        clean.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a canary-secret b", "a [redacted] b")]
    #[case("canary-secretcanary-secret", "[redacted][redacted]")]
    #[case("cut off: canary-secr…", "cut off: [redacted]…")]
    #[case("cut off: cana…", "cut off: [redacted]…")]
    #[case("cut off: can…", "cut off: can…")]
    #[case("a canary-sec is a bird", "a canary-sec is a bird")]
    #[case("Signature=0a1b2c, x", "Signature=[redacted], x")]
    #[case(
        "Signature=0a1b Signature=",
        "Signature=[redacted] Signature=[redacted]"
    )]
    #[case("größe…", "größe…")]
    fn secrets_and_signatures_are_taken_out(#[case] text: &str, #[case] clean: &str) {
        let secrets = ["canary-secret", "short"];
        assert_eq!(redact(text.to_owned(), secrets.into_iter()), clean);
    }

    #[test]
    fn short_words_are_no_secrets() {
        assert_eq!(
            redact("shorter".to_owned(), ["short"].into_iter()),
            "shorter"
        );
    }
}
