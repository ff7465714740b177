//! Which web pages may speak to a node. A browser lets any page dial any address and says who asks, so
//! `Origin` must be one of the cluster's own. A page can make its own host name point here (DNS
//! rebinding), so `Host` must be a name that this node is known by.

use crate::address::{host_and_port, is_loopback};
use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, ORIGIN};
use raft_core::error::Error;
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// The names this node answers to, and the pages it answers.
#[derive(Debug)]
pub struct Names {
    own: String,
    hosts: BTreeSet<String>,
    /// The cluster's own pages, such as `http://localhost:8001`.
    origins: RwLock<BTreeSet<String>>,
}

impl Names {
    /// The names of the node at `own`, in the cluster at `addresses`.
    pub fn of<A: AsRef<str>>(own: &str, addresses: impl IntoIterator<Item = A>) -> Self {
        let hosts = names(own).into_iter().collect();
        let names = Self { own: own.to_owned(), hosts, origins: RwLock::default() };
        names.follow(addresses);
        names
    }

    /// The cluster is now at `addresses`.
    pub fn follow<A: AsRef<str>>(&self, addresses: impl IntoIterator<Item = A>) {
        let others = addresses.into_iter().flat_map(|address| names(address.as_ref()));
        let all = names(&self.own).into_iter().chain(others);
        let origins = all.map(|name| format!("http://{name}")).collect();
        *self.origins.write().unwrap_or_else(PoisonError::into_inner) = origins;
    }

    /// Refuses a request from a page, or for a host, that is none of ours. A request without an origin
    /// is from no page.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let host =
            single(headers, HOST)?.ok_or_else(|| denied("there is no Host header; send one"))?;
        if !self.hosts.contains(&host) {
            let known: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
            return Err(denied(&format!(
                "host {host} is not this node; ask for {}",
                known.join(" or ")
            )));
        }
        match single(headers, ORIGIN)? {
            Some(origin) if !self.origins().contains(&origin) => Err(denied(&format!(
                "pages of {origin} may not ask; use the page of a node of this cluster"
            ))),
            _ => Ok(()),
        }
    }

    /// The cluster's own pages, such as `http://localhost:8001`.
    pub fn origins(&self) -> BTreeSet<String> {
        self.origins.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All ways to write an address in a browser: a loopback host has three, and port 80 goes unsaid.
fn names(address: &str) -> Vec<String> {
    let (host, port) = host_and_port(address);
    let hosts = match is_loopback(host) {
        true => vec![host, "localhost", "127.0.0.1", "[::1]"],
        false => vec![host],
    };
    let unsaid = hosts.iter().filter(|_| port == 80).map(|host| (*host).to_owned());
    let said = hosts.iter().map(|host| format!("{host}:{port}"));
    said.chain(unsaid).collect()
}

/// A header that may be there once, in lower case.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<String>, Error> {
    let mut values = headers.get_all(&name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(denied(&format!("there are two {name} headers; send one")));
    }
    let text = value.map(|value| value.to_str().map(str::to_ascii_lowercase));
    text.transpose().map_err(|_| denied(&format!("the {name} header is no text; send a plain one")))
}

fn denied(reason: &str) -> Error {
    Error::Denied { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn allows(own: &str, host: &str, origin: Option<&str>) -> bool {
        let addresses = ["localhost:8001", "localhost:8002", "db.example:8003"].map(str::to_owned);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        Names::of(own, addresses).check(&headers).is_ok()
    }

    #[test]
    fn a_node_answers_to_its_own_name_and_on_loopback_to_the_usual_ones() {
        for host in ["localhost:8001", "LOCALHOST:8001", "127.0.0.1:8001", "[::1]:8001"] {
            assert!(allows("localhost:8001", host, None), "{host}");
        }
        for host in ["localhost:8002", "localhost", "evil.example:8001", "db.example:8003", ""] {
            assert!(!allows("localhost:8001", host, None), "{host}");
        }
        assert!(allows("db.example:8003", "db.example:8003", None));
        assert!(!allows("db.example:8003", "localhost:8003", None));
    }

    #[test]
    fn only_the_cluster_s_own_pages_may_ask() {
        for origin in ["http://localhost:8001", "http://127.0.0.1:8002", "http://db.example:8003"] {
            assert!(allows("localhost:8001", "localhost:8001", Some(origin)), "{origin}");
        }
        for origin in
            ["http://evil.example", "https://localhost:8001", "http://localhost:9000", "null"]
        {
            assert!(!allows("localhost:8001", "localhost:8001", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn pages_of_a_node_that_is_added_may_ask_and_of_one_that_is_removed_may_not() {
        let names = Names::of("localhost:8001", ["localhost:8001", "localhost:8002"]);
        let may_ask = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost:8001"));
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            names.check(&headers).is_ok()
        };
        assert!(may_ask("http://localhost:8002") && !may_ask("http://localhost:8004"));
        names.follow(["localhost:8004"]);
        assert!(!may_ask("http://localhost:8002") && may_ask("http://localhost:8004"));
        assert!(may_ask("http://localhost:8001"), "its own");
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        let names = Names::of("localhost:8001", ["localhost:8001"]);
        let mut headers = HeaderMap::new();
        assert!(names.check(&headers).is_err());
        headers.append(HOST, HeaderValue::from_static("localhost:8001"));
        assert!(names.check(&headers).is_ok());
        headers.append(HOST, HeaderValue::from_static("localhost:8001"));
        assert!(names.check(&headers).is_err());
    }

    #[test]
    fn port_80_may_go_unsaid() {
        let names = Names::of("db.example:80", ["db.example:80"]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("db.example"));
        headers.insert(ORIGIN, HeaderValue::from_static("http://db.example"));
        assert!(names.check(&headers).is_ok());
    }
}
