//! The key pair or token that requests are made with, and where it comes from (design §14).
//!
//! Owns the choice of the source, its reading, and reading it anew. The environment is handed in; files
//! are read here. Invariant: one complete key pair or one token, safe to put into a header, that no
//! `Debug`, `Display` or message ever shows.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

use super::redaction::redact;

/// The variables of the process, collected in `main`.
pub type Environment = BTreeMap<String, String>;

/// Names of a key pair's variables: access key, secret key, security token.
const KEY_VARIABLES: [[&str; 3]; 2] = [
    [
        "HUAWEICLOUD_SDK_AK",
        "HUAWEICLOUD_SDK_SK",
        "HUAWEICLOUD_SDK_SECURITY_TOKEN",
    ],
    ["HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"],
];
const TOKEN_VARIABLE: &str = "OS_AUTH_TOKEN";
const FILE_VARIABLE: &str = "HUAWEICLOUD_SDK_CREDENTIALS_FILE";

/// What `--credentials` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CredentialsChoice {
    /// The environment, else the file that the official SDK reads.
    #[default]
    Usual,
    /// `env`: the environment only.
    Environment,
    /// `file:PATH`: a file with a `[basic]` section.
    File(PathBuf),
    /// `token-file:PATH`: a file that holds a project-scoped token.
    TokenFile(PathBuf),
}

impl fmt::Display for CredentialsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Not given: there is no word for it.
            Self::Usual => Ok(()),
            Self::Environment => f.write_str("env"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::TokenFile(path) => write!(f, "token-file:{}", path.display()),
        }
    }
}

impl FromStr for CredentialsChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "env" => Ok(Self::Environment),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("token-file", path)) if !path.is_empty() => Ok(Self::TokenFile(path.into())),
            Some(_) | None => Err("expected `env`, `file:PATH` or `token-file:PATH`"),
        }
    }
}

/// What requests are made with.
#[derive(Clone)]
pub enum Secrets {
    /// Requests are signed.
    Keys {
        /// Access key (AK).
        access_key: SecretString,
        /// Secret key (SK).
        secret_key: SecretString,
        /// Security token of temporary keys.
        security_token: Option<SecretString>,
    },
    /// Requests carry a project-scoped token and no signature.
    Token(SecretString),
}

impl Secrets {
    /// A key pair without security token, for tests and rehearsals.
    pub fn keys(access_key: &str, secret_key: &str) -> Self {
        Self::Keys {
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            security_token: None,
        }
    }

    /// The text without these secrets.
    pub(super) fn redact(&self, text: String) -> String {
        let (first, second, third) = match self {
            Self::Keys {
                access_key,
                secret_key,
                security_token,
            } => (access_key, Some(secret_key), security_token.as_ref()),
            Self::Token(token) => (token, None, None),
        };
        let secrets = [Some(first), second, third].into_iter().flatten();
        redact(text, secrets.map(ExposeSecret::expose_secret))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys { .. } => "keys [redacted]",
            Self::Token(_) => "token [redacted]",
        })
    }
}

/// Where credentials are read from, and read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// They cannot change while the process lives.
    Fixed,
    /// Neither can these; the variable that names them.
    Environment(&'static str),
    File(PathBuf),
    TokenFile(PathBuf),
}

/// Credentials as they are now, with their source.
#[derive(Debug, Clone)]
pub struct Credentials {
    source: Source,
    secrets: Secrets,
    warnings: Vec<String>,
}

impl Credentials {
    /// Credentials that have no source but the caller, for tests and rehearsals.
    pub fn fixed(secrets: Secrets) -> Self {
        Self {
            source: Source::Fixed,
            secrets,
            warnings: Vec::new(),
        }
    }

    fn of_variable(name: &'static str, secrets: Secrets) -> Self {
        Self {
            source: Source::Environment(name),
            ..Self::fixed(secrets)
        }
    }

    /// Reads what `choice` names.
    pub fn load(
        choice: &CredentialsChoice,
        environment: &Environment,
    ) -> Result<Self, CredentialsError> {
        let source = match choice {
            CredentialsChoice::File(path) => Source::File(path.clone()),
            CredentialsChoice::TokenFile(path) => Source::TokenFile(path.clone()),
            CredentialsChoice::Environment => {
                return from_environment(environment)?.ok_or(CredentialsError::NotInEnvironment);
            }
            CredentialsChoice::Usual => match from_environment(environment)? {
                Some(found) => return Ok(found),
                None => Source::File(usual_file(environment)?),
            },
        };
        let secrets = match source.read() {
            Ok(secrets) => secrets,
            Err(CredentialsError::Unreadable { path, cause })
                if *choice == CredentialsChoice::Usual
                    && cause.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(CredentialsError::None { looked_for: path });
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            warnings: source.warnings(),
            source,
            secrets,
        })
    }

    /// What requests are made with.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What the user should know, such as a file that others can read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Reads the source anew; what comes from the environment stays.
    pub fn renew(&mut self) -> Result<(), CredentialsError> {
        match self.source {
            Source::Fixed | Source::Environment(_) => {}
            Source::File(_) | Source::TokenFile(_) => self.secrets = self.source.read()?,
        }
        Ok(())
    }

    /// Of which kind they are and where they were found; never what they are.
    pub fn describe(&self) -> String {
        let kind = match &self.secrets {
            Secrets::Token(_) => "a token",
            Secrets::Keys {
                security_token: None,
                ..
            } => "a key pair",
            Secrets::Keys {
                security_token: Some(_),
                ..
            } => "a temporary key pair with its security token",
        };
        match &self.source {
            Source::Fixed => kind.to_owned(),
            Source::Environment(name) => format!("{kind} from the environment (`{name}`)"),
            Source::File(path) | Source::TokenFile(path) => {
                format!("{kind} from `{}`", path.display())
            }
        }
    }
}

