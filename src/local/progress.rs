//! How far a command is that takes a while, and large numbers for a person.

use indicatif::{HumanCount, HumanFloatCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// A bar on stderr of `length` steps, if that is a terminal.
#[must_use]
pub fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let template = "{msg:10} {bar:30} {human_pos} of {human_len}, {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 member`, `1,234 members`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// `1,234.5`.
#[must_use]
pub fn units(number: f64) -> String {
    HumanFloatCount(number).to_string()
}
