//! `raft-kv`: one node of a replicated key-value store.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    raft_native::node::main()
}
