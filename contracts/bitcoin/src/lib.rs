//! ALZ on Bitcoin, the pure half: scripts, settlement transactions, their checks and the rune ledger. No I/O, no clock.
//! On Bitcoin no script can read a certificate: there the certificate is the attestors' BIP-340 signatures on a
//! transaction that was fixed when the leg was prepared. `README.md` draws the scripts.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod allocate;
mod coins;
mod count;
mod deposit;
mod escrow;
mod etch;
mod fee;
mod headers;
mod hold;
mod keys;
mod ledger;
mod payee;
mod presigned;
mod runes;
mod sats;
mod script;
mod settle;
mod vault;
mod wallet;

pub use coins::{Coin, CoinError, Draft};
pub use count::{NotThisHold, Sighting};
pub use deposit::{DepositError, Escape, DEPOSIT_VOUT};
pub use escrow::{Escrow, EscrowError, Vault};
pub use etch::{EtchError, Etching, Reveal, COMMIT_BLOCKS, DIVISIBILITY};
pub use fee::{replacement_fee, FeeBounds, FeeError};
pub use headers::{Checkpoint, HeaderError, HeaderTip};
pub use hold::{Ending, Hold, HoldScript, Source};
pub use keys::{AttestorKeys, AttestorSets, AttestorSignature, KeysError, SignatureError};
pub use ledger::{Etched, Holding, Ledger, LedgerError, Supply, Tip, UNDO_DEPTH};
pub use payee::PayeeError;
pub use presigned::{Presigned, PresignedError, PRESIGNED_LENGTH};
pub use runes::{decipher, name_is_open, Artifact, Rune, RuneId, SpacedRune};
pub use sats::{anchor_script, ANCHOR, CARRIER, RELAY_FEE_RATE, SETTLE_FEE_RATE};
pub use script::{Leaf, RefundDelay, ScriptError, NUMS};
pub use settle::{Outcome, SettleError, Settlement};
pub use vault::{choose_coins, Payer, VaultCoin, VaultError, VaultSpend, MAX_VAULT_INPUTS, MAX_VAULT_OUTPUTS};
pub use wallet::{WalletKey, WalletKeyError};
