//! What is run on hostile bytes: the bodies, with a bound on the memory that each may take.

use std::{path::Path, sync::LazyLock};

mod bodies;

/// What a body may allocate at most at a time: so many bytes for each byte of the input, and some besides. An
/// explanation is the dearest: a line for each part of two bytes, in a text and in what the text is made of.
const BYTES_A_BYTE: u64 = 512;
const BYTES_BESIDES: u64 = 512 * 1024;

static SHIPPED: LazyLock<bodies::Shipped> = LazyLock::new(|| bodies::Shipped::read(&protocols()));

fn protocols() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols")
}

/// Runs the body of a target, and panics where it allocates more than its input's size allows.
pub fn run(target: &str, data: &[u8]) {
    let (_, body) = bodies::TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let shipped = &*SHIPPED;
    let taken = allocation_counter::measure(|| body(shipped, data)).bytes_max;
    let most = BYTES_A_BYTE * data.len() as u64 + BYTES_BESIDES;
    assert!(taken <= most, "{taken} bytes were allocated at a time, {most} are allowed");
}

/// The names of all targets.
pub fn targets() -> Vec<&'static str> {
    bodies::TARGETS.iter().map(|(name, _)| *name).collect()
}

/// Inputs to begin with, made of the vectors and definitions that come with the gateway.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    bodies::seeds(&protocols(), &SHIPPED, target)
}
