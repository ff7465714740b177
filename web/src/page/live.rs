//! Attached to a real cluster: a connection to each of its nodes, which only listens.

use super::{Page, Result, report};
use crate::live::{Door, Live};
use raft_core::id::NodeId;
use raft_core::time::Instant;
use raft_core::vec_map::VecMap;
use raft_core::wire::{Frame, Hello, VERSION};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::js_sys::{ArrayBuffer, Uint8Array};
use web_sys::{BinaryType, Event, MessageEvent, WebSocket, Window};

/// How long to wait before a node is dialled again, in milliseconds, at first and at most: each time in vain
/// doubles it.
const DIAL_INTERVAL_MS: (i32, i32) = (250, 4_000);

/// The most connections: one to each node there is room for, and one to a door that is none of them.
const LINES_MAX: usize = crate::layout::NODES_MAX + 1;

/// What is watched.
pub(super) struct Attached {
    pub(super) live: Live,
    /// Where it attached; `None` for what was recorded.
    door: Option<Door>,
    lines: VecMap<String, Line>,
    /// When it began, by the browser's clock.
    began_ms: f64,
}

/// A connection to an address, or the wish for one.
#[derive(Default)]
struct Line {
    socket: Option<Socket>,
    /// Who is there, if it was ever heard from.
    node: Option<NodeId>,
    tries: u32,
    /// Why nothing is heard from there, in a sentence, if that is known.
    trouble: String,
}

/// An open connection. It ends with this.
struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut(Event)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(Event)>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // One that is closed already needs no closing.
        let _ = self.socket.close();
    }
}

impl Attached {
    pub(super) fn new(door: Door, began_ms: f64) -> Self {
        let lines = [(door.address.clone(), Line::default())].into();
        let (live, door) = (Live::default(), Some(door));
        Self { live, door, lines, began_ms }
    }

    /// What was recorded, with nobody to listen to.
    pub(super) fn recorded(live: Live) -> Self {
        let lines = VecMap::new();
        Self { live, door: None, lines, began_ms: 0.0 }
    }

    /// A moment of the browser's clock.
    pub(super) fn moment(&self, now_ms: f64) -> Instant {
        Instant(((now_ms - self.began_ms).max(0.0) * 1_000.0) as u64)
    }

    /// The address that it was attached by.
    pub(super) fn address(&self) -> &str {
        self.door.as_ref().map_or("", |door| &door.address)
    }

