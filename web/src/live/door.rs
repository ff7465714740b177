//! Where a page attaches to a cluster: the node that serves it, or one that its address names.

/// The node that is asked first. It tells of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Whether connections are encrypted (`wss`).
    pub secure: bool,
    /// `host:port`.
    pub address: String,
}

/// The longest address that is read, in bytes.
const ADDRESS_BYTES_MAX: usize = 300;

impl Door {
    /// What a page's fragment says: `attach` names the server of the page itself, `attach=ws://host:port`
    /// another. `None` if it says something else.
    ///
    /// # Errors
    /// A sentence, if what it names is no address.
    pub fn read(fragment: &str, server: &Self) -> Option<Result<Self, String>> {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        let named = match fragment.strip_prefix("attach")? {
            "" => return Some(Ok(server.clone())),
            named => named.strip_prefix('=')?,
        };
        let (secure, address) = match named.split_once("://") {
            Some(("ws", address)) => (false, address),
            Some(("wss", address)) => (true, address),
            Some(_) => (false, ""),
            None => (server.secure, named),
        };
        let address = address.trim_end_matches('/');
        let is_known = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        let has_port = |(_, port): (&str, &str)| port.contains(']') || port.parse::<u16>().is_ok();
        let is_fine = (1..=ADDRESS_BYTES_MAX).contains(&address.len())
            && address.chars().all(is_known)
            && address.rsplit_once(':').is_none_or(has_port);
        Some(match is_fine {
            true => Ok(Self { secure, address: address.to_owned() }),
            false => {
                Err("This address names no node: it should end like #attach=ws://host:8001."
                    .to_owned())
            }
        })
    }

    /// Where a node's door is.
    pub fn url(&self, address: &str) -> String {
        format!("{}://{address}/v1/client", if self.secure { "wss" } else { "ws" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_names_the_server_or_another_node_or_says_what_is_wrong() {
        let door = |secure, address: &str| Door { secure, address: address.to_owned() };
        let server = door(false, "localhost:8001");
        let read = |fragment: &str| Door::read(fragment, &server);
        assert_eq!(read("#attach"), Some(Ok(server.clone())));
        assert_eq!(read("#attach=ws://db:8001"), Some(Ok(door(false, "db:8001"))));
        assert_eq!(read("#attach=wss://[::1]:8001/"), Some(Ok(door(true, "[::1]:8001"))));
        assert_eq!(read("attach=db:8001"), Some(Ok(door(false, "db:8001"))));
        for other in ["", "#v1.seed=7", "#attached", "#"] {
            assert_eq!(read(other), None, "{other}");
        }
        let long = format!("#attach={}", "a".repeat(ADDRESS_BYTES_MAX + 1));
        for wrong in [
            "#attach=",
            "#attach=http://db:8001",
            "#attach=ws://db:99999",
            "#attach=ws://db/x",
            "#attach=a b",
            &long,
        ] {
            assert!(read(wrong).is_some_and(|read| read.is_err()), "{wrong}");
        }
        assert_eq!(server.url("db:1"), "ws://db:1/v1/client");
    }
}
