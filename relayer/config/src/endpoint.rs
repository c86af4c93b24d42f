//! Where something is asked. Its URL can hold a password or an API key, so it is never printed: what is shown is its host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use crate::token::TokenRef;

/// An `http` or `https` URL. Shown, also by `Debug`, as `host:port`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint(Url);

/// Says nothing of the text: it can hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint is no URL: {0}; write http://host:port or https://host")]
pub struct EndpointError(String);

impl Endpoint {
    /// With whatever is secret in it: to connect, not to print.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|error| EndpointError(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError("its scheme is not http".into()));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // http and https URLs have a host and a known port
        write!(f, "{}:{}", self.0.host_str().unwrap_or_default(), self.0.port_or_known_default().unwrap_or_default())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whole: this is how a config file is written.
impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// An attestor: its URL, or `{ url = "...", token = { env = "NAME" } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct AttestorAt {
    pub url: Endpoint,
    pub token: Option<TokenRef>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "write \"URL\", or { url = \"URL\", token = { env = \"NAME\" } }, where a URL is http://host:port or https://host"
)]
enum Written {
    Url(Endpoint),
    WithToken(WithToken),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WithToken {
    url: Endpoint,
    token: TokenRef,
}

impl From<Written> for AttestorAt {
    fn from(written: Written) -> Self {
        match written {
            Written::Url(url) => url.into(),
            Written::WithToken(WithToken { url, token }) => Self { url, token: Some(token) },
        }
    }
}

impl From<Endpoint> for AttestorAt {
    fn from(url: Endpoint) -> Self {
        Self { url, token: None }
    }
}

impl From<AttestorAt> for Written {
    fn from(AttestorAt { url, token }: AttestorAt) -> Self {
        match token {
            None => Self::Url(url),
            Some(token) => Self::WithToken(WithToken { url, token }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_is_ever_shown() {
        let endpoint: Endpoint = "https://user:secret@node.example/v3/secret?key=secret".parse().unwrap();
        assert_eq!((endpoint.to_string(), format!("{endpoint:?}")), shown("node.example:443"));
        assert_eq!(endpoint.expose().as_str(), "https://user:secret@node.example/v3/secret?key=secret");
    }

    fn shown(name: &str) -> (String, String) {
        (name.into(), format!("Endpoint({name})"))
    }

    #[test]
    fn what_is_on_this_machine_only_is_loopback() {
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://0.0.0.0:1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(url.parse::<Endpoint>().unwrap().is_loopback(), loopback, "{url}");
        }
    }

    #[test]
    fn what_is_no_http_url_is_refused_without_repeating_it() {
        for bad in [
            "",
            "127.0.0.1:7070",
            "secret",
            "secret:1",
            "ftp://secret/",
            "http://",
            "http://user:secret@:80",
            "http://[secret",
        ] {
            let error = bad.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains("http://host:port") && !error.contains("secret"), "{bad}: {error}");
        }
    }
}
