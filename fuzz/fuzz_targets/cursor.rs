#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| scimlet_fuzz::checks::cursor::check(data));
