//! Starts the command line; nothing else.

/// The proxy allocates small, short-lived buffers on every worker; this allocator gives each thread its own heap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    clearway::cli::main()
}
