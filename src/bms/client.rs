//! The calls that a run makes, one attempt each: quota, signature, transport, class of the answer.
//!
//! Owns how a request is put together and authenticated, and what the cloud's clock showed last. Never tries again, but for a read whose
//! credentials were refused: those are read anew once. Invariant: every attempt is signed afresh, a
//! power request travels alone on its connection, and nothing that is returned holds a secret.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};
use tracing::debug;

use super::answer::{Evidence, PowerAnswer, classify_part, classify_power};
use super::cloud_date::CloudDate;
use super::credentials::{Credentials, CredentialsError, Secrets};
use super::detail::{self, ServerDetail};
use super::job::{self, Job};
use super::job_ids::JobIds;
use super::listing::{self, Page, ServerRow};
use super::probe::{Between, Probe, Probed};
use super::quota::{Quota, Slot};
use super::read::{ReadError, ReadFailure, classify_read, unreadable};
use super::request::{self, Call};
use super::signing::{self, Message};
use crate::clock::{Clock, Moment};
use crate::http::{Connection, Exchange, Header, MayLeave, Request, Transport};
use crate::ids::{Endpoint, JobId, ProjectId, ServerId};
use crate::power::Action;
use crate::workflow::Rate;

const CONTENT_TYPE: &str = "application/json;charset=utf-8";
const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// What a client is made for.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where the calls go; its host is the one that is signed.
    pub endpoint: Endpoint,
    /// The project that owns the servers.
    pub project: ProjectId,
    /// Requests a minute, by kind of call.
    pub rate: Rate,
    /// Tells the date of signatures and counts the quotas.
    pub clock: Clock,
}

/// Makes calls. Copies share quotas, connections and credentials.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ClientSettings,
    transport: Transport,
    credentials: RwLock<Credentials>,
    quotas: Quotas,
    date: Mutex<Option<CloudDate>>,
    /// Whether the API has answered this client. From then on, what stands in between came later and may go.
    has_answered: AtomicBool,
}

#[derive(Debug)]
struct Quotas {
    stop: Quota,
    job: Quota,
    list: Quota,
    show: Quota,
}

/// What one request brought, and when that request was under way: after waiting for the quota, without earlier tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<T> {
    /// When the request was about to leave.
    pub began: Moment,
    /// When its response had arrived.
    pub ended: Moment,
    /// What it brought.
    pub value: T,
}

/// Leave to make one power request. Dropped unused, it does not count.
#[derive(Debug)]
pub struct PowerSlot(Slot);

impl Client {
    /// A client; opens no connection.
    pub fn new(settings: ClientSettings, transport: Transport, credentials: Credentials) -> Self {
        let quota = |per_minute| Quota::new(per_minute, settings.clock);
        let quotas = Quotas {
            stop: quota(settings.rate.stop),
            job: quota(settings.rate.job),
            list: quota(settings.rate.list),
            show: quota(settings.rate.show),
        };
        Self {
            shared: Arc::new(Shared {
                settings,
                transport,
                credentials: RwLock::new(credentials),
                quotas,
                date: Mutex::default(),
                has_answered: AtomicBool::new(false),
            }),
        }
    }

    /// From now on, asks this of every power request directly before its first byte, when its connection stands.
    pub fn ask_before_leaving(&self, may_leave: MayLeave) {
        self.shared.transport.ask_before_leaving(may_leave);
    }

    /// Waits until the quota admits one more power request.
    pub async fn power_slot(&self) -> PowerSlot {
        PowerSlot(self.shared.quotas.stop.slot().await)
    }

    /// Asks once for `action` on these servers, over a connection of its own.
    pub async fn power(
        &self,
        slot: PowerSlot,
        action: Action,
        servers: &[ServerId],
    ) -> (PowerAnswer, Evidence) {
        let PowerSlot(mut slot) = slot;
        let call = request::power(&self.shared.settings.project, action, servers);
        slot.begin();
        let secrets = self.secrets();
        let Exchange { result, part } = self.shared.send(&call, Connection::Fresh, &secrets).await;
        drop(slot);
        let (answer, evidence) = match (&result, &part) {
            (Err(failure), Some(part)) => classify_part(failure, part),
            (_, _) => classify_power(action, &result),
        };
        let may_pass = answer == PowerAnswer::Blocked && self.has_answered();
        let answer = if may_pass {
            PowerAnswer::NotSent
        } else {
            without_secrets(answer, &secrets)
        };
        (answer, redacted(evidence, &secrets))
    }

    /// Asks once how a job is doing.
    pub async fn job(&self, id: &JobId) -> Result<Job, ReadError> {
        let call = request::job(&self.shared.settings.project, id);
        let job = self.read(&call, &self.shared.quotas.job, job::parse).await;
        let job = job.value?;
        let secrets = self.secrets();
        Ok(job.cleaned(|text| secrets.redact(text)))
    }

    /// Asks once for page `page` of the project's servers; the first page is 1.
    pub async fn list_page(&self, page: u32) -> Result<Page, ReadError> {
        self.list_page_timed(page).await.map(|timed| timed.value)
    }

