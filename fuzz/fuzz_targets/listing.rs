//! Any text as a saved listing.
//!
//! Owns nothing: the promise is the one that `tests/property/` tries on changed examples.

#![no_main]

#[expect(dead_code, reason = "each target tries one promise")]
#[path = "../../tests/property/promises.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    promises::listing(bytes);
});
