#!/usr/bin/env bash
# Salesforce's own program, unchanged, against `leadsync sandbox`. It is 300 MB and takes a minute to install, so that it is run by
# hand and is no part of run.sh. LEADSYNC_BIN names the program. What is installed goes below target/clients.
set -euo pipefail
cd "$(dirname "$0")/../.."
there="$PWD/target/clients/sf"
: "${LEADSYNC_BIN:?names the program to test}"
mkdir -p "$there/home"

if [[ ! -e "$there/node_modules/@salesforce/cli" ]]; then
  # Of undici, what it is published with: newer ones want a newer Node.js.
  cat >"$there/package.json" <<'JSON'
{ "private": true, "dependencies": { "@salesforce/cli": "2.146.3" }, "overrides": { "undici": "7.28.0" } }
JSON
  (cd "$there" && npm install --no-audit --no-fund --ignore-scripts --silent)
fi

export HOME="$there/home" SF_DISABLE_TELEMETRY=true SF_DISABLE_LOG_FILE=true SF_USE_GENERIC_UNIX_KEYCHAIN=true SF_SKIP_NEW_VERSION_CHECK=true
sf() { node "$there/node_modules/@salesforce/cli/bin/run.js" "$@" 2>"$there/errors"; }
# What a script in Python makes of the answer `a`.
from() { python3 -c "import json,sys; a=json.load(sys.stdin)['result']; print($1)"; }
expect() { [[ "$2" == "$3" ]] || { echo "sf: $1: expected $2, got $3"; cat "$there/errors"; exit 1; }; }

cd "$there"
rm -rf home/.sf home/.sfdx
"$LEADSYNC_BIN" sandbox --leads 20 >sandbox.json &
sandbox=$!
trap 'kill "$sandbox"' EXIT
until [[ -s sandbox.json ]]; do sleep 0.1; done
known() { python3 -c "import json; print(json.load(open('sandbox.json'))['salesforce']['$1'])"; }
url="$(known login_url)"
SF_ACCESS_TOKEN="$(curl -sS "$url/services/oauth2/token" -d grant_type=client_credentials \
  -d "client_id=$(known client_id)" -d "client_secret=$(known client_secret)" | python3 -c "import json,sys; print(json.load(sys.stdin)['access_token'])")"
export SF_ACCESS_TOKEN

name="$(sf org login access-token --instance-url "$url" --alias box --no-prompt --json | from "a['username']")"
expect 'signs in' "$(known username)" "$name"
echo 'sf: signs in ok'

id="$(sf data create record -o box -s Lead -v 'LastName=Pomelo Company=Acme' --json | from "a['id']")"
sf data update record -o box -s Lead -i "$id" -v 'Title=Chief' --json >/dev/null
expect 'gets a record' Chief "$(sf data get record -o box -s Lead -i "$id" --json | from "a['Title']")"
soql="SELECT Id, Title, Owner.Name FROM Lead WHERE RecordType.DeveloperName = 'Workspace' AND Title = 'Chief'"
expect 'queries' 'Integration User' "$(sf data query -o box -q "$soql" --json | from "a['records'][0]['Owner']['Name']")"
# Columns come from the server: --result-format csv shows the joined one.
expect 'queries as CSV' "Id,Title,Owner.Name" "$(sf data query -o box -q "$soql" -r csv | head -n 1)"
sf data delete record -o box -s Lead -i "$id" --json >/dev/null
expect 'deletes' 0 "$(sf data query -o box -q "SELECT Id FROM Lead WHERE Id = '$id'" --json | from "a['totalSize']")"
echo 'sf: one by one ok'

expect 'describes' True "$(sf sobject describe -o box -s lead --json | from "a['createable'] and len(a['fields']) > 60")"
expect 'lists objects' True "$(sf sobject list -o box --json | from "'Lead' in a and 'User' in a")"
expect 'lists limits' True "$(sf org list limits -o box --json | from "len(a) > 20")"
echo 'sf: what the org has ok'

printf 'Operate_Lead_Id__c,LastName,Company\ns-1,One,Acme\ns-2,Two,Acme\n' >leads.csv
sf data upsert bulk -o box -s Lead -f leads.csv -i Operate_Lead_Id__c --wait 2 --json >/dev/null
rm -f out.csv
sf data export bulk -o box -q "SELECT Id, LastName FROM Lead WHERE Operate_Lead_Id__c LIKE 's-%'" --output-file out.csv --wait 2 --json >/dev/null
expect 'loads and exports' 3 "$(wc -l <out.csv)"
cat >tree.json <<'JSON'
{ "records": [{ "attributes": { "type": "Lead", "referenceId": "one" }, "LastName": "Tree", "Company": "Acme" }] }
JSON
expect 'imports a tree' Lead "$(sf data import tree -o box -f tree.json --json | from "a[0]['type']")"
echo 'sf: bulk ok'
