//! Makes code of `src/pubsub.proto`: the client's half for `salesforce`, the server's for the sandbox, which shares nothing with it.

use std::error::Error;
use std::path::PathBuf;

const PROTO: &str = "src/pubsub.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let described = protox::compile([PROTO], ["src"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    for (half, is_client) in [("client", true), ("server", false)] {
        let folder = out.join(half);
        std::fs::create_dir_all(&folder)?;
        tonic_prost_build::configure()
            .build_client(is_client)
            .build_server(!is_client)
            .build_transport(false)
            .out_dir(folder)
            .compile_fds(described.clone())?;
    }
    Ok(())
}
