//! What the steps need and a bare machine lacks. Each is looked for first and fetched only if missing.

use crate::run::{self, Result, cargo, output};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the page is compiled for.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";
const WASM_PACK_VERSION: &str = "0.15.1";
const CARGO_DENY_VERSION: &str = "0.20.2";
const CARGO_FUZZ_VERSION: &str = "0.13.2";
const CARGO_MUTANTS_VERSION: &str = "27.1.0";
const AXE_VERSION: &str = "4.14.1";

/// A command that finds the tools installed here before those of the machine.
pub(crate) fn tool<const N: usize>(name: &str, arguments: [&str; N]) -> Result<Command> {
    let mut command = Command::new(name);
    command.args(arguments).env("PATH", search_path()?);
    Ok(command)
}

/// The wasm target of the toolchain.
pub(crate) fn wasm_target() -> Result {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))
        .ok_or("`rustc` is not installed; install rustup and try again")?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).exists() {
        return Ok(());
    }
    run::run(Command::new("rustup").args(["target", "add", WASM]))
}

/// The program that writes the page's JavaScript. It must be of the very version of the library.
pub(crate) fn wasm_bindgen() -> Result {
    let version = wasm_bindgen_version()?;
    // Without --locked: the lock file it is published with names a version that has been withdrawn.
    cargo_tool("wasm-bindgen", "wasm-bindgen-cli", &version, &[])
}

/// The program that runs the page's tests in a browser.
pub(crate) fn wasm_pack() -> Result {
    cargo_tool("wasm-pack", "wasm-pack", WASM_PACK_VERSION, &["--locked"])
}

/// The program that checks the dependencies.
pub(crate) fn cargo_deny() -> Result {
    cargo_tool("cargo-deny", "cargo-deny", CARGO_DENY_VERSION, &["--locked"])
}

/// The program that builds and runs fuzz targets.
pub(crate) fn cargo_fuzz() -> Result {
    cargo_tool("cargo-fuzz", "cargo-fuzz", CARGO_FUZZ_VERSION, &["--locked"])
}

/// The program that makes mutants.
pub(crate) fn cargo_mutants() -> Result {
    cargo_tool("cargo-mutants", "cargo-mutants", CARGO_MUTANTS_VERSION, &["--locked"])
}

/// The compiler that can count what input reaches; nothing else here is built with it.
pub(crate) fn nightly() -> Result {
    if output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])).is_some() {
        return Ok(());
    }
    let install = ["toolchain", "install", "nightly", "--profile", "minimal"];
    run::run(Command::new("rustup").args(install))
}

/// Chromium and the driver that steers it.
pub(crate) fn browser() -> Result {
    if has_browser() {
        return Ok(());
    }
    apt_install(&["chromium", "chromium-driver"])?;
    if has_browser() {
        return Ok(());
    }
    Err("the browser tests need Chromium and chromedriver; install both (on Debian: \
         apt-get install chromium chromium-driver) and try again"
        .to_owned())
}

/// axe-core, the script that finds what keeps people out of a page, as target/tools/axe.min.js. It is an npm
/// package without dependencies: packed, not installed.
pub(crate) fn axe() -> Result {
    let folder = run::target_dir()?.join("tools");
    let script = folder.join("axe.min.js");
    let banner = format!("/*! axe v{AXE_VERSION}\n");
    let is_there = || fs::read_to_string(&script).is_ok_and(|text| text.starts_with(&banner));
    if is_there() {
        return Ok(());
    }
    if output(Command::new("npm").arg("--version")).is_none() {
        apt_install(&["npm"])?;
    }
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {} ({error})", folder.display()))?;
    let package = format!("axe-core@{AXE_VERSION}");
    run::run(Command::new("npm").args(["pack", "--silent", &package]).current_dir(&folder))?;
    let packed = format!("axe-core-{AXE_VERSION}.tgz");
    let unpack = ["-xzf", &packed, "--strip-components=1", "package/axe.min.js"];
    run::run(Command::new("tar").args(unpack).current_dir(&folder))?;
    match is_there() {
        true => Ok(()),
        false => Err(format!("{} is not axe {AXE_VERSION}", script.display())),
    }
}

