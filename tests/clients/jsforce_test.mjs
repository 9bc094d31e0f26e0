// jsforce, unchanged, against the sandbox.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import jsforce from 'jsforce';

const KEY = 'Operate_Lead_Id__c';

// The API version that is asked for; undefined: the client's own, which is 50.0.
let version;

async function withSandbox(leads, test) {
  const program = spawn(process.env.LEADSYNC_BIN, ['sandbox', '--leads', String(leads)], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const { value } = await createInterface({ input: program.stdout })[Symbol.asyncIterator]().next();
    await test(JSON.parse(value).salesforce);
  } finally {
    program.kill('SIGTERM');
  }
}

async function connect(known, more = {}) {
  const oauth2 = { loginUrl: known.login_url, clientId: known.client_id, clientSecret: known.client_secret, ...more };
  const connection = new jsforce.Connection({ oauth2, version });
  await connection.authorize({ grant_type: 'client_credentials' });
  return connection;
}

const lead = (number, more = {}) => ({ LastName: `Lead ${number}`, Company: 'Acme', Email: `lead${number}@acme.example`, ...more });

async function refused(code, act) {
  const error = await act().then(() => undefined, (error) => error);
  assert.ok(error, `${code} was expected`);
  assert.ok(`${error.errorCode} ${error.name} ${error.message}`.includes(code), `${code}: ${error.name} ${error.message}`);
}

async function signIn(known) {
  const connection = await connect(known);
  const identity = await connection.identity();
  assert.equal(identity.username, known.username);
  assert.equal(connection.userInfo.organizationId, identity.organization_id);
  const limits = await connection.limits();
  assert.ok(limits.DailyApiRequests.Remaining > 0);
  assert.ok(connection.limitInfo.apiUsage.used > 0);
  await refused('invalid_client', () => connect(known, { clientSecret: 'wrong' }));

  // With nothing but a token and an address, the resources say where the identity is.
  const bare = new jsforce.Connection({ instanceUrl: connection.instanceUrl, accessToken: connection.accessToken, version });
  assert.equal((await bare.identity()).username, known.username);

  // A refresh token brings a session back by itself when it has ended.
  const oauth2 = { loginUrl: known.login_url, clientId: known.client_id, clientSecret: known.client_secret };
  const refreshed = new jsforce.Connection({
    oauth2, instanceUrl: known.login_url, accessToken: 'ended', refreshToken: known.refresh_token, version,
  });
  const found = await refreshed.query('SELECT Id FROM User');
  assert.ok(found.totalSize >= 1);
  await fetch(`${known.login_url}/_sandbox/switch`, { method: 'POST', body: JSON.stringify({ password_flow: true }) });
  await new jsforce.Connection({ oauth2, version }).loginByOAuth2(known.username, 'leadsync-password');
}

async function oneByOne(known) {
  const connection = await connect(known);
  const leads = connection.sobject('Lead');
  const made = await leads.create(lead(1, { Desks__c: 4 }));
  assert.ok(made.success);
  const read = await leads.retrieve(made.id);
  assert.deepEqual([read.LastName, read.Desks__c], ['Lead 1', 4]);
  await leads.update({ Id: made.id, Title: "O'Brien", Desks__c: null });
  const found = await leads.find({ Title: "O'Brien" }, ['Id', 'Desks__c']);
  assert.deepEqual(found.map((row) => [row.Id, row.Desks__c]), [[made.id, null]]);
  const upserted = await leads.upsert({ [KEY]: 'op-1', ...lead(2) }, KEY);
  assert.ok(upserted.success);
  await leads.upsert({ [KEY]: 'op-1', Title: 'Again' }, KEY);
  assert.equal((await leads.findOne({ [KEY]: 'op-1' })).Title, 'Again');
  await leads.destroy(made.id);
  await refused('NOT_FOUND', () => leads.retrieve(made.id));
  await refused('REQUIRED_FIELD_MISSING', () => leads.create({ Company: 'Acme' }));
  await refused('INVALID_FIELD', () => connection.query('SELECT Nope FROM Lead'));
  const described = await leads.describe();
  assert.ok(described.fields.some((field) => field.name === KEY && field.externalId && field.unique));
  assert.ok((await connection.describeGlobal()).sobjects.some((each) => each.name === 'Lead'));
  const end = new Date(Date.now() + 120_000);
  const start = new Date(end.getTime() - 1_800_000);
  const deleted = await leads.deleted(start, end);
  assert.ok(deleted.deletedRecords.some((row) => row.id === made.id));
  assert.ok((await leads.updated(start, end)).latestDateCovered);
}

