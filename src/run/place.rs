//! The places that the batches of a wave have in flight.
//!
//! Owns how a batch gives its place back while it only waits for servers that are at work, and takes one again before
//! it sends those. Invariant: no more batches are sent or running at once than there are places.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// The place of one batch, which several parts of it can use.
pub(super) struct Place {
    places: Arc<Semaphore>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    users: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// A place, as soon as one is free; its first user is the caller.
    pub(super) async fn of(places: Arc<Semaphore>) -> Self {
        let place = Self {
            places,
            held: Mutex::default(),
        };
        place.enter().await;
        place
    }

    /// One more part of the batch uses the place; waits for one if the batch has none.
    pub(super) async fn enter(&self) {
        let mut held = self.held.lock().await;
        held.users += 1;
        if held.permit.is_none() {
            // The places are never closed, so there is always one in the end.
            held.permit = self.places.clone().acquire_owned().await.ok();
        }
    }

    /// A part of the batch is done with the place; the last one gives it back.
    pub(super) async fn leave(&self) {
        let mut held = self.held.lock().await;
        held.users = held.users.saturating_sub(1);
        if held.users == 0 {
            held.permit = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_free_when_its_last_user_has_left_and_is_taken_again() {
        let places = Arc::new(Semaphore::new(1));
        let place = Place::of(places.clone()).await;
        place.enter().await;
        place.leave().await;
        assert_eq!(places.available_permits(), 0);
        place.leave().await;
        assert_eq!(places.available_permits(), 1);
        place.enter().await;
        assert_eq!(places.available_permits(), 0);
        drop(place);
        assert_eq!(places.available_permits(), 1);
    }
}
