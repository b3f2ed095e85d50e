//! The last look before a request leaves: whether it may, asked when its connection stands.
//!
//! Connecting can take seconds, in which a window may close or somebody may set the stop switch. Owns asking at
//! that moment; what is asked is the caller's. Invariant: where the answer is no, no byte of the request leaves.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower_layer::Layer;
use tower_service::Service;

/// Says whether a request may leave.
pub type MayLeave = Arc<dyn Fn() -> bool + Send + Sync>;

/// What is asked before a request leaves; nothing at first. Copies share it.
#[derive(Clone, Default)]
pub(super) struct LastLook(Arc<RwLock<Option<MayLeave>>>);

impl LastLook {
    /// Asks this from now on, and nothing else.
    pub(super) fn ask(&self, may_leave: MayLeave) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(may_leave);
    }

    fn may_leave(&self) -> bool {
        let asked = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let asked = asked.clone();
        asked.is_none_or(|may_leave| may_leave())
    }
}

impl fmt::Debug for LastLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastLook")
    }
}

/// Why a connection that stood was given up.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("connected, but by then the request was not to leave any more")]
struct Forbidden;

impl<S> Layer<S> for LastLook {
    type Service = Looking<S>;

    fn layer(&self, connector: S) -> Looking<S> {
        let look = self.clone();
        Looking { connector, look }
    }
}

/// A connector whose connections are given up where the last look says no.
#[derive(Clone)]
pub(super) struct Looking<S> {
    connector: S,
    look: LastLook,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, R> Service<R> for Looking<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.connector.call(request);
        let look = self.look.clone();
        Box::pin(async move {
            let connection = connecting.await?;
            if look.may_leave() {
                Ok(connection)
            } else {
                Err(Forbidden.into())
            }
        })
    }
}
