//! Who may change a contract, and whose signatures it believes: the admin and its two-step handover, the pause,
//! and the attestor sets by id. Shared by the coordinator and the escrow, so that both keep the same rules.

mod msg;

pub use msg::{AdminResponse, SetResponse};
