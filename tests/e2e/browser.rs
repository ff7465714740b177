//! A browser, driven over WebDriver (<https://www.w3.org/TR/webdriver2/>): JSON in HTTP requests, one at
//! a time. Client libraries for it bring dozens of crates and a runtime for what is a hundred lines here.

use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the driver may take for one command. Starting the browser is the longest.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// How long something that a visitor clicks may take to come alive.
const ENABLED_MAX: Duration = Duration::from_secs(10);

/// What a WebDriver calls an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that have no letter, as WebDriver calls them.
pub(crate) mod key {
    pub(crate) const TAB: char = '\u{e004}';
    pub(crate) const ENTER: char = '\u{e007}';
    pub(crate) const ESCAPE: char = '\u{e00c}';
    pub(crate) const PAGE_UP: char = '\u{e00e}';
    pub(crate) const PAGE_DOWN: char = '\u{e00f}';
    pub(crate) const END: char = '\u{e010}';
    pub(crate) const HOME: char = '\u{e011}';
    pub(crate) const LEFT: char = '\u{e012}';
    pub(crate) const RIGHT: char = '\u{e014}';
}

pub(crate) struct Browser {
    driver: Driver,
    session: String,
    /// The browser's profile: a fresh one, gone with the browser.
    _profile: TempDir,
}

/// The running `chromedriver`; it ends with this, and the browser with it.
struct Driver {
    process: Child,
    port: u16,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let driver = Driver::start();
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let profile_is = format!("--user-data-dir={}", profile.path().display());
        let arguments = [
            "--headless",
            // Without it, Chromium refuses to run as root, as it does in many containers.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &profile_is,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = driver.command("POST", "/session", Some(wanted)).expect("a browser starts");
        let session = session["sessionId"].as_str().expect("the session has an id").to_owned();
        Self { driver, session, _profile: profile }
    }

    pub(crate) fn open(&self, address: &str) {
        self.post("/url", json!({ "url": address }));
    }

    /// Waits for an element; fails if it does not come in time.
    pub(crate) fn wait_for(&self, selector: &str, at_most: Duration) {
        let end = Instant::now() + at_most;
        while self.find(selector).is_none() {
            let sentence = self.text("#sentence");
            assert!(
                Instant::now() < end,
                "no {selector} after {at_most:?}; the page says: {sentence}"
            );
        }
    }

    /// Waits until an element says something; fails if it does not in time.
    pub(crate) fn wait_for_text(&self, selector: &str, words: &str, at_most: Duration) {
        let end = Instant::now() + at_most;
        while !self.text(selector).contains(words) {
            let says = self.text(selector);
            assert!(Instant::now() < end, "{selector} does not say {words} but {says}");
        }
    }

    /// Clicks an element with the mouse, where it is on the screen, as soon as it can be clicked: panels
    /// follow the stage a few frames later.
    pub(crate) fn click(&self, selector: &str) {
        self.wait_for(&format!("{selector}:not([aria-disabled])"), ENABLED_MAX);
        let element = self.find(selector).unwrap_or_else(|| panic!("no {selector} to click"));
        self.post(&format!("/element/{element}/click"), json!({}));
    }

    /// Presses the mouse, or a finger, on a point of the page.
    pub(crate) fn press_at(&self, at: (f64, f64), kind: &str) {
        self.drag(&[at], kind);
    }

    /// Presses it on the first of these points, draws it along the others and lets go.
    pub(crate) fn drag(&self, along: &[(f64, f64)], kind: &str) {
        let go = |(x, y): &(f64, f64)| json!({ "type": "pointerMove", "duration": 0, "x": x.round(), "y": y.round() });
        let mut actions: Vec<Value> = along.iter().map(go).collect();
        actions.insert(1, json!({ "type": "pointerDown", "button": 0 }));
        actions.push(json!({ "type": "pointerUp", "button": 0 }));
        let pointer = json!({ "type": "pointer", "id": kind, "parameters": { "pointerType": kind },
            "actions": actions });
        self.post("/actions", json!({ "actions": [pointer] }));
    }

    /// Types keys, one after the other, into whatever has the focus.
    pub(crate) fn keys(&self, keys: &str) {
        let typed = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let typed: Vec<Value> = typed.collect();
        self.post(
            "/actions",
            json!({ "actions": [{ "type": "key", "id": "keys", "actions": typed }] }),
        );
    }

    /// Types a key with Shift held.
    pub(crate) fn shift(&self, key: char) {
        const SHIFT: &str = "\u{e008}";
        let press = |kind: &str, key: &str| json!({ "type": kind, "value": key });
        let key = key.to_string();
        let typed = [
            press("keyDown", SHIFT),
            press("keyDown", &key),
            press("keyUp", &key),
            press("keyUp", SHIFT),
        ];
        self.post(
            "/actions",
            json!({ "actions": [{ "type": "key", "id": "keys", "actions": typed }] }),
        );
    }

