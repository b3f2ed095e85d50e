//! Every way to give credentials, every way to get it wrong, and that none of them shows a secret.

use rstest::rstest;

use super::*;

const CANARY: &str = "canary-secret-value";

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn no_workflow_may_read_a_variable_of_credentials() {
    let all = KEY_VARIABLES.iter().flatten().chain([&TOKEN_VARIABLE]);
    let all: Vec<&str> = all.copied().collect();
    assert_eq!(all, crate::workflow::SECRET_VARIABLES);
}

/// The secrets in the open: `keys AK SK TOKEN` or `token TOKEN`.
fn exposed(secrets: &Secrets) -> String {
    match secrets {
        Secrets::Keys {
            access_key,
            secret_key,
            security_token,
        } => format!(
            "keys {} {} {}",
            access_key.expose_secret(),
            secret_key.expose_secret(),
            security_token
                .as_ref()
                .map_or("-", |token| token.expose_secret()),
        ),
        Secrets::Token(token) => format!("token {}", token.expose_secret()),
    }
}

fn usual(pairs: &[(&str, &str)]) -> Result<String, CredentialsError> {
    Credentials::load(&CredentialsChoice::Usual, &environment(pairs))
        .map(|found| exposed(found.secrets()))
}

#[rstest]
#[case(&[("HUAWEICLOUD_SDK_AK", "a"), ("HUAWEICLOUD_SDK_SK", "s")], "keys a s -")]
#[case(&[("HUAWEICLOUD_SDK_AK", "a"), ("HUAWEICLOUD_SDK_SK", "s"), ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "t")], "keys a s t")]
#[case(&[("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", "s")], "keys a s -")]
#[case(&[("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", "s"), ("HW_SECURITY_TOKEN", "t")], "keys a s t")]
#[case(&[("HUAWEICLOUD_SDK_AK", "1"), ("HUAWEICLOUD_SDK_SK", "2"), ("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", "s"), ("HW_SECURITY_TOKEN", "t")], "keys 1 2 -")]
#[case(&[("OS_AUTH_TOKEN", "t")], "token t")]
#[case(&[("OS_AUTH_TOKEN", "t"), ("HW_ACCESS_KEY", ""), ("HUAWEICLOUD_SDK_AK", "")], "token t")]
#[case(&[("OS_AUTH_TOKEN", ""), ("HW_ACCESS_KEY", " a "), ("HW_SECRET_KEY", "s\n")], "keys a s -")]
fn the_environment_in_its_order(#[case] pairs: &[(&str, &str)], #[case] expected: &str) {
    assert_eq!(usual(pairs).unwrap(), expected);
    let chosen = Credentials::load(&CredentialsChoice::Environment, &environment(pairs)).unwrap();
    assert_eq!(exposed(chosen.secrets()), expected);
}

#[rstest]
#[case(&[("HUAWEICLOUD_SDK_AK", CANARY)], "`HUAWEICLOUD_SDK_SK` is missing while `HUAWEICLOUD_SDK_AK` is set")]
#[case(&[("HUAWEICLOUD_SDK_SK", CANARY)], "`HUAWEICLOUD_SDK_AK` is missing while `HUAWEICLOUD_SDK_SK` is set")]
#[case(&[("HUAWEICLOUD_SDK_SECURITY_TOKEN", CANARY)], "`HUAWEICLOUD_SDK_AK` is missing while `HUAWEICLOUD_SDK_SECURITY_TOKEN` is set")]
#[case(&[("HUAWEICLOUD_SDK_AK", CANARY), ("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", "s")], "`HUAWEICLOUD_SDK_SK` is missing while `HUAWEICLOUD_SDK_AK` is set")]
#[case(&[("HW_ACCESS_KEY", CANARY), ("HW_SECRET_KEY", "")], "`HW_SECRET_KEY` is missing while `HW_ACCESS_KEY` is set")]
#[case(&[("HW_ACCESS_KEY", CANARY), ("HW_SECRET_KEY", "s"), ("OS_AUTH_TOKEN", CANARY)], "both a key pair (`HW_ACCESS_KEY`) and a token (`OS_AUTH_TOKEN`) are set")]
#[case(&[("HUAWEICLOUD_SDK_AK", CANARY), ("OS_AUTH_TOKEN", CANARY)], "both a key pair (`HUAWEICLOUD_SDK_AK`) and a token (`OS_AUTH_TOKEN`) are set")]
#[case(&[("OS_AUTH_TOKEN", "canary secret")], "the value of `OS_AUTH_TOKEN` is empty or holds characters that no credential has")]
#[case(&[("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", "canary\r\nX-Evil: 1")], "the value of `HW_SECRET_KEY` is empty or holds characters that no credential has")]
#[case(&[("OS_AUTH_TOKEN", "\"canary\"")], "the value of `OS_AUTH_TOKEN` is in quotes, which would be part of it")]
#[case(&[("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", " 'canary' ")], "the value of `HW_SECRET_KEY` is in quotes, which would be part of it")]
#[case(&[("HW_ACCESS_KEY", "a"), ("HW_SECRET_KEY", "canary\"")], "the value of `HW_SECRET_KEY` is in quotes, which would be part of it")]
#[case(&[], "no credentials in the environment")]
fn what_is_wrong_is_said_without_a_value(#[case] pairs: &[(&str, &str)], #[case] message: &str) {
    let error = usual(pairs).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert!(!format!("{error:?} {:?}", error.hint()).contains("canary"));
}

