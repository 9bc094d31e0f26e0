use leadsync::config::Config;
#[test]
fn scratch() {
    let mut all = Vec::new();
    all.push(("a_misspelt_key_is_refused_with_the_nearest_known_one", r###"[operate]
base_url = "https://operate.example"
timeot = "10s"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_key_in_the_wrong_section_is_told_where_it_belongs", r###"[operate]
base_url = "https://operate.example"
max_delete = 3
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_key_like_no_other_is_told_what_is_known", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]
colour = "blue"

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_unknown_section_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[scheduel]
poll = "0 * * * * *"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_missing_key_is_told_at_its_section", r###"[operate]
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_missing_key_of_a_field_is_told_at_its_table", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_section_that_is_no_table_is_refused_and_its_keys_are_not_missed", r###"[operate]
base_url = "https://operate.example"
auth = "hello"

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("fields_that_are_no_tables_are_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[fields]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_text_without_quotes_is_no_toml", r###"[operate]
base_url = "https://operate.example
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_key_that_stands_twice_is_no_toml", r###"[operate]
base_url = "https://operate.example"
timeout = "10s"
timeout = "20s"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_number_beyond_all_limits_is_refused", r###"[operate]
base_url = "https://operate.example"
concurrency = 99999999999999999999
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_number_in_quotes_is_refused", r###"[operate]
base_url = "https://operate.example"
requests_per_second = "5"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("no_request_at_all_is_refused", r###"[operate]
base_url = "https://operate.example"
requests_per_second = 0
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_duration_without_a_unit_is_refused", r###"[operate]
base_url = "https://operate.example"
timeout = "60"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_duration_that_is_a_number_is_refused", r###"[operate]
base_url = "https://operate.example"
timeout = 60
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_overlap_that_is_too_short_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[schedule]
overlap = "4s"
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_overlap_that_is_too_long_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[schedule]
overlap = "8d"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_cron_expression_without_seconds_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[schedule]
poll = "*/30 * * * *"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_cron_expression_out_of_range_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[schedule]
sweep = "0 0 25 * * *"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_cron_expression_that_never_comes_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[schedule]
sweep = "0 0 3 30 2 *"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_time_zone_that_is_not_there_is_refused_with_the_nearest", r###"[operate]
base_url = "https://operate.example"
timezone = "Europe/Londn"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_address_without_encryption_is_refused", r###"[operate]
base_url = "http://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_address_with_a_path_is_refused", r###"[operate]
base_url = "https://operate.example/api/1.0"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_address_with_credentials_is_refused_and_not_shown", r###"[operate]
base_url = "https://me:hunter2@operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_shared_login_host_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://login.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_api_version_that_is_a_number_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
api_version = 64.0
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_api_version_that_is_none_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
api_version = "64.5"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_share_above_one_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
daily_request_share = 50
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_percentage_without_its_sign_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]
max_change = "20"

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_negative_limit_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]
max_delete = -1

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_misspelt_word_is_refused_with_the_nearest", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]
conflict = "newst"

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_time_format_that_loses_seconds_is_refused", r###"[operate]
base_url = "https://operate.example"
timestamp_format = "%Y-%m-%d %H:%M"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_time_format_that_is_none_is_refused", r###"[operate]
base_url = "https://operate.example"
timestamp_format = "%Y-%m-%d %Q"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_name_that_would_break_a_query_is_refused", r###"[operate]
base_url = "https://operate.example"
id_field = "lead]id"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_address_to_listen_on_needs_a_port", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[ops]
listen = "localhost"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_postgres_store_is_not_supported_yet_and_its_password_not_shown", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[store]
url = "postgres://me:hunter2@db/leads"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_store_in_memory_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]

[store]
url = "sqlite::memory:"
"###, Vec::<(&str,&str)>::new()));
    all.push(("the_jwt_flow_is_not_supported_yet", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { flow = "jwt_bearer", client_id = "salesforce-id", username = "me", private_key = "file:key.pem" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("the_refresh_token_flow_is_not_supported_yet", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { flow = "refresh_token", client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("propagating_deletes_is_not_supported_yet", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]
delete = "propagate"

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_user_name_without_its_grant_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", username = "me", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_mapping_without_fields_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

"###, Vec::<(&str,&str)>::new()));
    all.push(("two_fields_of_one_name_are_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "email"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_name_with_capitals_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "Status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("two_fields_that_write_the_same_field_are_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "EMAIL"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("the_id_cannot_be_mapped", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadid"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("the_external_id_cannot_be_mapped", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "operate_lead_id__c"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_match_key_that_is_no_field_is_refused_with_the_nearest", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["emial"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_match_key_that_is_no_list_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = ["email"]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_empty_match_key_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"], []]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_value_map_on_a_number_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
type = "number"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_choice_without_a_value_map_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
type = "choice"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_unknown_rule_without_a_value_map_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
unknown = "keep"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("two_rows_that_share_a_counterpart_both_ways_are_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Fresh", "Open"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_value_that_goes_to_two_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["New", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_row_that_stands_twice_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["New", "Open"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_one_way_row_without_a_row_to_read_it_back_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed", "to_salesforce"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_row_of_one_value_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_misspelt_way_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Open", "to_salseforce"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_value_that_is_a_number_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", 3]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_unknown_rule_that_is_in_no_row_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
unknown = "Lots"
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_default_that_is_no_number_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
type = "number"
default = { operate = "many" }

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_default_that_is_no_boolean_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
type = "boolean"
default = { operate = 1 }

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_default_that_is_no_date_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
type = "date"
default = { operate = "31/12/2026" }

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_default_that_is_no_moment_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
type = "instant"
default = { operate = 2026-12-31T12:00:00 }

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_default_that_is_on_the_other_side_of_the_value_map_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
default = { operate = "Open" }
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_default_for_a_third_side_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
default = { hubspot = "Open" }
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_variable_that_is_not_set_is_named", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE_SECRET" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_variable_that_is_empty_is_named", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:EMPTY" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_file_that_is_not_there_is_named", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "file:/nowhere/secret" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_secret_of_a_wrong_type_is_not_shown", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = 8005550199 }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_secret_that_is_a_table_is_not_shown", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = { value = "hunter2" } }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_secret_under_a_misspelt_key_is_not_shown", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secrt = "hunter2" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_secret_on_a_line_that_is_no_toml_is_not_shown", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "hunter2" 

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_secret_without_quotes_is_not_shown", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = hunter2 }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("an_empty_secret_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_secret_that_names_nothing_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, Vec::<(&str,&str)>::new()));
    all.push(("a_variable_that_names_no_key_is_refused_with_the_nearest", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__OPERATE__TIMEOT"###,r###"10s"###)]));
    all.push(("a_variable_that_is_like_no_other_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__FOO__BAR"###,r###"10s"###)]));
    all.push(("a_variable_for_a_section_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__SYNC"###,r###"x"###)]));
    all.push(("a_variable_cannot_set_the_mapping", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__FIELDS__0__NAME"###,r###"x"###)]));
    all.push(("a_variable_cannot_set_a_list", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__SYNC__MATCH"###,r###"email"###)]));
    all.push(("a_wrong_value_from_a_variable_is_told_with_its_name", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"leadsync__operate__requests_per_second"###,r###"many"###)]));
    all.push(("a_share_from_a_variable_that_is_no_number_is_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__SALESFORCE__DAILY_REQUEST_SHARE"###,r###"half"###)]));
    all.push(("a_duration_from_a_variable_has_its_limits", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__SCHEDULE__OVERLAP"###,r###"1s"###)]));
    all.push(("two_variables_for_one_key_are_refused", r###"[operate]
base_url = "https://operate.example"
auth = { client_id = "operate-id", client_secret = "env:OPERATE" }

[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "salesforce-id", client_secret = "env:SALESFORCE" }

[sync]
match = [["email"]]

[[fields]]
name = "email"
operate = "email"
salesforce = "Email"

[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"], ["Lost", "Closed"]]
"###, vec![(r###"LEADSYNC__STORE__URL"###,r###"sqlite:a.db"###),(r###"leadsync__store__url"###,r###"sqlite:b.db"###)]));
    let mut text = String::new();
    for (n, t, v) in all {
        let env = [("OPERATE","s3cr3t-operate"),("SALESFORCE","s3cr3t-salesforce"),("EMPTY","")].into_iter().chain(v).map(|(a,b)| (a.to_owned(), b.to_owned()));
        let r = match Config::from_text(t, "leadsync.toml", env) { Ok(_) => "ACCEPTED".to_owned(), Err(e) => e.to_string() };
        text += &format!("{n}\n{r}\n\x00\n");
    }
    std::fs::write("/tmp/gen/out.txt", text).unwrap();
}
