#![no_main]

use std::sync::LazyLock;

static WORDS: LazyLock<Vec<String>> =
    LazyLock::new(|| scimlet_fuzz::json::words(include_str!("../dictionaries/event.dict")));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    scimlet_fuzz::json::mutate(data, size, max_size, seed, &WORDS)
});

libfuzzer_sys::fuzz_target!(|data: &str| scimlet_fuzz::checks::event::check(data));
