"""simple-salesforce, unchanged, against the sandbox."""

import datetime
import sys

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sandbox import Sandbox
from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

KEY = "Operate_Lead_Id__c"


def connect(sandbox, **more):
    known = sandbox.salesforce
    options = {"consumer_key": known["client_id"], "consumer_secret": known["client_secret"], "domain": "acme.my"}
    return Salesforce(session=sandbox.session(), **{**options, **more})


def refused(expected, code, act):
    try:
        act()
    except expected as error:
        assert code in str(error), f"{code} is not in {error}"
        return
    raise AssertionError(f"{code} was expected")


def lead(number, **more):
    return {"LastName": f"Lead {number}", "Company": "Acme", "Email": f"lead{number}@acme.example", **more}


def sign_in(sandbox):
    sf = connect(sandbox)
    assert sf.query("SELECT COUNT() FROM Lead")["totalSize"] > 0
    assert sf.limits()["DailyApiRequests"]["Remaining"] > 0
    usage = sf.api_usage["api-usage"]
    assert usage.used > 0 and usage.total == 100_000, usage
    refused(SalesforceAuthenticationFailed, "invalid_client", lambda: connect(sandbox, consumer_secret="wrong"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    sandbox.control("switch", {"jwt_public_key": public})
    by_key = {"consumer_secret": None, "username": sandbox.salesforce["username"], "privatekey": private}
    assert connect(sandbox, domain="login", **by_key).query("SELECT Id FROM User LIMIT 1")["totalSize"] == 1
    sandbox.control("switch", {"password_flow": True})
    by_password = {"username": sandbox.salesforce["username"], "password": "leadsync-password"}
    connect(sandbox, **by_password)
    refused(SalesforceAuthenticationFailed, "authentication failure", lambda: connect(sandbox, **{**by_password, "password": "no"}))
    refused(SalesforceExpiredSession, "INVALID_SESSION_ID", lambda: expired(sandbox))


def expired(sandbox):
    host = sandbox.salesforce["login_url"].removeprefix("http://")
    return Salesforce(session=sandbox.session(), instance=host, session_id="00D!nothing").query("SELECT Id FROM Lead")


def one_by_one(sandbox):
    sf = connect(sandbox)
    made = sf.Lead.create(lead(1, Desks__c=4, Move_In__c="2027-01-15"))
    assert made["success"] and len(made["id"]) == 18, made
    read = sf.Lead.get(made["id"])
    assert (read["LastName"], read["Desks__c"], read["Move_In__c"]) == ("Lead 1", 4, "2027-01-15"), read
    assert sf.Lead.update(made["id"], {"Title": "O'Brien \\ x", "Desks__c": None}) == 204
    found = sf.query(format_soql("SELECT Id, Desks__c FROM Lead WHERE Title = {}", "O'Brien \\ x"))
    assert [row["Id"] for row in found["records"]] == [made["id"]] and found["records"][0]["Desks__c"] is None, found
    assert sf.Lead.upsert(f"{KEY}/op-1", lead(2)) == 201
    assert sf.Lead.upsert(f"{KEY}/op-1", {"Title": "Again"}) == 200
    assert sf.Lead.get_by_custom_id(KEY, "op-1")["Title"] == "Again"
    assert sf.Lead.delete(made["id"]) == 204
    refused(SalesforceResourceNotFound, "NOT_FOUND", lambda: sf.Lead.get(made["id"]))
    refused(SalesforceMalformedRequest, "REQUIRED_FIELD_MISSING", lambda: sf.Lead.create({"Company": "Acme"}))
    refused(SalesforceMalformedRequest, "INVALID_FIELD", lambda: sf.query("SELECT Nope FROM Lead"))
    described = sf.Lead.describe()
    assert any(field["name"] == KEY and field["externalId"] and field["unique"] for field in described["fields"])
    assert any(each["name"] == "Lead" for each in sf.describe()["sobjects"])
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=2)
    start = end - datetime.timedelta(minutes=30)
    assert any(row["id"] == made["id"] for row in sf.Lead.deleted(start, end)["deletedRecords"])
    assert sf.Lead.updated(start, end)["latestDateCovered"]


def what_the_org_has(sandbox):
    sf = connect(sandbox)
    one = sf.Lead.create(lead(1, FirstName="Pia"))["id"]
    two = sf.Lead.create(lead(2, RecordTypeId="0125g0000000002AAA", OwnerId="00G5g0000000001EAA"))["id"]
    metadata = sf.Lead.metadata()
    assert metadata["objectDescribe"]["name"] == "Lead" and [row["Id"] for row in metadata["recentItems"]] == [two, one], metadata
    assert any(field["name"] == "Email" for field in sf.User.describe()["fields"])
    assert {"Group", "Lead", "RecordType", "User"} <= {each["name"] for each in sf.describe()["sobjects"]}
    soql = "SELECT Id, Owner.Name FROM Lead WHERE RecordType.DeveloperName = 'Virtual_Office' AND CreatedDate >= YESTERDAY"
    found = sf.query(soql)["records"]
    assert [(row["Id"], row["Owner"]["Name"]) for row in found] == [(two, "New leads")], found
    assert sf.query("SELECT COUNT(Id) FROM Lead WHERE CreatedDate = TODAY")["records"][0]["expr0"] == 2
    assert len(sf.query("SELECT FIELDS(ALL) FROM Lead LIMIT 200")["records"][0]) > 60
    columns = sf.restful("query", params={"q": "SELECT Id, Company FROM Lead", "columns": "true"})["columnMetadata"]
    assert [column["columnName"] for column in columns] == ["Id", "Company"], columns
    assert sf.Lead.upsert(f"Id/{one}", {"Title": "By its id"}) == 200
    assert sf.Lead.get(one)["Title"] == "By its id"
    refused(SalesforceMalformedRequest, "INACTIVE_OWNER_OR_USER", lambda: sf.Lead.update(one, {"OwnerId": "0055g0000000004AAA"}))
    refused(SalesforceMalformedRequest, "INVALID_CROSS_REFERENCE_KEY", lambda: sf.Lead.create(lead(3, RecordTypeId="0125g0000000003AAA")))
    assert {"DailyBulkV2QueryJobs", "DailyBulkApiBatches", "DataStorageMB"} <= set(sf.limits())


def pages(sandbox):
    sf = connect(sandbox)
    expected = sf.query("SELECT COUNT() FROM Lead")["totalSize"]
    assert expected > 2_000
    first = sf.query("SELECT Id FROM Lead")
    assert not first["done"] and len(first["records"]) == 2_000
    assert len(list(sf.query_all_iter("SELECT Id, Email FROM Lead ORDER BY SystemModstamp, Id"))) == expected
    sf.Lead.delete(first["records"][0]["Id"])
    assert len(sf.query_all("SELECT Id FROM Lead")["records"]) == expected - 1
    assert len(sf.query_all("SELECT Id, IsDeleted FROM Lead", include_deleted=True)["records"]) == expected


def collections(sandbox):
    sf = connect(sandbox)
    records = [{"attributes": {"type": "Lead"}, **lead(number), KEY: f"c-{number}"} for number in range(200)]
    made = sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": records})
    assert all(row["success"] for row in made)
    records[7]["Email"] = "nobody"
    again = sf.restful(f"composite/sobjects/Lead/{KEY}", method="PATCH", json={"allOrNone": False, "records": records})
    failed = [number for number, row in enumerate(again) if not row["success"]]
    assert failed == [7] and again[7]["errors"][0]["statusCode"] == "INVALID_EMAIL_ADDRESS", again[7]
    ids = ",".join(row["id"] for row in made[:200])
    gone = sf.restful(f"composite/sobjects?ids={ids}&allOrNone=false", method="DELETE")
    assert all(row["success"] for row in gone)


def bulk(sandbox):
    sf = connect(sandbox)
    rows = [lead(number, **{KEY: f"b-{number}"}) for number in range(300)]
    rows[5]["Email"] = "nobody"
    [job] = sf.bulk2.Lead.insert(records=rows)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (300, 1), job
    failed = sf.bulk2.Lead.get_failed_records(job["job_id"])
    assert "INVALID_EMAIL_ADDRESS" in failed and "nobody" in failed, failed
    assert sf.bulk2.Lead.get_successful_records(job["job_id"]).count("\n") >= 300
    [job] = sf.bulk2.Lead.upsert(records=[{KEY: "b-1", "Title": "Chief"}], external_id_field=KEY)
    assert job["numberRecordsFailed"] == 0
    found = sf.query(f"SELECT Id, Title FROM Lead WHERE {KEY} = 'b-1'")["records"][0]
    assert found["Title"] == "Chief"
    [job] = sf.bulk2.Lead.update(records=[{"Id": found["Id"], "Title": "#N/A"}])
    assert sf.Lead.get(found["Id"])["Title"] is None
    parts = list(sf.bulk2.Lead.query(f"SELECT Id, {KEY} FROM Lead WHERE {KEY} LIKE 'b-%'", max_records=100))
    assert len(parts) == 3 and sum(part.count("\n") - 1 for part in parts) >= 296, [len(part) for part in parts]
    [job] = sf.bulk2.Lead.delete(records=[{"Id": found["Id"]}])
    assert job["numberRecordsFailed"] == 0
    refused(SalesforceResourceNotFound, "NOT_FOUND", lambda: sf.Lead.get(found["Id"]))


def main():
    for test, leads in [(sign_in, 20), (one_by_one, 20), (what_the_org_has, 20), (pages, 3_500), (collections, 20), (bulk, 20)]:
        with Sandbox(leads) as sandbox:
            test(sandbox)
        print(f"simple-salesforce: {test.__name__} ok", flush=True)


if __name__ == "__main__":
    sys.exit(main())
