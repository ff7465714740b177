//! Puts the page into the program: every file of `web/dist`, or a line that says how to build it.

use std::path::Path;
use std::{env, fs, io};

const PLACEHOLDER: &str = "\
<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>raft-kv</title>
<p>This raft-kv was built without its page. Run <code>cargo xtask web</code>, then build it again.</p>
</html>
";

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let (web, out) = (Path::new(&root).join("../web"), Path::new(&out));
    let dist = web.join("dist");
    // Watching a folder that is missing would build this anew each time.
    let watched = if dist.exists() { &dist } else { &web };
    println!("cargo::rerun-if-changed={}", watched.display());

    let mut files = match fs::read_dir(&dist) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    files.retain(|file| file.is_file());
    files.sort();
    if !files.iter().any(|file| file.ends_with("index.html")) {
        let index = out.join("index.html");
        fs::write(&index, PLACEHOLDER)?;
        files = vec![index];
    }
    let lines = files.iter().map(|file| {
        let name = file.file_name().unwrap_or_default();
        format!("    ({name:?}, include_bytes!({file:?})),\n")
    });
    let table = lines.collect::<String>();
    fs::write(out.join("page.rs"), format!("const FILES: &[(&str, &[u8])] = &[\n{table}];\n"))
}
