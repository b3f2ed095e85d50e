//! Which call a method and a path are: the few of the API that the simulator knows.
//!
//! Owns the paths; parameters and bodies are checked elsewhere. Pure. Invariant: a path is matched as it
//! was sent, so a doubled or a trailing slash is another path.

use super::quota::Kind;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A call of the API, in this project.
    Api { project: String, call: Call },
    /// `GET /__stats`, which is no part of the API and needs no credentials.
    Stats,
    /// Anything else.
    Unknown,
}

/// One call within a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// Start, stop or reboot; the body says which.
    Action,
    /// One job, by its ID as it stands in the path.
    Job(String),
    /// The detailed list.
    List,
    /// One server, by its ID as it stands in the path.
    Show(String),
}

impl Call {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Action => Kind::Stop,
            Self::Job(_) => Kind::Job,
            Self::List => Kind::List,
            Self::Show(_) => Kind::Show,
        }
    }
}

impl Route {
    pub(super) fn of(method: &str, path: &str) -> Self {
        if (method, path) == ("GET", "/__stats") {
            return Self::Stats;
        }
        let segments: Vec<&str> = path.split('/').collect();
        let (project, call) = match (method, &segments[..]) {
            ("POST", ["", "v1", project, "baremetalservers", "action"]) => (project, Call::Action),
            ("GET", ["", "v1", project, "baremetalservers", "detail"]) => (project, Call::List),
            ("GET", ["", "v1", project, "baremetalservers", id]) if !id.is_empty() => {
                (project, Call::Show((*id).to_owned()))
            }
            ("GET", ["", "v1", project, "jobs", id]) if !id.is_empty() => {
                (project, Call::Job((*id).to_owned()))
            }
            _ => return Self::Unknown,
        };
        Self::Api {
            project: (*project).to_owned(),
            call,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("POST", "/v1/p/baremetalservers/action", Some(Call::Action))]
    #[case("GET", "/v1/p/baremetalservers/detail", Some(Call::List))]
    #[case("GET", "/v1/p/baremetalservers/abc", Some(Call::Show("abc".to_owned())))]
    #[case("GET", "/v1/p/jobs/abc", Some(Call::Job("abc".to_owned())))]
    #[case("POST", "/v1/p/baremetalservers/action/", None)]
    #[case("GET", "/v1/p/jobs/", None)]
    #[case("GET", "//v1/p/jobs/abc", None)]
    #[case("PUT", "/v1/p/baremetalservers/action", None)]
    #[case("POST", "/v1/p/baremetalservers/detail", None)]
    #[case("POST", "/__stats", None)]
    #[case("GET", "/", None)]
    fn each_path_is_the_call_it_should_be(
        #[case] method: &str,
        #[case] path: &str,
        #[case] call: Option<Call>,
    ) {
        let expected = call.map_or(Route::Unknown, |call| Route::Api {
            project: "p".to_owned(),
            call,
        });
        assert_eq!(Route::of(method, path), expected);
    }
}
