//! Tables for a person: columns of text.

/// Lines of cells, each column as wide as its widest cell, without spaces at the end of a line.
#[must_use]
pub fn aligned<const N: usize>(lines: &[[String; N]]) -> String {
    let lines: Vec<[String; N]> = lines.iter().map(|line| line.each_ref().map(|cell| plain(cell))).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: &[String; N]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The text without what a terminal would take for a command: names come from whoever may provision.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The text, cut to `width` characters with `…` at its end when it is longer.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = [["ID", "NAME"], ["1", "Ann"], ["22", "é"]].map(|line| line.map(str::to_owned));
        assert_eq!(aligned(&lines), "ID  NAME\n1   Ann\n22  é");
        assert_eq!(aligned(&[["\u{1b}[2J\n".to_owned()]]), "\u{fffd}[2J\u{fffd}");
        assert_eq!((cut("abcdef", 4), cut("abcd", 4)), ("abc…".to_owned(), "abcd".to_owned()));
    }
}
