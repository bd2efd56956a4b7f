//! Questions before something is done that cannot simply be undone.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Asks, unless `is_agreed` says that `--yes` was given. Only an answer that begins with y goes on.
///
/// # Errors
///
/// One sentence, when there is nobody to ask, or when the answer is no.
pub fn confirm(question: &str, is_agreed: bool) -> Result<(), String> {
    if is_agreed {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(format!("{question} Nobody is there to answer: repeat the command with --yes if that is meant."));
    }
    eprint!("{question} [y/N] ");
    let _shown = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim_start().starts_with(['y', 'Y']) {
        return Ok(());
    }
    Err("Nothing was changed.".to_owned())
}
