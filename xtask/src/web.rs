//! `cargo xtask web`: the page as static files in web/dist.

use crate::run::{self, Result, cargo};
use crate::tools;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

const DIST: &str = "web/dist";

/// How large the page was when somebody last looked, compressed: `wasm` and `all`, in bytes.
const SIZE: &str = "web/size.txt";

/// How much larger than that it may be, in percent, before somebody has to look again.
const GROWTH_PERCENT_MAX: u64 = 5;

/// Builds the page. Files that come out the same are left alone, so that the nodes, which carry the
/// page inside, are not built again for nothing.
pub(crate) fn build() -> Result {
    tools::wasm_target()?;
    tools::wasm_bindgen()?;
    run::run(&mut cargo([
        "build",
        "--package",
        "raft-web",
        "--target",
        tools::WASM,
        "--profile",
        "web",
    ]))?;

    let target = run::target_dir()?;
    let fresh = target.join("page");
    let _ = fs::remove_dir_all(&fresh);
    run::run(
        tools::tool(
            "wasm-bindgen",
            [
                "--target",
                "web",
                "--no-typescript",
                "--remove-name-section",
                "--remove-producers-section",
                "--out-dir",
            ],
        )?
        .arg(&fresh)
        .arg(target.join(tools::WASM).join("web/raft_web.wasm")),
    )?;
    for name in [
        "index.html",
        "style.css",
        "screens.css",
        "learn.css",
        "live.css",
        "share.css",
        "boot.js",
        "hunt.js",
    ] {
        copy(&Path::new("web").join(name), &fresh.join(name))?;
    }
    compress(&fresh)?;
    replace(&fresh, Path::new(DIST))
}

/// Puts a compressed copy beside each file: nodes hand it out, and servers such as nginx with `gzip_static` too.
fn compress(folder: &Path) -> Result {
    for name in names(folder)? {
        let path = folder.join(&name);
        let failed = |error| format!("cannot compress {name}: {error}");
        let plain = fs::read(&path).map_err(failed)?;
        let mut packed = Vec::new();
        zopfli::compress(Default::default(), zopfli::Format::Gzip, &plain[..], &mut packed)
            .map_err(failed)?;
        fs::write(folder.join(format!("{name}.gz")), packed).map_err(failed)?;
    }
    Ok(())
}

/// Fails if the page in web/dist has grown by more than [`GROWTH_PERCENT_MAX`] beyond what web/size.txt says.
pub(crate) fn size() -> Result {
    let mut sizes = [("wasm", 0), ("all", 0)];
    for name in names(Path::new(DIST))?.iter().filter(|name| name.ends_with(".gz")) {
        let file = fs::metadata(Path::new(DIST).join(name));
        let bytes = file.map_err(|error| format!("cannot measure {name}: {error}"))?.len();
        sizes[0].1 += if name.ends_with(".wasm.gz") { bytes } else { 0 };
        sizes[1].1 += bytes;
    }
    let known = fs::read_to_string(SIZE).map_err(|error| format!("cannot read {SIZE}: {error}"))?;
    for (what, bytes) in sizes {
        let line =
            known.lines().find_map(|line| line.strip_prefix(what)?.trim().parse::<u64>().ok());
        let before = line.ok_or_else(|| format!("{SIZE} has no line `{what} BYTES`"))?;
        println!("{what}: {bytes} bytes compressed, {before} when last looked at");
        if bytes * 100 > before * (100 + GROWTH_PERCENT_MAX) {
            return Err(format!(
                "the page has grown by more than {GROWTH_PERCENT_MAX} %: make it smaller, or write \
                 `{what} {bytes}` into {SIZE} and say in the commit what it is worth"
            ));
        }
    }
    Ok(())
}

/// Prints what web/dist costs a browser, beside what it may cost.
pub(crate) fn budget() -> Result {
    in_browser("budget")
}

/// Takes pictures of web/dist: those of the README into web, and of everything into target/pictures.
pub(crate) fn screenshots() -> Result {
    in_browser("pictures")?;
    println!(
        "web/screenshot.png, web/lesson.png and {}",
        run::target_dir()?.join("pictures").display()
    );
    Ok(())
}

/// Plays what tests/e2e does with web/dist only when it is told to.
fn in_browser(scene: &str) -> Result {
    tools::browser()?;
    let test = ["test", "--package", "raft-tests", "--test", "e2e", "--", "--ignored", scene];
    run::run(&mut cargo(test))
}

/// Makes `dist` the same as `fresh` and touches only what differs.
fn replace(fresh: &Path, dist: &Path) -> Result {
    fs::create_dir_all(dist).map_err(|error| format!("cannot make {}: {error}", dist.display()))?;
    for name in names(dist)? {
        if !fresh.join(&name).exists() {
            fs::remove_file(dist.join(&name))
                .map_err(|error| format!("cannot remove {name}: {error}"))?;
        }
    }
    let mut bytes = 0;
    for name in names(fresh)? {
        let (from, to) = (fresh.join(&name), dist.join(&name));
        let new = fs::read(&from).map_err(|error| format!("cannot read {name}: {error}"))?;
        bytes += new.len();
        if fs::read(&to).is_ok_and(|old| old == new) {
            continue;
        }
        copy(&from, &to)?;
    }
    eprintln!("{} holds the page: {} KiB", dist.display(), bytes.div_ceil(1024));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("cannot copy {} to {}: {error}", from.display(), to.display()))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let listed = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    Ok(listed.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Serves web/dist to this machine, one request at a time: enough for one person at work on the page.
pub(crate) fn serve(port: u16) -> Result {
    let listener = TcpListener::bind(("localhost", port)).map_err(|error| {
        format!("cannot serve on port {port}: {error}; choose another with --serve PORT")
    })?;
    eprintln!("http://localhost:{port}/ until Ctrl-C");
    for stream in listener.incoming().flatten() {
        // A browser that goes away in the middle is no concern of ours.
        let _ = answer(stream);
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    const REQUEST_BYTES_MAX: u64 = 16 << 10;
    // Browsers open connections ahead of need; a silent one must not keep the others waiting.
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut request = BufReader::new(stream.try_clone()?.take(REQUEST_BYTES_MAX)).lines();
    let first = request.next().transpose()?.unwrap_or_default();
    // The rest is read so that closing the connection does not reset it.
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}

    let path = first.split(' ').nth(1).unwrap_or("/");
    let path = path.split('?').next().unwrap_or(path).trim_start_matches('/');
    let wanted = if path.is_empty() { "index.html" } else { path };
    // Only a name that the folder lists is ever opened.
    let known = names(Path::new(DIST)).unwrap_or_default().iter().any(|name| name == wanted);
    let body = if known { fs::read(Path::new(DIST).join(wanted)).ok() } else { None };
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", b"no such file\n".to_vec()),
    };
    let kind = match wanted.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
