//! The one filter parser (RFC 7644 section 3.4.2.2), for queries and for the value filters of PATCH paths.

use super::error::ScimError;
use super::lexer::{self, Text, Token, TokenKind};
use super::path::{self, AttributePath, Name};
use super::quirks::{self, Quirks};
use super::schema::{Attribute, ResourceSchema, Type};
use serde_json::{Number, Value};
use std::fmt;

/// Longest filter in bytes. API Gateway passes a request line of 10,240 bytes; `.search` bodies keep the same cap.
pub const MAX_FILTER_BYTES: usize = 8192;
/// Deepest nesting of parentheses, `not` and value filters. No client is known to pass four.
pub const MAX_FILTER_DEPTH: usize = 16;

/// Comparison operators of RFC 7644 table 3, but for `pr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    GreaterThan,
    GreaterOrEqual,
    LessThan,
    LessOrEqual,
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "co" => Self::Contains,
            "sw" => Self::StartsWith,
            "ew" => Self::EndsWith,
            "gt" => Self::GreaterThan,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::LessThan,
            "le" => Self::LessOrEqual,
            _ => return None,
        })
    }
}

/// `compValue` of the grammar: the JSON scalars alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are JSON's")]
pub enum CompareValue {
    Text(String),
    Boolean(bool),
    Number(Number),
    Null,
}

impl CompareValue {
    /// The scalar that `value` is.
    #[must_use]
    pub fn of_json(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Boolean(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    /// The same as JSON; `None` for null, which stands for "no value".
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) => text.clone().into(),
            Self::Boolean(flag) => (*flag).into(),
            Self::Number(number) => number.clone().into(),
            Self::Null => return None,
        })
    }
}

/// A parsed filter. Inside [`Filter::Value`] the paths are relative to the element.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are the grammar's")]
pub enum Filter {
    Present(AttributePath),
    Compare(AttributePath, Operator, CompareValue),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Value(AttributePath, Box<Filter>),
}

impl Filter {
    /// How many comparisons it makes of one resource, or of one element, at most.
    #[must_use]
    pub fn terms(&self) -> usize {
        match self {
            Self::Present(_) | Self::Compare(..) => 1,
            Self::Value(_, inner) | Self::Not(inner) => inner.terms(),
            Self::And(terms) | Self::Or(terms) => terms.iter().map(Self::terms).sum(),
        }
    }

    /// Whether an attribute path outside value filters, or the attribute of a value filter, satisfies `claim`.
    pub fn names(&self, claim: &dyn Fn(&AttributePath) -> bool) -> bool {
        match self {
            Self::Present(path) | Self::Compare(path, ..) | Self::Value(path, _) => claim(path),
            Self::And(terms) | Self::Or(terms) => terms.iter().any(|term| term.names(claim)),
            Self::Not(inner) => inner.names(claim),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Contains => "co",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::GreaterThan => "gt",
            Self::GreaterOrEqual => "ge",
            Self::LessThan => "lt",
            Self::LessOrEqual => "le",
        })
    }
}

impl fmt::Display for CompareValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Null => f.write_str("null"),
        }
    }
}

/// As the grammar has it, every chain in parentheses: parsed again it is the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |f: &mut fmt::Formatter<'_>, terms: &[Self], word: &str| {
            for (index, term) in terms.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match term {
                    Self::And(_) | Self::Or(_) => write!(f, "({term})")?,
                    _ => write!(f, "{term}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Compare(path, operator, value) => write!(f, "{path} {operator} {value}"),
            Self::And(terms) => chain(f, terms, "and"),
            Self::Or(terms) => chain(f, terms, "or"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Value(path, inner) => write!(f, "{path}[{inner}]"),
        }
    }
}

/// Parses a query filter.
///
/// # Errors
///
/// 400 `invalidFilter` with the byte offset, what was expected and what was found; also for a comparison that the
/// attribute's type does not have, and for an attribute that no schema has.
pub fn parse(source: &str, schema: &ResourceSchema, quirks: &mut Quirks) -> Result<Filter, ScimError> {
    let text = Text::Filter(source);
    if source.len() > MAX_FILTER_BYTES {
        return Err(text.error(MAX_FILTER_BYTES, "a filter of at most 8192 bytes", "more"));
    }
    let mut tokens = lexer::tokens(text)?;
    quirks::comparison_after_value_path(&mut tokens, quirks);
    let scope = Scope { schema, element_of: None, text };
    let mut parser = Parser { tokens: &tokens, quirks };
    let filter = parser.disjunction(&scope, MAX_FILTER_DEPTH)?;
    match parser.tokens {
        [] => Ok(filter),
        [token, ..] => Err(text.error(token.offset, "'and', 'or' or the end of the filter", &token.describe())),
    }
}

