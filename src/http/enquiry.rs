//! Asks a question over HTTP that is no call of the cloud's API, and hears the status of the answer.
//!
//! Owns the clients for it, one for each kind of place that is asked. Redirects, cookies, credentials and
//! retries are unknown here, and the body of an answer is not read. Invariant: a question holds nothing but
//! its URL and who asks.

use std::time::Duration;

use reqwest::Client;

use super::failure::{Failure, HttpError};
use super::transport::{CaFile, Reach, TransportSettings, enquiring};
use crate::clock::{Clock, Elapsed};
use crate::ids::WebUrl;

/// Asks questions. Copies share nothing but settings: no connection is kept.
#[derive(Debug, Clone)]
pub struct Enquirer {
    clients: Vec<(Reach, Client)>,
    clock: Clock,
}

impl Enquirer {
    /// Sets up what these URLs need; opens no connection.
    pub fn new<'a>(
        urls: impl Iterator<Item = &'a WebUrl>,
        ca_file: Option<&CaFile>,
        clock: Clock,
    ) -> Result<Self, HttpError> {
        let mut clients: Vec<(Reach, Client)> = Vec::new();
        for reach in urls.map(Reach::of_url) {
            if clients.iter().all(|(known, _)| *known != reach) {
                let settings = TransportSettings {
                    reach,
                    ca_file: ca_file.cloned(),
                    clock,
                };
                clients.push((reach, enquiring(&settings)?));
            }
        }
        Ok(Self { clients, clock })
    }

    /// Asks once by `GET`, and hears the status of the answer, whatever it is.
    pub async fn ask(&self, url: &WebUrl, limit: Duration) -> Result<u16, Failure> {
        let reach = Reach::of_url(url);
        let client = self.clients.iter().find(|(known, _)| *known == reach);
        let Some((_, client)) = client else {
            return Err(Failure::NotConnected {
                message: "it was not said before that this would be asked".to_owned(),
            });
        };
        let exchange = client.get(url.to_string()).send();
        match self.clock.timeout(limit, exchange).await {
            Ok(Ok(response)) => Ok(response.status().as_u16()),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(Elapsed) => Err(Failure::TimedOut {
                message: format!("no answer within {}", crate::duration::format(limit)),
            }),
        }
    }
}
