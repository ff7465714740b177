//! `raft-kv`: one node of a replicated key-value store.

fn main() -> std::process::ExitCode {
    raft_native::node::main()
}
