//! The newest height, told to each process on a channel of its own: one channel wakes those who wait on it in a random
//! order, and a run must be the same each time.

use tokio::sync::watch;

#[derive(Default)]
pub struct Ticks {
    height: u64,
    told: Vec<watch::Sender<u64>>,
}

impl Ticks {
    pub fn subscribe(&mut self) -> watch::Receiver<u64> {
        let (told, heard) = watch::channel(self.height);
        self.told.retain(|told| !told.is_closed());
        self.told.push(told);
        heard
    }

    /// Also a lower height, after a reorg.
    pub fn tell(&mut self, height: u64) {
        self.height = height;
        self.told.iter().for_each(|told| _ = told.send_replace(height));
    }
}
