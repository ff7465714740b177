//! The page, as it was in `web/dist` when this was built: the node needs no files besides itself.

use bytes::Bytes;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

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
    Some((content_type, Bytes::from_static(bytes)))
}

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
    fn only_files_of_the_page_are_there() {
        for path in ["", "//", "/../Cargo.toml", "/index", "index.html", "/nothing.js"] {
            assert_eq!(file(path), None, "{path}");
        }
    }
}
