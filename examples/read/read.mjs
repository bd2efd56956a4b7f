// How an application in JavaScript reads users, groups and changes from the table: `node read.mjs users`.
//
// docs/application.md says what each item holds and why the reads stand in this order. Node 20 or later.

import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { BatchGetItemCommand, DynamoDBClient, GetItemCommand, QueryCommand } from "@aws-sdk/client-dynamodb";

// Longest value that stands in a key as it is, in bytes.
const MAX_PLAIN_BYTES = 1024;
// Keys in one BatchGetItem.
const BATCH_KEYS = 100;
// How often the members of a group are read that changes meanwhile.
const TRIES = 10;
const DAY = 24 * 60 * 60 * 1000;

// Case folding of one character, which is more than its lower case: ß is ss, and ς is σ. Dotless ı is itself, and of
// Cherokee the capitals stand for both.
function foldOne(character) {
  if (/[ı\u13a0-\u13f5]/u.test(character)) return character;
  if (/[\u13f8-\u13fd\uab70-\uabbf]/u.test(character)) return character.toUpperCase();
  return [...character.toLowerCase().toUpperCase()].map((capital) => capital.toLowerCase()).join("");
}

// A userName as its key has it: two names that differ in case alone are one.
export function fold(text) {
  return [...text.normalize("NFD")].map(foldOne).join("").normalize("NFC");
}

// The ids in `leaving` or `joining`, whose entries are `<id>#<number of the change>`.
const subjects = (marks) => (marks?.SS ?? []).map((mark) => mark.slice(0, mark.lastIndexOf("#")));

// What is set, of what is shown.
const shown = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

const byId = (left, right) => (left.id < right.id ? -1 : 1);

const user = (item) =>
  shown({ id: item.SK.S, userName: item.userName.S, active: item.active?.BOOL ?? true, email: item.email?.S });

const membership = (item) => shown({ id: item.SK.S, type: item.type.S, display: item.display?.S });

function change(record, parts) {
  const text = record.parts ? gunzipSync(Buffer.concat(parts.map((part) => part.part.B))) : record.changes.S;
  const names = ["at", "operation", "resourceType", "resourceId", "actor", "requestId"];
  const fields = Object.fromEntries(names.map((name) => [name, record[name].S]));
  return { id: record.SK.S, ...fields, changes: JSON.parse(text) };
}

// What scimlet keeps for one tenant.
export class Directory {
  constructor(table, tenant = "default") {
    Object.assign(this, { table, tenant, client: new DynamoDBClient({}) });
  }