/// Parses `[valFilter]` after `path` and gives the tokens that follow it.
///
/// # Errors
///
/// As [`parse()`], with the keyword of `text`.
pub fn parse_value_filter<'a>(
    path: &AttributePath,
    tokens: &'a [Token],
    schema: &ResourceSchema,
    text: Text<'_>,
    quirks: &mut Quirks,
) -> Result<(Filter, &'a [Token]), ScimError> {
    let mut parser = Parser { tokens, quirks };
    let scope = Scope { schema, element_of: None, text };
    let filter = parser.value_filter(path, &scope, MAX_FILTER_DEPTH)?;
    Ok((filter, parser.tokens))
}

/// What a name is resolved against.
struct Scope<'a> {
    schema: &'a ResourceSchema,
    /// The attribute whose element a value filter looks at; its definition is `None` when no schema has it.
    element_of: Option<(&'a AttributePath, Option<&'a Attribute>)>,
    text: Text<'a>,
}

struct Parser<'a, 'q> {
    tokens: &'a [Token],
    quirks: &'q mut Quirks,
}

impl Parser<'_, '_> {
    /// `FILTER "or" FILTER`: binds loosest.
    fn disjunction(&mut self, scope: &Scope<'_>, depth: usize) -> Result<Filter, ScimError> {
        self.chain(scope, depth, "or", Filter::Or, |parser, scope, depth| {
            parser.chain(scope, depth, "and", Filter::And, Self::term)
        })
    }

