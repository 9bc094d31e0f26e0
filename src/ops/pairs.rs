//! stub
use super::*;
#[derive(Debug)]
pub struct Pairs;
pub enum Shown {
    Leads(Arc<Ops>),
    StandsBy(Reason),
    Fails(String),
}
impl Pairs {
    pub fn new() -> Arc<Self> {
        Arc::new(Self)
    }
    pub fn show(&self, _name: &str, _shown: Shown) {}
    pub fn remove(&self, _name: &str) {}
}
pub async fn serve_pairs(_pairs: Arc<Pairs>, address: SocketAddr) -> Result<Served, ListenError> {
    serve_app(address, |_| Router::new()).await
}
impl Ops {
    pub fn of_pair(_name: &str, config: &Config, store: Arc<Store>) -> Arc<Self> {
        Self::new(config, store)
    }
}