    /// The same, and when the request that brought it was under way.
    pub async fn list_page_timed(&self, page: u32) -> Result<Timed<Page>, ReadError> {
        let call = request::list(&self.shared.settings.project, page);
        let quota = &self.shared.quotas.list;
        self.read(&call, quota, listing::parse_page)
            .await
            .answered()
    }

    /// Asks once for page `page` of the project's servers, each with all that can be selected by.
    pub async fn detail_page(&self, page: u32) -> Result<Page<ServerDetail>, ReadError> {
        let call = request::list(&self.shared.settings.project, page);
        let quota = &self.shared.quotas.list;
        self.read(&call, quota, detail::parse_detail_page)
            .await
            .value
    }

    /// Asks once for one server; `None` if the service says that there is no such server.
    pub async fn show(&self, id: ServerId) -> Result<Option<ServerRow>, ReadError> {
        self.show_timed(id).await.map(|timed| timed.value)
    }

    /// The same, and when the request that brought it was under way.
    pub async fn show_timed(&self, id: ServerId) -> Result<Timed<Option<ServerRow>>, ReadError> {
        self.show_as(id, |body| listing::parse_server_or_not_understood(body, id))
            .await
    }

    /// Asks once for one server with all that can be selected by; `None` as for [`Self::show`].
    pub async fn show_detail(&self, id: ServerId) -> Result<Option<ServerDetail>, ReadError> {
        let shown = self.show_as(id, |body| detail::parse_detail(body, id));
        shown.await.map(|timed| timed.value)
    }

