//! The embedded BMS: a strict model of the cloud on a loopback port, for rehearsals and tests.
//!
//! A [`Simulator`] checks what the cloud checks (signatures or token, project, quotas, the exact form
//! of every request), keeps servers and jobs in time, and answers with the documented bodies and
//! errors. [`Faults`] make it fail by name, file and seed; [`Stats`] tell what it saw. Invariant: the
//! same seed, faults and requests in the same order get the same treatment, and nothing but loopback is
//! listened on.

mod cloud;
mod date;
mod disposition;
mod draw;
mod faults;
mod fleet;
mod jobs;
mod model;
mod movement;
mod particulars;
mod power;
mod presets;
mod quota;
mod reply;
mod routes;
mod row_faults;
mod rows;
mod rule;
mod server;
mod signature;
mod spoil;
mod stats;
mod strict;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::ids::{Endpoint, InvalidId, ProjectId, ServerId};
use crate::power::USUAL_JOB;

pub use date::{DateFaults, DateSource};
pub use disposition::StartFaults;
pub use draw::invented_name;
pub use faults::{
    CallFaults, Chosen, Conflicts, Failing, Faults, FaultsError, JobFaults, PartialFailure,
    ServerFaults, Share,
};
pub use model::Condition;
pub use movement::Movement;
pub use particulars::Particulars;
pub use presets::names;
pub use quota::{Kind, PerKind, Quotas};
pub use row_faults::{Answers, Doubled, Form, RowFault};
pub use rule::{Rule, Span};
pub use stats::{AnswerSeen, Handled, JobSeen, PowerSeen, Stats};

use cloud::Cloud;
use draw::Draw;
use server::Server;

/// Why the simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The port cannot be had.
    #[error("port {port} of the loopback address cannot be listened on")]
    Port {
        /// The port asked for; 0 for any.
        port: u16,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The thread or its runtime cannot be made.
    #[error("the thread of the simulator cannot be started")]
    Thread(#[source] std::io::Error),
    /// The address it listens on is no endpoint.
    #[error("the address of the simulator is {0}")]
    Address(InvalidId),
}

impl SimulatorError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Port { port: 0, .. } | Self::Thread(_) | Self::Address(_) => None,
            Self::Port { .. } => Some("leave the port out, and a free one is taken"),
        }
    }
}

/// One server of the simulated project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedServer {
    /// Its ID.
    pub id: ServerId,
    /// Its name in the cloud.
    pub name: String,
    /// Its condition at the start, unless a fault gives it another.
    pub initial: Condition,
    /// What it is apart from its state.
    pub particulars: Particulars,
}

impl SimulatedServer {
    /// A server that is on, with an invented name.
    pub fn new(id: ServerId) -> Self {
        Self {
            id,
            name: invented_name(id),
            initial: Condition::On,
            particulars: Particulars::default(),
        }
    }
}

/// What the simulator accepts as credentials.
#[derive(Clone)]
pub struct Keys {
    /// Access key.
    pub access_key: String,
    /// Secret key that signatures are made with.
    pub secret_key: String,
    /// Security token that must accompany the keys, if they are temporary ones.
    pub security_token: Option<String>,
    /// Token that is accepted as `X-Auth-Token` in place of a signature.
    pub token: String,
}

impl Keys {
    /// Invented keys, always the same for the same seed.
    pub fn from_seed(seed: u64) -> Self {
        const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let draw = Draw::new(seed);
        Self {
            access_key: format!("SIMULATOR{}", draw.text("access", UPPER, 11)),
            secret_key: draw.text("secret", MIXED, 40),
            security_token: None,
            token: draw.text("token", MIXED, 64),
        }
    }
}

/// How the simulator is set up.
#[derive(Clone)]
pub struct Settings {
    /// The project that all servers are in.
    pub project: ProjectId,
    /// The servers, in listing order.
    pub servers: Vec<SimulatedServer>,
    /// What goes wrong.
    pub faults: Faults,
    /// Decides whom faults fall on, and all invented texts.
    pub seed: u64,
    /// The time by which jobs, quotas, delays and dates go.
    pub clock: Clock,
    /// By whose clock answers are dated.
    pub date_source: DateSource,
    /// The port to listen on; 0 for a free one.
    pub port: u16,
    /// The quotas; `None` for none.
    pub quotas: Option<Quotas>,
    /// How long a job takes, by the clock.
    pub job_duration: Duration,
    /// The credentials accepted.
    pub keys: Keys,
}

impl Settings {
    /// Calm, on the wall's clock, with documented quotas, jobs of 20 seconds, and seed 1.
    pub fn new(project: ProjectId, servers: Vec<SimulatedServer>) -> Self {
        Self {
            project,
            servers,
            faults: Faults::default(),
            seed: 1,
            clock: Clock::real(),
            date_source: DateSource::Own,
            port: 0,
            quotas: Some(Quotas::documented()),
            job_duration: USUAL_JOB,
            keys: Keys::from_seed(1),
        }
    }
}

/// A running simulator; dropping it stops it.
pub struct Simulator {
    endpoint: Endpoint,
    project: ProjectId,
    keys: Keys,
    cloud: Arc<Cloud>,
    _server: Server,
}

impl Simulator {
    /// Starts to listen; requests are answered when this returns.
    pub fn start(settings: Settings) -> Result<Self, SimulatorError> {
        let (project, keys, port) = (
            settings.project.clone(),
            settings.keys.clone(),
            settings.port,
        );
        let cloud = Arc::new(Cloud::new(settings));
        let server = Server::start(Arc::clone(&cloud), port)?;
        let endpoint = format!("http://{}", server.address)
            .parse()
            .map_err(SimulatorError::Address)?;
        Ok(Self {
            endpoint,
            project,
            keys,
            cloud,
            _server: server,
        })
    }

    /// Its base URL.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The access key that it accepts.
    pub fn access_key(&self) -> &str {
        &self.keys.access_key
    }

    /// The secret key that it accepts.
    pub fn secret_key(&self) -> &str {
        &self.keys.secret_key
    }

    /// The token that it accepts in place of a signature.
    pub fn token(&self) -> &str {
        &self.keys.token
    }

    /// The project that its servers are in.
    pub fn project(&self) -> &ProjectId {
        &self.project
    }

    /// Starts a server as an operator would, by hand; whether there is one that is off.
    pub fn start_by_hand(&self, server: ServerId) -> bool {
        self.cloud.start_by_hand(server)
    }

    /// Stops a server as an operator would, by hand; whether there is one that is on.
    pub fn stop_by_hand(&self, server: ServerId) -> bool {
        self.cloud.stop_by_hand(server)
    }

    /// What it has seen so far; the same as `GET /__stats`.
    pub fn stats(&self) -> Stats {
        self.cloud.stats()
    }
}
