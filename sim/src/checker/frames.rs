//! Messages on their way through bytes.

use crate::checker::{Broken, Property};
use raft_core::replica::Envelope;
use raft_core::wire::Frame;

/// The bytes that a message goes through.
pub(crate) fn encode(envelope: &Envelope) -> Vec<u8> {
    Frame::Peer(vec![envelope.clone()]).encode()
}

/// The message that has come through as these bytes, which must be the one that was sent.
pub(crate) fn decode_sent(sent: &Envelope, bytes: &[u8]) -> Result<Envelope, Broken> {
    match Frame::decode(bytes) {
        Ok(Frame::Peer(mut decoded)) if decoded == [sent.clone()] => Ok(decoded.remove(0)),
        other => {
            let facts = format!("{sent:?} comes back as {other:?}");
            Err(Broken { property: Property::Frames, facts })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::id::{Incarnation, NodeId, Term};
    use raft_core::raft::message::{Body, Message};
    use raft_core::replica::PeerBody;

    #[test]
    fn a_message_that_does_not_come_back_as_it_was_is_reported() {
        let body = Body::ReadIndex { number: 7 };
        let sent = Envelope {
            from: NodeId(1),
            incarnation: Incarnation(1),
            to: NodeId(2),
            body: PeerBody::Raft(Message { term: Term(3), body }),
        };
        let bytes = encode(&sent);
        assert_eq!(decode_sent(&sent, &bytes), Ok(sent.clone()));
        for place in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place / 8] ^= 1 << (place % 8);
            let broken = decode_sent(&sent, &flipped).expect_err("a bit is another one");
            assert_eq!(broken.property, Property::Frames);
        }
        let shorter = decode_sent(&sent, &bytes[..bytes.len() - 1]);
        assert_eq!(shorter.expect_err("a byte is missing").property, Property::Frames);
    }
}
