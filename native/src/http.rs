//! HTTP: keys at `/v1/kv/{key}`, how the node is, the page, and the upgrades to WebSocket. A write over
//! HTTP has no session, so it is sent to the log once and never again.

use crate::clients;
use crate::listener::Place;
use crate::node::Node;
use crate::page;
use crate::peers;
use crate::socket::{self, Socket, invalid};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{self, Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use query::{Query, unescape};
use raft_core::bytes::Bytes;
use raft_core::config::Limits;
use raft_core::error::Error;
use raft_core::kv::command::{Read, Write};
use raft_core::request::{self, Consistency, Reply};
use raft_core::wire::{CLIENT_FRAME_BYTES_MAX, PEER_FRAME_BYTES_MAX};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub mod query;

/// How long a value may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a probe waits for an answer: probes come once a second or so.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

type Answer = Response<Full<body::Bytes>>;

/// Answers a request that came over the connection with this place.
pub async fn answer(
    node: Arc<Node>,
    place: Arc<Place>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut answer = match node.names.check(request.headers()) {
        Ok(()) => route(&node, place, request).await.unwrap_or_else(|error| refusal(&error)),
        Err(error) => refusal(&error),
    };
    let headers = answer.headers_mut();
    // What is no page may do nothing, should a browser show it.
    let nothing = || HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(nothing);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

async fn route(
    node: &Arc<Node>,
    place: Arc<Place>,
    request: Request<Incoming>,
) -> Result<Answer, Error> {
    let path = request.uri().path().to_owned();
    if path == peers::PEER_PATH {
        let config = socket::config(PEER_FRAME_BYTES_MAX, peers::READ_BUFFER_BYTES);
        let node = node.clone();
        return upgrade(request, config, move |socket| {
            peers::receive(node, socket, move || place.give_up())
        });
    }
    if !place.move_to_clients(&node.budget) {
        return Err(Error::Overloaded { retry_after_ms: 1_000 });
    }
    if path == crate::client::CLIENT_PATH {
        let config = socket::config(CLIENT_FRAME_BYTES_MAX, clients::READ_BUFFER_BYTES);
        let node = node.clone();
        return upgrade(request, config, move |socket| async move {
            clients::serve(node, socket).await;
            drop(place);
        });
    }
    if let Some(key) = path.strip_prefix("/v1/kv/") {
        let key = unescape(key)?;
        return match *request.method() {
            Method::GET | Method::HEAD => get(node, key, &request).await,
            Method::PUT => put(node, key, request).await,
            Method::DELETE => delete(node, key, &request).await,
            _ => Ok(not_allowed("GET, HEAD, PUT, DELETE")),
        };
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(not_allowed("GET, HEAD"));
    }
    match path.as_str() {
        "/v1/status" => match node.inbox.ask(request::Request::Status).await? {
            Reply::Status(status) => Ok(json(StatusCode::OK, &status)),
            reply => Err(unexpected(&reply)),
        },
        "/livez" => Ok(live(node).await),
        "/readyz" => Ok(ready(node).await),
        path => Ok(page(node, path, takes_gzip(request.headers()))),
    }
}

fn page(node: &Node, path: &str, takes_gzip: bool) -> Answer {
    let Some(file) = page::file(path, takes_gzip) else {
        let message = "no such page; try /, /v1/kv/KEY, /v1/status, /livez or /readyz";
        return error_answer(StatusCode::NOT_FOUND, "no_such_page", message);
    };
    let mut answer = content((file.content_type, file.bytes));
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.is_gzipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, content_policy(&node.names.origins()));
    answer
}

/// Whether the answer may be compressed: gzip is named, as all browsers do, and not with the weight zero (RFC 9110
/// §12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let named =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = named.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

async fn get(node: &Node, key: Bytes, request: &Request<Incoming>) -> Result<Answer, Error> {
    let consistency = Query::of(request.uri())?.consistency()?;
    let request = request::Request::Read { read: Read::Get { key }, consistency };
    let item = match node.inbox.ask(request).await? {
        Reply::Item(item) => item,
        reply => return Err(unexpected(&reply)),
    };
    let value = body::Bytes::copy_from_slice(&item.value.unwrap_or_default());
    let mut answer = content(("application/octet-stream", value));
    let headers = answer.headers_mut();
    headers.insert(HeaderName::from_static("raft-revision"), item.modified.0.into());
    headers.insert(HeaderName::from_static("raft-created"), item.created.0.into());
    Ok(answer)
}

async fn put(node: &Node, key: Bytes, request: Request<Incoming>) -> Result<Answer, Error> {
    let condition = Query::of(request.uri())?.condition()?;
    let value = read_body(request.into_body()).await?;
    write(node, Write::Set { key, value, condition }).await
}

async fn delete(node: &Node, key: Bytes, request: &Request<Incoming>) -> Result<Answer, Error> {
    let condition = Query::of(request.uri())?.condition()?;
    write(node, Write::Delete { key, condition }).await
}

async fn write(node: &Node, write: Write) -> Result<Answer, Error> {
    let request = request::Request::Write { session: None, write, count_copies: false };
    match node.inbox.ask(request).await? {
        Reply::Written { revision, existed, .. } => {
            let body = serde_json::json!({ "revision": revision, "existed": existed });
            Ok(json(StatusCode::OK, &body))
        }
        reply => Err(unexpected(&reply)),
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, Error> {
    let limit = Limits::default().value_bytes_max;
    let too_large = |actual: u64| Error::TooLarge { limit: limit as u64, actual };
    // A body that says it is too large is not even asked for.
    let least = body.size_hint().lower();
    if least > limit as u64 {
        return Err(too_large(least));
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(Bytes::copy_from_slice(&body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit as u64 + 1)),
        Ok(Err(error)) => {
            Err(invalid(&format!("the value did not arrive ({error}); send it again")))
        }
        Err(_) => Err(invalid("the value did not arrive in 10 seconds; send it again")),
    }
}

/// Whether the node's loop turns.
async fn live(node: &Node) -> Answer {
    match timeout(PROBE_TIMEOUT, node.inbox.ask(request::Request::Status)).await {
        Ok(Ok(_)) => json(StatusCode::OK, &serde_json::json!({ "live": true })),
        _ => {
            let reason = "the node does not answer; look at its standard error";
            json(
                StatusCode::SERVICE_UNAVAILABLE,
                &serde_json::json!({ "live": false, "reason": reason }),
            )
        }
    }
}

/// Whether the node can serve: a linearizable read goes through it.
async fn ready(node: &Node) -> Answer {
    let read = Read::List { prefix: Bytes::new(), after: None, limit: 1, keys_only: true };
    let request = request::Request::Read { read, consistency: Consistency::Linearizable };
    let reason = match timeout(PROBE_TIMEOUT, node.inbox.ask(request)).await {
        Ok(Ok(_)) => return json(StatusCode::OK, &serde_json::json!({ "ready": true })),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no quorum has confirmed a read for a second; see /v1/status".to_owned(),
    };
    json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "ready": false, "reason": reason }))
}

