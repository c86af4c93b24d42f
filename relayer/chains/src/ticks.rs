//! The newest height, told to each listener on a channel of its own: one channel wakes those who wait on it in a random
//! order, and a run of the simulation must be the same each time.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

#[derive(Default)]
pub struct Ticks(Mutex<Told>);

#[derive(Default)]
struct Told {
    height: u64,
    listeners: Vec<watch::Sender<u64>>,
}

impl Ticks {
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (listener, heard) = watch::channel(told.height);
        told.listeners.retain(|listener| !listener.is_closed());
        told.listeners.push(listener);
        heard
    }

    /// Also a lower height, after a reorg.
    pub fn tell(&self, height: u64) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.height = height;
        told.listeners.iter().for_each(|listener| _ = listener.send_replace(height));
    }
}
