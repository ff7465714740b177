//! Running other programs.

use std::env;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

/// An error is a sentence for a person.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// A cargo command, with the same cargo that runs this.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs a command to its end and shows what it prints.
pub(crate) fn run(command: &mut Command) -> Result {
    let line = line(command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed ({status}); what it printed above says why")),
        Err(error) => Err(not_started(&line, &error)),
    }
}

/// What a command prints on standard output, or `None` if it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where cargo puts what it builds: this program is `TARGET/debug/xtask`.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let this = env::current_exe().map_err(|error| format!("cannot find myself: {error}"))?;
    let dir = this.ancestors().nth(2).ok_or("not inside a target directory")?;
    // Relative where it can be, as a person would type it.
    let root = env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    Ok(dir.strip_prefix(root).unwrap_or(dir).to_owned())
}

/// The sentence for a command that could not be started.
pub(crate) fn not_started(line: &str, error: &std::io::Error) -> String {
    let program = line.split(' ').next().unwrap_or(line);
    match error.kind() {
        ErrorKind::NotFound => format!("`{program}` is not installed; install it and try again"),
        _ => format!("cannot start `{line}`: {error}"),
    }
}

/// A command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    // Cargo knows itself by its whole path.
    let name = match program.file_name() {
        Some(name) if name == "cargo" => name.to_string_lossy(),
        _ => program.to_string_lossy(),
    };
    let mut line = name.into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