impl Source {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Fixed | Self::Environment(_) => None,
            Self::File(path) | Self::TokenFile(path) => Some(path),
        }
    }

    fn read(&self) -> Result<Secrets, CredentialsError> {
        match self {
            Self::Fixed | Self::Environment(_) => Err(CredentialsError::NotInEnvironment),
            Self::File(path) => file::read_keys(path),
            Self::TokenFile(path) => file::read_token(path),
        }
    }

    fn warnings(&self) -> Vec<String> {
        self.path()
            .filter(|path| file::others_can_read(path))
            .map(|path| {
                format!(
                    "the credentials file `{}` can be read by others; `chmod 600` it",
                    path.display()
                )
            })
            .into_iter()
            .collect()
    }
}

fn usual_file(environment: &Environment) -> Result<PathBuf, CredentialsError> {
    match (set(environment, FILE_VARIABLE), set(environment, "HOME")) {
        (Some(path), _) => Ok(path.into()),
        (None, Some(home)) => Ok(Path::new(home).join(".huaweicloud/credentials")),
        (None, None) => Err(CredentialsError::NotInEnvironment),
    }
}

/// The credentials of the environment; `None` if it names none.
fn from_environment(environment: &Environment) -> Result<Option<Credentials>, CredentialsError> {
    let named = KEY_VARIABLES
        .iter()
        .find(|names| names.iter().any(|name| set(environment, name).is_some()));
    match (named, set(environment, TOKEN_VARIABLE)) {
        (None, None) => Ok(None),
        (None, Some(token)) => {
            let secrets = Secrets::Token(secret(token, TOKEN_VARIABLE)?);
            Ok(Some(Credentials::of_variable(TOKEN_VARIABLE, secrets)))
        }
        (Some(names), None) => {
            let secrets = keys_from(environment, names)?;
            Ok(Some(Credentials::of_variable(names[0], secrets)))
        }
        (Some([access_key, _, _]), Some(_)) => Err(CredentialsError::KeysAndToken {
            keys: access_key,
            token: TOKEN_VARIABLE,
        }),
    }
}

/// The key pair of these variables, of which at least one is set.
fn keys_from(
    environment: &Environment,
    names: &[&'static str; 3],
) -> Result<Secrets, CredentialsError> {
    let needed = |name: &'static str| match set(environment, name) {
        Some(value) => secret(value, name),
        None => Err(CredentialsError::Incomplete {
            missing: name,
            present: names
                .iter()
                .find(|other| set(environment, other).is_some())
                .copied()
                .unwrap_or_default(),
        }),
    };
    let [access_key, secret_key, security_token] = *names;
    Ok(Secrets::Keys {
        access_key: needed(access_key)?,
        secret_key: needed(secret_key)?,
        security_token: set(environment, security_token)
            .map(|token| secret(token, security_token))
            .transpose()?,
    })
}

/// Value of a variable; an empty one counts as unset.
fn set<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// Quotes that a shell would have removed, and that a file or container keeps.
const QUOTES: [char; 3] = ['"', '\'', '`'];

/// A secret that can stand in a header; `place` says where it came from.
fn secret(value: &str, place: &str) -> Result<SecretString, CredentialsError> {
    let value = value.trim();
    if value.starts_with(QUOTES) || value.ends_with(QUOTES) {
        return Err(CredentialsError::Quoted {
            place: place.to_owned(),
        });
    }
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CredentialsError::Unusable {
            place: place.to_owned(),
        });
    }
    Ok(value.into())
}

/// Why there are no credentials. No message holds any part of one.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// `--credentials env`, or nowhere else to look, and no variable is set.
    #[error("no credentials in the environment")]
    NotInEnvironment,
    /// Neither the environment nor the usual file has any.
    #[error("no credentials in the environment, and no file `{looked_for}`")]
    None {
        /// The file that was looked for.
        looked_for: String,
    },
    /// Both ways of authentication are set.
    #[error("both a key pair (`{keys}`) and a token (`{token}`) are set")]
    KeysAndToken {
        /// A variable of the key pair.
        keys: &'static str,
        /// The variable of the token.
        token: &'static str,
    },
    /// A part of the key pair is missing.
    #[error("`{missing}` is missing while `{present}` is set")]
    Incomplete {
        /// The variable that is missing.
        missing: &'static str,
        /// One that is there.
        present: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the credentials file `{path}`")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the credentials file `{path}` {problem}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it, as a verb phrase.
        problem: &'static str,
    },
    /// A value begins or ends with a quote.
    #[error("the value of `{place}` is in quotes, which would be part of it")]
    Quoted {
        /// Where the value comes from.
        place: String,
    },
    /// A value holds blanks or other characters that no credential has.
    #[error("the value of `{place}` is empty or holds characters that no credential has")]
    Unusable {
        /// Where the value comes from.
        place: String,
    },
}

impl CredentialsError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotInEnvironment | Self::None { .. } => Some(
                "set `HUAWEICLOUD_SDK_AK` and `HUAWEICLOUD_SDK_SK`, or `OS_AUTH_TOKEN`, or name a file with `--credentials file:PATH`",
            ),
            Self::KeysAndToken { .. } => Some("unset one of them"),
            Self::Incomplete { .. } => Some("set both keys, or neither"),
            Self::Malformed { .. } => Some(
                "it needs a section `[basic]` with `ak`, `sk` and, for temporary keys, `security_token`",
            ),
            Self::Quoted { .. } => Some("write the value without quotes"),
            Self::Unreadable { .. } | Self::Unusable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
