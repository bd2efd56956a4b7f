//! What `template.yaml` says of the functions: which route reaches which, and what each may ask of the table. It reads the
//! text of the template, whose routes and statements stand on one line each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

/// The template of the repository.
pub static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml");
    Template::parse(&std::fs::read_to_string(path).unwrap())
});

/// Which functions there are.
#[derive(Debug, Default)]
pub struct Template {
    /// By handler.
    pub functions: BTreeMap<String, Function>,
}

/// One function.
#[derive(Debug, Default)]
pub struct Function {
    /// The route keys that lead to it: `GET /scim/v2/Users`.
    pub routes: BTreeSet<String>,
    /// The calls to DynamoDB that its role allows: `GetItem`, `TransactWriteItems: PutItem` for one that is allowed in a
    /// transaction alone, and `UpdateItem of TOKENS` for one that is allowed in some partitions.
    pub calls: BTreeSet<String>,
    /// The other actions that its role allows, and on what.
    pub others: BTreeSet<(String, String)>,
}

/// A resource: its type, and its lines without comments.
struct Resource<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

impl Resource<'_> {
    fn is(&self, kind: &str) -> bool {
        self.lines.iter().any(|line| line.contains(&format!("Type: {kind}")))
    }

    /// The text after `label` on the line that has it.
    fn after(&self, label: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| line.split_once(label)).map(|(_, rest)| rest.trim())
    }
}

impl Template {
    fn parse(text: &str) -> Self {
        let resources = resources(text);
        let named = |name: &str| resources.iter().find(|resource| resource.name == name).expect("a resource");
        let mut functions = BTreeMap::new();
        let mut handlers = BTreeMap::new();
        for resource in resources.iter().filter(|resource| resource.is("AWS::Serverless::Function")) {
            let handler = resource.after("Handler: ").expect("a handler").to_owned();
            let role = resource.after("Role: !GetAtt ").and_then(|role| role.strip_suffix(".Arn")).expect("a role");
            let (calls, others) = allowed(named(role));
            assert!(handlers.insert(resource.name, handler.clone()).is_none());
            let function = Function { calls, others, ..Function::default() };
            assert!(functions.insert(handler.clone(), function).is_none(), "two functions have the handler {handler}");
        }
        for route in resources.iter().filter(|resource| resource.is("AWS::ApiGatewayV2::Route")) {
            let key = route.after("RouteKey: \"").and_then(|rest| rest.split('"').next()).expect("a route key");
            let integration = route.after("integrations/${").and_then(|rest| rest.split('}').next()).expect("a target");
            let uri = named(integration).after("IntegrationUri: !GetAtt ").expect("a function");
            let function: &mut Function = functions.get_mut(&handlers[uri.trim_end_matches(".Arn")]).unwrap();
            assert!(function.routes.insert(key.to_owned()), "{key} is there twice");
        }
        Self { functions }
    }

    /// The handler that API Gateway would choose: a full match, then the longest greedy one, then `$default`.
    pub fn handler_of(&self, method: &str, path: &str) -> &str {
        let key = format!("{method} {path}");
        let rank = |route: &str| match route.strip_suffix("{proxy+}") {
            _ if route == key => Some(usize::MAX),
            Some(prefix) => key.strip_prefix(prefix).map(|_| prefix.len()),
            None => (route == "$default").then_some(0),
        };
        let routes = self.functions.iter().flat_map(|(handler, it)| it.routes.iter().map(move |key| (handler, key)));
        let ranked = routes.filter_map(|(handler, route)| Some((rank(route)?, handler.as_str())));
        ranked.max().expect("a $default route").1
    }
}

/// The part of `text` below `Resources:`, resource by resource.
fn resources(text: &str) -> Vec<Resource<'_>> {
    let mut resources: Vec<Resource<'_>> = Vec::new();
    let body = text.split_once("\nResources:\n").expect("resources").1;
    for line in body.lines().take_while(|line| *line != "Outputs:") {
        let line = line.split(" # ").next().unwrap_or_default();
        let content = line.trim_start();
        match (line.len() - content.len(), content.split_once(':')) {
            (_, _) if content.is_empty() || content.starts_with('#') => {}
            (2, Some((name, rest))) => resources.push(Resource { name, lines: vec![rest] }),
            _ => resources.last_mut().expect("a resource").lines.push(content),
        }
    }
    resources
}

/// What the statements of a role allow: calls to DynamoDB, and the rest.
fn allowed(role: &Resource<'_>) -> (BTreeSet<String>, BTreeSet<(String, String)>) {
    let (mut calls, mut others) = (BTreeSet::new(), BTreeSet::new());
    assert!(
        role.is("AWS::IAM::Role") && role.after("ManagedPolicyArns").is_none(),
        "{} has its own policies",
        role.name
    );
    for (at, line) in role.lines.iter().enumerate() {
        let Some((_, actions)) = line.split_once("Action: [") else { continue };
        let (actions, rest) = actions.split_once(']').expect("actions on one line");
        // The resource and the condition stand on the same line, or on the lines that follow.
        let own: Vec<&str> = role.lines[at + 1..].iter().take_while(|line| !line.starts_with('-')).copied().collect();
        let (_, resource) =
            rest.split_once("Resource: ").or_else(|| own[0].split_once("Resource: ")).expect("a resource");
        let condition = own.iter().find_map(|line| line.strip_prefix("Condition: ")).unwrap_or_default();
        let in_transactions = condition.contains("\"dynamodb:EnclosingOperation\": [TransactWriteItems]");
        for action in actions.split(',').map(|action| action.trim().trim_matches('"')) {
            match action.strip_prefix("dynamodb:") {
                Some(call) => {
                    assert!(resource.starts_with("!If [MakesTable, !GetAtt Table.Arn,"), "{}: {resource}", role.name);
                    let leading = condition.split_once("\"dynamodb:LeadingKeys\": [").map(|(_, rest)| rest);
                    assert_eq!(in_transactions || leading.is_some(), !condition.is_empty(), "{}", role.name);
                    match leading.and_then(|rest| rest.split(']').next()) {
                        Some(keys) => {
                            calls.extend(keys.split(',').map(|key| of_key(call, key.trim().trim_matches('"'))))
                        }
                        None if in_transactions => _ = calls.insert(in_transaction(call)),
                        None => _ = calls.insert(call.to_owned()),
                    }
                }
                None => {
                    others.insert((action.to_owned(), resource.trim_end_matches([' ', '}', ']']).to_owned()));
                }
            }
        }
    }
    (calls, others)
}

/// How an action inside a transaction is written here.
pub fn in_transaction(action: &str) -> String {
    format!("TransactWriteItems: {action}")
}

/// How an action on the items of some partitions is written here.
pub fn of_key(action: &str, partitions: &str) -> String {
    format!("{action} of {partitions}")
}
