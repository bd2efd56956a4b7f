// GET of one user: the token check, one GetItem, the user as SCIM JSON.
import { createHash, timingSafeEqual } from "node:crypto";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";

const client = new DynamoDBClient({});
const known = Buffer.from(process.env.SCIM_TOKEN_SHA256.split(":")[1], "hex");

const answer = (statusCode, body) => ({
  statusCode,
  headers: { "content-type": "application/scim+json" },
  body: JSON.stringify(body),
  isBase64Encoded: false,
});

export async function handler(event) {
  const token = event.headers.authorization?.replace(/^Bearer /, "") ?? "";
  if (!timingSafeEqual(createHash("sha256").update(token).digest(), known)) {
    return answer(401, { schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: "401" });
  }
  const id = event.pathParameters.proxy;
  const key = { PK: { S: "T#default#USER" }, SK: { S: id } };
  const { Item } = await client.send(new GetItemCommand({ TableName: process.env.TABLE_NAME, Key: key }));
  if (!Item) return answer(404, { schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: "404" });
  const meta = {
    resourceType: "User",
    created: Item.created.S,
    lastModified: Item.lastModified.S,
    location: `https://${event.headers.host}${event.rawPath}`,
    version: `W/"${Item.version.N}"`,
  };
  return answer(200, { ...JSON.parse(Item.resource.S), id, meta });
}