async function whatTheOrgHas(known) {
  const connection = await connect(known);
  const leads = connection.sobject('Lead');
  const made = await leads.create(lead(1, { FirstName: 'Pia' }));
  const virtual = await leads.create(lead(2, { RecordTypeId: '0125g0000000002AAA' }));
  await leads.retrieve(made.id);
  assert.deepEqual((await connection.recent('Lead')).map((row) => row.Name), ['Pia Lead 1', 'Lead 2']);
  assert.equal((await connection.recent(1))[0].Id, made.id);
  const described = await connection.sobject('lead').describe();
  assert.deepEqual(described.fields.find((field) => field.name === 'OwnerId').referenceTo, ['Group', 'User']);
  assert.ok((await connection.sobject('User').describe()).fields.some((field) => field.name === 'Email'));
  const names = (await connection.describeGlobal()).sobjects.map((each) => each.name);
  assert.ok(['Group', 'Lead', 'RecordType', 'User'].every((name) => names.includes(name)), names.join());

  const fresh = await leads.find({ CreatedDate: { $gte: jsforce.SfDate.YESTERDAY }, 'RecordType.DeveloperName': 'Virtual_Office' },
    ['Id', 'Owner.Name', 'RecordType.Name']);
  assert.deepEqual(fresh.map((row) => [row.Id, row.RecordType.Name]), [[virtual.id, 'Virtual office']]);
  assert.equal(fresh[0].Owner.Name, 'Integration User');
  const counted = await connection.query('SELECT COUNT(Id) leads FROM Lead WHERE CreatedDate = TODAY');
  assert.equal(counted.records[0].leads, 2);
  const query = encodeURIComponent('SELECT Id, Owner.Name FROM Lead');
  const { columnMetadata } = await connection.request(`/query?q=${query}&columns=true`);
  assert.deepEqual(columnMetadata.map((column) => [column.columnName, column.joinColumns.length]), [['Id', 0], ['Owner', 1]]);

  await leads.upsert({ Id: made.id, Title: 'By its id' }, 'Id');
  assert.equal((await leads.retrieve(made.id)).Title, 'By its id');
  await refused('INACTIVE_OWNER_OR_USER', () => leads.update({ Id: made.id, OwnerId: '0055g0000000004AAA' }));
  await refused('INVALID_CROSS_REFERENCE_KEY', () => leads.create(lead(3, { RecordTypeId: '0125g0000000003AAA' })));
  assert.ok(Object.keys(await connection.limits()).length > 20);
}

async function pages(known) {
  const connection = await connect(known);
  const expected = (await connection.query('SELECT COUNT() FROM Lead')).totalSize;
  assert.ok(expected > 2000);
  const first = await connection.query('SELECT Id FROM Lead');
  assert.ok(!first.done && first.records.length === 2000);
  const rest = await connection.queryMore(first.nextRecordsUrl);
  assert.equal(first.records.length + rest.records.length, expected);
  const all = await connection.query('SELECT Id FROM Lead ORDER BY Id', { autoFetch: true, maxFetch: 10000 });
  assert.equal(all.records.length, expected);
  await connection.sobject('Lead').destroy(first.records[0].Id);
  const kept = await connection.query('SELECT Id FROM Lead WHERE IsDeleted = true', { scanAll: true });
  assert.equal(kept.totalSize, 1);
}

async function collections(known) {
  const connection = await connect(known);
  const leads = connection.sobject('Lead');
  const records = Array.from({ length: 200 }, (_, number) => lead(number, { [KEY]: `c-${number}` }));
  const made = await leads.create(records, { allOrNone: false });
  assert.ok(made.every((row) => row.success));
  const changes = made.map((row, number) => ({ Id: row.id, Title: 'Chief', ...(number === 7 ? { Email: 'nobody' } : {}) }));
  const updated = await leads.update(changes, { allOrNone: false });
  assert.deepEqual(updated.flatMap((row, number) => (row.success ? [] : [number])), [7]);
  const upserted = await leads.upsert(records, KEY, { allOrNone: false });
  assert.ok(upserted.every((row) => row.success));
  const gone = await leads.destroy(made.map((row) => row.id), { allOrNone: false });
  assert.ok(gone.every((row) => row.success));
}

async function bulk(known) {
  const connection = await connect(known);
  connection.bulk2.pollInterval = 50;
  const rows = Array.from({ length: 300 }, (_, number) => lead(number, { [KEY]: `b-${number}` }));
  rows[5].Email = 'nobody';
  const loaded = await connection.bulk2.loadAndWaitForResults({ object: 'Lead', operation: 'insert', input: rows });
  assert.deepEqual([loaded.successfulResults.length, loaded.failedResults.length, loaded.unprocessedRecords.length], [299, 1, 0]);
  assert.match(loaded.failedResults[0].sf__Error, /INVALID_EMAIL_ADDRESS/);
  const again = await connection.bulk2.loadAndWaitForResults({
    object: 'Lead', operation: 'upsert', externalIdFieldName: KEY, input: [{ [KEY]: 'b-1', Title: 'Chief' }],
  });
  assert.equal(again.successfulResults[0].sf__Created, 'false');
  const stream = await connection.bulk2.query(`SELECT Id, ${KEY}, Title FROM Lead WHERE ${KEY} LIKE 'b-%'`);
  const read = await stream.toArray();
  assert.equal(read.length, 299);
  assert.equal(read.find((row) => row[KEY] === 'b-1').Title, 'Chief');
  const gone = await connection.bulk2.loadAndWaitForResults({ object: 'Lead', operation: 'delete', input: [{ Id: read[0].Id }] });
  assert.equal(gone.successfulResults.length, 1);
}

const TESTS = [[signIn, 20], [oneByOne, 20], [whatTheOrgHas, 20], [pages, 3500], [collections, 20], [bulk, 20]];
for (version of ['60.0', undefined]) {
  for (const [test, leads] of TESTS) {
    await withSandbox(leads, test);
    console.log(`jsforce, ${version ?? 'default'} version: ${test.name} ok`);
  }
}
process.exit(0);