/// A folder with a credentials file at the usual place, and the environment that leads there.
fn home(content: &str) -> (tempfile::TempDir, PathBuf, Environment) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".huaweicloud/credentials");
    std::fs::create_dir(home.path().join(".huaweicloud")).unwrap();
    std::fs::write(&path, content).unwrap();
    let environment = environment(&[("HOME", home.path().to_str().unwrap())]);
    (home, path, environment)
}

const FILE: &str = "[basic]\nak = a\nsk = s\n";

#[test]
fn quotes_in_a_credentials_file_are_refused_with_a_hint() {
    let (_home, path, environment) = home("[basic]\nak = a\nsk = \"canary\"\n");
    let error = Credentials::load(&CredentialsChoice::Usual, &environment).unwrap_err();
    let place = format!("sk in {}", path.display());
    let expected = format!("the value of `{place}` is in quotes, which would be part of it");
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.hint(), Some("write the value without quotes"));
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn the_usual_file_is_read_if_the_environment_has_none() {
    let (home, path, mut variables) = home(FILE);
    let load = |variables: &Environment| Credentials::load(&CredentialsChoice::Usual, variables);
    assert_eq!(exposed(load(&variables).unwrap().secrets()), "keys a s -");

    let other = home.path().join("other");
    std::fs::write(&other, "[basic]\nak=o\nsk=o\n").unwrap();
    let file = other.to_str().unwrap().to_owned();
    variables.insert("HUAWEICLOUD_SDK_CREDENTIALS_FILE".into(), file);
    assert_eq!(exposed(load(&variables).unwrap().secrets()), "keys o o -");

    variables.insert("OS_AUTH_TOKEN".into(), "t".into());
    assert_eq!(exposed(load(&variables).unwrap().secrets()), "token t");

    std::fs::remove_file(path).unwrap();
    variables.retain(|name, _| name == "HOME");
    let error = load(&variables).unwrap_err();
    assert!(matches!(error, CredentialsError::None { .. }), "{error}");
}

#[test]
fn with_env_no_file_is_looked_at() {
    let (_home, _, variables) = home(FILE);
    let error = Credentials::load(&CredentialsChoice::Environment, &variables).unwrap_err();
    assert!(matches!(error, CredentialsError::NotInEnvironment));
}

#[rstest]
#[case(FILE, "keys a s -")]
#[case(
    "\u{feff}# keys\r\n[basic]\r\nAK: a\r\n; more\r\nsk=s\r\nsecurity_token = t==\r\n",
    "keys a s t=="
)]
#[case(
    "[global]\nak=x\nsk=x\n[basic]\nak=a\nsk=s\nproject_id=p\n[other]\nak=y\n",
    "keys a s -"
)]
#[case("[basic]\nak=a\nsk=s%%1\nsecurity_token=\n", "keys a s%1 -")]
#[case("[basic]\nak=a=b:c\nsk=s\n", "keys a=b:c s -")]
fn each_form_of_the_file(#[case] content: &str, #[case] expected: &str) {
    let (_home, path, _) = home(content);
    let choice = CredentialsChoice::File(path);
    let found = Credentials::load(&choice, &Environment::new()).unwrap();
    assert_eq!(exposed(found.secrets()), expected);
}

