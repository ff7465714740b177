//! The form of a state: a number that two states share exactly when nothing that can ever happen tells
//! them apart (and, with a probability of about n^2 / 2^65 among n states, by accident).
//!
//! It is read from what `Debug` shows, so that a new field of the core counts without being named here.
//! What is left out, and why nothing is lost by it:
//!
//! - **Clocks.** The core compares moments of one node with each other and with durations of its
//!   configuration, so a moment counts as its distance from the node's present. What lies further back than
//!   every such duration is as good as infinitely long ago: it is beyond every threshold now, and stays so.
//! - **The cluster's own time** in entries is carried and never looked at by consensus.
//! - **Numbers of writes** are compared with each other only: they count from the newest, and what is durable
//!   counts as one.
//! - **The configuration of a node** changes only with its life, which counts, its **events** are for people, and its random numbers
//!   decide only between moments that are the same moment here (the timings leave them no room).
//! - **When a leader was last heard from**, in whatever term, is asked for only where leases are on.
//! - **Addresses** are different for different nodes, which the nodes' names say already.
//! - **Names of nodes.** Raft has no preference among nodes, so a state and the same state with the names
//!   exchanged have the same future. The form is taken under every exchange of names (a *naming*), and the
//!   least of them stands for all. What is in braces has no order: maps are sorted by name. Nor have messages
//!   that are held back, since the network gives them none.

/// What moments and numbers of writes of one node are relative to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// The present, in microseconds.
    pub(crate) now_us: u64,
    /// Further back than this everything is equally far, in microseconds.
    pub(crate) past_us_max: u64,
    /// When a leader was last heard from counts.
    pub(crate) has_leases: bool,
    /// The newest write given to the disk.
    pub(crate) given: u64,
    /// The newest write that is durable.
    pub(crate) durable: u64,
}

/// Where each node goes under one exchange of names; by id, the first place is unused.
pub(crate) type Naming = Vec<u64>;

/// Every exchange of names among `nodes` nodes, the one that changes nothing first.
pub(crate) fn namings(nodes: u64) -> Vec<Naming> {
    let mut all = vec![vec![0]];
    for _ in 0..nodes {
        let longer = |naming: Naming| {
            let free = (1..=nodes).filter(|id| !naming.contains(id)).collect::<Vec<u64>>();
            free.into_iter().map(move |id| [naming.clone(), vec![id]].concat())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// The form of what `Debug` has shown as `text`, under one exchange of names.
pub(crate) fn form(text: &str, origin: &Origin, naming: &Naming) -> u64 {
    let mut reader = Reader { text: text.as_bytes(), place: 0, origin, naming };
    let mut form = 0;
    while reader.place < reader.text.len() {
        let start = reader.place;
        form = pair(form, reader.value());
        reader.place += usize::from(reader.peek() == b' ');
        assert!(reader.place > start, "not what Debug shows: {}", &text[start..]);
    }
    form
}

/// One number from two, order mattering.
pub(crate) fn pair(first: u64, second: u64) -> u64 {
    mix(first.rotate_left(23) ^ mix(second ^ 0x9e37_79b9_7f4a_7c15))
}

/// Spreads every bit over all (the finish of MurmurHash3, whose constants these are).
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Fields that do not count; see the top.
const LEFT_OUT: [&[u8]; 3] = [b"config", b"address", b"events"];

/// Another one, but for nodes with leases.
const LEFT_OUT_WITHOUT_LEASES: &[u8] = b"leader_heard_at";

/// Lists whose order does not count; see the top.
const UNORDERED: [&[u8]; 1] = [b"held"];

struct Reader<'a> {
    text: &'a [u8],
    place: usize,
    origin: &'a Origin,
    naming: &'a Naming,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.text.get(self.place).copied().unwrap_or(0)
    }

    /// `[..]`, `(..)`, `{..}`, `".."`, `word`, `Name(..)`, `Name { .. }`.
    fn value(&mut self) -> u64 {
        match self.peek() {
            b'[' | b'(' => self.list(true),
            b'{' => self.list(false),
            b'"' => self.string(),
            _ => {
                let word = self.word();
                let name = hash(word);
                match self.peek() {
                    b'(' => match self.number(word) {
                        Some(number) => pair(name, number),
                        None => pair(name, self.list(true)),
                    },
                    b' ' if self.text.get(self.place + 1) == Some(&b'{') => {
                        self.place += 1;
                        pair(name, self.list(false))
                    }
                    b'"' => pair(name, self.string()),
                    _ => name,
                }
            }
        }
    }

    /// What the numbers mean that do not mean themselves.
    fn number(&mut self, name: &[u8]) -> Option<u64> {
        if ![b"NodeId".as_slice(), b"Instant", b"WriteSeq", b"ClusterTime"].contains(&name) {
            return None;
        }
        self.place += 1;
        let digits = self.word();
        self.place += 1;
        let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        let Origin { now_us, past_us_max, given, durable, .. } = *self.origin;
        Some(match name {
            b"NodeId" => self.naming.get(number as usize).copied().unwrap_or(number),
            b"Instant" if number == u64::MAX => number,
            b"Instant" => (number + past_us_max).saturating_sub(now_us),
            b"WriteSeq" => given.saturating_sub(number.max(durable)),
            _ => 0,
        })
    }

    /// Values, or keys with values, up to the bracket that closes.
    fn list(&mut self, ordered: bool) -> u64 {
        let mut form = u64::from(ordered);
        self.place += 1;
        loop {
            while matches!(self.peek(), b' ' | b',') {
                self.place += 1;
            }
            if matches!(self.peek(), b']' | b')' | b'}' | 0) {
                self.place += 1;
                return mix(form);
            }
            let start = self.place;
            let mut entry = self.value();
            if self.peek() == b':' {
                let key = &self.text[start..self.place];
                self.place += 2;
                let unordered = UNORDERED.contains(&key) && self.peek() == b'[';
                let value = if unordered { self.list(false) } else { self.value() };
                let is_for_leases = key == LEFT_OUT_WITHOUT_LEASES && !self.origin.has_leases;
                if LEFT_OUT.contains(&key) || is_for_leases {
                    continue;
                }
                entry = pair(entry, value);
            }
            form = if ordered { pair(form, entry) } else { form.wrapping_add(mix(entry)) };
        }
    }

    fn string(&mut self) -> u64 {
        let start = self.place;
        self.place += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.place += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.place += 1;
        hash(&self.text[start..self.place])
    }

    fn word(&mut self) -> &'a [u8] {
        let start = self.place;
        let text = self.text;
        while let Some(byte) = text.get(self.place)
            && !b"[](){},:\" ".contains(byte)
        {
            self.place += 1;
        }
        &text[start..self.place]
    }
}

fn hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(bytes.len() as u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}