    /// Puts a text into a field, in place of what it holds.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector).unwrap_or_else(|| panic!("no {selector} to type into"));
        self.post(&format!("/element/{element}/clear"), json!({}));
        self.post(&format!("/element/{element}/value"), json!({ "text": text }));
    }

    /// Where an element is in the window: the point at this share of the diagonal of its box.
    pub(crate) fn point_of(&self, selector: &str, share: f64) -> (f64, f64) {
        let box_is = self.script(&format!(
            "const {{x, y, width, height}} = document.querySelector({}).getBoundingClientRect(); \
             return `${{x}} ${{y}} ${{width}} ${{height}}`",
            Value::from(selector)
        ));
        let sides: Vec<f64> =
            box_is.split(' ').map(|side| side.parse().expect("a length")).collect();
        (sides[0] + sides[2] * share, sides[1] + sides[3] * share)
    }

    pub(crate) fn attribute(&self, selector: &str, name: &str) -> String {
        let script = format!(
            "return document.querySelector({}).getAttribute({})",
            Value::from(selector),
            Value::from(name)
        );
        self.script(&script)
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        self.script(&format!(
            "return document.querySelector({}).textContent",
            Value::from(selector)
        ))
    }

    /// What a script returns, which must be a string.
    pub(crate) fn script(&self, script: &str) -> String {
        let value = self.post("/execute/sync", json!({ "script": script, "args": [] }));
        value.as_str().unwrap_or_else(|| panic!("{script} gives {value}")).to_owned()
    }

    /// What a script gives to its `arguments[0]`, sooner or later, which must be a string.
    pub(crate) fn script_later(&self, script: &str) -> String {
        let value = self.post("/execute/async", json!({ "script": script, "args": [] }));
        value.as_str().unwrap_or_else(|| panic!("{script} gives {value}")).to_owned()
    }

    /// Gives the page a screen of this width and height.
    pub(crate) fn screen(&self, size: (u32, u32)) {
        self.fine_screen(size, 1.0);
    }

    /// The same with so many of the screen's points to one of the page's.
    pub(crate) fn fine_screen(&self, (width, height): (u32, u32), points: f64) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": points, "mobile": false });
        self.protocol("Emulation.setDeviceMetricsOverride", metrics);
        self.drawn();
    }

    /// What the visitor's system is set to, as media features: `("prefers-color-scheme", "dark")`.
    pub(crate) fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.protocol("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Leaves scrollbars out, as on a phone.
    pub(crate) fn hide_scrollbars(&self, hidden: bool) {
        self.protocol("Emulation.setScrollbarsHidden", json!({ "hidden": hidden }));
    }

    /// Waits until the page has drawn itself as it is now.
    pub(crate) fn drawn(&self) {
        let drawn = "const done = arguments[0]; \
                     requestAnimationFrame(() => requestAnimationFrame(() => done(null)))";
        self.post("/execute/async", json!({ "script": drawn, "args": [] }));
    }

    /// A picture of what the window shows, as a PNG file.
    pub(crate) fn picture(&self, file: &Path) {
        self.photograph(file, json!({ "format": "png" }));
    }

    /// A picture of the whole page, however long it is.
    pub(crate) fn picture_of_all(&self, file: &Path) {
        let size = &self.protocol("Page.getLayoutMetrics", json!({}))["cssContentSize"];
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        self.photograph(
            file,
            json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }),
        );
    }

    fn photograph(&self, file: &Path, how: Value) {
        let taken = self.protocol("Page.captureScreenshot", how);
        let bytes = base64(taken["data"].as_str().expect("a picture in base64"));
        let folder = file.parent().expect("a file is in a folder");
        fs::create_dir_all(folder).expect("a folder for pictures");
        fs::write(file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// A command of Chromium's own protocol.
    pub(crate) fn protocol(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Everything on the browser's console so far.
    pub(crate) fn console(&self) -> Vec<Value> {
        let log = self.post("/se/log", json!({ "type": "browser" }));
        log.as_array().expect("a log is a list").clone()
    }

    fn find(&self, selector: &str) -> Option<String> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.post("/elements", by);
        found[0][ELEMENT].as_str().map(str::to_owned)
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.driver
            .command("POST", &path, Some(body))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let closed = self.driver.command("DELETE", &format!("/session/{}", self.session), None);
        if let Err(error) = closed {
            eprintln!("the browser did not close: {error}");
        }
    }
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("chromedriver starts; install Chromium and its driver");
        // The driver says which port it chose, and then little more.
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let port = line.rsplit_once("on port ")?.1.trim_end_matches('.');
            port.parse().ok().filter(|port| *port != 0)
        });
        Self { process, port: port.expect("chromedriver names its port") }
    }

    /// One command, on a connection of its own. The answer's `value`, or an error in words.
    fn command(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let body = body.map_or_else(String::new, |body| body.to_string());
        let (status, answer) =
            self.exchange(method, path, &body).map_err(|error| error.to_string())?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| format!("{status}: {error}"))?;
        match status.contains(" 200 ") {
            true => Ok(answer["value"].clone()),
            false => Err(answer["value"]["message"].to_string()),
        }
    }

    /// The first line and the body of the answer.
    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<(String, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(COMMAND_MAX))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status)?;
        // The driver keeps the connection, so the length says where the body ends.
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok((status, body))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to, the driver closes every browser it has opened; killed, it leaves them behind.
        let _ = self.command("GET", "/shutdown", None);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bytes that base64 stands for; a crate for it would be the larger thing.
fn base64(text: &str) -> Vec<u8> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let group = |letters: &[u8]| {
        let known = letters.iter().filter(|letter| **letter != b'=').count();
        let bits =
            letters.iter().fold(0, |bits: u32, letter| bits << 6 | u32::from(digit(*letter)));
        bits.to_be_bytes().into_iter().skip(1).take(known - 1)
    };
    text.as_bytes().chunks(4).flat_map(group).collect()
}
