//! etcd as something to put a load on: its gRPC calls over one HTTP/2 connection, written and read by
//! hand, so that the generator costs no more than it does for our own nodes.

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use raft_native::bench::Load;
use raft_native::bench::wire::{Answer, Question, Wire};
use raft_native::client::Failure;
use std::future::Future;
use std::pin::Pin;
use tokio::net::TcpStream;

/// Bytes of answers that may be under way: no call ever waits for the window.
const WINDOW_BYTES: u32 = 16 << 20;

/// A connection to an etcd node.
pub(crate) struct ToEtcd {
    send: SendRequest<Bytes>,
    authority: String,
    calls: FuturesUnordered<Call>,
}

type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Wire for ToEtcd {
    async fn connect(address: &str, _: &Load, _: usize) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::Unreachable { address: address.to_owned(), reason };
        let stream = TcpStream::connect(address).await.map_err(|e| failed(e.to_string()))?;
        stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        let (send, connection) =
            builder.handshake(stream).await.map_err(|e| failed(e.to_string()))?;
        // It ends with the last handle.
        tokio::spawn(connection.map(drop));
        Ok(Self { send, authority: address.to_owned(), calls: FuturesUnordered::new() })
    }

    async fn ask(&mut self, client: usize, question: Question) -> Result<(), String> {
        let (path, message) = match question {
            Question::Put { key, value } => {
                ("/etcdserverpb.KV/Put", [field(1, &key), field(2, &value)].concat())
            }
            Question::Get(key) => ("/etcdserverpb.KV/Range", field(1, &key)),
            Question::LocalGet(key) => {
                // `serializable`, field 7: whatever this node has applied.
                ("/etcdserverpb.KV/Range", [field(1, &key), vec![7 << 3, 1]].concat())
            }
        };
        let response = call(&mut self.send, &self.authority, path, &message).await?;
        self.calls.push(Box::pin(async move { Answer { client, result: finish(response).await } }));
        Ok(())
    }

    async fn hear(&mut self, answers: &mut Vec<Answer>) -> Result<(), String> {
        let mut next = self.calls.next().await;
        while let Some(answer) = next {
            if answer.result == Err(LOST) {
                return Err("the connection is lost".to_owned());
            }
            answers.push(answer);
            next = self.calls.next().now_or_never().flatten();
        }
        Ok(())
    }
}

const LOST: &str = "lost";

async fn call(
    send: &mut SendRequest<Bytes>,
    authority: &str,
    path: &str,
    message: &[u8],
) -> Result<ResponseFuture, String> {
    std::future::poll_fn(|context| send.poll_ready(context)).await.map_err(|e| e.to_string())?;
    let request = Request::post(format!("http://{authority}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("the parts of a request are well-formed");
    let (response, mut body) =
        send.send_request(request, false).map_err(|error| error.to_string())?;
    // Not compressed, and its length: that is all that gRPC puts around a message.
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    body.send_data(frame.freeze(), true).map_err(|error| error.to_string())?;
    Ok(response)
}

/// Reads an answer to its end: only the trailers say whether the call was carried out.
async fn finish(response: ResponseFuture) -> Result<(), &'static str> {
    let (head, mut body) = response.await.map_err(|_| LOST)?.into_parts();
    while let Some(data) = body.data().await {
        let length = data.map_err(|_| LOST)?.len();
        body.flow_control().release_capacity(length).map_err(|_| LOST)?;
    }
    let trailers = body.trailers().await.map_err(|_| LOST)?;
    let status = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
    match status.map(http::HeaderValue::as_bytes) {
        Some(b"0") => Ok(()),
        Some(b"8") => Err("overloaded"),
        Some(b"14") => Err("unavailable"),
        _ => Err("refused"),
    }
}

/// A field of bytes in protobuf.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 6);
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}
