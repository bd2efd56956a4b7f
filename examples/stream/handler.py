"""A Lambda function on the table's stream: what an application does when somebody is deactivated or deleted, and when
members come and go.

A change record is a doorbell: it says who changed, and the table says how things stand. So a record that comes twice,
late, or after a later one leads to the same end. docs/application.md says more. Needs boto3, which Lambda has.
"""

import base64
import json
import logging
import os

from boto3.dynamodb.types import TypeDeserializer

from read.read import Directory

log = logging.getLogger()


def react(event):
    """Here the application acts: ends the sessions of a user, grants or takes a role, ….

    `key` is the same when the same change comes again: what must happen once (an e-mail) is noted under it in a table
    of the application's own, by a conditional put.
    """
    print(json.dumps(event))


def handler(event, context):
    """Handles a batch in order. At the first record that fails it stops: Lambda goes on from there, later."""
    for record in event["Records"]:
        try:
            handle(record)
        except Exception:
            number = record["dynamodb"]["SequenceNumber"]
            log.exception("The record with the sequence number %s was not handled.", number)
            return {"batchItemFailures": [{"itemIdentifier": number}]}
    return {"batchItemFailures": []}


def handle(record):
    partition, change_id = (record["dynamodb"]["Keys"][name]["S"] for name in ("PK", "SK"))
    tenant, _, rest = partition.removeprefix("T#").partition("#")
    # The filter of template.yaml passes nothing else on; a record's removal is its expiry.
    if record["eventName"] != "INSERT" or not rest.startswith("LOG#") or "#" in change_id:
        return
    directory = Directory(os.environ["TABLE_NAME"], tenant)
    image = plain(record["dynamodb"]["NewImage"])
    if "changes" in image:
        changes = json.loads(image["changes"])
    else:
        # Too long for the record: it stands in parts beside it.
        changes = directory.change(rest.removeprefix("LOG#"), change_id)["changes"]
    happened = facts(image, changes.get("before", {}), changes.get("after", {}))
    for fact in still_so(directory, happened):
        react({"key": ":".join([change_id, *fact.values()]), "at": image["at"], "tenant": tenant, **fact})


def facts(image, before, after):
    """What a change record says that the application cares about."""
    kind, subject = image["resourceType"], image["resourceId"]
    is_deleted = image["operation"] == "delete"
    if kind == "User" and is_deleted:
        yield {"event": "user.deleted", "user": subject}
    elif kind == "User" and image["operation"] != "create" and after.get("active") is False:
        yield {"event": "user.deactivated", "user": subject}
    if kind == "Group" and is_deleted:
        # Of a group with very many members the record has `membersOmitted`, their number, in place of them: whoever has a
        # role by this group loses it.
        yield {"event": "group.deleted", "group": subject}
    if is_deleted:
        # Whoever is deleted leaves its groups, without a record of theirs.
        for group in ids(before, "groups"):
            yield {"event": "member.removed", "group": group, "member": subject}
    if kind == "Group":
        # Who stands on both sides has another display name.
        for member in ids(before, "members") - ids(after, "members"):
            yield {"event": "member.removed", "group": subject, "member": member}
        for member in ids(after, "members") - ids(before, "members"):
            yield {"event": "member.added", "group": subject, "member": member}


def still_so(directory, happened):
    """Of these facts, what the table says too. Another record comes, or came, for what it does not say."""
    happened = list(happened)
    members = {}
    for group in {fact["group"] for fact in happened if "member" in fact}:
        asked = [fact["member"] for fact in happened if fact.get("group") == group and "member" in fact]
        members[group] = directory.members_among(group, asked)
    for fact in happened:
        match fact["event"]:
            case "user.deleted":
                holds = directory.user(fact["user"]) is None
            case "user.deactivated":
                user = directory.user(fact["user"])
                holds = user is not None and not user["active"]
            case "group.deleted":
                holds = not directory.exists("GROUP", fact["group"])
            case "member.added":
                holds = fact["member"] in members[fact["group"]]
            case "member.removed":
                holds = fact["member"] not in members[fact["group"]]
        if holds:
            yield fact


def ids(side, name):
    return {entry["value"] for entry in side.get(name, [])}


def plain(image):
    """An item of the event. Its binary values are base64 text."""
    unpacked = {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in image.items()}
    return {name: TypeDeserializer().deserialize(value) for name, value in unpacked.items()}
