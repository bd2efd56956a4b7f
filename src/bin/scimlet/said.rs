//! What a command has to say that may end before it is done.

/// A text, and one sentence of what is left to do.
pub struct Said {
    /// What was done.
    pub text: String,
    /// What is left, with what was done: the exit code is not 0 then.
    pub problem: Option<String>,
    /// Whether the text is for a program, which reads it then too.
    pub as_json: bool,
}

impl Said {
    /// All of it was done.
    pub fn done(text: String) -> Self {
        Self { text, problem: None, as_json: false }
    }

    /// What goes to standard output, if anything, and how the program ends.
    pub fn parts(self) -> (Option<String>, Result<(), String>) {
        let Self { text, problem, as_json } = self;
        match problem {
            None => (Some(text), Ok(())),
            Some(problem) => (as_json.then_some(text), Err(problem)),
        }
    }
}
