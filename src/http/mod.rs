//! Seam 2: one HTTP request, one answer or one failure. The only user of reqwest.
//!
//! Owns connections, TLS, proxies, time-outs and the limit on bodies; never tries anything again and
//! knows nothing of the cloud. Invariant: a failure is [`Failure::NotConnected`] or [`Failure::Blocked`] only if no
//! byte of the request can have left.

mod enquiry;
mod failure;
mod last_look;
mod message;
mod obstacle;
mod proxy;
mod transport;

pub use enquiry::Enquirer;
pub use failure::{Failure, HttpError};
pub use last_look::MayLeave;
pub use message::{Connection, Header, Method, Request, Response};
pub use obstacle::Obstacle;
pub use proxy::{Route, route};
pub use transport::{BODY_LIMIT, CaFile, Exchange, Reach, Transport, TransportSettings};