    fn chain(
        &mut self,
        scope: &Scope<'_>,
        depth: usize,
        word: &str,
        join: fn(Vec<Filter>) -> Filter,
        operand: impl Fn(&mut Self, &Scope<'_>, usize) -> Result<Filter, ScimError>,
    ) -> Result<Filter, ScimError> {
        let first = operand(self, scope, depth)?;
        let mut operands = vec![first];
        while self.take_word(word) {
            operands.push(operand(self, scope, depth)?);
        }
        Ok(if operands.len() == 1 { operands.remove(0) } else { join(operands) })
    }

    fn term(&mut self, scope: &Scope<'_>, depth: usize) -> Result<Filter, ScimError> {
        if self.tokens.first().is_some_and(|token| token.kind == TokenKind::Open) {
            return self.group(scope, depth);
        }
        let negated = matches!(self.tokens, [first, second, ..]
            if second.kind == TokenKind::Open
            && matches!(&first.kind, TokenKind::Word(word) if word.eq_ignore_ascii_case("not")));
        if negated {
            self.tokens = &self.tokens[1..];
            return Ok(Filter::Not(Box::new(self.group(scope, depth)?)));
        }
        self.attribute_expression(scope, depth)
    }

    fn group(&mut self, scope: &Scope<'_>, depth: usize) -> Result<Filter, ScimError> {
        let depth = self.deeper(scope, depth)?;
        self.take(scope, &TokenKind::Open, "'('")?;
        let filter = self.disjunction(scope, depth)?;
        self.take(scope, &TokenKind::Close, "'and', 'or' or ')'")?;
        Ok(filter)
    }

    fn attribute_expression(&mut self, scope: &Scope<'_>, depth: usize) -> Result<Filter, ScimError> {
        let (offset, word) = self.word(scope, "an attribute path, 'not' or '('")?;
        let path = self.attribute_path(scope, offset, &word)?;
        if self.tokens.first().is_some_and(|token| token.kind == TokenKind::OpenBracket) {
            if scope.element_of.is_some() {
                return Err(scope.text.error(offset, "no value filter inside a value filter", &format!("'{word}['")));
            }
            let filter = self.value_filter(&path, scope, depth)?;
            return Ok(Filter::Value(path, Box::new(filter)));
        }
        const OPERATORS: &str = "an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)";
        let (at, operator) = self.word(scope, OPERATORS)?;
        if operator.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(operator) = Operator::parse(&operator) else {
            return Err(scope.text.error(at, OPERATORS, &format!("'{operator}'")));
        };
        self.comparison(scope, offset, path, operator)
    }

    fn comparison(
        &mut self,
        scope: &Scope<'_>,
        offset: usize,
        mut path: AttributePath,
        operator: Operator,
    ) -> Result<Filter, ScimError> {
        let mut definition = scope.definition(&path);
        if let Some(complex) = definition.filter(|found| found.kind == Type::Complex) {
            // RFC 7644 section 3.4.2.2 has `emails co "example.com"`: the `value` of a complex attribute is meant.
            definition = complex.sub_attribute("value");
            if definition.is_none() {
                return Err(scope.text.error(offset, &format!("a sub-attribute of '{path}'"), "a complex attribute"));
            }
            path.sub_attribute = Some("value".into());
        }
        let value = self.compare_value(scope, definition)?;
        check_operator(scope, offset, &path, definition, operator, &value)?;
        Ok(Filter::Compare(path, operator, value))
    }

    fn compare_value(&mut self, scope: &Scope<'_>, definition: Option<&Attribute>) -> Result<CompareValue, ScimError> {
        const EXPECTED: &str = "a value (a quoted string, true, false, null or a number)";
        let Some((token, rest)) = self.tokens.split_first() else {
            return Err(scope.text.error(scope.text.source().len(), EXPECTED, "the end"));
        };
        let boolean = quirks::is_boolean(definition);
        let value = match &token.kind {
            TokenKind::Text(text) if boolean => quirks::boolean_in_filter_as_string(text, self.quirks)
                .unwrap_or_else(|| CompareValue::Text(text.clone())),
            TokenKind::Text(text) => CompareValue::Text(text.clone()),
            TokenKind::Word(word) => {
                let literal = serde_json::from_str::<Value>(word).ok().as_ref().and_then(CompareValue::of_json);
                let is_text =
                    definition.is_none_or(|found| !matches!(found.kind, Type::Boolean | Type::Integer | Type::Decimal));
                match literal {
                    Some(CompareValue::Null) => CompareValue::Null,
                    Some(literal) if !is_text || definition.is_none() => literal,
                    _ if is_text => quirks::unquoted_filter_value(word, self.quirks)
                        .ok_or_else(|| scope.text.error(token.offset, "a quoted string", &token.describe()))?,
                    _ if boolean => quirks::boolean_in_filter_as_string(word, self.quirks)
                        .ok_or_else(|| scope.text.error(token.offset, "true or false", &token.describe()))?,
                    _ => return Err(scope.text.error(token.offset, EXPECTED, &token.describe())),
                }
            }
            _ => return Err(scope.text.error(token.offset, EXPECTED, &token.describe())),
        };
        self.tokens = rest;
        Ok(value)
    }

    fn value_filter(&mut self, path: &AttributePath, scope: &Scope<'_>, depth: usize) -> Result<Filter, ScimError> {
        let depth = self.deeper(scope, depth)?;
        let definition = path.target_definition(scope.schema);
        self.take(scope, &TokenKind::OpenBracket, "'[' or the end of the path")?;
        let inner = Scope { schema: scope.schema, element_of: Some((path, definition)), text: scope.text };
        let filter = self.disjunction(&inner, depth)?;
        self.take(scope, &TokenKind::CloseBracket, "'and', 'or' or ']'")?;
        Ok(filter)
    }

    fn attribute_path(&mut self, scope: &Scope<'_>, offset: usize, word: &str) -> Result<AttributePath, ScimError> {
        let not_a_path = |found: &str| scope.text.error(offset, "an attribute path", found);
        if let Some((parent, definition)) = scope.element_of {
            let Some(definition) = definition else {
                let name = path::is_name(word).then(|| AttributePath::sub_attribute_alone(word));
                return name.ok_or_else(|| not_a_path(&format!("'{word}'")));
            };
            let sub_attribute = definition.sub_attribute(word);
            return match sub_attribute {
                Some(found) => Ok(AttributePath::sub_attribute_alone(&found.name)),
                None if definition.kind != Type::Complex && word.eq_ignore_ascii_case("value") => {
                    Ok(AttributePath::sub_attribute_alone("value"))
                }
                None => Err(scope.text.error(offset, &format!("a sub-attribute of '{parent}'"), &format!("'{word}'"))),
            };
        }
        let path = match path::resolve(word, scope.schema, self.quirks) {
            Some(Name::Attribute(path)) => path,
            Some(Name::Schema(_)) => return Err(not_a_path(&format!("the schema URI '{word}' alone"))),
            None => return Err(not_a_path(&format!("'{word}'"))),
        };
        if path.is_unknown(scope.schema) {
            let resource_type = scope.schema.resource_type.name();
            return Err(scope.text.error(offset, &format!("an attribute of {resource_type}"), &format!("'{word}'")));
        }
        Ok(path)
    }

    /// What is left of the depth inside the bracket that comes next.
    fn deeper(&self, scope: &Scope<'_>, depth: usize) -> Result<usize, ScimError> {
        depth.checked_sub(1).ok_or_else(|| {
            let offset = self.tokens.first().map_or(scope.text.source().len(), |token| token.offset);
            scope.text.error(offset, "at most 16 levels of nesting", "more")
        })
    }

    fn word(&mut self, scope: &Scope<'_>, expected: &str) -> Result<(usize, String), ScimError> {
        match self.tokens {
            [Token { kind: TokenKind::Word(word), offset }, rest @ ..] => {
                self.tokens = rest;
                Ok((*offset, word.clone()))
            }
            [token, ..] => Err(scope.text.error(token.offset, expected, &token.describe())),
            [] => Err(scope.text.error(scope.text.source().len(), expected, "the end")),
        }
    }

    fn take_word(&mut self, expected: &str) -> bool {
        match self.tokens {
            [Token { kind: TokenKind::Word(word), .. }, rest @ ..] if word.eq_ignore_ascii_case(expected) => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn take(&mut self, scope: &Scope<'_>, kind: &TokenKind, expected: &str) -> Result<(), ScimError> {
        match self.tokens {
            [token, rest @ ..] if token.kind == *kind => {
                self.tokens = rest;
                Ok(())
            }
            [token, ..] => Err(scope.text.error(token.offset, expected, &token.describe())),
            [] => Err(scope.text.error(scope.text.source().len(), expected, "the end")),
        }
    }
}

impl<'a> Scope<'a> {
    fn definition(&self, path: &AttributePath) -> Option<&'a Attribute> {
        match self.element_of {
            Some((_, Some(parent))) if parent.kind != Type::Complex => Some(parent),
            Some((_, parent)) => parent.and_then(|parent| parent.sub_attribute(&path.attribute)),
            None => path.target_definition(self.schema),
        }
    }
}

/// RFC 7644 table 3: `gt` and its like on a boolean or binary attribute, and a value of another type, are
/// `invalidFilter`.
fn check_operator(
    scope: &Scope<'_>,
    offset: usize,
    path: &AttributePath,
    definition: Option<&Attribute>,
    operator: Operator,
    value: &CompareValue,
) -> Result<(), ScimError> {
    use Operator as Op;
    let Some(definition) = definition else { return Ok(()) };
    let ordered = matches!(operator, Op::GreaterThan | Op::GreaterOrEqual | Op::LessThan | Op::LessOrEqual);
    let substring = matches!(operator, Op::Contains | Op::StartsWith | Op::EndsWith);
    let error = |expected: &str| Err(scope.text.error(offset, expected, "another comparison"));
    if *value == CompareValue::Null {
        return if ordered || substring { error("eq or ne before null") } else { Ok(()) };
    }
    match definition.kind {
        Type::Boolean if ordered || substring => error(&format!("eq or ne after the boolean '{path}'")),
        Type::Boolean if !matches!(value, CompareValue::Boolean(_)) => error(&format!("true or false for '{path}'")),
        Type::Binary if ordered => error(&format!("no order after the binary '{path}'")),
        Type::Integer | Type::Decimal if substring || !matches!(value, CompareValue::Number(_)) => {
            error(&format!("a comparison of '{path}' with a number"))
        }
        Type::DateTime if !substring => match value {
            CompareValue::Text(text) if super::matching::instant(text).is_some() => Ok(()),
            _ => error(&format!("a dateTime such as \"2026-01-31T09:00:00Z\" for '{path}'")),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
