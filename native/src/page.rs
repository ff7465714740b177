//! The page, as it was in `web/dist` when this was built: the node needs no files besides itself.

use hyper::body::Bytes;
use std::sync::LazyLock;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What a page begins with, and what it begins with when a node serves it: it then shows the node's cluster
/// unless its address says otherwise.
const BEGINNINGS: (&str, &str) = ("<html lang=\"en\">", "<html lang=\"en\" data-served-by-node>");

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Its content type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: Bytes,
    /// Whether the content is compressed. It was when the page was built.
    pub is_gzipped: bool,
}

/// A file of the page by its path; `/` is `index.html`. Compressed, if the reader takes that and it is so kept.
pub fn file(path: &str, takes_gzip: bool) -> Option<File> {
    let name = if path == "/" { "index.html" } else { path.strip_prefix('/')? };
    let plain = stored(name)?;
    let content_type = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "gz" => return None,
        _ => "application/octet-stream",
    };
    // The index is changed before it is served, and small.
    if name == "index.html" {
        return Some(File { content_type, bytes: INDEX.clone(), is_gzipped: false });
    }
    let gzipped = stored(&format!("{name}.gz")).filter(|_| takes_gzip);
    let bytes = Bytes::from_static(gzipped.unwrap_or(plain));
    Some(File { content_type, bytes, is_gzipped: gzipped.is_some() })
}

fn stored(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, bytes)| *bytes)
}

static INDEX: LazyLock<Bytes> = LazyLock::new(|| {
    let index = String::from_utf8_lossy(stored("index.html").unwrap_or_default());
    index.replacen(BEGINNINGS.0, BEGINNINGS.1, 1).into()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_index_and_there_is_always_one() {
        let index = file("/", true).unwrap();
        assert_eq!(index.content_type, "text/html; charset=utf-8");
        assert!(index.bytes.starts_with(b"<!doctype html>"));
        assert_eq!(file("/index.html", true), Some(index));
    }

    #[test]
    fn a_page_that_a_node_serves_knows_it() {
        let index = file("/", false).unwrap();
        assert!(String::from_utf8_lossy(&index.bytes).contains(BEGINNINGS.1));
    }

    #[test]
    fn what_is_kept_compressed_is_for_those_who_take_it() {
        // Without a page there is nothing to look at; tests/e2e has one.
        for (name, bytes) in FILES {
            let Some(plain) = name.strip_suffix(".gz").filter(|plain| *plain != "index.html")
            else {
                continue;
            };
            let of = |takes_gzip| file(&format!("/{plain}"), takes_gzip).unwrap();
            assert!(
                of(true).is_gzipped && of(true).bytes == bytes && bytes.starts_with(&[0x1f, 0x8b])
            );
            assert!(!of(false).is_gzipped && of(false).bytes == stored(plain).unwrap());
            assert_eq!(of(true).content_type, of(false).content_type);
        }
    }

    #[test]
    fn only_files_of_the_page_are_there() {
        for path in
            ["", "//", "/../Cargo.toml", "/index", "index.html", "/nothing.js", "/boot.js.gz"]
        {
            assert_eq!(file(path, true), None, "{path}");
        }
    }
}
