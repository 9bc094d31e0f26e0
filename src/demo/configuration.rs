//! A configuration for the sandbox: the example's mapping, the sandbox's addresses.

use std::net::SocketAddr;
use std::path::Path;

use crate::sandbox::Addresses;

/// The example, whose mapping fits the sandbox's leads.
const EXAMPLE: &str = include_str!("../../config/leadsync.toml");

/// The text of a configuration that keeps the two systems of a sandbox in step, once a second, with its store in this folder and its
/// status page at this address (port 0: some free one).
#[must_use]
pub fn configuration(addresses: &Addresses, folder: &Path, listen: SocketAddr) -> String {
    let mapping = EXAMPLE.find("\n[[fields]]").and_then(|start| EXAMPLE.get(start..)).unwrap_or_default();
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let (operate, salesforce) = (&addresses.operate, &addresses.salesforce);
    format!(
        r#"# Made for a sandbox. config/leadsync.toml of the project explains every key.

[store]
url = {store}

[operate]
base_url = {base_url}
timezone = "Europe/London"
requests_per_second = 1000
auth = {{ client_id = {operate_id}, client_secret = "file:operate-secret" }}

[salesforce]
login_url = {login_url}
requests_per_second = 1000
auth = {{ flow = "client_credentials", client_id = {salesforce_id}, client_secret = "file:salesforce-secret" }}

[schedule]
poll = "* * * * * *"
overlap = "30s"

[sync]
match = [["email"], ["company", "postcode"]]

[ops]
listen = "{listen}"

{mapping}"#,
        store = quote(&format!("sqlite:{}", folder.join("leadsync.db").display())),
        base_url = quote(&operate.base_url),
        operate_id = quote(&operate.client_id),
        login_url = quote(&salesforce.login_url),
        salesforce_id = quote(&salesforce.client_id),
    )
}

/// Writes the configuration and the two secrets that it names into the folder, and says where it is.
pub fn write_configuration(addresses: &Addresses, folder: &Path, listen: SocketAddr) -> std::io::Result<std::path::PathBuf> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("operate-secret"), &addresses.operate.client_secret)?;
    std::fs::write(folder.join("salesforce-secret"), &addresses.salesforce.client_secret)?;
    let path = folder.join("leadsync.toml");
    std::fs::write(&path, configuration(addresses, folder, listen))?;
    Ok(path)
}
