//! The page, as it was in `web/dist` when this was built: the node needs no files besides itself.

use hyper::body::Bytes;
use std::sync::LazyLock;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What a page begins with, and what it begins with when a node serves it: it then shows the node's cluster
/// unless its address says otherwise.
const BEGINNINGS: (&str, &str) = ("<html lang=\"en\">", "<html lang=\"en\" data-served-by-node>");

/// The content type and the bytes of a file of the page, by its path; `/` is `index.html`.
pub fn file(path: &str) -> Option<(&'static str, Bytes)> {
    let name = if path == "/" { "index.html" } else { path.strip_prefix('/')? };
    let (_, bytes) = FILES.iter().find(|(file, _)| *file == name)?;
    let content_type = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let bytes = match name {
        "index.html" => INDEX.clone(),
        _ => Bytes::from_static(bytes),
    };
    Some((content_type, bytes))
}

static INDEX: LazyLock<Bytes> = LazyLock::new(|| {
    let index = FILES.iter().find(|(file, _)| *file == "index.html");
    let index = index.map(|(_, bytes)| String::from_utf8_lossy(bytes)).unwrap_or_default();
    index.replacen(BEGINNINGS.0, BEGINNINGS.1, 1).into()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_index_and_there_is_always_one() {
        let (content_type, bytes) = file("/").unwrap();
        assert_eq!(content_type, "text/html; charset=utf-8");
        assert!(bytes.starts_with(b"<!doctype html>"));
        assert_eq!(file("/index.html").unwrap().1, bytes);
    }

    #[test]
    fn a_page_that_a_node_serves_knows_it() {
        let (_, bytes) = file("/").unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(BEGINNINGS.1));
    }

    #[test]
    fn only_files_of_the_page_are_there() {
        for path in ["", "//", "/../Cargo.toml", "/index", "index.html", "/nothing.js"] {
            assert_eq!(file(path), None, "{path}");
        }
    }
}
