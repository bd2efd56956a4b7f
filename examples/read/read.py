"""How an application in Python reads users, groups and changes from the table: `python3 read.py users`.

docs/application.md says what each item holds and why the reads stand in this order. Needs boto3, which Lambda has.
"""

import gzip
import hashlib
import json
import os
import sys
import unicodedata
from datetime import datetime, timedelta, timezone

import boto3
from boto3.dynamodb.conditions import Key

# Longest value that stands in a key as it is, in bytes.
MAX_PLAIN_BYTES = 1024
# Keys in one BatchGetItem.
BATCH_KEYS = 100
# How often the members of a group are read that changes meanwhile.
TRIES = 10


def fold(text):
    """A userName as its key has it: two names that differ in case alone are one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def subjects(marks):
    """The ids in `leaving` or `joining`, whose entries are `<id>#<number of the change>`."""
    return {mark.rsplit("#", 1)[0] for mark in marks or ()}


class Directory:
    """What scimlet keeps for one tenant."""

    def __init__(self, table, tenant="default"):
        self.dynamodb = boto3.resource("dynamodb")
        self.table, self.tenant = table, tenant

    def users(self):
        """Every user, in the order of the ids."""
        names = {"#id": "SK", "#userName": "userName", "#active": "active", "#email": "email"}
        projection = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        for item in self._query("USER", **projection):
            yield user(item)

    def exists(self, kind, resource_id):
        """Whether there is this user (`USER`) or group (`GROUP`)."""
        return self._get(kind, resource_id) is not None

    def user(self, user_id):
        """The user with this id, or None."""
        item = self._get("USER", user_id)
        return item and user(item)

    def user_named(self, name):
        """The user with this userName, or None: the key item has the id."""
        value = fold(name)
        if len(value.encode()) <= MAX_PLAIN_BYTES:
            key = self._get(f"KEY#User.userName#{value}", "-")
        else:
            key = self._get(f"DIGEST#User.userName#{hashlib.sha256(value.encode()).hexdigest()}", "-")
        return key and self.user(key["id"])

    def members(self, group_id):
        """The members of a group at one moment, in the order of their ids.

        The group, what is not applied yet, the memberships; and the group again, which has another version if a change
        came between.
        """
        group = self._get("GROUP", group_id)
        for _ in range(TRIES):
            if not group:
                return []
            changes = self._changes_under_way(group)
            gone = self._gone(group)
            found = {item["SK"]: membership(item) for item in self._query(f"MEMBERS#{group_id}")}
            before, group = group, self._get("GROUP", group_id)
            if group and group["version"] == before["version"]:
                return [found[member] for member in sorted(overlaid(found, changes, gone))]
        raise TimeoutError(f"The group {group_id} changed {TRIES} times while it was read. Read it again.")

    def members_among(self, group_id, ids):
        """Those of some users and groups that are members of a group. For one id this is "is she a member?"."""
        group = self._get("GROUP", group_id)
        if not group:
            return set()
        ids = set(ids)
        changes = self._changes_under_way(group, next(iter(ids)) if len(ids) == 1 else None)
        gone = self._gone(group, ids)
        items = self._batch([(f"MEMBERS#{group_id}", member) for member in ids])
        return overlaid({item["SK"]: membership(item) for item in items}, changes, gone) & ids

    def groups(self, member_id):
        """The groups of a user or group: where it has a mirror or may be getting one, by what each group says of it."""
        found = self._batch([("USER", member_id), ("GROUP", member_id)])
        if not found:
            return []
        mirrors = f"MEMBEROF#{member_id}"
        candidates = {item["SK"] for item in self._query(mirrors)} | subjects(found[0].get("joining"))
        groups = {item["SK"]: item for item in self._batch([("GROUP", group) for group in candidates])}
        changes = {group: self._changes_under_way(item, member_id).get(member_id) for group, item in groups.items()}
        # Once more, after the groups: what has no change under way is as its mirror says now.
        mirrored = {item["SK"] for item in self._query(mirrors)} if groups else set()
        is_in = {group: "remove" not in row if row else group in mirrored for group, row in changes.items()}
        return [{"id": group, "displayName": groups[group]["displayName"]} for group in sorted(groups) if is_in[group]]

    def changes(self, since):
        """The change records from a time on, in order, the oldest first."""
        milliseconds = f"{int(since.timestamp() * 1000):012x}"
        first = f"{milliseconds[:8]}-{milliseconds[8:]}"
        day, today = since.astimezone(timezone.utc).date(), datetime.now(timezone.utc).date()
        while day <= today:
            record, parts = None, []
            for item in self._query(f"LOG#{day}", Key("SK").gte(first)):
                if "#" in item["SK"]:
                    parts.append(item)
                    continue
                if record:
                    yield change(record, parts)
                record, parts = item, []
            if record:
                yield change(record, parts)
            day += timedelta(days=1)

    def change(self, day, change_id):
        """One change record, with the parts that stand beside it."""
        record, *parts = self._query(f"LOG#{day}", Key("SK").between(change_id, f"{change_id}$"))
        return change(record, parts)

    def _changes_under_way(self, group, member=None):
        """What a large change of a group makes of members whose memberships do not say so yet, by id.

        With `member`, only the chunk in which that member would stand is read.
        """
        intent = group.get("intent")
        if not intent:
            return {}
        last, more = f"{intent}$", {}
        if member is not None:
            last, more = f"{intent}#{member}", {"ScanIndexForward": False, "Limit": 1}
        chunks = self._query(f"INTENT#{group['SK']}", Key("SK").between(f"{intent}#", last), **more)
        rows = (row for chunk in chunks for row in json.loads(chunk["changes"]))
        return {row.get("add") or row.get("remove") or row["rename"]: row for row in rows}

    def _gone(self, group, among=None):
        """Those whom the group calls `leaving` and who do not exist any more."""
        leaving = subjects(group.get("leaving"))
        leaving = leaving if among is None else leaving & among
        existing = self._batch([(kind, member) for member in leaving for kind in ("USER", "GROUP")])
        return leaving - {item["SK"] for item in existing}

    def _pk(self, rest):
        return f"T#{self.tenant}#{rest}"

    def _get(self, rest, sk):
        answer = self.dynamodb.Table(self.table).get_item(Key={"PK": self._pk(rest), "SK": sk}, ConsistentRead=True)
        return answer.get("Item")

    def _query(self, rest, sort_key=None, **more):
        condition = Key("PK").eq(self._pk(rest))
        condition = condition & sort_key if sort_key else condition
        query = {"KeyConditionExpression": condition, "ConsistentRead": True, **more}
        while True:
            page = self.dynamodb.Table(self.table).query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page or "Limit" in more:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _batch(self, keys):
        wanted = [{"PK": self._pk(rest), "SK": sk} for rest, sk in keys]
        items = []
        while wanted:
            batch, wanted = wanted[:BATCH_KEYS], wanted[BATCH_KEYS:]
            answer = self.dynamodb.batch_get_item(RequestItems={self.table: {"Keys": batch, "ConsistentRead": True}})
            items += answer["Responses"].get(self.table, [])
            # DynamoDB gives 16 MB at most, and less when it is busy.
            wanted = answer["UnprocessedKeys"].get(self.table, {}).get("Keys", []) + wanted
        return items


def user(item):
    active = item.get("active", True)
    return shown(id=item["SK"], userName=item["userName"], active=active, email=item.get("email"))


def membership(item):
    return shown(id=item["SK"], type=item["type"], display=item.get("display"))


def shown(**fields):
    return {name: value for name, value in fields.items() if value is not None}


def overlaid(found, changes, gone):
    """The ids of the members: `found` with the changes under way, which are also made in it, without who is gone."""
    for member, row in changes.items():
        if "add" in row:
            found[member] = shown(id=member, type=row["type"], display=row.get("display"))
        elif "rename" in row and member in found:
            found[member]["display"] = row["display"]
        elif "remove" in row:
            found.pop(member, None)
    return found.keys() - gone


def change(record, parts):
    if "parts" in record:
        text = gzip.decompress(b"".join(bytes(part["part"]) for part in parts))
    else:
        text = record["changes"]
    names = ("at", "operation", "resourceType", "resourceId", "actor", "requestId")
    return {"id": record["SK"], **{name: record[name] for name in names}, "changes": json.loads(text)}


def main(what="users", subject=None):
    directory = Directory(os.environ["TABLE_NAME"], os.environ.get("TENANT", "default"))
    if what == "user":
        found = directory.user_named(subject)
        lines = [found] if found else []
    elif what == "log":
        lines = directory.changes(datetime.now(timezone.utc) - timedelta(days=1))
    else:
        reads = {"users": directory.users, "members": directory.members, "groups": directory.groups}
        lines = reads[what](*([subject] if subject else []))
    for line in lines:
        print(json.dumps(line))


if __name__ == "__main__":
    main(*sys.argv[1:])
