//! Changes a JSON text as a tree: a change of bytes alone hardly ever leaves JSON behind.

use serde_json::{Map, Value};

/// Draws the same from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % count.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.below(from.len());
        from.get(index)
    }
}

/// The words of a dictionary of libFuzzer's. Its strings are JSON's as long as nothing in them is `\x`.
#[must_use]
pub fn words(dictionary: &str) -> Vec<String> {
    let lines = dictionary.lines().map(str::trim).filter(|line| line.starts_with('"'));
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// What libFuzzer calls in place of its own change of `data`: the new size. One time in eight it is libFuzzer's own, as
/// where `data` is no JSON.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, words: &[String]) -> usize {
    let mut random = Random(u64::from(seed));
    random.below(2);
    if random.below(8) > 0
        && let Ok(mut value) = serde_json::from_slice::<Value>(&data[..size])
    {
        for _ in 0..=random.below(4) {
            change(&mut value, &mut random, words);
        }
        let text = value.to_string();
        if text.len() <= max_size {
            data[..text.len()].copy_from_slice(text.as_bytes());
            return text.len();
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// The node that is reached after `left` others, from the root down.
fn node<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(elements) => elements.iter_mut().find_map(|element| node(element, left)),
        Value::Object(members) => members.values_mut().find_map(|member| node(member, left)),
        _ => None,
    }
}

fn change(root: &mut Value, random: &mut Random, words: &[String]) {
    let nodes = count(root);
    let mut other = random.below(nodes);
    let other = node(root, &mut other).map_or(Value::Null, |other| other.clone());
    let mut at = random.below(nodes);
    let Some(value) = node(root, &mut at) else { return };
    match (random.below(8), value) {
        (0, value) => *value = other,
        (1, value) => *value = leaf(random, words),
        (2, value) => *value = Value::Array(vec![std::mem::take(value)]),
        (3, Value::Array(elements)) if elements.len() > 1 => {
            let (left, right) = (random.below(elements.len()), random.below(elements.len()));
            elements.swap(left, right);
        }
        (4, Value::Array(elements)) if !elements.is_empty() => {
            let gone = random.below(elements.len());
            elements.remove(gone);
        }
        (_, Value::Array(elements)) => {
            let again = random.pick(elements).cloned();
            elements.push(match random.below(3) {
                0 => other,
                1 => leaf(random, words),
                _ => again.unwrap_or(other),
            });
        }
        (3 | 4, Value::Object(members)) if !members.is_empty() => {
            let gone = random.below(members.len());
            let key = members.keys().nth(gone).cloned().unwrap_or_default();
            members.shift_remove(&key);
        }
        (5, Value::Object(members)) => {
            let at = random.below(members.len());
            let name = text(random, words);
            let renamed: Map<String, Value> = std::mem::take(members)
                .into_iter()
                .enumerate()
                .map(|(index, (key, value))| match index == at {
                    true if random.below(2) == 0 => (flipped(&key), value),
                    true => (name.clone(), value),
                    false => (key, value),
                })
                .collect();
            *members = renamed;
        }
        (_, Value::Object(members)) => {
            let value = if random.below(2) == 0 { other } else { leaf(random, words) };
            members.insert(text(random, words), value);
        }
        (_, Value::String(found)) => edit(found, random, words),
        (_, value) => *value = leaf(random, words),
    }
}

fn leaf(random: &mut Random, words: &[String]) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3 => u64::MAX.into(),
        4 => (-1).into(),
        5 => 1.5e300.into(),
        6 => "".into(),
        7 => Value::Array(Vec::new()),
        8 => Value::Object(Map::new()),
        _ => text(random, words).into(),
    }
}

fn text(random: &mut Random, words: &[String]) -> String {
    random.pick(words).cloned().unwrap_or_default()
}

fn flipped(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

fn edit(found: &mut String, random: &mut Random, words: &[String]) {
    let ends: Vec<usize> = found.char_indices().map(|(at, _)| at).chain([found.len()]).collect();
    let at = random.pick(&ends).copied().unwrap_or_default();
    match random.below(7) {
        0 => *found = text(random, words),
        1 => found.truncate(at),
        2 => *found = flipped(found),
        3 => {
            let end = random.pick(&ends).copied().unwrap_or_default();
            found.replace_range(at.min(end)..at.max(end), "");
        }
        4 => found.insert(at, *random.pick(&['"', '\\', '.', ':', '[', ']', '(', ' ', 'é', '\u{0}']).unwrap_or(&' ')),
        _ => found.insert_str(at, &text(random, words)),
    }
}
