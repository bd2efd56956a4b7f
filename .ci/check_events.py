"""Checks events/ against the template, both of which a change of routes leaves behind quietly.

Each event goes to the function its file is named for, by a route the template has; its body is what its headers say;
its token is the one that env.json sets; and env.json sets only variables that the template names, for `sam local`
drops the others. Usage: check_events.py TRANSFORMED_TEMPLATE EVENTS_DIRECTORY
"""

import base64
import hashlib
import json
import pathlib
import sys

template = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
directory = pathlib.Path(sys.argv[2])
resources = template["Resources"]

# Route key -> handler, through the integration.
handler_of = {}
for resource in resources.values():
    if resource["Type"] == "AWS::ApiGatewayV2::Route":
        integration = resource["Properties"]["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("}")
        function = resources[integration]["Properties"]["IntegrationUri"]["Fn::GetAtt"][0]
        handler_of[resource["Properties"]["RouteKey"]] = resources[function]["Properties"]["Handler"]


def route_of(method, path):
    """The route API Gateway would choose: a full match, then the longest greedy one, then $default."""
    key = f"{method} {path}"
    if key in handler_of:
        return key
    greedy = [r for r in handler_of if r.endswith("/{proxy+}") and key.startswith(r.removesuffix("{proxy+}"))]
    return max(greedy, key=len, default="$default")


environment = json.loads((directory / "env.json").read_text(encoding="utf-8"))["Parameters"]
token = environment["SCIM_TOKEN"]
problems = []


def check(holds, name, what):
    if not holds:
        problems.append(f"{name}: {what}")


digest = environment["SCIM_TOKEN_SHA256"].split(":")[1]
check(digest == hashlib.sha256(token.encode()).hexdigest(), "env.json", "SCIM_TOKEN_SHA256 is not of SCIM_TOKEN")
for name, resource in resources.items():
    if resource["Type"] == "AWS::Lambda::Function":
        missing = environment.keys() - resource["Properties"]["Environment"]["Variables"].keys()
        check(not missing, "env.json", f"{name} does not name {sorted(missing)}")

files = [file for file in sorted(directory.glob("*.json")) if file.name != "env.json"]
for file in files:
    name = file.name
    event = json.loads(file.read_text(encoding="utf-8"))
    if event.get("detail-type") == "Scheduled Event":
        scheduled = {resource["Properties"]["Handler"] for resource in resources.values()
                     if resource["Type"] == "AWS::Lambda::Function"} - set(handler_of.values())
        check(file.stem in scheduled, name, f"no function without a route has the handler {file.stem}")
        continue
    headers = {key.lower(): value for key, value in event["headers"].items()}
    check(headers.get("authorization") == f"Bearer {token}", name, "has another token than env.json")
    if event.get("version") == "2.0":
        http = event["requestContext"]["http"]
        path, method, route = event["rawPath"], http["method"], event["routeKey"]
        check(http["path"] == path, name, "has two paths")
        check(event["requestContext"]["routeKey"] == route, name, "has two route keys")
    else:
        path, method = event["path"], event["httpMethod"]
        route = f"{method} {event['resource']}"
    check(route == route_of(method, path), name, f"{path} goes by {route_of(method, path)}, not by {route}")
    handler = handler_of.get(route)
    check(handler == file.stem.split("-")[0], name, f"goes to the function {handler}")
    body = event.get("body")
    if body is not None:
        raw = base64.b64decode(body, validate=True) if event["isBase64Encoded"] else body.encode()
        json.loads(raw)
        check(int(headers.get("content-length", len(raw))) == len(raw), name, "has a wrong content-length")

if problems:
    sys.exit("\n".join(problems))
print(f"{len(files)} events fit the template's {len(handler_of)} routes")
