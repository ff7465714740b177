//! A web server for the files of one folder, on a free port of this machine, as long as it is held.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(crate) struct Site {
    port: u16,
    closed: Arc<AtomicBool>,
}

impl Site {
    /// Serves `folder`, which must hold the page.
    pub(crate) fn serve(folder: &Path) -> Self {
        assert!(
            folder.join("raft_web_bg.wasm").is_file(),
            "{} does not hold the page; run: cargo xtask web",
            folder.display()
        );
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let closed = Arc::new(AtomicBool::new(false));
        let (folder, ends) = (folder.to_owned(), closed.clone());
        thread::spawn(move || {
            for connection in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // The browser may open a connection only to keep it: each has a thread of its own.
                let folder = folder.clone();
                thread::spawn(move || connection.map(|stream| answer(stream, &folder)));
            }
        });
        Self { port, closed }
    }

    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for visitors.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    // The rest of the request's head, up to the empty line, says nothing that matters here.
    lines.map_while(Result::ok).find(String::is_empty);
    let target = request.split(' ').nth(1).unwrap_or_default();
    let name = target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let name = if name.is_empty() { "index.html" } else { name };
    let path: PathBuf = folder.join(name);
    let kind = match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    let found = if name.contains("..") { None } else { std::fs::read(&path).ok() };
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
