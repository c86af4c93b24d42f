//! An HTTP server in which the config says what anybody can make it do: the size of a body, the time of a request, how
//! many connections there are, how often one peer asks; and where it listens beyond loopback, who may ask at all.
//! Knows no route and no error page of its own beyond the refusals of these bounds.

mod access;
mod flood;
mod serve;

use std::net::SocketAddr;

use aes_config::KeyError;

pub use serve::{serve, Server};

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "{0} is not a loopback address: whoever reaches it could ask, so it needs a token; give http.token = {{ env = \
         \"NAME\" }} or {{ file = \"FILE\" }}, or listen on 127.0.0.1"
    )]
    NoToken(SocketAddr),
    #[error("http.token: {0}")]
    Token(#[from] KeyError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
