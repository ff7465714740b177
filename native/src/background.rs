//! Threads that nobody waits for. They have the processor when those have enough that answer clients: a
//! snapshot is a tenth of a second of work, and it must not be a tenth of a second of silence.

use std::io;
use std::thread::{Builder, JoinHandle};

/// How far behind the others such a thread stands (nice(2)). On a busy machine it gets a third of the time
/// that one of them does, so that it still comes to its end.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Starts one.
///
/// # Errors
/// The system has no room for another thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // On Linux that is the thread and not the process. Where it cannot be had the work is done as well.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICE);
        work()
    })
}
