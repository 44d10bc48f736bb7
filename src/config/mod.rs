//! Configuration: written -> checked -> values. What is written is TOML, layered: the file, then
//! `conf.d/*.toml` beside it in order of their names, then the environment. All faults are found at
//! once and shown with file, line and a caret; nothing starts on a configuration with a fault.
//!
//! Of the tables `[gateway]`, `[keys]`, `[internal]`, `[journal]`, `[engine]` and `[reversal]` a later
//! layer replaces single keys; `TIDEGATE__GATEWAY__NAME` is the environment's name for `name` in
//! `[gateway]`. The lists `[[channel]]`, `[[host]]`, `[[route]]` and `[[merchant]]` of all files are joined; the
//! environment does not reach into them. Relative paths start at the folder of the main file.
//! Configuration holds references to secrets, never secrets.

mod values;

mod host_values;
mod secret;

mod load;

mod fault;

mod raw;

mod layers;

mod check;

mod check_lists;

mod check_hosts;

mod check_keys;

mod check_routes;

mod check_limits;

mod check_dates;

mod lint;

mod bounds;

mod journal;

mod reload;

#[cfg(test)]
mod stories;

pub use bounds::Bound;
pub use check_routes::RouteRule;
pub use fault::{ConfigErrors, Fault};
pub use host_values::{Host, Line};
pub use journal::Journal;
pub use load::{control_socket, load, load_with};
pub use reload::needs_restart;
pub use secret::{SecretError, SecretRef};
pub use values::{
    Channel, ChannelKind, ClientCertificates, Config, DateSource, Engine, Gateway, Internal, Keys,
    Log, LogFormat, LogLevel, Merchant, MerchantKey, Mode, Reversal, Seams, TlsFiles,
};
