#!/usr/bin/env bash
# The stack on an AWS emulator, without an account and without a container: `sam build` and `sam deploy` of template.yaml,
# the flows of Entra ID and Okta and scim2-tester through the API Gateway that it made, an update that rotates the token,
# the teardown that keeps the table, and a stack on that table. Its last output is docs/emulator-run.txt.
#
# $1, $2, $3: folders of the Python environments of requirements.txt, requirements-emulator.txt and
# requirements-conformance.txt. With BOOTSTRAP set, that x86_64 program is deployed and nothing is compiled.
set -euo pipefail
cd "$(dirname "$0")/.."
sam_venv=$(realpath "$1") emulator_venv=$(realpath "$2") scim_venv=$(realpath "$3")

export SAM_CLI_TELEMETRY=0 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
port=${EMULATOR_PORT:-14566}
export AWS_ENDPOINT_URL=http://127.0.0.1:$port
work=$(mktemp -d)
started=()
finish() {
    for one in "${started[@]}"; do kill "$one" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT

say() { echo "== $1"; }
aws() { "$sam_venv/bin/python" - "$@"; }
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

say 'start the emulator'
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port "$emulator_venv/bin/ministack" >"$work/emulator.log" 2>&1 &
started+=($!)
for _ in $(seq 150); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.2
done

say 'build'
if [ -n "${BOOTSTRAP:-}" ]; then
    # The functions' code is a folder with the program; the template is the same but for that.
    mkdir -p "$work/code"
    cp "$BOOTSTRAP" "$work/code/bootstrap"
    template=$work/template.yaml
    sed -e "s|CodeUri: \\.|CodeUri: $work/code|" -e '/BuildMethod: rust-cargolambda/d' template.yaml >"$template"
else
    CARGO_LAMBDA_COMPILER=cargo "$sam_venv/bin/sam" build --beta-features --region us-east-1 \
        --parameter-overrides Architecture=x86_64 >"$work/build.log" 2>&1 || { tail -20 "$work/build.log"; exit 1; }
    template=.aws-sam/build/template.yaml
fi

deploy() {
    "$sam_venv/bin/sam" deploy --config-env emulator --template-file "$template" --stack-name scimlet --resolve-s3 \
        --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset --region us-east-1 \
        --parameter-overrides Architecture=x86_64 DynamoDbEndpoint="$AWS_ENDPOINT_URL" "$@" \
        >"$work/deploy.log" 2>&1 || { tail -40 "$work/deploy.log"; exit 1; }
    grep -E '^Successfully|^No changes' "$work/deploy.log" | tail -1 | sed 's/ in .*//'
}

output() {
    aws "$1" <<'PY'
import boto3, sys
stack = boto3.client("cloudformation").describe_stacks(StackName="scimlet")["Stacks"][0]
print({item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}[sys.argv[1]])
PY
}

status() { "$sam_venv/bin/python" .ci/emulate.py status "$AWS_ENDPOINT_URL" "$host" "$@"; }
expect() {
    local expected=$1 answer
    shift
    answer=$(status "$@")
    [ "${answer%% *}" = "$expected" ] || { echo "expected $expected, got $answer"; exit 1; }
    echo "$2 $3: ${answer%% *}"
}
locate() {
    host=$(output ScimBaseUrl | sed -E 's|https://([^.]+)\..*|\1|').execute-api.localhost:$port
    table=$(output TableName)
}

say 'deploy'
tokens=first:$(digest first-token)
for flow in 0 1 2 3; do tokens+=,flow-$flow/idp:$(digest flow-token-$flow); done
deploy ScimTokenSha256="$tokens"
locate

say 'methods and paths'
expect 200 first-token GET /scim/v2/ServiceProviderConfig
expect 200 first-token GET '/scim/v2/Users?count=1'
expect 200 first-token GET /scim/Groups
expect 405 first-token PUT /scim/v2/Users
expect 405 first-token GET /scim/v2/Bulk
expect 404 first-token GET /scim/v2/Unknown
expect 501 first-token GET /scim/v2/Me
expect 401 other-token GET /scim/v2/Users

say 'flows of identity providers, through API Gateway'
"$sam_venv/bin/python" .ci/emulate.py flows "$AWS_ENDPOINT_URL" "$host" flow-token \
    tests/it/flows/entra-default.json tests/it/flows/entra-aadOptscim062020.json \
    tests/it/flows/okta-custom-app.json tests/it/flows/okta-catalogue-app.json

say 'scim2-tester, through API Gateway'
"$sam_venv/bin/python" .ci/emulate.py proxy "$AWS_ENDPOINT_URL" "$host" $((port + 1)) &
started+=($!)
sleep 1
SCIM_CLI_HEADERS='Authorization: Bearer first-token' timeout 300 \
    "$scim_venv/bin/scim2" --url "http://127.0.0.1:$((port + 1))/scim/v2" test >"$work/report" || true
echo "$(grep -c '^SUCCESS' "$work/report") checks passed, $(grep -c '^ERROR\|^CRITICAL' "$work/report" || true) failed"
if grep -q '^ERROR\|^CRITICAL' "$work/report" || ! grep -q '^SUCCESS' "$work/report"; then
    grep -A2 '^ERROR\|^CRITICAL' "$work/report" || cat "$work/report"
    exit 1
fi

say 'update: both tokens, then the new one alone'
deploy ScimTokenSha256="first:$(digest first-token),second:$(digest second-token)"
expect 200 first-token GET /scim/v2/Users
expect 200 second-token GET /scim/v2/Users
deploy ScimTokenSha256="second:$(digest second-token)"
expect 401 first-token GET /scim/v2/Users
expect 200 second-token GET /scim/v2/Users

say 'teardown: the stack goes, the table stays'
before=$(aws "$table" <<'PY'
import boto3, sys
print(boto3.client("dynamodb").scan(TableName=sys.argv[1], Select="COUNT")["Count"])
PY
)
aws <<'PY'
import boto3
client = boto3.client("cloudformation")
client.delete_stack(StackName="scimlet")
client.get_waiter("stack_delete_complete").wait(StackName="scimlet", WaiterConfig={"Delay": 2})
PY
aws "$table" "$before" <<'PY'
import boto3, sys
count = boto3.client("dynamodb").scan(TableName=sys.argv[1], Select="COUNT")["Count"]
assert count == int(sys.argv[2]) > 0, count
print("the table still has its items:", count)
PY

say 'a new stack on the table that is there'
deploy ScimTokenSha256="second:$(digest second-token)" ExistingTableName="$table"
kept=$table
locate
[ "$table" = "$kept" ] || { echo "expected the table $kept, got $table"; exit 1; }
expect 200 second-token GET /scim/v2/Users
say 'restore to a point in time, and the stack on the restored table'
aws "$table" "$before" <<'PY'
import boto3, sys
client = boto3.client("dynamodb")
name, count = sys.argv[1], int(sys.argv[2])
client.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=f"{name}-restored", UseLatestRestorableTime=True)
client.get_waiter("table_exists").wait(TableName=f"{name}-restored", WaiterConfig={"Delay": 1})
restored = client.scan(TableName=f"{name}-restored", Select="COUNT")["Count"]
assert restored == count, restored
print("the restored table has its items:", restored)
PY
deploy ScimTokenSha256="second:$(digest second-token)" ExistingTableName="$table-restored"
locate
[ "$table" = "$kept-restored" ] || { echo "expected the restored table, got $table"; exit 1; }
expect 200 second-token GET /scim/v2/Users
echo "all passed in $SECONDS s"