    async fn show_as<T>(
        &self,
        id: ServerId,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Timed<Option<T>>, ReadError> {
        let call = request::show(&self.shared.settings.project, id);
        let shown = self.read(&call, &self.shared.quotas.show, parse).await;
        let row = |value: Result<T, ReadError>| match value {
            Ok(row) => Ok(Some(row)),
            Err(error) if error.class == ReadFailure::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        shown.map(row).answered()
    }

    /// Asks once, for whoever looks at more than the content of the answer.
    pub async fn probe(&self, probe: &Probe) -> Probed {
        let Shared {
            settings, quotas, ..
        } = &*self.shared;
        let project = &settings.project;
        let (call, quota) = match probe {
            Probe::List => (request::list(project, 1), &quotas.list),
            Probe::Show(server) => (request::show(project, *server), &quotas.show),
            Probe::Job(job) => (request::job(project, job), &quotas.job),
        };
        let mut slot = quota.slot().await;
        slot.begin();
        let secrets = self.secrets();
        let asked = settings.clock.now();
        let sent = self.shared.send(&call, Connection::Pooled, &secrets).await;
        let heard = settings.clock.now();
        drop(slot);
        Probed::of(sent.result, Between { asked, heard }, |evidence| {
            redacted(evidence, &secrets)
        })
    }

    /// The date of the newest answer that had one, whatever else it said.
    pub fn date(&self) -> Option<CloudDate> {
        let date = self.shared.date.lock();
        *date.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the credentials anew from where they came.
    pub fn renew_credentials(&self) -> Result<(), CredentialsError> {
        self.shared
            .credentials
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .renew()
    }

    fn secrets(&self) -> Secrets {
        let credentials = self.shared.credentials.read();
        credentials
            .unwrap_or_else(PoisonError::into_inner)
            .secrets()
            .clone()
    }

    fn has_answered(&self) -> bool {
        self.shared.has_answered.load(Ordering::Relaxed)
    }

    /// One read; with credentials read anew, a second.
    async fn read<T>(
        &self,
        call: &Call,
        quota: &Quota,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Timed<Result<T, ReadError>> {
        let first = self.read_once(call, quota, &parse).await;
        match &first.value {
            Err(error) if error.class == ReadFailure::Credentials => {
                if self.renew_credentials().is_err() {
                    return first;
                }
                self.read_once(call, quota, &parse).await
            }
            Ok(_) | Err(_) => first,
        }
    }

    async fn read_once<T>(
        &self,
        call: &Call,
        quota: &Quota,
        parse: &impl Fn(&[u8]) -> Option<T>,
    ) -> Timed<Result<T, ReadError>> {
        let clock = &self.shared.settings.clock;
        let mut slot = quota.slot().await;
        slot.begin();
        let secrets = self.secrets();
        let began = clock.elapsed();
        let sent = self.shared.send(call, Connection::Pooled, &secrets).await;
        let ended = clock.elapsed();
        drop(slot);
        let read = classify_read(sent.result)
            .and_then(|response| parse(&response.body).ok_or_else(|| unreadable(&response)));
        if read.is_ok() {
            self.shared.has_answered.store(true, Ordering::Relaxed);
        }
        let value = read.map_err(|ReadError { class, evidence }| {
            let may_pass = matches!(class, ReadFailure::Blocked { .. }) && self.has_answered();
            ReadError {
                evidence: redacted(evidence, &secrets),
                class: if may_pass {
                    ReadFailure::Retry { after: None }
                } else {
                    class
                },
            }
        });
        Timed {
            began,
            ended,
            value,
        }
    }
}

impl<T> Timed<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Timed<U> {
        Timed {
            began: self.began,
            ended: self.ended,
            value: change(self.value),
        }
    }
}

impl<T> Timed<Result<T, ReadError>> {
    fn answered(self) -> Result<Timed<T>, ReadError> {
        let Self {
            began,
            ended,
            value,
        } = self;
        value.map(|value| Timed {
            began,
            ended,
            value,
        })
    }
}

impl Shared {
    async fn send(&self, call: &Call, connection: Connection, secrets: &Secrets) -> Exchange {
        let clock = &self.settings.clock;
        let began = clock.elapsed();
        let request = self.request(call, connection, secrets);
        let exchange = self.transport.exchange(request).await;
        let ended = clock.elapsed();
        let millis = ended.since(began).as_millis();
        let (method, path) = (call.method.as_str(), call.path.as_str());
        match &exchange.result {
            Ok(response) => {
                self.note(CloudDate::of(response, began, (ended, clock.now())));
                let request_id = response.header("x-request-id").unwrap_or("none");
                let request_id = secrets.redact(request_id.to_owned());
                debug!(
                    method,
                    path,
                    status = response.status,
                    millis,
                    request_id,
                    "answer"
                );
            }
            Err(failure) => debug!(method, path, %failure, millis, "no answer"),
        }
        exchange
    }

    fn note(&self, date: Option<CloudDate>) {
        let mut newest = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        // Answers are not noted in the order in which they came.
        let known = newest.map(|date| date.heard);
        if date.is_some_and(|date| known <= Some(date.heard)) {
            *newest = date;
        }
    }

    fn request(&self, call: &Call, connection: Connection, secrets: &Secrets) -> Request {
        Request {
            method: call.method,
            url: self.settings.endpoint.join(&call.target()),
            headers: self.headers(call, secrets),
            body: call.body.clone().into(),
            connection,
        }
    }

    /// All headers of a call: few, since what is signed must arrive unchanged.
    fn headers(&self, call: &Call, secrets: &Secrets) -> Vec<Header> {
        let mut headers = vec![
            Header::open("Host", self.settings.endpoint.authority()),
            Header::open("Content-Type", CONTENT_TYPE),
            Header::open("X-Project-Id", self.settings.project.as_str()),
        ];
        match secrets {
            Secrets::Token(token) => {
                headers.push(Header::secret("X-Auth-Token", token.expose_secret()));
            }
            Secrets::Keys {
                access_key,
                secret_key,
                security_token,
            } => {
                let date = self.settings.clock.now().strftime(DATE_FORMAT);
                headers.push(Header::open("X-Sdk-Date", date.to_string()));
                if let Some(token) = security_token {
                    headers.push(Header::secret("X-Security-Token", token.expose_secret()));
                }
                let signature = self.authorization(call, &headers, access_key, secret_key);
                headers.extend(signature.map(|value| Header::secret("Authorization", value)));
            }
        }
        headers
    }

    fn authorization(
        &self,
        call: &Call,
        headers: &[Header],
        access_key: &SecretString,
        secret_key: &SecretString,
    ) -> Option<String> {
        let pairs: Vec<(String, String)> = headers
            .iter()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect();
        let message = Message {
            method: call.method.as_str(),
            path: &format!("{}{}", self.settings.endpoint.base_path(), call.path),
            query: &call.query,
            headers: &pairs,
            body: &call.body,
        };
        let (access_key, secret_key) = (access_key.expose_secret(), secret_key.expose_secret());
        signing::authorize(&message, access_key, secret_key).map(|signed| signed.to_header())
    }
}

/// The answer without job IDs that hold a secret: a response that repeats a credential does not name a job.
fn without_secrets(answer: PowerAnswer, secrets: &Secrets) -> PowerAnswer {
    let jobs = match answer {
        PowerAnswer::Accepted(job) if secrets.redact(job.as_str().to_owned()) == job.as_str() => {
            return PowerAnswer::Accepted(job);
        }
        PowerAnswer::Accepted(_) => None,
        PowerAnswer::AmbiguousWithJobs(jobs) => {
            let jobs = jobs.as_slice().iter().cloned();
            JobIds::new(jobs.filter(|job| secrets.redact(job.as_str().to_owned()) == job.as_str()))
        }
        other @ (PowerAnswer::NotSent
        | PowerAnswer::Blocked
        | PowerAnswer::Throttled { .. }
        | PowerAnswer::Conflict(_)
        | PowerAnswer::Ambiguous
        | PowerAnswer::Credentials
        | PowerAnswer::RefusedForAll
        | PowerAnswer::Rejected { .. }) => return other,
    };
    jobs.map_or(PowerAnswer::Ambiguous, PowerAnswer::AmbiguousWithJobs)
}

fn redacted(evidence: Evidence, secrets: &Secrets) -> Evidence {
    let clean = |text: Option<String>| text.map(|text| secrets.redact(text));
    Evidence {
        http_status: evidence.http_status,
        request_id: clean(evidence.request_id),
        code: clean(evidence.code),
        message: clean(evidence.message),
    }
}

#[cfg(test)]
mod tests;