#[rstest]
#[case("", "has no section `[basic]`")]
#[case("ak=canary\nsk=canary\n", "has no section `[basic]`")]
#[case("[global]\nak=canary\nsk=canary\n", "has no section `[basic]`")]
#[case("[basic]\nak=canary\n", "has no `sk` in its section `[basic]`")]
#[case("[basic]\nsk=canary\nak=\n", "has no `ak` in its section `[basic]`")]
fn a_malformed_file_is_named(#[case] content: &str, #[case] problem: &str) {
    let (_home, path, variables) = home(content);
    for choice in [
        CredentialsChoice::Usual,
        CredentialsChoice::File(path.clone()),
    ] {
        let error = Credentials::load(&choice, &variables).unwrap_err();
        let expected = format!("the credentials file `{}` {problem}", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[test]
fn a_token_file_holds_a_token_alone() {
    let (_home, path, _) = home("  the-token\n\n");
    let choice = CredentialsChoice::TokenFile(path.clone());
    let found = Credentials::load(&choice, &Environment::new()).unwrap();
    assert_eq!(exposed(found.secrets()), "token the-token");
    for bad in ["", " \n", "canary one\ncanary two"] {
        std::fs::write(&path, bad).unwrap();
        let error = Credentials::load(&choice, &Environment::new()).unwrap_err();
        assert!(matches!(error, CredentialsError::Unusable { .. }), "{bad}");
        assert!(!error.to_string().contains("canary"));
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error_of_its_own() {
    let choice = CredentialsChoice::File("/nowhere/credentials".into());
    let error = Credentials::load(&choice, &Environment::new()).unwrap_err();
    assert!(matches!(error, CredentialsError::Unreadable { .. }));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn files_are_read_anew() {
    let (_home, path, _) = home(FILE);
    let choice = CredentialsChoice::File(path.clone());
    let mut found = Credentials::load(&choice, &Environment::new()).unwrap();
    std::fs::write(&path, "[basic]\nak=new\nsk=new\n").unwrap();
    assert_eq!(exposed(found.secrets()), "keys a s -");
    found.renew().unwrap();
    assert_eq!(exposed(found.secrets()), "keys new new -");
    std::fs::remove_file(path).unwrap();
    assert!(found.renew().is_err());
    assert_eq!(exposed(found.secrets()), "keys new new -");
}

#[test]
fn the_environment_stays_as_it_was() {
    let mut found = Credentials::fixed(Secrets::keys("a", "s"));
    found.renew().unwrap();
    assert_eq!(exposed(found.secrets()), "keys a s -");
}

#[cfg(unix)]
#[rstest]
#[case(0o600, false)]
#[case(0o400, false)]
#[case(0o640, true)]
#[case(0o644, true)]
#[case(0o604, true)]
fn a_file_that_others_can_read_draws_a_warning(#[case] mode: u32, #[case] warned: bool) {
    use std::os::unix::fs::PermissionsExt;
    let (_home, path, _) = home(FILE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let choice = CredentialsChoice::File(path.clone());
    let found = Credentials::load(&choice, &Environment::new()).unwrap();
    assert_eq!(!found.warnings().is_empty(), warned);
    assert!(
        found
            .warnings()
            .iter()
            .all(|text| text.contains(path.to_str().unwrap()))
    );
}

#[rstest]
#[case("env", Some(CredentialsChoice::Environment))]
#[case("file:/a:b", Some(CredentialsChoice::File("/a:b".into())))]
#[case("token-file:t", Some(CredentialsChoice::TokenFile("t".into())))]
#[case("file:", None)]
#[case("file", None)]
#[case("env:", None)]
#[case("metadata", None)]
#[case("/a", None)]
#[case("", None)]
fn each_choice(#[case] text: &str, #[case] expected: Option<CredentialsChoice>) {
    assert_eq!(text.parse().ok(), expected);
}

#[test]
fn no_secret_is_shown() {
    let keys = Secrets::Keys {
        access_key: CANARY.into(),
        secret_key: CANARY.into(),
        security_token: Some(CANARY.into()),
    };
    for secrets in [keys, Secrets::Token(CANARY.into())] {
        let shown = format!("{secrets:?} {:?}", Credentials::fixed(secrets.clone()));
        assert!(!shown.contains("canary"), "{shown}");
        let redacted = secrets.redact(format!("before {CANARY} after"));
        assert_eq!(redacted, "before [redacted] after");
    }
}
