//! The lines of an import: which resource each one is, and what is wrong with those that are none.

use crate::protocol::case::fold;
use crate::protocol::members::{self, Member};
use crate::protocol::quirks::Quirks;
use crate::protocol::schema::{ResourceType, Schemas};
use crate::protocol::validation;
use serde_json::Value;
use std::collections::BTreeMap;

/// Lines that an error names.
const NAMED: usize = 10;

/// A line that is a resource.
#[derive(Debug, Clone)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// Its type.
    pub resource_type: ResourceType,
    /// Its userName or displayName.
    pub name: String,
    /// Its id where it comes from.
    pub id: Option<String>,
    /// Its members by the ids they have there; of a group alone.
    pub members: Vec<Member>,
    /// The body of a POST or PUT, without members.
    pub body: Value,
}

/// Reads all lines.
///
/// # Errors
///
/// The first lines that are no resources, with what is wrong with each.
pub fn read(text: &str, schemas: &Schemas) -> Result<Vec<Line>, String> {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<(ResourceType, String), usize> = BTreeMap::new();
    for (index, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let number = index + 1;
        let line = line(number, text, schemas).and_then(|line| {
            // Groups may share a name where the setting says so; then nothing tells which one a line is.
            match seen.insert((line.resource_type, fold(&line.name)), number) {
                None => Ok(line),
                Some(first) => Err(format!("line {first} has the same name")),
            }
        });
        match line {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push(format!("line {number}: {problem}")),
        }
    }
    if problems.is_empty() {
        return Ok(lines);
    }
    let more = match problems.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    problems.truncate(NAMED);
    Err(format!(
        "Nothing was imported. Each line is one SCIM User or Group in JSON; these are not: {}{more}",
        problems.join("; ")
    ))
}

fn line(number: usize, text: &str, schemas: &Schemas) -> Result<Line, String> {
    let mut body: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let named = |resource_type: ResourceType| {
        let core = schemas.of(resource_type).core.id.as_str();
        body["schemas"].as_array().is_some_and(|uris| uris.iter().any(|uri| uri == core))
    };
    let resource_type = ResourceType::ALL
        .into_iter()
        .find(|resource_type| named(*resource_type))
        .ok_or("its 'schemas' name neither User nor Group")?;
    let schema = schemas.of(resource_type);
    let id = body["id"].as_str().map(str::to_owned);
    let mut accepted =
        validation::accept(schema, body.clone(), &mut Quirks::default()).map_err(|error| error.detail)?;
    let members = members::take_members(&mut accepted).map_err(|error| error.detail)?;
    if resource_type == ResourceType::User {
        // As a POST has it.
        accepted.entry("active").or_insert(Value::Bool(true));
    }
    let settled = validation::settle(schema, accepted).map_err(|error| error.detail)?;
    let name = match resource_type {
        ResourceType::User => &settled["userName"],
        ResourceType::Group => &settled["displayName"],
    };
    let name = name.as_str().unwrap_or_default().to_owned();
    if let Some(object) = body.as_object_mut() {
        object.retain(|name, _| !["id", "meta", "groups", "members"].iter().any(|own| name.eq_ignore_ascii_case(own)));
    }
    Ok(Line { number, resource_type, name, id, members, body })
}

/// What is wrong with the text of a line, and at which byte: the line has a number of its own.
fn not_json(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let what = said.split_once(" at line ").map_or(said.as_str(), |(what, _)| what);
    format!("it is not JSON ({what}, at byte {})", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

    #[test]
    fn a_line_is_a_user_or_a_group_and_others_are_named_with_what_is_wrong() {
        let schemas = Schemas::load(true).unwrap();
        let good = format!(
            "{{\"schemas\":[\"{USER}\"],\"id\":\"u\",\"userName\":\"ann\",\"meta\":{{}},\"groups\":[]}}\n\n{{\"schemas\":[\"{GROUP}\"],\"displayName\":\"ann\",\"members\":[{{\"value\":\"u\"}}]}}\n"
        );
        let lines = read(&good, &schemas).unwrap();
        assert_eq!(
            lines.iter().map(|line| (line.number, line.name.as_str())).collect::<Vec<_>>(),
            [(1, "ann"), (3, "ann")]
        );
        assert_eq!((lines[0].id.as_deref(), lines[1].members.len()), (Some("u"), 1));
        assert_eq!(lines[0].body, serde_json::json!({ "schemas": [USER], "userName": "ann" }));
        for (bad, expected) in [
            ("{".to_owned(), "line 1: it is not JSON (EOF while parsing an object, at byte 1)"),
            ("[]".to_owned(), "neither User nor Group"),
            ("{\"schemas\":[\"urn:x\"]}".to_owned(), "neither User nor Group"),
            (format!("{{\"schemas\":[\"{USER}\"]}}"), "'userName'"),
            (format!("{{\"schemas\":[\"{USER}\"],\"userName\":7}}"), "'userName'"),
            (format!("{good}\n{{\"schemas\":[\"{USER}\"],\"userName\":\"ANN\"}}"), "line 5: line 1 has the same name"),
            ("x\n".repeat(12), "and 2 more"),
        ] {
            let error = read(&bad, &schemas).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
