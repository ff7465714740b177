//! What peers' and clients' connections have in common: WebSocket messages as frames, in two forms.

use futures_util::{SinkExt, StreamExt};
use raft_core::error::Error;
use raft_core::wire::{DecodeError, Frame, VERSION};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

/// A connection after the upgrade.
pub type Socket = WebSocketStream<TcpStream>;

/// How long each step of a handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a side that was told goodbye has to read it.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// A close frame holds 125 bytes, two of which are its code.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// The form of a frame in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A version byte and postcard.
    Binary,
    /// JSON.
    Text,
}

/// Why no more frames come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ended; why, for people.
    Gone(String),
    /// What came is not acceptable: the other side is told, and the connection closed.
    Foul(Error),
}

/// Buffers for a connection: frames up to `frame_bytes_max` are read, and `read_buffer_bytes` at a time.
pub fn config(frame_bytes_max: usize, read_buffer_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(read_buffer_bytes)
        // A batch of small frames goes out in few system calls.
        .write_buffer_size(64 << 10)
        // One frame waits at a time. JSON may need six bytes for one.
        .max_write_buffer_size(2 * frame_bytes_max + (64 << 10))
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max))
}

/// A frame as a message.
pub fn encode(frame: &Frame, form: Form) -> Message {
    match form {
        Form::Binary => Message::Binary(frame.encode().into()),
        Form::Text => {
            Message::Text(serde_json::to_string(frame).expect("frames always encode").into())
        }
    }
}

/// A frame from what a socket gave; `None` for pings and pongs.
pub fn decode(
    received: Option<Result<Message, tungstenite::Error>>,
) -> Result<Option<(Frame, Form)>, Fault> {
    match received {
        Some(Ok(Message::Binary(bytes))) => match Frame::decode(&bytes) {
            Ok(frame) => Ok(Some((frame, Form::Binary))),
            Err(DecodeError::Version(want)) => {
                Err(Fault::Foul(Error::VersionMismatch { have: VERSION, want }))
            }
            Err(error) => Err(Fault::Foul(invalid(&format!("{error}; see docs/formats.md")))),
        },
        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
            Ok(frame) => Ok(Some((frame, Form::Text))),
            Err(error) => Err(Fault::Foul(invalid(&format!(
                "no frame in JSON ({error}); see docs/formats.md"
            )))),
        },
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(Some(close)))) => {
            Err(Fault::Gone(format!("it closed: {}", close.reason)))
        }
        Some(Ok(Message::Close(None))) | None => {
            Err(Fault::Gone("it closed the connection".to_owned()))
        }
        Some(Err(tungstenite::Error::Capacity(CapacityError::MessageTooLong {
            size,
            max_size,
        }))) => Err(Fault::Foul(Error::TooLarge { limit: max_size as u64, actual: size as u64 })),
        Some(Err(tungstenite::Error::Io(error))) => Err(Fault::Gone(error.to_string())),
        Some(Err(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
            Err(Fault::Gone("it closed the connection".to_owned()))
        }
        Some(Err(error)) => {
            Err(Fault::Foul(invalid(&format!("{error}; speak WebSocket (RFC 6455)"))))
        }
    }
}

/// The next frame; pings and pongs are passed over.
pub async fn next_frame(socket: &mut Socket) -> Result<(Frame, Form), Fault> {
    loop {
        if let Some(frame) = decode(socket.next().await)? {
            return Ok(frame);
        }
    }
}

/// Says why, closes, and lets the other side read it: a socket that is dropped with bytes unread is
/// reset, and a reset overtakes the reason.
pub async fn say_goodbye(mut socket: Socket, form: Form, error: Error) {
    let close = CloseFrame { code: close_code(&error), reason: shorten(error.to_string()).into() };
    let farewell = async {
        socket.feed(encode(&Frame::Goodbye(error), form)).await?;
        socket.send(Message::Close(Some(close))).await?;
        let stream = socket.get_mut();
        stream.shutdown().await?;
        let mut rest = [0; 16 << 10];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), tungstenite::Error>(())
    };
    let _ = timeout(GOODBYE_TIMEOUT, farewell).await;
}

/// An [`Error::Invalid`].
pub fn invalid(reason: &str) -> Error {
    Error::Invalid { reason: reason.to_owned() }
}

fn close_code(error: &Error) -> CloseCode {
    match error {
        Error::TooLarge { .. } => CloseCode::Size,
        Error::Invalid { .. } => CloseCode::Protocol,
        Error::Overloaded { .. } => CloseCode::Again,
        _ => CloseCode::Policy,
    }
}

fn shorten(mut reason: String) -> String {
    let end = (0..=CLOSE_REASON_BYTES_MAX.min(reason.len()))
        .rev()
        .find(|end| reason.is_char_boundary(*end));
    reason.truncate(end.unwrap_or_default());
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_decode_to_the_frame_they_came_from() {
        let frame = Frame::Goodbye(Error::NotFound);
        for form in [Form::Binary, Form::Text] {
            let message = encode(&frame, form);
            assert_eq!(decode(Some(Ok(message))), Ok(Some((frame.clone(), form))));
        }
    }

    #[test]
    fn what_is_no_frame_is_answered_with_a_reason() {
        let messages = [
            Message::Binary(vec![].into()),
            Message::Binary(vec![VERSION, 255].into()),
            Message::text("{}"),
        ];
        for message in messages {
            let fault = decode(Some(Ok(message)));
            assert!(matches!(fault, Err(Fault::Foul(Error::Invalid { .. }))), "{fault:?}");
        }
        let newer = decode(Some(Ok(Message::Binary(vec![VERSION + 1].into()))));
        let mismatch = Error::VersionMismatch { have: VERSION, want: VERSION + 1 };
        assert_eq!(newer, Err(Fault::Foul(mismatch)));
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        assert_eq!(shorten("short".to_owned()), "short");
        let long = shorten("§".repeat(100));
        assert_eq!(long, "§".repeat(61));
    }
}