/// Answers with the switch to WebSocket, and serves the connection from then on.
fn upgrade<F: Future<Output = ()> + Send>(
    mut request: Request<Incoming>,
    config: WebSocketConfig,
    serve: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Answer, Error> {
    let answer = create_response_with_body(&request, Full::default)
        .map_err(|error| invalid(&format!("{error}; speak WebSocket (RFC 6455)")))?;
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // The client that asked for the switch may be gone before it happens.
        let Ok(upgraded) = upgraded.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
        let (stream, read) = (parts.io.into_inner(), parts.read_buf.into());
        serve(WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await)
            .await;
    });
    Ok(answer)
}

fn content((content_type, bytes): (&'static str, body::Bytes)) -> Answer {
    let mut answer = Response::new(Full::new(bytes));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // What was true a moment ago may not be.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    let bytes = serde_json::to_vec(value).expect("answers always encode");
    let mut answer = content(("application/json", bytes.into()));
    *answer.status_mut() = status;
    answer
}

fn refusal(error: &Error) -> Answer {
    let status = match error {
        Error::Invalid { .. } | Error::ClusterMismatch { .. } | Error::VersionMismatch { .. } => {
            StatusCode::BAD_REQUEST
        }
        Error::Denied { .. } => StatusCode::FORBIDDEN,
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::SequencePassed
        | Error::SessionExpired
        | Error::Refused { .. }
        | Error::NodeTaken { .. }
        | Error::OlderCopy { .. } => StatusCode::CONFLICT,
        Error::ConditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::NoQuorum | Error::NotLeader { .. } | Error::Overloaded { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        Error::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
    };
    let mut answer = error_answer(status, error.code(), &error.to_string());
    if let Error::Overloaded { retry_after_ms } = error {
        answer.headers_mut().insert(header::RETRY_AFTER, retry_after_ms.div_ceil(1_000).into());
    }
    answer
}

fn error_answer(status: StatusCode, code: &str, message: &str) -> Answer {
    json(status, &serde_json::json!({ "error": { "code": code, "message": message } }))
}

fn not_allowed(methods: &'static str) -> Answer {
    let message = format!("this path knows other methods; use {methods}");
    let mut answer = error_answer(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message);
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    answer
}

fn unexpected(reply: &Reply) -> Error {
    invalid(&format!("the node answered another question ({reply:?}); report this"))
}

/// What a page of this node may do: run its own code, and speak to the nodes of its cluster.
fn content_policy(origins: &BTreeSet<String>) -> HeaderValue {
    // A policy has no way to write an IPv6 address, and browsers complain of one.
    let sockets = origins.iter().filter(|origin| !origin.contains('['));
    let sockets = sockets.map(|origin| origin.replacen("http", "ws", 1));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' \
         'unsafe-inline'; img-src 'self' data:; connect-src 'self' {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        sockets.collect::<Vec<String>>().join(" ")
    );
    HeaderValue::try_from(policy).expect("addresses are plain text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_may_speak_to_the_cluster_and_to_nobody_else() {
        let origins = ["http://localhost:8001", "http://[::1]:8001", "http://db.example:8002"];
        let origins = origins.map(str::to_owned);
        let policy = content_policy(&origins.into());
        let policy = policy.to_str().unwrap();
        assert!(
            policy.contains("connect-src 'self' ws://db.example:8002 ws://localhost:8001;"),
            "{policy}"
        );
    }

    #[test]
    fn who_names_gzip_takes_it_unless_with_no_weight() {
        let takes = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
        };
        for value in ["gzip", "gzip, deflate, br, zstd", "br;q=1, GZIP ; q=0.5", "br,gzip;q=1.0"] {
            assert!(takes(value), "{value}");
        }
        for value in ["", "br", "identity", "gzip;q=0", "gzip; q=0.000", "xgzip", "gzip;q=x"] {
            assert!(!takes(value), "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn refusals_carry_code_and_sentence() {
        let answer = refusal(&Error::Overloaded { retry_after_ms: 1_500 });
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
    }
}