    /// Takes in what came from an address. Returns the addresses to be dialled, too.
    fn hear(&mut self, address: &str, frame: Frame, now: Instant) -> Vec<String> {
        let Some(line) = self.lines.get_mut(address) else { return Vec::new() };
        match frame {
            Frame::Sighting(sighting) => {
                let node = sighting.status.node;
                if let Err(why) = self.live.take_in(now, *sighting) {
                    line.trouble = format!("{address} shows what cannot be: {why}.");
                    return Vec::new();
                }
                (line.node, line.tries, line.trouble) = (Some(node), 0, String::new());
                self.strangers()
            }
            Frame::Goodbye(error) => {
                line.trouble = format!("{address} turns this page away: {error}.");
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Why nothing is heard from an address, for the first of which that is known, or nothing.
    pub(super) fn trouble(&self) -> &str {
        let mut troubles = self.lines.values().map(|line| &*line.trouble);
        troubles.find(|trouble| !trouble.is_empty()).unwrap_or_default()
    }

    /// The addresses of members to which there is no connection.
    fn strangers(&mut self) -> Vec<String> {
        let mut strangers = Vec::new();
        for (id, address) in self.live.members() {
            let is_there = self.lines.values().any(|line| line.node == Some(id));
            let is_dialled = self.lines.contains_key(&address);
            if !is_there && !is_dialled && self.lines.len() < LINES_MAX {
                self.lines.insert(address.clone(), Line::default());
                strangers.push(address);
            }
        }
        strangers
    }

    /// The connection to an address is gone. Returns in how many milliseconds to try again; `None` if nobody
    /// is wanted there any more.
    fn lose(&mut self, address: &str, now: Instant) -> Option<i32> {
        let line = self.lines.get_mut(address)?;
        if let Some(node) = line.node {
            self.live.lose(now, node);
        }
        let is_member = |(id, known): &(NodeId, String)| known == address || line.node == Some(*id);
        let is_door = self.door.as_ref().is_some_and(|door| address == door.address);
        if !is_door && !self.live.members().iter().any(is_member) {
            self.lines.remove(address);
            return None;
        }
        let (first, most) = DIAL_INTERVAL_MS;
        let wait = first.saturating_mul(1 << line.tries.min(10)).min(most);
        line.tries += 1;
        line.socket = None;
        Some(wait)
    }
}

impl Page {
    /// Attaches to the cluster behind a door, and leaves what was there before.
    pub(super) fn attach(&self, door: Door) -> Result<()> {
        let address = door.address.clone();
        {
            let mut state = self.state.borrow_mut();
            let attached = Attached::new(door, state.now_ms()?);
            state.attach(attached)?;
        }
        self.dial(&address)?;
        self.ask_for_frame()
    }

    /// Connects to an address, unless there is a connection, or nobody is wanted there any more.
    pub(super) fn dial(&self, address: &str) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let Some(attached) = &mut state.attached else { return Ok(()) };
        let line = attached.lines.get_mut(address).filter(|line| line.socket.is_none());
        let (Some(line), Some(door)) = (line, &attached.door) else { return Ok(()) };
        let Ok(socket) = WebSocket::new(&door.url(address)) else {
            line.trouble = format!(
                "The browser refuses to connect to {address}: that is no address of a node, or wants wss."
            );
            drop(state);
            return self.on_lost(address);
        };
        socket.set_binary_type(BinaryType::Arraybuffer);
        let speaks = socket.clone();
        let on_open = Closure::<dyn FnMut(Event)>::new(move |_| report(greet(&speaks)));
        let (page, from) = (self.clone(), address.to_owned());
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            report(page.on_frame(&from, &event));
        });
        let (page, from) = (self.clone(), address.to_owned());
        let on_close = Closure::<dyn FnMut(Event)>::new(move |_| report(page.on_lost(&from)));
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        line.socket = Some(Socket {
            socket,
            _on_open: on_open,
            _on_message: on_message,
            _on_close: on_close,
        });
        Ok(())
    }

    fn on_frame(&self, address: &str, event: &MessageEvent) -> Result<()> {
        let Ok(bytes) = event.data().dyn_into::<ArrayBuffer>() else { return Ok(()) };
        // Whatever cannot be read is of another version, and is no reason to stop.
        let Ok(frame) = Frame::decode(&Uint8Array::new(&bytes).to_vec()) else { return Ok(()) };
        let strangers = {
            let mut state = self.state.borrow_mut();
            let now_ms = state.now_ms()?;
            let Some(attached) = &mut state.attached else { return Ok(()) };
            let now = attached.moment(now_ms);
            attached.hear(address, frame, now)
        };
        strangers.iter().try_for_each(|stranger| self.dial(stranger))
    }

    /// A node is gone: it may come back.
    fn on_lost(&self, address: &str) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let now_ms = state.now_ms()?;
        let Some(attached) = &mut state.attached else { return Ok(()) };
        let now = attached.moment(now_ms);
        let Some(wait_ms) = attached.lose(address, now) else { return Ok(()) };
        let (page, address) = (self.clone(), address.to_owned());
        let again = Closure::once_into_js(move || report(page.dial(&address)));
        let again = again.unchecked_ref();
        state.window.set_timeout_with_callback_and_timeout_and_arguments_0(again, wait_ms)?;
        Ok(())
    }
}

/// Where the page is to attach, if its address says so, or says nothing and a node serves it; a sentence if the
/// address names no node.
pub(super) fn door(window: &Window) -> Result<Option<std::result::Result<Door, String>>> {
    let location = window.location();
    let server = Door { secure: location.protocol()? == "https:", address: location.host()? };
    let fragment = location.hash()?;
    let page = window.document().and_then(|document| document.document_element());
    let by_node = page.is_some_and(|page| page.has_attribute("data-served-by-node"));
    match (&*fragment, by_node) {
        ("", true) => Ok(Some(Ok(server))),
        _ => Ok(Door::read(&fragment, &server)),
    }
}

/// Says hello, and that the page wants to watch.
fn greet(socket: &WebSocket) -> Result<()> {
    let hello = Hello { version: VERSION, cluster: None, peer: None };
    socket.send_with_u8_array(&Frame::Hello(hello).encode())?;
    socket.send_with_u8_array(&Frame::Watch.encode())
}
