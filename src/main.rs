//! `hub`: parses the command line and hands over to [`hanse::face::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hanse::face::cli::main()
}