/// The program that counts instructions.
pub(crate) fn valgrind() -> Result {
    let runs = || output(Command::new("valgrind").arg("--version")).is_some();
    if !runs() {
        apt_install(&["valgrind"])?;
    }
    match runs() {
        true => Ok(()),
        false => {
            Err("counting instructions needs valgrind; install it (on Debian: apt-get install \
                      valgrind) and try again"
                .to_owned())
        }
    }
}

/// etcd: the one that `ETCD` names, the machine's own, or Debian's, unpacked into target/tools: installed,
/// it would run as a service.
pub(crate) fn etcd() -> Result<PathBuf> {
    let runs = |program: &Path| output(Command::new(program).arg("--version")).is_some();
    if let Some(chosen) = env::var_os("ETCD") {
        return Ok(chosen.into());
    }
    let folder = run::target_dir()?.join("tools/etcd");
    let unpacked = folder.join("usr/bin/etcd");
    if let Some(found) = [Path::new("etcd"), &unpacked].into_iter().find(|program| runs(program)) {
        return Ok(found.to_owned());
    }
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {} ({error})", folder.display()))?;
    run::run(Command::new("apt-get").args(["download", "etcd-server"]).current_dir(&folder))?;
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("cannot read {folder:?} ({error})"))?;
    let package = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "deb"));
    let package = package.ok_or("apt-get downloaded no package")?;
    run::run(Command::new("dpkg").arg("--extract").arg(package).arg(&folder))?;
    match runs(&unpacked) {
        true => Ok(unpacked),
        false => Err("there is no etcd to compare with; name one in ETCD".to_owned()),
    }
}

/// Installs Debian packages where that may be done; elsewhere does nothing.
fn apt_install(packages: &[&str]) -> Result {
    if output(Command::new("id").arg("-u")).as_deref().map(str::trim) != Some("0")
        || output(Command::new("apt-get").arg("--version")).is_none()
    {
        return Ok(());
    }
    run::run(Command::new("apt-get").args(["update", "-q"]))?;
    run::run(
        Command::new("apt-get")
            .args(["install", "-q", "-y"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn has_browser() -> bool {
    let runs = |name: &str| output(Command::new(name).arg("--version")).is_some();
    runs("chromedriver")
        && ["chromium", "chromium-browser", "google-chrome"].iter().any(|name| runs(name))
}

/// A tool that cargo can build, of exactly this version. Once built it stays in target/tools.
fn cargo_tool(program: &str, package: &str, version: &str, options: &[&str]) -> Result {
    let has = || -> Result<bool> {
        let mut asked = tool(program, [])?;
        if program == "cargo-mutants" {
            // Cargo says the name of a command of its own first, and this one insists on it.
            asked.arg("mutants");
        }
        let printed = output(asked.arg("--version"));
        Ok(printed.is_some_and(|printed| printed.split_whitespace().nth(1) == Some(version)))
    };
    if has()? {
        return Ok(());
    }
    let folder = run::target_dir()?.join("tools");
    run::run(
        cargo(["install", "--quiet", "--force", "--version", version, "--root"])
            .arg(folder)
            .args(options)
            .arg(package)
            // Without a lock file, take no dependency that is too new for this compiler.
            .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback"),
    )?;
    if has()? { Ok(()) } else { Err(format!("`{program}` was installed but does not run")) }
}

/// The version of the library, which Cargo.toml pins exactly.
fn wasm_bindgen_version() -> Result<String> {
    let manifest = fs::read_to_string("Cargo.toml")
        .map_err(|error| format!("cannot read Cargo.toml: {error}"))?;
    let pin = manifest.lines().find_map(|line| line.strip_prefix("wasm-bindgen = \"="));
    let version = pin.and_then(|pin| pin.strip_suffix('"'));
    version
        .map(str::to_owned)
        .ok_or_else(|| "Cargo.toml pins no version of wasm-bindgen (`= \"=...\"`)".to_owned())
}

fn search_path() -> Result<OsString> {
    let here = env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    let tools = here.join(run::target_dir()?).join("tools/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(tools).chain(env::split_paths(&path)))
        .map_err(|error| format!("the PATH cannot be extended: {error}"))
}
