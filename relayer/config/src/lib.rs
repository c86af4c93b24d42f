//! What an operator writes (the config file), what `aes deploy` writes (the manifest), and keys by reference.
//! A missing file, an unknown key and a value of the wrong form are errors that name the file and the cure.

mod endpoint;
mod file;
mod http;
mod keys;
mod manifest;
mod meant;
mod token;

pub use endpoint::{AttestorAt, Endpoint, EndpointError};
pub use file::{
    AttestConfig, BitcoinConfig, ChainConfig, Config, ConfigError, DeployChain, DeployConfig, FollowConfig, RelayConfig,
};
pub use http::HttpConfig;
pub use keys::{password, KeyError, KeyRef, SecretKey};
pub use manifest::{write_whole, Anchor, BitcoinEscrow, Manifest, ManifestChain, ManifestError};
pub use token::{Token, TokenRef};
