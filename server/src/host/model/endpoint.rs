//! Where a model answers: the one origin that requests and keys go to. It resolves no name and opens no connection.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

/// The base URL of a model, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// It is no URL of the web.
    #[error("`model.endpoint` is no URL such as `https://models.example.com/v1`")]
    NotAUrl,
    /// It is `http` to another machine: the key and the conversation would travel in the clear.
    #[error("`model.endpoint` is `http` to `{host}`, and `http` may only reach this machine; use `https`")]
    Unprotected {
        /// The other machine.
        host: String,
    },
    /// It holds a user or a password.
    #[error(
        "`model.endpoint` holds a user or a password; put the key into a variable and name that in `model.api_key_env`"
    )]
    HoldsLogin,
}

impl Endpoint {
    /// Reads `model.endpoint`: `https`, or `http` to this machine.
    ///
    /// # Errors
    /// An [`EndpointError`]; it says what to write instead, and never the text itself, which may hold a key.
    pub fn read(text: &str) -> Result<Self, EndpointError> {
        let mut url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
        let host = url.host_str().ok_or(EndpointError::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::HoldsLogin);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(EndpointError::Unprotected { host: host.to_owned() }),
            _ => return Err(EndpointError::NotAUrl),
        }
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url })
    }

    /// The address of something below the base URL, such as `chat/completions`; a query of the base URL stays.
    #[must_use]
    pub fn below(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{path}", self.url.path().trim_end_matches('/')));
        url
    }

    /// Scheme, host and port: what a key is bound to.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The values in its query; some services take the key there.
    pub(super) fn query_values(&self) -> Vec<String> {
        self.url.query_pairs().map(|(_, value)| value.into_owned()).collect()
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.url.host_str().is_some_and(is_loopback)
    }

    /// Whether it is named `localhost`, which is this machine whatever a resolver says.
    #[must_use]
    pub fn is_localhost(&self) -> bool {
        self.url.host_str() == Some("localhost")
    }
}

/// Origin and path, as they are part of the contract; a query may hold a key.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.url.path().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_reaches_this_machine_only() {
        for url in
            ["http://127.0.0.1:11434/v1", "http://[::1]:8000/v1/", "http://LOCALHOST/v1", "https://a.dev"]
        {
            assert!(Endpoint::read(url).is_ok(), "{url}");
        }
        for host in ["models.acme.dev", "10.0.0.2", "localhost.acme.dev", "0.0.0.0"] {
            let error = Endpoint::read(&format!("http://{host}/v1")).unwrap_err();
            assert_eq!(error, EndpointError::Unprotected { host: host.to_owned() });
        }
        assert_eq!(Endpoint::read("file:///etc/passwd"), Err(EndpointError::NotAUrl));
        assert_eq!(Endpoint::read("v1"), Err(EndpointError::NotAUrl));
        assert_eq!(Endpoint::read("https://user:pass@a.dev/v1"), Err(EndpointError::HoldsLogin));
    }

    #[test]
    fn addresses_stay_below_the_base() {
        let endpoint = Endpoint::read("https://a.dev:8443/openai/v1/?api-version=2#x").unwrap();
        let url = endpoint.below("chat/completions");
        assert_eq!(url.as_str(), "https://a.dev:8443/openai/v1/chat/completions?api-version=2");
        assert_eq!(endpoint.to_string(), "https://a.dev:8443/openai/v1");
        assert_eq!(endpoint.origin(), "https://a.dev:8443");
        let bare = Endpoint::read("https://a.dev").unwrap();
        assert_eq!(bare.below("messages").as_str(), "https://a.dev/messages");
    }
}
