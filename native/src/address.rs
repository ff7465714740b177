//! Addresses `host:port` and lists of them, as the flags give them.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Most nodes in a cluster. Every node keeps two connections with every other.
pub const ADDRESSES_MAX: usize = 31;

/// The addresses of a cluster, each `host:port` in lower case, none twice. A node's id is its place in
/// the list, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<String>);

/// One address, as in an [`Addresses`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub String);

impl FromStr for Address {
    type Err = String;

    /// The error says how to write it.
    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.trim().to_ascii_lowercase();
        check(&address).map(|()| Self(address))
    }
}

impl FromStr for Addresses {
    type Err = String;

    /// Addresses separated by commas. The error says which one is wrong, and how to write it.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses: Vec<String> = Vec::new();
        for address in text.split(',') {
            let Address(address) = address.parse()?;
            if addresses.contains(&address) {
                return Err(format!("{address} stands there twice; give each node its own"));
            }
            addresses.push(address);
        }
        match addresses.len() > ADDRESSES_MAX {
            true => Err(format!("{} addresses; give at most {ADDRESSES_MAX}", addresses.len())),
            false => Ok(Self(addresses)),
        }
    }
}

/// The host and the port of an address that is in an [`Addresses`]. An IPv6 host keeps its brackets.
pub fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host, port.parse().unwrap_or_default())
}

/// Whether a host, as in an address, means this machine and no other.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn check(address: &str) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!("'{address}' {what}; write it as host:port, such as localhost:8001"))
    };
    let Some((host, port)) = address.rsplit_once(':') else { return wrong("has no port") };
    if !port.bytes().all(|byte| byte.is_ascii_digit())
        || !port.parse().is_ok_and(|port: u16| port > 0)
    {
        return wrong("has no port from 1 to 65535");
    }
    if let Some(bare) = host.strip_prefix('[') {
        return match bare.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()) {
            true => Ok(()),
            false => wrong("has no IPv6 address between its brackets"),
        };
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match !host.is_empty() && host.bytes().all(is_name) {
        true => Ok(()),
        false => wrong("has no host name or IP address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_in_lower_case() {
        let Addresses(addresses) = "LocalHost:8001, 10.0.0.2:8002,[::1]:8003".parse().unwrap();
        assert_eq!(addresses, ["localhost:8001", "10.0.0.2:8002", "[::1]:8003"]);
    }

    #[test]
    fn malformed_addresses_are_refused_with_the_address_in_words() {
        let malformed = [
            "",
            "localhost",
            "localhost:",
            ":8001",
            "localhost:0",
            "localhost:65536",
            "localhost:+1",
            "localhost:http",
            "a:1,",
            "a:1,,b:2",
            "a b:1",
            "http://a:1",
            "user@a:1",
            "::1:8001",
            "[::1:8001",
            "[]:8001",
            "[localhost]:8001",
            "a:1/x",
        ];
        for text in malformed {
            let error = text.parse::<Addresses>().unwrap_err();
            assert!(error.contains("; "), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_stands_in_the_list_once_whatever_its_case() {
        let error = "node:1,NODE:1".parse::<Addresses>().unwrap_err();
        assert!(error.contains("node:1 stands there twice"), "{error}");
    }

    #[test]
    fn loopback_is_told_by_name_and_by_number() {
        for host in ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "[::]", "10.0.0.1", "localhost.example.com", "[fe80::1]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
