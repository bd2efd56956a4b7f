//! Which attributes an answer holds: `attributes` and `excludedAttributes` (RFC 7644 section 3.9) over `returned`
//! (RFC 7643 section 7).

use super::error::{ScimError, ScimType};
use super::path::{self, AttributePath, Name};
use super::quirks::Quirks;
use super::schema::{Attribute, ResourceSchema, Returned};
use super::{Object, case};
use serde_json::Value;

/// Most names in `attributes` or `excludedAttributes`. Each is held against each attribute of each resource of a page.
pub const MAX_NAMES: usize = 500;

/// What a client asked to see. The default asks for nothing in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    included: Option<Vec<Name>>,
    excluded: Vec<Name>,
}

impl Projection {
    /// Reads the two parameters: names separated by commas. Names that no schema has are not an error: nothing is
    /// there to show or to leave out. When both are given, what is excluded is taken away from what is included.
    ///
    /// # Errors
    ///
    /// 400 `invalidPath` for text that is not a name, 400 `invalidValue` past [`MAX_NAMES`].
    pub fn parse(
        attributes: Option<&str>,
        excluded_attributes: Option<&str>,
        schema: &ResourceSchema,
        quirks: &mut Quirks,
    ) -> Result<Self, ScimError> {
        let mut names = |parameter: &str, list: &str| {
            if list.split(',').count() > MAX_NAMES {
                return Err(ScimError::invalid_value(format!(
                    "'{parameter}' names more than {MAX_NAMES} attributes. Name fewer, or none to get all."
                )));
            }
            list.split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| {
                    path::resolve(name, schema, quirks).ok_or_else(|| {
                        ScimError::bad_request(
                            ScimType::InvalidPath,
                            format!("'{name}' in '{parameter}' is not an attribute name."),
                        )
                    })
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let included = attributes.filter(|list| !list.is_empty()).map(|list| names("attributes", list)).transpose()?;
        let excluded = names("excludedAttributes", excluded_attributes.unwrap_or_default())?;
        Ok(Self { included, excluded })
    }

    /// Ids alone.
    #[must_use]
    pub fn of_ids() -> Self {
        Self { included: Some(vec![Name::Attribute(AttributePath::core("id"))]), excluded: Vec::new() }
    }

    /// Whether the client named attributes to include.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.included.is_some()
    }

    /// Whether a core attribute can be in the answer: what is expensive to read is read only then.
    #[must_use]
    pub fn shows(&self, attribute: &str) -> bool {
        let excluded = self.excluded.iter().any(
            |name| matches!(name, Name::Attribute(path) if path.is_core(attribute) && path.sub_attribute.is_none()),
        );
        let included = self.included.as_ref().is_none_or(|names| {
            names.iter().any(|name| match name {
                Name::Attribute(path) => path.is_core(attribute),
                Name::Schema(uri) => uri.contains(":core:"),
            })
        });
        included && !excluded
    }

    /// Those of the sub-attributes `parts` of a core attribute that are shown.
    #[must_use]
    pub fn parts(&self, attribute: &str, parts: &[&'static str], schema: &ResourceSchema) -> Vec<&'static str> {
        let sample: Object = parts.iter().map(|part| ((*part).to_owned(), Value::Null)).collect();
        let mut resource = Object::new();
        resource.insert(attribute.to_owned(), Value::Array(vec![Value::Object(sample)]));
        self.apply(&mut resource, schema);
        let shown = resource.get(attribute).and_then(|values| values.get(0));
        parts.iter().copied().filter(|part| shown.is_some_and(|shown| shown.get(part).is_some())).collect()
    }

    /// Takes away what the client is not to see.
    pub fn apply(&self, resource: &mut Object, schema: &ResourceSchema) {
        for name in self.concerned(resource, None, schema) {
            if schema.attribute(None, &name).is_none() && case::strip_prefix(&name, "urn:").is_some() {
                self.apply_to_extension(resource, &name, schema);
            } else {
                self.apply_to_member(resource, None, &name, schema);
            }
        }
    }

    /// The members of which something may be taken away. Where a client asked for nothing in particular these are what
    /// a schema hides, and extensions.
    fn concerned(&self, object: &Object, extension: Option<&str>, schema: &ResourceSchema) -> Vec<String> {
        let is_shown = |name: &str| match schema.attribute(extension, name) {
            Some(definition) => is_shown_unasked(definition) && definition.sub_attributes.iter().all(is_shown_unasked),
            None => extension.is_some() || case::strip_prefix(name, "urn:").is_none(),
        };
        let asks = self.included.is_some() || !self.excluded.is_empty();
        object.keys().filter(|name| asks || !is_shown(name)).cloned().collect()
    }

    fn apply_to_extension(&self, resource: &mut Object, uri: &str, schema: &ResourceSchema) {
        let is_this = |name: &Name| matches!(name, Name::Schema(found) if found.eq_ignore_ascii_case(uri));
        if self.excluded.iter().any(is_this) {
            resource.shift_remove(uri);
            return;
        }
        let Some(Value::Object(extension)) = resource.get_mut(uri) else { return };
        for name in self.concerned(extension, Some(uri), schema) {
            self.apply_to_member(extension, Some(uri), &name, schema);
        }
        if extension.is_empty() {
            resource.shift_remove(uri);
        }
    }

    fn apply_to_member(&self, object: &mut Object, extension: Option<&str>, name: &str, schema: &ResourceSchema) {
        let definition = schema.attribute(extension, name);
        let returned = definition.map_or(Returned::Default, |found| found.returned);
        let same = |path: &AttributePath| {
            path.attribute.eq_ignore_ascii_case(name)
                && match (&path.extension, extension) {
                    (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
                    (None, None) => true,
                    _ => false,
                }
        };
        let whole_schema = |uri: &str| match extension {
            Some(extension) => uri.eq_ignore_ascii_case(extension),
            None => uri == schema.core.id && schema.core.attributes.iter().any(|found| found.name == name),
        };
        let selection = |names: &[Name]| {
            let mut subs = Vec::new();
            for found in names {
                match found {
                    Name::Schema(uri) if whole_schema(uri) => return Selection::Whole,
                    Name::Attribute(path) if same(path) => match &path.sub_attribute {
                        None => return Selection::Whole,
                        Some(sub) => subs.push(sub.clone()),
                    },
                    _ => {}
                }
            }
            if subs.is_empty() { Selection::Nothing } else { Selection::Subs(subs) }
        };
        let explicit = self
            .included
            .as_ref()
            .is_some_and(|names| matches!(selection(names), Selection::Whole | Selection::Subs(_)));
        if let Some(definition) = definition.filter(|found| !found.sub_attributes.iter().all(is_shown_unasked)) {
            let named = |sub: &Attribute| {
                self.included.iter().flatten().any(|found| {
                    matches!(found, Name::Attribute(path) if same(path)
                        && path.sub_attribute.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(&sub.name)))
                })
            };
            retain_subs(object, name, |sub| match definition.sub_attribute(sub) {
                Some(sub) => match sub.returned {
                    Returned::Never => false,
                    Returned::Request => explicit && named(sub),
                    Returned::Always | Returned::Default => true,
                },
                None => true,
            });
        }
        let keep = match (returned, &self.included) {
            (Returned::Always, _) => return,
            (Returned::Never, _) => Selection::Nothing,
            (Returned::Request, None) => Selection::Nothing,
            (Returned::Default, None) => Selection::Whole,
            (Returned::Request | Returned::Default, Some(names)) => selection(names),
        };
        let always = |sub: &str| {
            definition
                .and_then(|found| found.sub_attribute(sub))
                .is_some_and(|found| found.returned == Returned::Always)
        };
        match keep {
            Selection::Nothing => {
                object.shift_remove(name);
                return;
            }
            Selection::Subs(subs) => {
                retain_subs(object, name, |sub| always(sub) || subs.iter().any(|kept| kept.eq_ignore_ascii_case(sub)));
            }
            Selection::Whole => {}
        }
        match selection(&self.excluded) {
            Selection::Whole => {
                object.shift_remove(name);
            }
            Selection::Subs(subs) => {
                retain_subs(object, name, |sub| always(sub) || !subs.iter().any(|gone| gone.eq_ignore_ascii_case(sub)));
            }
            Selection::Nothing => {}
        }
    }
}

fn is_shown_unasked(definition: &Attribute) -> bool {
    matches!(definition.returned, Returned::Always | Returned::Default)
}

enum Selection {
    Nothing,
    Subs(Vec<String>),
    Whole,
}

fn retain_subs(object: &mut Object, name: &str, keep: impl Fn(&str) -> bool) {
    let Some(value) = object.get_mut(name) else { return };
    let is_empty = |value: &Value| value.as_object().is_some_and(Object::is_empty);
    let nothing_left = match value {
        Value::Array(elements) => {
            for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                element.retain(|sub, _| keep(sub));
            }
            elements.retain(|element| !is_empty(element));
            elements.is_empty()
        }
        Value::Object(single) => {
            single.retain(|sub, _| keep(sub));
            single.is_empty()
        }
        _ => false,
    };
    if nothing_left {
        object.shift_remove(name);
    }
}

#[cfg(test)]
mod tests;
