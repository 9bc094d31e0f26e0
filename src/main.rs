//! The `leadsync` program.

fn main() {}
