//! What the fuzzer kept and what it once found (fuzz/README.md), and every vector: each is given to its target again.

#[path = "../../fuzz/src/bodies.rs"]
mod bodies;

use std::fs;
use std::path::Path;

#[test]
fn what_the_fuzzer_kept_holds_for_every_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protocols = root.join("protocols");
    let shipped = bodies::Shipped::read(&protocols);
    for (target, body) in bodies::TARGETS {
        let kept = |kind: &str| {
            let file = root.join("fuzz").join(kind).join(format!("{target}.hex"));
            let lines = fs::read_to_string(file).unwrap_or_default();
            lines.lines().map(decoded).collect::<Vec<_>>()
        };
        let (corpus, failures) = (kept("corpus"), kept("failures"));
        assert!(corpus.len() >= 50, "{target}: {} inputs are kept", corpus.len());
        let seeds = bodies::seeds(&protocols, &shipped, target);
        assert!(!seeds.is_empty(), "{target} has nothing to begin with");
        for input in seeds.iter().chain(&corpus).chain(&failures) {
            body(&shipped, input);
        }
    }
}

fn decoded(line: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap()
}