  // Every user, in the order of the ids.
  async *users() {
    const names = { "#id": "SK", "#userName": "userName", "#active": "active", "#email": "email" };
    const projection = { ProjectionExpression: Object.keys(names).join(", "), ExpressionAttributeNames: names };
    for await (const item of this.#query("USER", undefined, projection)) yield user(item);
  }

  // The user with this userName, or undefined: the key item has the id.
  async userNamed(name) {
    const value = fold(name);
    const digest = () => createHash("sha256").update(value).digest("hex");
    const isPlain = Buffer.byteLength(value) <= MAX_PLAIN_BYTES;
    const key = await this.#get(isPlain ? `KEY#User.userName#${value}` : `DIGEST#User.userName#${digest()}`, "-");
    const item = key && (await this.#get("USER", key.id.S));
    return item && user(item);
  }

  // The members of a group at one moment, in the order of their ids. The group is read again after them: it has another
  // version if a change came between.
  async members(groupId) {
    let group = await this.#get("GROUP", groupId);
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (!group) return [];
      const members = await this.#membersOf(group);
      const before = group;
      group = await this.#get("GROUP", groupId);
      if (group?.version.N === before.version.N) return members;
    }
    throw new Error(`The group ${groupId} changed ${TRIES} times while it was read. Read it again.`);
  }

  // The group was read before what is not applied yet, and that before the memberships.
  async #membersOf(group) {
    const changes = await this.#changesUnderWay(group);
    const gone = await this.#gone(group);
    const members = new Map();
    for await (const item of this.#query(`MEMBERS#${group.SK.S}`)) members.set(item.SK.S, membership(item));
    for (const [id, row] of changes) {
      if (row.add) members.set(id, shown({ id, type: row.type, display: row.display }));
      else if (row.remove) members.delete(id);
      else if (members.has(id)) members.get(id).display = row.display;
    }
    for (const id of gone) members.delete(id);
    return [...members.values()].sort(byId);
  }

  // The groups of a user or group: where it has a mirror or may be getting one, by what each group says of it.
  async groups(memberId) {
    const [member] = await this.#batch([["USER", memberId], ["GROUP", memberId]]);
    if (!member) return [];
    const mirrored = async () => {
      const groups = new Set();
      for await (const item of this.#query(`MEMBEROF#${memberId}`)) groups.add(item.SK.S);
      return groups;
    };
    const candidates = new Set([...(await mirrored()), ...subjects(member.joining)]);
    const groups = await this.#batch([...candidates].map((id) => ["GROUP", id]));
    const changes = await Promise.all(groups.map((group) => this.#changesUnderWay(group, memberId)));
    // Once more, after the groups: what has no change under way is as its mirror says now.
    const now = groups.length ? await mirrored() : new Set();
    const isIn = (group, row) => (row ? !row.remove : now.has(group.SK.S));
    const found = groups.filter((group, index) => isIn(group, changes[index].get(memberId)));
    return found.map((group) => ({ id: group.SK.S, displayName: group.displayName.S })).sort(byId);
  }

  // The change records from a time on, in order, the oldest first.
  async *changes(since) {
    const milliseconds = since.getTime().toString(16).padStart(12, "0");
    const first = `${milliseconds.slice(0, 8)}-${milliseconds.slice(8)}`;
    const dayOf = (time) => new Date(time).toISOString().slice(0, 10);
    for (let time = since.getTime(); dayOf(time) <= dayOf(Date.now()); time += DAY) {
      let record, parts = [];
      for await (const item of this.#query(`LOG#${dayOf(time)}`, ["SK >= :first", { ":first": { S: first } }])) {
        if (item.SK.S.includes("#")) {
          parts.push(item);
          continue;
        }
        if (record) yield change(record, parts);
        [record, parts] = [item, []];
      }
      if (record) yield change(record, parts);
    }
  }

  // What a large change of a group makes of members whose memberships do not say so yet, by id. With `member`, only the
  // chunk in which that member would stand is read.
  async #changesUnderWay(group, member) {
    const changes = new Map();
    if (!group.intent) return changes;
    const intent = group.intent.S;
    const range = { ":first": { S: `${intent}#` }, ":last": { S: member ? `${intent}#${member}` : `${intent}$` } };
    const more = member ? { ScanIndexForward: false, Limit: 1 } : {};
    for await (const chunk of this.#query(`INTENT#${group.SK.S}`, ["SK BETWEEN :first AND :last", range], more)) {
      for (const row of JSON.parse(chunk.changes.S)) changes.set(row.add ?? row.remove ?? row.rename, row);
    }
    return changes;
  }

  // Those whom the group calls `leaving` and who do not exist any more.
  async #gone(group) {
    const leaving = subjects(group.leaving);
    const existing = await this.#batch(leaving.flatMap((id) => [["USER", id], ["GROUP", id]]));
    const ids = new Set(existing.map((item) => item.SK.S));
    return leaving.filter((id) => !ids.has(id));
  }

  #key([rest, sk]) {
    return { PK: { S: `T#${this.tenant}#${rest}` }, SK: { S: sk } };
  }

  async #get(rest, sk) {
    const get = { TableName: this.table, Key: this.#key([rest, sk]), ConsistentRead: true };
    return (await this.client.send(new GetItemCommand(get))).Item;
  }

  async *#query(rest, [condition, values] = [], more = {}) {
    const query = {
      TableName: this.table,
      KeyConditionExpression: ["PK = :pk", condition].filter(Boolean).join(" AND "),
      ExpressionAttributeValues: { ":pk": { S: `T#${this.tenant}#${rest}` }, ...values },
      ConsistentRead: true,
      ...more,
    };
    do {
      const page = await this.client.send(new QueryCommand(query));
      yield* page.Items;
      query.ExclusiveStartKey = page.LastEvaluatedKey;
    } while (query.ExclusiveStartKey && !more.Limit);
  }

  async #batch(keys) {
    let wanted = keys.map((key) => this.#key(key));
    const items = [];
    while (wanted.length) {
      const batch = wanted.splice(0, BATCH_KEYS);
      const request = { RequestItems: { [this.table]: { Keys: batch, ConsistentRead: true } } };
      const answer = await this.client.send(new BatchGetItemCommand(request));
      items.push(...(answer.Responses[this.table] ?? []));
      // DynamoDB gives 16 MB at most, and less when it is busy.
      wanted = [...(answer.UnprocessedKeys?.[this.table]?.Keys ?? []), ...wanted];
    }
    return items;
  }
}

async function main(what = "users", subject) {
  const directory = new Directory(process.env.TABLE_NAME, process.env.TENANT);
  const found = {
    users: () => directory.users(),
    user: async () => [await directory.userNamed(subject)].filter(Boolean),
    members: () => directory.members(subject),
    groups: () => directory.groups(subject),
    log: () => directory.changes(new Date(Date.now() - DAY)),
  };
  for await (const line of await found[what]()) console.log(JSON.stringify(line));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(...process.argv.slice(2));
