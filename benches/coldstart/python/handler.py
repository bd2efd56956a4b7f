"""GET of one user: the token check, one GetItem, the user as SCIM JSON."""

import hashlib
import hmac
import json
import os

import boto3

client = boto3.client("dynamodb")
known = bytes.fromhex(os.environ["SCIM_TOKEN_SHA256"].split(":")[1])


def answer(status, body):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/scim+json"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def handler(event, _context):
    token = event["headers"].get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(hashlib.sha256(token.encode()).digest(), known):
        return answer(401, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "401"})
    id = event["pathParameters"]["proxy"]
    key = {"PK": {"S": "T#default#USER"}, "SK": {"S": id}}
    item = client.get_item(TableName=os.environ["TABLE_NAME"], Key=key).get("Item")
    if item is None:
        return answer(404, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"})
    meta = {
        "resourceType": "User",
        "created": item["created"]["S"],
        "lastModified": item["lastModified"]["S"],
        "location": f"https://{event['headers']['host']}{event['rawPath']}",
        "version": f'W/"{item["version"]["N"]}"',
    }
    return answer(200, {**json.loads(item["resource"]["S"]), "id": id, "meta": meta})
