//! Fuzzing: [`checks`] says what has to hold, and each file of `fuzz_targets` gives one of them to libFuzzer. [`json`]
//! changes JSON as JSON, so that what a target gets is still a request.

pub mod checks;
pub mod json;
